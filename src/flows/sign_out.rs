//! Ends the session of a request, by its access token, cookie or refresh token, even where they have expired. Doing it again is fine.

use entity::{account_events::Kind, user_audit_log::Category, user_sessions::Actor};
use uuid::Uuid;

use super::{
    caller::{Caller, Identity},
    change::Change,
    failure::Failure,
};
use crate::{
    app::App,
    crypto::{keyed_hash::constant_time_eq, refresh_token::RefreshToken},
    storage::{
        audit::Entry,
        sessions::{self, Ending, Which},
    },
};

/// Signing out is never refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {}

/// Ends the session; `None` where there was none to end.
pub async fn run(app: &App, caller: &Caller, refresh_token: Option<&str>) -> Result<Option<Uuid>, Failure<Refusal>> {
    let now = app.clock.now();
    let Some(id) = session_of(app, caller, refresh_token).await? else { return Ok(None) };
    let Some(session) = sessions::find_by_id(app.database.read(), id).await? else { return Ok(None) };
    let mut change = Change::begin(app, caller, now).await?;
    let ending = Ending { by: Actor::User, reason: "signed out", suspicious: false };
    if sessions::revoke(change.db(), Which::One(id), ending, now).await?.is_empty() {
        change.abandon().await?;
        return Ok(None);
    }
    change.tell_session(Kind::SessionRevoked, session.user_id, id);
    change.audit(Entry::success("logout", Category::Authentication, Some(session.user_id)).in_session(id));
    change.commit().await?;
    Ok(Some(id))
}

async fn session_of(app: &App, caller: &Caller, refresh_token: Option<&str>) -> Result<Option<Uuid>, Failure<Refusal>> {
    match &caller.identity {
        Identity::Session(me) => return Ok(Some(me.live.session.id)),
        Identity::Past { session_id, .. } => return Ok(Some(*session_id)),
        Identity::Anonymous | Identity::Refused(_) | Identity::Machine(_) => {}
    }
    for token in [refresh_token, caller.refresh_cookie.as_deref()].into_iter().flatten() {
        let Some(token) = RefreshToken::parse(token) else { continue };
        let Some(session) = sessions::find_by_id(app.database.read(), token.session_id).await? else { continue };
        let generation = u32::try_from(session.refresh_generation).unwrap_or(0);
        let is_current = token.generation == generation && constant_time_eq(&token.hash(), &session.refresh_token_hash);
        let is_parent = token.generation + 1 == generation
            && token
                .successor(&app.key_ring, &session.refresh_key_id)
                .is_some_and(|successor| constant_time_eq(&successor.hash(), &session.refresh_token_hash));
        if is_current || is_parent {
            return Ok(Some(session.id));
        }
    }
    Ok(None)
}
