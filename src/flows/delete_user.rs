//! Erases somebody's account at once, without days of grace.

use entity::user_audit_log::Category;
use serde_json::json;
use uuid::Uuid;

use super::{
    administer::{self, Act},
    caller::Caller,
    change::Change,
    erase_account,
    failure::Failure,
};
use crate::{app::App, clock::Timestamp, domain::reason::Reason, storage::audit::Entry};

/// What is wanted.
pub struct Input {
    /// Whose.
    pub user_id: String,
    /// Why: it outlives the person in the audit log.
    pub reason: String,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody has this id.
    UserNotFound,
    /// Missing, too long, or not readable.
    Reason,
    /// Nobody else could administrate the deployment.
    LastAdmin,
}

impl Refusal {
    /// As the audit log has it.
    const fn code(self) -> &'static str {
        match self {
            Self::UserNotFound => "USER_NOT_FOUND",
            Self::Reason => "INVALID_INPUT",
            Self::LastAdmin => "LAST_ADMIN",
        }
    }
}

/// Erases it, and returns whose it was.
pub async fn run(app: &App, caller: &Caller, input: &Input) -> Result<Uuid, Failure<Refusal>> {
    let now = app.clock.now();
    let act = Act::of(caller, &input.user_id)?;
    let ended = delete(app, caller, act, &input.reason, now).await;
    if let Err(Failure::Refused(refusal)) = &ended {
        act.record_refusal(app, caller, ("account_deleted", refusal.code()), now).await?;
    }
    ended
}

async fn delete(app: &App, caller: &Caller, act: Act<'_>, reason: &str, now: Timestamp) -> Result<Uuid, Failure<Refusal>> {
    let reason = Reason::parse(reason).ok_or(Failure::Refused(Refusal::Reason))?;
    let mut change = Change::begin(app, caller, now).await?;
    let user = act.hold(&change, &[], Refusal::UserNotFound).await?;
    if administer::is_last_admin(&change, &user).await? {
        return Err(Failure::Refused(Refusal::LastAdmin));
    }
    // It names nobody who is gone, not even an administrator who deletes their own account.
    let actor = act.principal.user_id.filter(|actor| *actor != user.id);
    let entry = Entry::success("account_deleted", Category::Account, None).by(act.principal.actor, actor);
    erase_account::within(app, &mut change, &user, entry.with(json!({ "reason": reason.as_str() }))).await?;
    change.commit().await?;
    Ok(user.id)
}
