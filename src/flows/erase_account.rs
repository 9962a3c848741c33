//! Erases an account whose days of grace are over: everything of it goes, in one change.
//!
//! 1. Its row is locked and judged anew: of a deletion and an owner who keeps the account, one comes first.
//! 2. The event log says that it is gone, and that its sessions end.
//! 3. All that is stored by its id or its proved contacts goes; the picture's file is noted for removal.
//! 4. Audit rows stay, without the person.
//! 5. Its contacts are told.

use entity::{
    account_events::Kind,
    user_audit_log::Category,
    user_sessions::Actor,
    users::{self, Role},
};
use serde_json::json;
use uuid::Uuid;

use super::{change::Change, delete_account::ADMINISTRATORS, notify};
use crate::{
    app::App,
    outbound::message::{NewMessage, Template},
    storage::{
        audit::{self, Entry},
        deletions,
        error::StorageError,
        sessions::{self, Ending, Which},
    },
};

/// Audit rows that are written anew in the same transaction. The few accounts with more have the rest of them done by the clean-up, after it.
const AUDIT_ROWS: u64 = 1_000;

/// Erases it; false where it is not, or no longer, to go.
pub async fn run(app: &App, user_id: Uuid) -> Result<bool, StorageError> {
    let mut change = Change::begin_own(app, app.clock.now()).await?;
    change.lock(ADMINISTRATORS.0, ADMINISTRATORS.1).await?;
    let Some(user) = deletions::lock_due(change.db(), user_id, change.now).await? else {
        change.abandon().await?;
        return Ok(false);
    };
    if user.role == Role::Admin && !deletions::has_other_admin(change.db(), user_id).await? {
        change.abandon().await?;
        tracing::warn!(user.id = %user_id, "the account of the last administrator is kept although its deletion is due");
        return Ok(false);
    }
    let mut entry = Entry::success("account_deleted", Category::Account, None);
    entry.actor = Actor::System;
    within(app, &mut change, &user, entry).await?;
    change.commit().await?;
    Ok(true)
}

/// Erases an account inside a change that has locked its row. `entry` is what the audit log keeps of it: it must not name the person.
pub async fn within(app: &App, change: &mut Change<'_>, user: &users::Model, entry: Entry) -> Result<(), StorageError> {
    change.lock("sessions", &user.id.simple().to_string()).await?;
    // Before the end of the sessions, so that a stream which ends with one of them has told it.
    change.tell(Kind::Deleted, user.id);
    let ending = Ending { by: Actor::System, reason: "account deleted", suspicious: false };
    let ended = sessions::revoke(change.db(), Which::AllOf(user.id), ending, change.now).await?;
    for session_id in &ended {
        change.tell_session(Kind::SessionRevoked, user.id, *session_id);
    }
    deletions::erase(change.db(), user, change.now).await?;
    audit::erase_user(change.db(), user.id, AUDIT_ROWS).await?;
    let mut metadata = entry.metadata.clone();
    metadata["sessionsEnded"] = json!(ended.len());
    change.audit(entry.with(metadata));
    for message in notify::all_contacts_unasked(app, user, &Template::AccountDeleted {}, change.now) {
        // There is nobody any more to whom it could belong.
        change.send(NewMessage { user_id: None, ..message });
    }
    Ok(())
}
