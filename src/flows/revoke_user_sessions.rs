//! Ends all sessions of somebody, or one of them.

use entity::{user_audit_log::Category, users};
use serde_json::json;
use uuid::Uuid;

use super::{administer::Act, caller::Caller, change::Change, failure::Failure, revoke_sessions};
use crate::{
    app::App,
    clock::Timestamp,
    domain::reason::Reason,
    storage::sessions::{self, Which},
};

/// As the list of sessions has it where nothing is said.
const NO_WORDS: &str = "ended by an administrator";

/// What is wanted.
pub struct Input {
    /// Whose.
    pub user_id: String,
    /// Only this one.
    pub session_id: Option<String>,
    /// Why: the owner can read it.
    pub reason: Option<String>,
}

/// What was ended.
pub struct Outcome {
    /// Whose they were.
    pub user: users::Model,
    /// Which.
    pub revoked: Vec<Uuid>,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody has this id.
    UserNotFound,
    /// No such session, or somebody else's.
    SessionNotFound,
    /// Too long, or not readable.
    Reason,
}

impl Refusal {
    /// As the audit log has it.
    const fn code(self) -> &'static str {
        match self {
            Self::UserNotFound => "USER_NOT_FOUND",
            Self::SessionNotFound => "SESSION_NOT_FOUND",
            Self::Reason => "INVALID_INPUT",
        }
    }
}

/// Ends them; one that is over already stays as it is.
pub async fn run(app: &App, caller: &Caller, input: &Input) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    let act = Act::of(caller, &input.user_id)?;
    let ended = revoke(app, caller, act, input, now).await;
    if let Err(Failure::Refused(refusal)) = &ended {
        act.record_refusal(app, caller, ("user_sessions_revoked", refusal.code()), now).await?;
    }
    ended
}

async fn revoke(app: &App, caller: &Caller, act: Act<'_>, input: &Input, now: Timestamp) -> Result<Outcome, Failure<Refusal>> {
    let not_found = || Failure::Refused(Refusal::SessionNotFound);
    let reason = input.reason.as_deref().map(|reason| Reason::parse(reason).ok_or(Failure::Refused(Refusal::Reason))).transpose()?;
    let mut change = Change::begin(app, caller, now).await?;
    let user = act.hold(&change, &[], Refusal::UserNotFound).await?;
    let which = match input.session_id.as_deref() {
        None => Which::AllOf(user.id),
        Some(id) => {
            let id = Uuid::try_parse(id).map_err(|_| not_found())?;
            sessions::find_of_user(change.db(), user.id, id).await?.ok_or_else(not_found)?;
            Which::One(id)
        }
    };
    let words = reason.as_ref().map_or(NO_WORDS, Reason::as_str);
    let revoked = revoke_sessions::end_for_administrator(&mut change, act.principal, (user.id, which), words).await?;
    let facts = json!({ "all": input.session_id.is_none(), "reason": reason.as_ref().map(Reason::as_str), "sessionsEnded": revoked.len() });
    change.audit(act.success("user_sessions_revoked", Category::Security).with(facts));
    change.commit().await?;
    Ok(Outcome { user, revoked })
}
