//! Revokes a machine token: every instance hears of it with the event log, refuses it and closes its sockets within a second.

use entity::{machine_tokens::Model, user_audit_log::Category, user_sessions::Actor};
use serde_json::json;
use uuid::Uuid;

use super::{change::Change, failure::Failure};
use crate::{
    app::App,
    storage::{audit::Entry, machine_tokens},
};

/// What became of it.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It is revoked now.
    Revoked(Model),
    /// It was revoked before.
    RevokedBefore(Model),
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No token has this id.
    NotFound,
}

/// Revokes the token with this id.
pub async fn run(app: &App, id: &str) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    let id = Uuid::try_parse(id).map_err(|_| Failure::Refused(Refusal::NotFound))?;
    let mut change = Change::begin_own(app, now).await?;
    let Some(row) = machine_tokens::revoke(change.db(), id, now).await? else {
        let row = machine_tokens::find_by_id(change.db(), id).await?;
        change.abandon().await?;
        return row.map(Outcome::RevokedBefore).ok_or(Failure::Refused(Refusal::NotFound));
    };
    let told = json!({ "machineToken": row.id, "name": row.name });
    change.audit(Entry::success("machine_token_revoked", Category::Security, None).by(Actor::System, None).with(told));
    change.commit().await?;
    app.events.freshness().machine_tokens_changed();
    Ok(Outcome::Revoked(row))
}
