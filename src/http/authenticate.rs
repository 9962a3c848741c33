//! What a request brings to prove who it comes from, and whom to ask about it.

use std::fmt;

use async_trait::async_trait;
use axum::http::{HeaderMap, header};
use futures::future::BoxFuture;
use uuid::Uuid;

use super::cookies::{CookieKind, CookieStyle};
use crate::flows::caller::Identity;

/// The credentials of a request.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// None.
    Nothing,
    /// An access token, by header or by cookie.
    AccessToken(String),
    /// Something that is no access token at all.
    Unreadable,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::AccessToken(_) => "AccessToken(…)",
            Self::Unreadable => "Unreadable",
        })
    }
}

/// Knows sessions. The composition root implements it by the flow `authenticate`.
#[async_trait]
pub trait Authenticate: Send + Sync + 'static {
    /// From credentials to an identity; never fails, it says why instead.
    async fn authenticate(&self, credentials: Credentials) -> Identity;

    /// Whose identity it is, where that is known: sockets are counted by user, and by machine token.
    fn user_id(&self, identity: &Identity) -> Option<Uuid>;

    /// Resolves once the identity's session or machine token is over, at once if it already is; never for anybody without either.
    fn session_ended(&self, identity: &Identity) -> BoxFuture<'static, ()>;
}

/// Whether cookies count for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieUse {
    /// They do, unless the request has an `Authorization` header.
    Count,
    /// They do not: another site could have made the browser send them.
    Ignore,
}

/// What was found on a request.
#[derive(Debug)]
pub struct Presented {
    /// Who it claims to come from.
    pub credentials: Credentials,
    /// The device token.
    pub device_token: Option<String>,
    /// The refresh token of the cookie.
    pub refresh_cookie: Option<String>,
}

/// Longer values are none of ours.
const LONGEST_TOKEN: usize = 4096;
/// Longer device tokens are none of ours.
const LONGEST_DEVICE_TOKEN: usize = 128;

/// Reads the credentials of a request. A Bearer token wins: where it comes, the cookies are ignored.
pub fn presented(headers: &HeaderMap, style: CookieStyle, cookies: CookieUse) -> Presented {
    let by_header = headers.get(header::AUTHORIZATION).map(|value| value.to_str().map_or(Credentials::Unreadable, bearer));
    let cookies_count = cookies == CookieUse::Count && by_header.is_none();
    let cookie = |kind| if cookies_count { style.find(headers, kind) } else { None };
    let credentials = by_header.unwrap_or_else(|| cookie(CookieKind::Access).map_or(Credentials::Nothing, token));
    let device_header = headers.get("postern-device").and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty());
    Presented {
        credentials,
        device_token: device_header
            .or_else(|| cookie(CookieKind::Device))
            .filter(|token| token.len() <= LONGEST_DEVICE_TOKEN)
            .map(str::to_owned),
        refresh_cookie: cookie(CookieKind::Refresh).filter(|token| token.len() <= LONGEST_TOKEN).map(str::to_owned),
    }
}

/// Reads `Bearer <token>`, as in `Authorization` and in `connection_init`.
pub fn bearer(value: &str) -> Credentials {
    match value.split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => token(rest.trim()),
        _ => Credentials::Unreadable,
    }
}

fn token(text: &str) -> Credentials {
    if text.is_empty() || text.len() > LONGEST_TOKEN { Credentials::Unreadable } else { Credentials::AccessToken(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn read(pairs: &[(&'static str, &'static str)], cookies: CookieUse) -> Presented {
        let headers = pairs.iter().map(|(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
        presented(&headers, CookieStyle::for_url(&"http://localhost:4000".parse().unwrap()), cookies)
    }

    #[test]
    fn a_bearer_token_wins_and_cookies_are_ignored_then() {
        let cookie = ("cookie", "postern_access=c; postern_refresh=r; postern_device=d");
        let both = read(&[("authorization", "bearer  h"), cookie], CookieUse::Count);
        assert_eq!(both.credentials, Credentials::AccessToken("h".to_owned()));
        assert_eq!((both.refresh_cookie, both.device_token), (None, None));
        let cookies = read(&[cookie], CookieUse::Count);
        assert_eq!(cookies.credentials, Credentials::AccessToken("c".to_owned()));
        assert_eq!(cookies.refresh_cookie.as_deref(), Some("r"));
        assert_eq!(cookies.device_token.as_deref(), Some("d"));
        let ignored = read(&[cookie, ("postern-device", "h")], CookieUse::Ignore);
        assert_eq!(ignored.credentials, Credentials::Nothing);
        assert_eq!(ignored.device_token.as_deref(), Some("h"));
    }

    #[test]
    fn other_schemes_are_not_nothing() {
        for value in ["Basic abc", "Bearer", "Bearer ", "x"] {
            assert_eq!(bearer(value), Credentials::Unreadable, "{value}");
        }
    }

    #[test]
    fn tokens_are_not_shown() {
        assert!(!format!("{:?}", Credentials::AccessToken("secret".to_owned())).contains("secret"));
    }
}
