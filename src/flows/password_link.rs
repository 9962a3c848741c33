//! The link by which somebody chooses a password because an administrator wants them to: an invitation, or a reset. It goes to their own address or
//! number alone; an administrator never sees it.
//!
//! A text message carries it too, for no page waits for a code. Where the contact was never proved, the link is an invitation in what it does: who
//! opens it has the contact, and who sent it says whose account it is.

use entity::{
    Channel, Timestamp,
    link_tokens::{self, Purpose},
    password_reset_attempts, users,
};

use super::{change::Change, failure::Failure, limit_sms, notify};
use crate::{
    app::App,
    crypto::opaque_token::OpaqueToken,
    domain::contact::Contact,
    ephemeral::rate_limits::Rule,
    outbound::message::{Delivery, MessageSecret, NewMessage, Template},
    storage::{error::StorageError, link_tokens as links, password_reset_attempts as attempts},
};

/// What its reader is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An account was made for them.
    Invitation,
    /// They shall choose another password.
    Reset,
}

/// Why there is nowhere to send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// The account has neither address nor number.
    NoContact,
    /// It has, but messages do not go there from here.
    ChannelDisabled,
}

/// Where it goes: to what is proved rather than to what is not, to an address rather than to a number.
pub fn destination(app: &App, user: &users::Model) -> Result<Contact, Unreachable> {
    let email = (user.email.as_deref(), user.email_verified_at.is_some());
    let phone = (user.phone.as_deref(), user.phone_verified_at.is_some());
    let mut contacts = [email, phone];
    contacts.sort_by_key(|(_, is_proved)| !is_proved);
    let contacts: Vec<_> = contacts.into_iter().filter_map(|(contact, _)| Contact::from_canonical(contact?)).collect();
    if contacts.is_empty() {
        return Err(Unreachable::NoContact);
    }
    contacts.into_iter().find(|contact| app.reaches_contact(contact)).ok_or(Unreachable::ChannelDisabled)
}

/// Takes a share of what may be sent to an account by administrators.
pub async fn take_send<R>(app: &App, user_id: uuid::Uuid, contact: &Contact, now: Timestamp) -> Result<(), Failure<R>> {
    app.rate_limits.take(Rule::CodesPerContact, &format!("link:{}", user_id.simple()), now).await?;
    match contact {
        Contact::Email(_) => Ok(()),
        Contact::Phone(phone) => limit_sms::take_for_link(app, phone.as_str(), now).await,
    }
}

/// Writes the link and its message, inside a change that holds the account. Of the same purpose only the three newest live.
pub async fn send(app: &App, change: &mut Change<'_>, (user, contact): (&users::Model, &Contact), kind: Kind) -> Result<(), StorageError> {
    let now = change.now;
    let token = OpaqueToken::generate(&app.entropy);
    let (expires_at, template) = match kind {
        Kind::Invitation => {
            let until = now + app.config.links.invitation_ttl;
            (until, Template::Invitation { until })
        }
        Kind::Reset => {
            let until = now + app.config.links.password_reset_ttl;
            (until, Template::PasswordLink { until })
        }
    };
    let reset_attempt_id = match kind {
        Kind::Invitation => None,
        Kind::Reset => Some(note_attempt(app, change, user, contact).await?),
    };
    let is_proof = kind == Kind::Invitation || !is_proved(user, contact.channel());
    let row = link_tokens::Model {
        id: app.entropy.uuid(now),
        user_id: Some(user.id),
        pending_sign_up_id: None,
        purpose: if is_proof { Purpose::Invitation } else { Purpose::PasswordReset },
        contact: contact.as_str().to_owned(),
        session_id: None,
        token_hash: token.hash().to_vec(),
        expires_at,
        used_at: None,
        created_at: now,
        challenge_id: None,
        reset_attempt_id,
        device_hash: None,
    };
    links::insert_for_account(change.db(), row).await?;
    change.send_counted(NewMessage {
        user_id: Some(user.id),
        channel: contact.channel(),
        recipient: contact.as_str().to_owned(),
        template,
        secret: MessageSecret { code: None, link_token: Some(token.raw().to_owned()) },
        locale: notify::own_locale(app, user),
        created_at: now,
        expires_at,
        delivery: Delivery::Send,
    });
    Ok(())
}

const fn is_proved(user: &users::Model, channel: Channel) -> bool {
    match channel {
        Channel::Email => user.email_verified_at.is_some(),
        Channel::Sms => user.phone_verified_at.is_some(),
    }
}

/// Every reset is kept, also this one. Where the administrator was is in the audit log alone: the owner takes these rows along.
async fn note_attempt(app: &App, change: &Change<'_>, user: &users::Model, contact: &Contact) -> Result<uuid::Uuid, StorageError> {
    let id = app.entropy.uuid(change.now);
    let attempt = password_reset_attempts::Model {
        id,
        user_id: Some(user.id),
        contact: contact.as_str().to_owned(),
        ip_address: None,
        user_agent: None,
        token_generated: true,
        success: false,
        created_at: change.now,
        updated_at: change.now,
    };
    attempts::insert(change.db(), attempt).await?;
    Ok(id)
}
