//! Takes a contact that somebody has just proved away from accounts that hold it without a proof: it has one owner.
//!
//! Who has proved another contact only loses this one, and is told there. Who has proved nothing at all may be anybody, waiting for the true owner to
//! come: such an account loses whatever was set up in it, unless the prover has shown by more than the contact that it is theirs.

use entity::{Channel, account_events::Kind, user_audit_log::Category, user_sessions::Actor, users};
use serde_json::json;
use uuid::Uuid;

use super::{change::Change, notify, revoke_sessions};
use crate::{
    outbound::message::Template,
    storage::{
        audit::Entry,
        error::StorageError,
        sessions::{Ending, Which},
        user_contacts,
    },
};

/// What becomes of holders who have proved nothing at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holders {
    /// They lose the contact alone: it was proved together with the password of an account that had it too, or from its session.
    Keep,
    /// They lose everything.
    Wipe,
}

/// Takes it from everybody but the one who proved it.
pub async fn run(change: &mut Change<'_>, (channel, contact): (Channel, &str), prover: Uuid, holders: Holders) -> Result<(), StorageError> {
    let now = change.now;
    for holder in user_contacts::list_unverified_holders(change.db(), (channel, contact), prover).await? {
        let wiped = holders == Holders::Wipe && !has_another_proof(&holder, channel);
        user_contacts::delete(change.db(), holder.id, channel, now).await?;
        if wiped {
            wipe(change, holder.id, "contact proved by another account").await?;
        }
        // In the language of the holder, and without a word about who proved it: the request is somebody else's.
        for message in notify::all_contacts_unasked(change.app(), &holder, &Template::ContactLost {}, now) {
            change.send(message);
        }
        change.tell(Kind::Updated, holder.id);
        let mut entry = Entry::success("contact_lost", Category::Security, Some(holder.id))
            .with(json!({ "channel": channel.as_str(), "wiped": wiped }));
        (entry.actor, entry.actor_user_id) = (Actor::Security, None);
        change.audit(entry);
    }
    Ok(())
}

/// Takes everything out of an account that somebody without a proof had set up.
pub async fn wipe(change: &mut Change<'_>, user_id: Uuid, reason: &'static str) -> Result<(), StorageError> {
    user_contacts::wipe_proofs(change.db(), user_id, change.now).await?;
    let ending = Ending { by: Actor::Security, reason, suspicious: false };
    revoke_sessions::end_for_owner(change, user_id, Which::AllOf(user_id), ending).await?;
    Ok(())
}

/// Whether an account has proved more than the contact of this channel.
pub const fn has_another_proof(holder: &users::Model, lost: Channel) -> bool {
    match lost {
        Channel::Email => holder.phone_verified_at.is_some(),
        Channel::Sms => holder.email_verified_at.is_some(),
    }
}
