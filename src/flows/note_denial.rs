//! Writes down that somebody asked for what they may not do: an attempt to gain rights, or a role that is older than they know.

use entity::{user_audit_log::Category, user_sessions::Actor};
use serde_json::json;

use super::{caller::Caller, change};
use crate::{app::App, storage::audit::Entry};

/// Does it. The refusal stands whether this succeeds or not.
pub async fn run(app: &App, caller: &Caller, field: &str) {
    let Ok(principal) = caller.principal() else { return };
    let entry = Entry::failure("access_denied", Category::Security, principal.user_id, "FORBIDDEN");
    // Whoever was denied acts as themselves, not as an administrator.
    let actor = if principal.user_id.is_some() { Actor::User } else { principal.actor };
    let entry = entry.by(actor, principal.user_id).with(json!({ "field": field }));
    if let Err(error) = change::record(app, caller, vec![entry], app.clock.now()).await {
        tracing::warn!(%error, "a denial could not be written to the audit log");
    }
}
