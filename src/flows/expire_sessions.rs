//! Ends sessions whose time is over: each is marked, told and audited once, whoever looks and however many look at once.

use entity::{
    account_events::Kind,
    user_audit_log::{Category, Retention},
    user_sessions::Actor,
};

use super::change::Change;
use crate::{
    app::App,
    storage::{audit::Entry, error::StorageError, sessions},
};

/// Ends at most `limit`; how many.
pub async fn run(app: &App, limit: u64) -> Result<u64, StorageError> {
    let mut change = Change::begin_own(app, app.clock.now()).await?;
    let expired = sessions::expire_due(change.db(), limit, change.now).await?;
    if expired.is_empty() {
        change.abandon().await?;
        return Ok(0);
    }
    for (session_id, user_id) in &expired {
        change.tell_session(Kind::SessionExpired, *user_id, *session_id);
        let entry = Entry::success("session_expired", Category::Authentication, Some(*user_id)).in_session(*session_id);
        change.audit(Entry { actor: Actor::System, actor_user_id: None, retention: Retention::Standard, ..entry });
    }
    change.commit().await?;
    Ok(expired.len() as u64)
}
