//! Takes the phone number off an account, where something else is left to sign in with.

use entity::{Channel, account_events::Kind, user_audit_log::Category, users};
use sea_orm::ConnectionTrait;

use super::{
    caller::{Caller, SignedIn},
    change::{self, Change},
    failure::Failure,
    hold_account, notify, provider_identity,
};
use crate::{
    app::App,
    clock::Timestamp,
    domain::ways_in::WaysIn,
    outbound::message::Template,
    storage::{audit::Entry, error::StorageError, identities, known_devices, passkeys, user_contacts, users as storage},
};

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing else would be left to sign in with.
    LastSignInMethod,
    /// There would be a way in, but nothing to reach the person by.
    ContactRequired,
}

impl Refusal {
    /// As the audit log has it.
    const fn code(self) -> &'static str {
        match self {
            Self::LastSignInMethod => "LAST_SIGN_IN_METHOD",
            Self::ContactRequired => "CONTACT_REQUIRED",
        }
    }
}

/// Removes it; an account that has none stays as it is.
pub async fn run(app: &App, caller: &Caller) -> Result<users::Model, Failure<Refusal>> {
    let now = app.clock.now();
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    let ended = remove(app, caller, me, now).await;
    if let Err(Failure::Refused(refusal)) = &ended {
        let entry = Entry::failure("phone_removed", Category::Security, Some(me.live.user.id), refusal.code());
        change::record(app, caller, vec![entry.in_session(me.live.session.id)], now).await?;
    }
    ended
}

async fn remove(app: &App, caller: &Caller, me: &SignedIn, now: Timestamp) -> Result<users::Model, Failure<Refusal>> {
    let mut change = Change::begin(app, caller, now).await?;
    let before = hold_account::run(&change, me, None).await?;
    if before.phone.is_none() && before.pending_phone.is_none() {
        return Ok(before);
    }
    if before.phone.is_some() {
        let left = WaysIn { phone: None, ..ways_in(app, change.db(), &before).await? };
        if !left.any() {
            return Err(Failure::Refused(Refusal::LastSignInMethod));
        }
        if !left.reachable() {
            return Err(Failure::Refused(Refusal::ContactRequired));
        }
    }
    user_contacts::delete(change.db(), before.id, Channel::Sms, now).await?;
    if before.phone.is_some() {
        known_devices::revoke_trust(change.db(), before.id).await?;
        // To the number too, while it is known whom to tell.
        for message in notify::all_contacts(app, caller, &before, &Template::PhoneRemoved(notify::sighting(caller, now)), now) {
            change.send(message);
        }
        change.tell(Kind::PhoneChanged, before.id);
        change.audit(Entry::success("phone_removed", Category::Security, Some(before.id)).in_session(me.live.session.id));
    } else {
        change.tell(Kind::Updated, before.id);
    }
    change.commit().await?;
    Ok(storage::find_by_id(app.database.read(), before.id).await?.unwrap_or(before))
}

/// How somebody can sign in as it is.
pub async fn ways_in(app: &App, db: &impl ConnectionTrait, user: &users::Model) -> Result<WaysIn, StorageError> {
    Ok(WaysIn {
        email: user.email.is_some().then_some(user.email_verified_at.is_some()),
        phone: user.phone.is_some().then_some(user.phone_verified_at.is_some()),
        username: user.username.is_some(),
        password: user.password_hash.is_some(),
        passkeys: passkeys::count_of_user(db, user.id).await?,
        identities: provider_identity::count_usable(app, &identities::list_of_user(db, user.id).await?),
    })
}
