//! What can meet every operation: GraphQL errors with a code, and the end of every error that is not one of them.

use std::{fmt::Display, time::Duration};

use async_graphql::{Error, ErrorExtensionValues, ServerError, Value};

use crate::{
    flows::{caller::Reason, failure::Fault, standing::Lost},
    storage::error::StorageError,
};

/// The `extensions.code` of a GraphQL error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The field needs credentials that hold; `reason` says what is wrong with those that came.
    Unauthenticated,
    /// The field needs a recent proof: `reauthenticate`, then once more.
    ReauthenticationRequired,
    /// Not for this caller, whatever they prove.
    Forbidden,
    /// Too often; `retryAfterSeconds` says when it may succeed.
    RateLimited,
    /// No room, or a store that does not answer; `retryAfterSeconds` says when to try again.
    Overloaded,
    /// The request is wrong, and would be wrong again.
    BadRequest,
    /// The cursor is older than the log.
    CursorExpired,
    /// The operation asks for more than one operation may.
    OperationTooComplex,
    /// Something broke here; the log has the cause under the request id.
    Internal,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: [Self; 9] = [
        Self::Unauthenticated,
        Self::ReauthenticationRequired,
        Self::Forbidden,
        Self::RateLimited,
        Self::Overloaded,
        Self::BadRequest,
        Self::CursorExpired,
        Self::OperationTooComplex,
        Self::Internal,
    ];

    /// As in `extensions.code`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::ReauthenticationRequired => "REAUTHENTICATION_REQUIRED",
            Self::Forbidden => "FORBIDDEN",
            Self::RateLimited => "RATE_LIMITED",
            Self::Overloaded => "OVERLOADED",
            Self::BadRequest => "BAD_REQUEST",
            Self::CursorExpired => "CURSOR_EXPIRED",
            Self::OperationTooComplex => "OPERATION_TOO_COMPLEX",
            Self::Internal => "INTERNAL",
        }
    }

    /// The HTTP status of an answer whose `data` is null or absent by it.
    pub const fn status(self) -> u16 {
        match self {
            Self::Unauthenticated => 401,
            Self::ReauthenticationRequired | Self::Forbidden => 403,
            Self::RateLimited => 429,
            Self::Overloaded => 503,
            Self::BadRequest | Self::CursorExpired | Self::OperationTooComplex => 400,
            Self::Internal => 500,
        }
    }

    /// The code of an error, where it carries one of ours.
    pub fn of(error: &ServerError) -> Option<Self> {
        match error.extensions.as_ref()?.get("code")? {
            Value::String(code) => Self::ALL.into_iter().find(|known| known.as_str() == code),
            _ => None,
        }
    }
}

/// The end of a subscription whose session is over: the last item of its stream, after which the socket closes with 4401.
pub fn session_ended() -> Error {
    unauthenticated(Reason::SessionEnded)
}

/// Why somebody may not, or not any more, what administrators and machines may.
pub fn lost(lost: Lost) -> Error {
    match lost {
        Lost::SessionEnded => session_ended(),
        Lost::TokenEnded => unauthenticated(Reason::TokenInvalid),
        Lost::Role => forbidden(),
        Lost::SecondFactor => second_factor_required(),
    }
}

/// Whether an error is the end of the session, or of the machine token, that a subscription ran by.
pub fn is_session_end(error: &ServerError) -> bool {
    let reason = error.extensions.as_ref().and_then(|values| values.get("reason"));
    ErrorCode::of(error) == Some(ErrorCode::Unauthenticated)
        && (reason == Some(&Value::from("SESSION_ENDED")) || reason == Some(&Value::from("TOKEN_INVALID")))
}

/// Whether an error says that the root field of a subscription that ran is not for its caller any more.
pub fn is_right_lost(error: &ServerError) -> bool {
    ErrorCode::of(error) == Some(ErrorCode::Forbidden) && error.path.len() == 1
}

/// UNAUTHENTICATED; FORBIDDEN to a machine where a person is needed; OVERLOADED where the credentials could not be checked.
pub fn unauthenticated(reason: Reason) -> Error {
    let (name, message) = match reason {
        Reason::TokenMissing => ("TOKEN_MISSING", "Sign in first."),
        Reason::TokenExpired => ("TOKEN_EXPIRED", "The access token has expired."),
        Reason::TokenInvalid => ("TOKEN_INVALID", "The access token is not valid."),
        Reason::SessionEnded => ("SESSION_ENDED", "The session is over."),
        Reason::NoPerson => return forbidden(),
        Reason::Unavailable => return overloaded(Duration::from_secs(1)),
    };
    with_reason(new(ErrorCode::Unauthenticated, message), name)
}

/// FORBIDDEN to an administrator whose session never had a second factor.
pub fn second_factor_required() -> Error {
    with_reason(forbidden(), "SECOND_FACTOR_REQUIRED")
}

/// REAUTHENTICATION_REQUIRED.
pub fn reauthentication_required() -> Error {
    new(ErrorCode::ReauthenticationRequired, "Prove again who is there: `reauthenticate`.")
}

/// FORBIDDEN.
pub fn forbidden() -> Error {
    new(ErrorCode::Forbidden, "Not allowed.")
}

/// FORBIDDEN, with a reason for programs.
pub fn forbidden_because(reason: &'static str) -> Error {
    with_reason(forbidden(), reason)
}

/// RATE_LIMITED.
pub fn rate_limited(retry_after: Duration) -> Error {
    retry_after_seconds(new(ErrorCode::RateLimited, "Too many requests."), retry_after)
}

/// OVERLOADED.
pub fn overloaded(retry_after: Duration) -> Error {
    retry_after_seconds(new(ErrorCode::Overloaded, "Too busy at the moment."), retry_after)
}

/// BAD_REQUEST, with what is wrong, in words of ours.
pub fn bad_request(message: impl Into<String>) -> Error {
    new(ErrorCode::BadRequest, message)
}

/// BAD_REQUEST, with a reason for programs.
pub fn bad_request_because(reason: &'static str, message: impl Into<String>) -> Error {
    with_reason(bad_request(message), reason)
}

/// CURSOR_EXPIRED.
pub fn cursor_expired() -> Error {
    new(ErrorCode::CursorExpired, "The cursor is too old: read the state anew.")
}

/// OPERATION_TOO_COMPLEX, with the limit that was met.
pub fn too_complex(message: impl Into<String>) -> Error {
    new(ErrorCode::OperationTooComplex, message)
}

/// INTERNAL. The cause goes to the log, once, when the answer is made; never to the client.
pub fn internal(cause: impl Display + Send + Sync + 'static) -> Error {
    Error::new_with_source(cause)
}

/// OVERLOADED where the database does not answer, else INTERNAL.
pub fn storage(error: StorageError) -> Error {
    match error {
        StorageError::Unavailable | StorageError::Orphan => overloaded(Duration::from_secs(2)),
        other => internal(other),
    }
}

/// INTERNAL, from a flow.
pub fn fault(fault: Fault) -> Error {
    internal(fault)
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that makes errors for clients, always with a code")]
fn new(code: ErrorCode, message: impl Into<String>) -> Error {
    let mut error = Error::new(message);
    set(&mut error.extensions, "code", code.as_str().into());
    error
}

fn with_reason(mut error: Error, reason: &'static str) -> Error {
    set(&mut error.extensions, "reason", reason.into());
    error
}

fn retry_after_seconds(mut error: Error, retry_after: Duration) -> Error {
    set(&mut error.extensions, "retryAfterSeconds", Value::from(whole_seconds(retry_after)));
    error
}

/// Rounded up, one at least, as in `Retry-After`.
pub fn whole_seconds(duration: Duration) -> u64 {
    (duration.as_secs() + u64::from(duration.subsec_nanos() > 0)).max(1)
}

/// The `retryAfterSeconds` of an error.
pub fn retry_after_of(error: &ServerError) -> Option<u64> {
    match error.extensions.as_ref()?.get("retryAfterSeconds")? {
        Value::Number(seconds) => seconds.as_u64(),
        _ => None,
    }
}

fn set(extensions: &mut Option<ErrorExtensionValues>, name: &str, value: Value) {
    extensions.get_or_insert_default().set(name, value);
}

/// Makes an error fit for a client: it has a code and the request id, and nothing of what is inside.
///
/// An error with a code is one of ours. Without one it is either a fault (it has a source), which is logged here, once, and becomes
/// INTERNAL; or the library's own word on a request that is wrong, which becomes BAD_REQUEST.
pub fn finish(error: &mut ServerError, request_id: &str) {
    if ErrorCode::of(error).is_none() {
        let source = error.source.take();
        let code = if source.is_some() || is_our_own_fault(&error.message) {
            tracing::error!(request.id = request_id, path = ?error.path, cause = %error.message, "a resolver failed");
            "Something went wrong.".clone_into(&mut error.message);
            ErrorCode::Internal
        } else {
            plain(&mut error.message);
            ErrorCode::BadRequest
        };
        error.extensions = None;
        set(&mut error.extensions, "code", code.as_str().into());
    }
    error.source = None;
    set(&mut error.extensions, "requestId", request_id.into());
}

/// What the library says about mistakes in the program, not in the request.
fn is_our_own_fault(message: &str) -> bool {
    message.starts_with("Data `") || message.starts_with("internal:")
}

/// One line of bounded length without control characters: the library quotes what the client sent.
fn plain(message: &mut String) {
    const LONGEST: usize = 300;
    if message.len() > LONGEST || message.contains(char::is_control) {
        *message = message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_again_by_its_name() {
        for code in ErrorCode::ALL {
            let error = new(code, "x").into_server_error(async_graphql::Pos::default());
            assert_eq!(ErrorCode::of(&error), Some(code));
        }
    }

    #[test]
    fn what_is_inside_never_reaches_the_client() {
        // H13
        let mut error = internal("column users.password_hash does not exist").into_server_error(async_graphql::Pos::default());
        finish(&mut error, "r1");
        let json = serde_json::to_string(&error).unwrap();
        assert!(!json.contains("password_hash"), "{json}");
        assert_eq!(ErrorCode::of(&error), Some(ErrorCode::Internal));
        assert!(json.contains(r#""requestId":"r1""#), "{json}");
    }

    #[test]
    fn seconds_are_rounded_up() {
        assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
        assert_eq!(whole_seconds(Duration::from_millis(1001)), 2);
        assert_eq!(whole_seconds(Duration::ZERO), 1);
    }

    #[test]
    fn the_end_of_a_session_is_recognised() {
        assert!(is_session_end(&session_ended().into_server_error(async_graphql::Pos::default())));
        assert!(!is_session_end(&unauthenticated(Reason::TokenExpired).into_server_error(async_graphql::Pos::default())));
    }
}
