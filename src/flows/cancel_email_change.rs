//! Stops a change of address, or undoes one: from the session that asked, or by the link that the old address got.
//!
//! While the change waits for its code, the link stops it. For seven days after it was confirmed the link undoes it, and every change of a contact
//! that came after it: the old address is back, a number that was proved since is not the account's any more, every session and every trust in a
//! device ends, and a new password can be chosen by a message to the old address. All of that is one change. The links of earlier addresses stay: who took an account over cannot outrun its owner with a link of
//! their own.

use entity::{
    Channel,
    account_events::Kind,
    link_tokens::{self, Purpose},
    user_audit_log::{Category, Severity},
    user_sessions::Actor,
    users,
};
use uuid::Uuid;

use super::{
    ask_for_code::new_challenge,
    caller::Caller,
    change::{self, Change},
    change_contact,
    check_code::Budget,
    confirm_contact_change::LINKS_OF_A_CONTACT,
    failure::Failure,
    hold_account, notify,
    release_contact::{self, Holders},
    revoke_sessions,
    send_code::{self, Letter, LinkOf, Meant},
};
use crate::{
    app::App,
    clock::Timestamp,
    crypto::opaque_token::OpaqueToken,
    ephemeral::challenges::{self, Challenge},
    outbound::message::{Delivery, Template},
    storage::{
        audit::Entry,
        email_change_links, known_devices, link_tokens as storage,
        sessions::{Ending, Which},
        user_contacts, users as user_storage,
    },
};

/// What came of it.
pub struct Outcome {
    /// The account as it is now.
    pub user: users::Model,
    /// Whether there was something to stop or to undo.
    pub cancelled: bool,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Never was one, or was used.
    TokenInvalid,
    /// Too late.
    TokenExpired,
    /// Somebody else has proved the old address since.
    EmailTaken,
}

impl Refusal {
    /// As the audit log has it.
    const fn code(self) -> &'static str {
        match self {
            Self::TokenInvalid => "TOKEN_INVALID",
            Self::TokenExpired => "TOKEN_EXPIRED",
            Self::EmailTaken => "EMAIL_TAKEN",
        }
    }
}

/// Stops the pending change of the signed-in user.
pub async fn by_session(app: &App, caller: &Caller) -> Result<Outcome, Failure<Refusal>> {
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    let mut change = Change::begin(app, caller, app.clock.now()).await?;
    let user = hold_account::run(&change, me, None).await?;
    let cancelled = stop(&mut change, &user, Some(me.live.session.id)).await?;
    finish(app, change, user, cancelled).await
}

/// Stops or undoes a change with the token of the notice.
pub async fn by_link(app: &App, caller: &Caller, token: &str) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    let ended = follow(app, caller, token, now).await;
    if let Err(Failure::Refused(refusal)) = &ended {
        let entry = Entry::failure("email_change_cancelled", Category::Security, None, refusal.code());
        change::record(app, caller, vec![entry], now).await?;
    }
    ended
}

async fn follow(app: &App, caller: &Caller, token: &str, now: Timestamp) -> Result<Outcome, Failure<Refusal>> {
    let invalid = || Failure::Refused(Refusal::TokenInvalid);
    let hash = OpaqueToken::parse(token).ok_or_else(invalid)?;
    let link = live(storage::find_by_hash(app.database.read(), &hash).await?, now)?;
    let mut change = Change::begin(app, caller, now).await?;
    hold_account::lock(&change, link.user_id.ok_or_else(invalid)?).await?;
    // Once more, now that nobody else decides on this account: another one may have been used, or the change confirmed, meanwhile.
    let link = live(storage::find_by_hash(change.db(), &hash).await?, now)?;
    let user = user_storage::find_by_id(change.db(), link.user_id.unwrap_or_default()).await?.ok_or_else(invalid)?;
    let is_current = user.email.as_deref() == Some(link.contact.as_str()) && user.email_verified_at.is_some();
    if is_current {
        let cancelled = stop(&mut change, &user, None).await?;
        return finish(app, change, user, cancelled).await;
    }
    let reset = undo(app, caller, &mut change, &user, &link).await?;
    let outcome = finish(app, change, user, true).await?;
    if let Some(challenge) = reset {
        // The link of the same message works without it: what ends a thief's sessions must not wait for the store.
        let _ = app.challenges.create(&challenge, now).await;
    }
    Ok(outcome)
}

/// The row of a token, where it counts.
fn live(link: Option<link_tokens::Model>, now: Timestamp) -> Result<link_tokens::Model, Failure<Refusal>> {
    let link = link.filter(|link| link.purpose == Purpose::EmailChangeUndo && link.used_at.is_none());
    let link = link.ok_or(Failure::Refused(Refusal::TokenInvalid))?;
    if link.expires_at <= now { Err(Failure::Refused(Refusal::TokenExpired)) } else { Ok(link) }
}

/// Forgets the address that waits, and ends the links that could stop it.
async fn stop(change: &mut Change<'_>, user: &users::Model, session_id: Option<Uuid>) -> Result<bool, Failure<Refusal>> {
    let now = change.now;
    let waited = user.pending_email_expires_at.is_some_and(|until| until > now);
    let deleted = user_contacts::delete_pending(change.db(), user.id, Channel::Email, now).await?;
    if let Some(address) = &user.email {
        email_change_links::consume_all_of_contact(change.db(), user.id, address, now).await?;
    }
    if deleted {
        let mut entry = Entry::success("email_change_cancelled", Category::Security, Some(user.id));
        entry.session_id = session_id;
        change.audit(entry);
        change.tell(Kind::Updated, user.id);
    }
    Ok(deleted && waited)
}

/// Brings the old address back, and puts out whoever is in the account. Returns the challenge of the reset that it sends.
async fn undo(
    app: &App,
    caller: &Caller,
    change: &mut Change<'_>,
    user: &users::Model,
    link: &link_tokens::Model,
) -> Result<Option<Challenge>, Failure<Refusal>> {
    let now = change.now;
    change.lock("contact", &link.contact).await?;
    let restored = user_contacts::restore_email(change.db(), user.id, &link.contact, now).await;
    let restored = restored
        .map_err(|error| if error.is_conflict_on("users", "email") { Failure::Refused(Refusal::EmailTaken) } else { error.into() })?;
    if !restored {
        return Err(Failure::Refused(Refusal::TokenInvalid));
    }
    release_contact::run(change, (Channel::Email, &link.contact), user.id, Holders::Wipe).await?;
    email_change_links::consume_since(change.db(), user.id, link, now).await?;
    storage::consume_all_of_user(change.db(), user.id, &LINKS_OF_A_CONTACT, now).await?;
    known_devices::revoke_trust(change.db(), user.id).await?;
    let ending = Ending { by: Actor::Security, reason: "change of address undone", suspicious: false };
    change.lock("sessions", &user.id.simple().to_string()).await?;
    revoke_sessions::end_for_owner(change, user.id, Which::AllOf(user.id), ending).await?;
    // The address that is given up now is told too: perhaps it is who reads the old one's mail that should not be here.
    for message in notify::all_contacts(app, caller, user, &Template::EmailChanged(notify::sighting(caller, now)), now) {
        change.send(message);
    }
    // A code of the change was waited for so long before the link of its end was made.
    if user.phone_verified_at.is_some_and(|proved| proved + app.config.codes.ttl > link.created_at) {
        user_contacts::delete(change.db(), user.id, Channel::Sms, now).await?;
        let restored = users::Model { email: Some(link.contact.clone()), email_verified_at: Some(now), ..user.clone() };
        for message in notify::all_contacts(app, caller, &restored, &Template::PhoneRemoved(notify::sighting(caller, now)), now) {
            change.send(message);
        }
        change.tell(Kind::PhoneChanged, user.id);
        change.audit(Entry::success("phone_removed", Category::Security, Some(user.id)));
    }
    let reset = match user.status {
        users::Status::Active => Some(send_reset(app, caller, change, user, link).await?),
        _ => None,
    };
    change.tell(Kind::EmailChanged, user.id);
    let mut entry = Entry::success("email_change_undone", Category::Security, Some(user.id));
    entry.severity = Severity::Warning;
    change.audit(entry);
    Ok(reset)
}

/// A code and a link for a new password, to the address that is back.
async fn send_reset(
    app: &App,
    caller: &Caller,
    change: &mut Change<'_>,
    user: &users::Model,
    link: &link_tokens::Model,
) -> Result<Challenge, Failure<Refusal>> {
    let now = change.now;
    let about = (challenges::Purpose::PasswordReset, Some(user.id), None);
    let (challenge, secrets) = new_challenge(app, (Channel::Email, link.contact.clone()), Meant::Really, about, now);
    let link_of = LinkOf::Account {
        user_id: Some(user.id),
        purpose: Purpose::PasswordReset,
        device_hash: None,
        reset_attempt_id: None,
        expires_at: now + app.config.links.password_reset_ttl,
    };
    let template = Template::PasswordReset { challenge_id: challenge.id };
    let letter =
        Letter { template, locale: notify::locale(app, caller, Some(user)), delivery: Delivery::Send, budget: Budget::Own(user.id) };
    send_code::run(app, change, &challenge, secrets, link_of, letter).await?;
    Ok(challenge)
}

async fn finish(app: &App, change: Change<'_>, before: users::Model, cancelled: bool) -> Result<Outcome, Failure<Refusal>> {
    change.commit().await?;
    if let Some(id) = change_contact::waiting(&before, Channel::Email) {
        // Nothing waits for its code any more; this only lets its page say so.
        let _ = app.challenges.exhaust(id, app.clock.now()).await;
    }
    let user = user_storage::find_by_id(app.database.read(), before.id).await?.unwrap_or(before);
    Ok(Outcome { user, cancelled })
}
