//! Ends sessions of the signed-in user: one by its id, or all the others.

use entity::{account_events::Kind, user_audit_log::Category, user_sessions, user_sessions::Actor};
use uuid::Uuid;

use super::{
    caller::{Caller, Principal, Reason, SignedIn},
    change::Change,
    failure::Failure,
    refresh_session::is_live,
};
use crate::{
    app::App,
    storage::{
        audit::Entry,
        error::StorageError,
        sessions::{self, Ending, Which},
    },
};

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such session, or somebody else's.
    SessionNotFound,
}

/// Ends one session of the caller; one that is over already stays as it is.
pub async fn one(app: &App, caller: &Caller, session_id: &str) -> Result<user_sessions::Model, Failure<Refusal>> {
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    let not_found = || Failure::Refused(Refusal::SessionNotFound);
    let id = Uuid::try_parse(session_id).map_err(|_| not_found())?;
    sessions::find_of_user(app.database.read(), me.live.user.id, id).await?.ok_or_else(not_found)?;
    revoke(app, caller, me, Which::One(id)).await?;
    sessions::find_of_user(app.database.read(), me.live.user.id, id).await?.ok_or_else(not_found)
}

/// Ends all sessions of the caller but the one of the request, and returns which those were.
pub async fn others(app: &App, caller: &Caller) -> Result<Vec<Uuid>, Failure<Refusal>> {
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    revoke(app, caller, me, Which::AllOfBut(me.live.user.id, me.live.session.id)).await
}

async fn revoke(app: &App, caller: &Caller, me: &SignedIn, which: Which) -> Result<Vec<Uuid>, Failure<Refusal>> {
    let mut change = Change::begin(app, caller, app.clock.now()).await?;
    let ended = end(&mut change, me, which, "ended by its owner").await?;
    change.commit().await?;
    Ok(ended)
}

/// Ends sessions of the signed-in user inside a change, with event and audit row for each. Of two sessions that end each other at once one
/// does: what a session asked for is not done any more once it is over itself.
pub async fn end<R>(change: &mut Change<'_>, me: &SignedIn, which: Which, reason: &'static str) -> Result<Vec<Uuid>, Failure<R>> {
    let user_id = me.live.user.id;
    change.lock("sessions", &user_id.simple().to_string()).await?;
    let own = sessions::find_by_id(change.db(), me.live.session.id).await?;
    if !own.is_some_and(|own| is_live(&own, change.now)) {
        return Err(Failure::Unauthenticated(Reason::SessionEnded));
    }
    let ending = Ending { by: Actor::User, reason, suspicious: false };
    Ok(end_for_owner(change, user_id, which, ending).await?)
}

/// Ends sessions of a user who need not be signed in, inside a change, with event and audit row for each.
pub async fn end_for_owner(change: &mut Change<'_>, user_id: Uuid, which: Which, ending: Ending<'_>) -> Result<Vec<Uuid>, StorageError> {
    let actor_user_id = if ending.by == Actor::User { Some(user_id) } else { None };
    end_by(change, (user_id, which), ending, actor_user_id).await
}

/// Ends sessions of a user for an administrator, inside a change, with event and audit row for each.
pub async fn end_for_administrator(
    change: &mut Change<'_>,
    principal: Principal,
    (user_id, which): (Uuid, Which),
    reason: &str,
) -> Result<Vec<Uuid>, StorageError> {
    change.lock("sessions", &user_id.simple().to_string()).await?;
    let ending = Ending { by: principal.actor, reason, suspicious: false };
    end_by(change, (user_id, which), ending, principal.user_id).await
}

async fn end_by(
    change: &mut Change<'_>,
    (user_id, which): (Uuid, Which),
    ending: Ending<'_>,
    actor_user_id: Option<Uuid>,
) -> Result<Vec<Uuid>, StorageError> {
    let ended = sessions::revoke(change.db(), which, ending, change.now).await?;
    for id in &ended {
        change.tell_session(Kind::SessionRevoked, user_id, *id);
        change.audit(
            Entry::success("session_revoked", Category::Security, Some(user_id))
                .in_session(*id)
                .with(serde_json::json!({ "reason": ending.reason }))
                .by(ending.by, actor_user_id),
        );
    }
    Ok(ended)
}
