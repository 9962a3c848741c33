//! Suspends, bans or deactivates an account, or lets it be used again.
//!
//! Every change of it ends what could outlive it: all sessions, so that none comes back later, and whatever was sent before to sign in, to prove a
//! contact or to set a password.

use entity::{account_events::Kind, user_audit_log::Category, users};
use serde_json::json;

use super::{
    administer::{self, Act},
    caller::Caller,
    change::Change,
    failure::Failure,
    revoke_sessions, void_proofs,
};
use crate::{
    app::App,
    clock::Timestamp,
    domain::reason::Reason,
    storage::{sessions::Which, user_contacts, users as storage},
};

/// What is wanted.
pub struct Input {
    /// Whose.
    pub user_id: String,
    /// What it shall be.
    pub status: users::Status,
    /// Why.
    pub reason: Option<String>,
}

/// The account as it is now.
pub struct Outcome {
    /// Its row.
    pub user: users::Model,
    /// How many sessions were ended.
    pub revoked: usize,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody has this id.
    UserNotFound,
    /// Too long, or not readable.
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

/// Sets it; one that is so already stays as it is.
pub async fn run(app: &App, caller: &Caller, input: Input) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    let act = Act::of(caller, &input.user_id)?;
    let ended = set(app, caller, act, &input, now).await;
    if let Err(Failure::Refused(refusal)) = &ended {
        act.record_refusal(app, caller, ("user_status_changed", refusal.code()), now).await?;
    }
    ended
}

async fn set(app: &App, caller: &Caller, act: Act<'_>, input: &Input, now: Timestamp) -> Result<Outcome, Failure<Refusal>> {
    let reason = input.reason.as_deref().map(|reason| Reason::parse(reason).ok_or(Failure::Refused(Refusal::Reason))).transpose()?;
    let mut change = Change::begin(app, caller, now).await?;
    let before = act.hold(&change, &[], Refusal::UserNotFound).await?;
    if before.status == input.status {
        return Ok(Outcome { user: before, revoked: 0 });
    }
    if input.status != users::Status::Active && administer::is_last_admin(&change, &before).await? {
        return Err(Failure::Refused(Refusal::LastAdmin));
    }
    storage::set_status(change.db(), before.id, input.status, now).await?;
    user_contacts::void_proofs(change.db(), before.id, now).await?;
    let challenges = void_proofs::run(app, &change, &before).await?;
    // Before the end of the sessions, so that a stream which ends with one of them has told it.
    change.tell(Kind::StatusChanged, before.id);
    let which = (before.id, Which::AllOf(before.id));
    let revoked = revoke_sessions::end_for_administrator(&mut change, act.principal, which, words(input.status)).await?.len();
    let facts = json!({
        "from": name(before.status),
        "to": name(input.status),
        "reason": reason.as_ref().map(Reason::as_str),
        "sessionsEnded": revoked,
    });
    change.audit(act.success("user_status_changed", Category::Security).with(facts));
    let user = storage::find_by_id(change.db(), before.id).await?.unwrap_or(before);
    change.commit().await?;
    void_proofs::show(app, challenges, now).await;
    Ok(Outcome { user, revoked })
}

/// As the list of sessions has it.
const fn words(status: users::Status) -> &'static str {
    match status {
        users::Status::Active => "account activated",
        users::Status::Inactive => "account deactivated",
        users::Status::Suspended => "account suspended",
        users::Status::Banned => "account banned",
    }
}

const fn name(status: users::Status) -> &'static str {
    match status {
        users::Status::Active => "ACTIVE",
        users::Status::Inactive => "INACTIVE",
        users::Status::Suspended => "SUSPENDED",
        users::Status::Banned => "BANNED",
    }
}
