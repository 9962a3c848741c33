//! The messages of `graphql-transport-ws` and its close codes.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Why a socket closes, as the protocol and RFC 6455 number it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// 1001: shutdown or greatest age; come again.
    GoingAway,
    /// 1008: more frames than anybody needs.
    Flood,
    /// 1009: a frame over the limit.
    TooLarge,
    /// 1013: no room, or the database does not answer; come again later.
    TryAgainLater,
    /// 4400: not a message of the protocol.
    BadRequest,
    /// 4401: not signed in, or the session is over; clients stop.
    Unauthorized,
    /// 4403: the access token has expired, or the role is gone that a subscription needs; clients refresh and come again.
    Forbidden,
    /// 4406: another subprotocol.
    Subprotocol,
    /// 4408: no `connection_init` in time.
    InitTimeout,
    /// 4409: the id is in use.
    Duplicate,
    /// 4429: a second `connection_init`.
    TooManyInits,
}

impl Close {
    /// The code on the wire.
    pub const fn code(self) -> u16 {
        match self {
            Self::GoingAway => 1001,
            Self::Flood => 1008,
            Self::TooLarge => 1009,
            Self::TryAgainLater => 1013,
            Self::BadRequest => 4400,
            Self::Unauthorized => 4401,
            Self::Forbidden => 4403,
            Self::Subprotocol => 4406,
            Self::InitTimeout => 4408,
            Self::Duplicate => 4409,
            Self::TooManyInits => 4429,
        }
    }

    /// The words beside it.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::GoingAway => "Going away",
            Self::Flood => "Too many messages",
            Self::TooLarge => "Message too large",
            Self::TryAgainLater => "Try again later",
            Self::BadRequest => "Bad request",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::Subprotocol => "Subprotocol not acceptable",
            Self::InitTimeout => "Connection initialisation timeout",
            Self::Duplicate => "Subscriber already exists",
            Self::TooManyInits => "Too many initialisation requests",
        }
    }
}

/// What a client says.
#[derive(Debug)]
pub enum FromClient<'a> {
    /// It wants to begin; with its token, if it gave one.
    Init(Option<String>),
    /// It asks whether we live.
    Ping(Option<&'a RawValue>),
    /// It lives.
    Pong,
    /// It subscribes.
    Subscribe {
        /// Its own name for it.
        id: String,
        /// The parameters of GraphQL over HTTP.
        payload: &'a RawValue,
    },
    /// It wants no more of that.
    Complete(String),
}

#[derive(Deserialize)]
struct Flat<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    id: Option<String>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct InitPayload {
    #[serde(default, alias = "Authorization")]
    authorization: Option<String>,
}

/// Longer ids name no subscription.
const LONGEST_ID: usize = 128;

/// Reads a message; none where it is none of the protocol's.
pub fn read(text: &str) -> Option<FromClient<'_>> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let flat: Flat<'_> = serde_json::from_str(text).ok()?;
    let payload = flat.payload.filter(|payload| payload.get() != "null");
    let id = || flat.id.clone().filter(|id| !id.is_empty() && id.len() <= LONGEST_ID);
    Some(match flat.kind.as_ref() {
        "connection_init" => FromClient::Init(match payload {
            None => None,
            Some(payload) if payload.get().starts_with('{') => serde_json::from_str::<InitPayload>(payload.get()).ok()?.authorization,
            Some(_) => return None,
        }),
        "ping" => FromClient::Ping(payload),
        "pong" => FromClient::Pong,
        "subscribe" => FromClient::Subscribe { id: id()?, payload: payload? },
        "complete" => FromClient::Complete(id()?),
        _ => return None,
    })
}

/// `connection_ack`.
pub const ACK: &str = r#"{"type":"connection_ack"}"#;

/// `pong`, with the payload of its `ping`.
pub fn pong(payload: Option<&RawValue>) -> String {
    payload.map_or_else(|| r#"{"type":"pong"}"#.to_owned(), |payload| format!(r#"{{"type":"pong","payload":{payload}}}"#))
}

/// `next`, `error` or `complete`.
pub fn about(kind: &'static str, id: &str, payload: Option<&[u8]>) -> String {
    let mut text = String::with_capacity(48 + id.len() + payload.map_or(0, <[u8]>::len));
    text.push_str(r#"{"type":""#);
    text.push_str(kind);
    text.push_str(r#"","id":"#);
    text.push_str(&serde_json::to_string(id).unwrap_or_default());
    if let Some(payload) = payload {
        text.push_str(r#","payload":"#);
        text.push_str(&String::from_utf8_lossy(payload));
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read() {
        assert!(matches!(read(r#"{"type":"connection_init"}"#), Some(FromClient::Init(None))));
        assert!(matches!(read(r#"{"type":"connection_init","payload":null}"#), Some(FromClient::Init(None))));
        let Some(FromClient::Init(Some(token))) = read(r#"{"type":"connection_init","payload":{"authorization":"Bearer x","y":1}}"#) else {
            panic!("init");
        };
        assert_eq!(token, "Bearer x");
        let Some(FromClient::Subscribe { id, payload }) = read(r#"{"id":"1","type":"subscribe","payload":{"query":"{a}"}}"#) else {
            panic!("subscribe");
        };
        assert_eq!((id.as_str(), payload.get()), ("1", r#"{"query":"{a}"}"#));
    }

    #[test]
    fn what_is_no_message_is_none() {
        // H19
        for text in [
            "",
            "x",
            "[]",
            r#"["ping"]"#,
            r#"{"type":"start","id":"1","payload":{}}"#,
            r#"{"type":"subscribe","payload":{}}"#,
            r#"{"type":"subscribe","id":"","payload":{}}"#,
            r#"{"type":"subscribe","id":1,"payload":{}}"#,
            r#"{"type":"subscribe","id":"1"}"#,
            r#"{"type":"connection_init","payload":"x"}"#,
            r#"{"type":"connection_init","payload":{"authorization":1}}"#,
            r#"{"type":"complete"}"#,
        ] {
            assert!(read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn ids_are_quoted() {
        assert_eq!(about("next", "a\"b", Some(b"{}")), r#"{"type":"next","id":"a\"b","payload":{}}"#);
        assert_eq!(about("complete", "1", None), r#"{"type":"complete","id":"1"}"#);
    }
}
