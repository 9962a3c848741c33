//! Takes a contact that somebody has just proved away from accounts that hold it without a proof.
//!
//! Who has proved another contact only loses this one. Who has proved nothing at all may be anybody, waiting for the true owner to come: such
//! an account loses whatever was set up in it.

use entity::{Channel, account_events::Kind, user_audit_log::Category, user_sessions::Actor, users};
use serde_json::json;
use uuid::Uuid;

use super::change::Change;
use crate::storage::{
    audit::Entry,
    error::StorageError,
    sessions::{self, Ending, Which},
    user_contacts,
};

/// Takes it from everybody but the one who proved it.
pub async fn run(change: &mut Change<'_>, (channel, contact): (Channel, &str), prover: Uuid) -> Result<(), StorageError> {
    let now = change.now;
    for holder in user_contacts::list_unverified_holders(change.db(), (channel, contact), prover).await? {
        let wiped = !has_another_proof(&holder, channel);
        user_contacts::delete(change.db(), holder.id, channel, now).await?;
        if wiped {
            user_contacts::wipe_proofs(change.db(), holder.id, now).await?;
            let ending = Ending { by: Actor::Security, reason: "contact proved by another account", suspicious: false };
            for session_id in sessions::revoke(change.db(), Which::AllOf(holder.id), ending, now).await? {
                change.tell_session(Kind::SessionRevoked, holder.id, session_id);
            }
        }
        change.tell(Kind::Updated, holder.id);
        let mut entry = Entry::success("contact_lost", Category::Security, Some(holder.id))
            .with(json!({ "channel": channel.as_str(), "wiped": wiped }));
        (entry.actor, entry.actor_user_id) = (Actor::Security, None);
        change.audit(entry);
    }
    Ok(())
}

/// Whether an account has proved more than the contact of this channel.
pub const fn has_another_proof(holder: &users::Model, lost: Channel) -> bool {
    match lost {
        Channel::Email => holder.phone_verified_at.is_some(),
        Channel::Sms => holder.email_verified_at.is_some(),
    }
}
