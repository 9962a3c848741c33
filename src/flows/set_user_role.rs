//! Makes somebody an administrator, or an ordinary user again. It holds at once, also for tokens that are out.

use entity::{
    account_events::Kind,
    user_audit_log::Category,
    users::{self, Role},
};
use serde_json::json;

use super::{
    administer::{self, Act},
    caller::Caller,
    change::Change,
    failure::Failure,
};
use crate::{app::App, clock::Timestamp, storage::users as storage};

/// What is wanted.
pub struct Input {
    /// Whose.
    pub user_id: String,
    /// What they shall be.
    pub role: Role,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody has this id.
    UserNotFound,
    /// Nobody else could administrate the deployment.
    LastAdmin,
}

impl Refusal {
    /// As the audit log has it.
    const fn code(self) -> &'static str {
        match self {
            Self::UserNotFound => "USER_NOT_FOUND",
            Self::LastAdmin => "LAST_ADMIN",
        }
    }
}

/// Sets it; who has it already keeps it.
pub async fn run(app: &App, caller: &Caller, input: &Input) -> Result<users::Model, Failure<Refusal>> {
    let now = app.clock.now();
    let act = Act::of(caller, &input.user_id)?;
    let ended = set(app, caller, act, input.role, now).await;
    if let Err(Failure::Refused(refusal)) = &ended {
        act.record_refusal(app, caller, ("user_role_changed", refusal.code()), now).await?;
    }
    ended
}

async fn set(app: &App, caller: &Caller, act: Act<'_>, role: Role, now: Timestamp) -> Result<users::Model, Failure<Refusal>> {
    let mut change = Change::begin(app, caller, now).await?;
    let before = act.hold(&change, &[], Refusal::UserNotFound).await?;
    if before.role == role {
        return Ok(before);
    }
    if role != Role::Admin && administer::is_last_admin(&change, &before).await? {
        return Err(Failure::Refused(Refusal::LastAdmin));
    }
    storage::set_role(change.db(), before.id, role, now).await?;
    change.tell(Kind::RoleChanged, before.id);
    change.audit(act.success("user_role_changed", Category::Security).with(json!({ "from": name(before.role), "to": name(role) })));
    let user = storage::find_by_id(change.db(), before.id).await?.unwrap_or(before);
    change.commit().await?;
    Ok(user)
}

const fn name(role: Role) -> &'static str {
    match role {
        Role::User => "USER",
        Role::Admin => "ADMIN",
    }
}
