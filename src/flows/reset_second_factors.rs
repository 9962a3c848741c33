//! Takes the authenticator app, the recovery codes and the passkeys off an account whose owner has lost them.
//!
//! Whoever has them now may be somebody else, and signed in with them: every session and every trust in a device ends, and the owner is told.

use entity::{account_events::Kind, user_audit_log::Category, users};
use serde_json::json;

use super::{administer::Act, caller::Caller, change::Change, failure::Failure, lockout, notify, revoke_sessions};
use crate::{
    app::App,
    clock::Timestamp,
    domain::reason::Reason,
    outbound::message::Template,
    storage::{
        attempt_counters, error::StorageError, known_devices, passkeys, recovery_codes, sessions::Which, totp, users as user_storage,
    },
};

/// What is wanted.
pub struct Input {
    /// Whose.
    pub user_id: String,
    /// Why.
    pub reason: String,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody has this id.
    UserNotFound,
    /// Missing, too long, or not readable.
    Reason,
}

impl Refusal {
    /// As the audit log has it.
    const fn code(self) -> &'static str {
        match self {
            Self::UserNotFound => "USER_NOT_FOUND",
            Self::Reason => "INVALID_INPUT",
        }
    }
}

/// What the account had.
struct Removed {
    totp: bool,
    passkeys: u64,
}

/// Removes them; an account that has none stays as it is.
pub async fn run(app: &App, caller: &Caller, input: &Input) -> Result<users::Model, Failure<Refusal>> {
    let now = app.clock.now();
    let act = Act::of(caller, &input.user_id)?;
    let ended = reset(app, caller, act, &input.reason, now).await;
    if let Err(Failure::Refused(refusal)) = &ended {
        act.record_refusal(app, caller, ("second_factors_reset", refusal.code()), now).await?;
    }
    ended
}

async fn reset(app: &App, caller: &Caller, act: Act<'_>, reason: &str, now: Timestamp) -> Result<users::Model, Failure<Refusal>> {
    let reason = Reason::parse(reason).ok_or(Failure::Refused(Refusal::Reason))?;
    let mut change = Change::begin(app, caller, now).await?;
    let before = act.hold(&change, &[], Refusal::UserNotFound).await?;
    let removed = remove(&change, &before).await?;
    let mut ended = Vec::new();
    if removed.totp || removed.passkeys > 0 {
        known_devices::revoke_trust(change.db(), before.id).await?;
        tell(app, &mut change, &before, &removed);
        let which = (before.id, Which::AllOf(before.id));
        ended = revoke_sessions::end_for_administrator(&mut change, act.principal, which, "second factors reset").await?;
    }
    let facts = json!({
        "totp": removed.totp,
        "passkeys": removed.passkeys,
        "reason": reason.as_str(),
        "sessionsEnded": ended.len(),
    });
    change.audit(act.success("second_factors_reset", Category::Security).with(facts));
    let user = user_storage::find_by_id(change.db(), before.id).await?.unwrap_or(before);
    change.commit().await?;
    Ok(user)
}

async fn remove(change: &Change<'_>, user: &users::Model) -> Result<Removed, StorageError> {
    let totp = totp::disable(change.db(), user.id, change.now).await?;
    recovery_codes::delete_of_user(change.db(), user.id).await?;
    attempt_counters::clear_all_of_user(change.db(), lockout::SECOND_FACTOR, user.id).await?;
    let passkeys = passkeys::delete_of_user(change.db(), user.id).await?;
    Ok(Removed { totp, passkeys })
}

/// Before the end of the sessions, so that a stream which ends with one of them has told it.
fn tell(app: &App, change: &mut Change<'_>, user: &users::Model, removed: &Removed) {
    let now = change.now;
    let mut notices = Vec::new();
    if removed.totp {
        change.tell(Kind::SecondFactorChanged, user.id);
        notices.push(Template::TotpDisabled(notify::unseen(now)));
    }
    if removed.passkeys > 0 {
        change.tell(Kind::PasskeyChanged, user.id);
        notices.push(Template::PasskeyRemoved(notify::unseen(now)));
    }
    for message in notices.iter().flat_map(|template| notify::all_contacts_unasked(app, user, template, now)) {
        change.send(message);
    }
}
