//! Writes down that the signed-in user leaves: after the days of grace everything goes.
//!
//! The account stays active until then, so that its owner can sign in and keep it. Every session ends at once, and so does whatever was sent
//! before and could begin another one. Asked for again, the first date holds.

use entity::{
    account_events::Kind,
    user_audit_log::Category,
    users::{self, Role},
};

use super::{
    caller::{Caller, Reason, SignedIn},
    change::{self, Change},
    failure::Failure,
    notify, revoke_sessions, void_proofs,
};
use crate::{
    app::App,
    clock::Timestamp,
    outbound::message::Template,
    storage::{audit::Entry, deletions, sessions::Which, user_contacts, users as storage},
};

/// Held by whoever may take the last administrator away: one decides at a time.
pub const ADMINISTRATORS: (&str, &str) = ("administrators", "the last one");

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody else could administrate the deployment.
    LastAdmin,
}

/// Writes it down, and returns the account as it is now.
pub async fn run(app: &App, caller: &Caller) -> Result<users::Model, Failure<Refusal>> {
    let now = app.clock.now();
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    let ended = schedule(app, caller, me, now).await;
    if let Err(Failure::Refused(Refusal::LastAdmin)) = &ended {
        let entry = Entry::failure("account_deletion_scheduled", Category::Account, Some(me.live.user.id), "LAST_ADMIN");
        change::record(app, caller, vec![entry.in_session(me.live.session.id)], now).await?;
    }
    ended
}

async fn schedule(app: &App, caller: &Caller, me: &SignedIn, now: Timestamp) -> Result<users::Model, Failure<Refusal>> {
    let id = me.live.user.id;
    let at = now + std::time::Duration::from_hours(24) * app.config.accounts.deletion_grace_days;
    let mut change = Change::begin(app, caller, now).await?;
    change.lock(ADMINISTRATORS.0, ADMINISTRATORS.1).await?;
    let newly = deletions::schedule(change.db(), id, at, now).await?;
    let is_new = newly.is_some();
    let user = match newly {
        Some(user) => user,
        None => storage::find_by_id(change.db(), id).await?.filter(|user| user.deletion_scheduled_at.is_some()).ok_or_else(gone)?,
    };
    if user.role == Role::Admin && !deletions::has_other_admin(change.db(), id).await? {
        return Err(Failure::Refused(Refusal::LastAdmin));
    }
    if is_new {
        // Before the end of the sessions, so that a stream which ends with one of them has told it.
        change.tell(Kind::DeletionScheduled, id);
        for message in notify::all_contacts(app, caller, &user, &Template::DeletionScheduled { until: at }, now) {
            change.send(message);
        }
    }
    revoke_sessions::end(&mut change, me, Which::AllOf(id), "account deletion asked for").await?;
    user_contacts::void_proofs(change.db(), id, now).await?;
    let challenges = void_proofs::run(app, &change, &me.live.user).await?;
    let user = storage::find_by_id(change.db(), id).await?.unwrap_or(user);
    change.audit(Entry::success("account_deletion_scheduled", Category::Account, Some(id)).in_session(me.live.session.id));
    change.commit().await?;
    void_proofs::show(app, challenges, now).await;
    Ok(user)
}

/// It is not active any more, or gone.
const fn gone() -> Failure<Refusal> {
    Failure::Unauthenticated(Reason::SessionEnded)
}
