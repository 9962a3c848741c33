//! What a row of the audit log says beside what its flow said: derived here, once for all of them.

use entity::{user_audit_log::Status, user_sessions::Actor};
use serde_json::{Value, json};

use super::audit::{Entry, Request};

/// What was acted on: its kind and its id.
pub(super) fn resource(entry: &Entry) -> Option<(&'static str, String)> {
    if let Some(passkey) = entry.metadata.get("passkeyId").and_then(Value::as_str) {
        return Some(("passkey", passkey.to_owned()));
    }
    let session = entry.session_id.map(|id| ("session", id.to_string()));
    let user = entry.user_id.map(|id| ("user", id.to_string()));
    if family(entry.event_type) == Some("session") { session.or(user) } else { user.or(session) }
}

/// One sentence for whoever reads along.
pub(super) fn message(entry: &Entry) -> String {
    let words = entry.event_type.replace('_', " ");
    let mut letters = words.chars();
    let words: String = letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect();
    match (entry.status, entry.result_code) {
        (Status::Success, _) => words,
        (Status::Failure, Some(code)) => format!("{words} refused: {code}"),
        (Status::Failure, None) => format!("{words} refused"),
        (Status::Partial, _) => format!("{words} in part"),
        (Status::Pending, _) => format!("{words} waits for its proof"),
    }
}

/// What it can be found by: its family, who acted where it was not the person, and what the flow added.
pub(super) fn tags(entry: &Entry) -> Value {
    let actor = match entry.actor {
        Actor::User => None,
        Actor::Admin => Some("by_admin"),
        Actor::System => Some("by_system"),
        Actor::Security => Some("by_security"),
    };
    let all: Vec<&str> = family(entry.event_type).into_iter().chain(actor).chain(entry.tags.iter().copied()).collect();
    json!(all)
}

/// Event types that belong together.
fn family(event_type: &str) -> Option<&'static str> {
    const FAMILIES: [(&str, &str); 17] = [
        ("login", "session"),
        ("logout", "session"),
        ("session", "session"),
        ("token_refresh", "session"),
        ("refresh_token", "session"),
        ("reauthentication", "session"),
        ("password", "password"),
        ("email", "contact"),
        ("phone", "contact"),
        ("contact", "contact"),
        ("totp", "second_factor"),
        ("recovery_code", "second_factor"),
        ("second_factor", "second_factor"),
        ("passkey", "passkey"),
        ("identity", "provider"),
        ("device", "device"),
        ("machine_token", "machine_token"),
    ];
    FAMILIES.iter().find(|(start, _)| event_type.starts_with(start)).map(|(_, family)| *family)
}

/// The HTTP status of the answer, where it follows from what happened: GraphQL over HTTP answers a problem with 200 as it does a success, and the
/// few errors that a flow refuses with have their own.
pub(super) fn response_status(entry: &Entry, request: &Request) -> Option<i32> {
    request.params.as_ref()?;
    Some(match entry.result_code {
        Some("UNAUTHENTICATED") => 401,
        Some("FORBIDDEN" | "REAUTHENTICATION_REQUIRED") => 403,
        Some("RATE_LIMITED") => 429,
        Some("OVERLOADED") => 503,
        Some(_) | None => 200,
    })
}

#[cfg(test)]
mod tests {
    use entity::user_audit_log::Category;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn rows_say_what_they_are_about() {
        let (user, session) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let login = Entry::success("login", Category::Authentication, Some(user)).in_session(session);
        assert_eq!(resource(&login), Some(("session", session.to_string())));
        assert_eq!((message(&login).as_str(), tags(&login)), ("Login", json!(["session"])));
        let change = Entry::success("password_change", Category::Security, Some(user)).in_session(session).by(Actor::Admin, None);
        assert_eq!(resource(&change), Some(("user", user.to_string())));
        assert_eq!(tags(&change.tagged(&["by_link"])), json!(["password", "by_admin", "by_link"]));
        let refused = Entry::failure("sign_up", Category::Account, None, "CODE_INVALID");
        assert_eq!((resource(&refused), message(&refused).as_str()), (None, "Sign up refused: CODE_INVALID"));
        let passkey = Entry::success("passkey_added", Category::Security, Some(user)).with(json!({ "passkeyId": session }));
        assert_eq!(resource(&passkey), Some(("passkey", session.to_string())));
    }
}
