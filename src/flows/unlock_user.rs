//! Ends a lockout for somebody: wrong passwords and wrong codes of the app are forgotten, from wherever they came.

use entity::{account_events::Kind, attempt_counters::Model as Counter, link_tokens::Purpose, user_audit_log::Category, users};
use serde_json::json;

use super::{administer::Act, caller::Caller, change::Change, failure::Failure, lockout};
use crate::{
    app::App,
    clock::Timestamp,
    storage::{attempt_counters, link_tokens},
};

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody has this id.
    UserNotFound,
}

/// Unlocks; an account that is not locked stays as it is.
pub async fn run(app: &App, caller: &Caller, user_id: &str) -> Result<users::Model, Failure<Refusal>> {
    let now = app.clock.now();
    let act = Act::of(caller, user_id)?;
    let ended = unlock(app, caller, act, now).await;
    if let Err(Failure::Refused(Refusal::UserNotFound)) = &ended {
        act.record_refusal(app, caller, ("account_unlocked", "USER_NOT_FOUND"), now).await?;
    }
    ended
}

async fn unlock(app: &App, caller: &Caller, act: Act<'_>, now: Timestamp) -> Result<users::Model, Failure<Refusal>> {
    let mut change = Change::begin(app, caller, now).await?;
    let user = act.hold(&change, &[], Refusal::UserNotFound).await?;
    let most = lockout::password_policy(&app.config).in_a_row;
    let counters = attempt_counters::list_of_user(change.db(), user.id).await?;
    let is_locked = |counter: &Counter| counter.total >= most || counter.locked_until.is_some_and(|until| until > now);
    let was_locked = counters.iter().any(is_locked);
    for kind in [lockout::PASSWORD, lockout::SECOND_FACTOR] {
        attempt_counters::clear_all_of_user(change.db(), kind, user.id).await?;
    }
    link_tokens::consume_all_of_user(change.db(), user.id, &[Purpose::Unlock], now).await?;
    if was_locked {
        change.tell(Kind::Unlocked, user.id);
    }
    change.audit(act.success("account_unlocked", Category::Security).with(json!({ "wasLocked": was_locked })));
    change.commit().await?;
    Ok(user)
}
