//! Ends a session with the link of the message about it: "this was not me". Whoever was there loses the device's standing too, and every
//! other session that was begun on it: those were told to nobody, for the device was known by then. After a new password it is that session alone.

use entity::{
    Channel,
    link_tokens::{self, Purpose},
    user_audit_log::Category,
    user_sessions::Actor,
};
use uuid::Uuid;

pub use super::proof::Refusal;
use super::{
    caller::Caller,
    change::{self, Change},
    failure::Failure,
    proof::{self, Proof},
    revoke_sessions,
};
use crate::{
    app::App,
    clock::Timestamp,
    storage::{
        audit::Entry,
        known_devices,
        sessions::{self, Ending, Which},
        users::{self, ProvedContact, counts_proof_since},
    },
};

/// Ends it; one that is over already stays as it is. Returns which it was.
pub async fn run(app: &App, caller: &Caller, token: &str) -> Result<Uuid, Failure<Refusal>> {
    let now = app.clock.now();
    let ended = disown(app, caller, token, now).await;
    if let Err(Failure::Refused(refusal)) = &ended {
        change::record(app, caller, vec![Entry::failure("session_disowned", Category::Security, None, refusal.code())], now).await?;
    }
    ended
}

async fn disown(app: &App, caller: &Caller, token: &str, now: Timestamp) -> Result<Uuid, Failure<Refusal>> {
    let link = proof::find_link(app, token, Purpose::DisownSession, now).await?;
    let (Some(session_id), Some(user_id)) = about(&link) else { return Err(Failure::Refused(Refusal::TokenInvalid)) };
    let user = users::find_by_id(app.database.read(), user_id).await?.ok_or(Failure::Refused(Refusal::TokenInvalid))?;
    // Not its age, but whose mail it was in: an address that was given up since has no say any more.
    if !(ProvedContact { channel: Channel::Email, contact: &link.contact, since: now }).speaks_for(&user) {
        return Err(Failure::Refused(Refusal::TokenInvalid));
    }
    let session = sessions::find_of_user(app.database.read(), user_id, session_id).await?;
    // Since a new password, who signs in there is somebody who knows it.
    let device = session.and_then(|session| session.known_device_id).filter(|_| counts_proof_since(&user, link.created_at));
    let proof = Proof::Link(link);
    let mut change = Change::begin(app, caller, now).await?;
    if !proof.spend(app, &change).await? {
        return Err(Failure::Refused(proof.gone()));
    }
    change.lock("sessions", &user_id.simple().to_string()).await?;
    let ending = Ending { by: Actor::User, reason: "disowned by its owner", suspicious: true };
    revoke_sessions::end_for_owner(&mut change, user_id, Which::One(session_id), ending).await?;
    if let Some(device) = device {
        revoke_sessions::end_for_owner(&mut change, user_id, Which::AllOnDevice(user_id, device), ending).await?;
        // Its next sign-in is told again, and has no allowance of its own.
        known_devices::delete(change.db(), device).await?;
    }
    change.audit(Entry::success("session_disowned", Category::Security, Some(user_id)).in_session(session_id));
    change.commit().await?;
    Ok(session_id)
}

const fn about(link: &link_tokens::Model) -> (Option<Uuid>, Option<Uuid>) {
    (link.session_id, link.user_id)
}
