//! Messages to the owner of an account about what was done to it.

use std::time::Duration;

use entity::{
    Channel, Timestamp,
    link_tokens::{self, Purpose},
    users,
};
use uuid::Uuid;

use super::{caller::Caller, change::Change, failure::Failure};
use crate::{
    app::App,
    crypto::opaque_token::OpaqueToken,
    domain::device::Device,
    outbound::message::{Delivery, MessageSecret, NewMessage, Sighting, Template},
    storage::link_tokens as links,
};

/// After a day, news of a change is no longer news.
pub const NOTICE_TTL: Duration = Duration::from_hours(24);

/// The language of a message: that of the request, else the user's, else the deployment's; one that there are no texts for counts as none.
pub fn locale(app: &App, caller: &Caller, user: Option<&users::Model>) -> String {
    let users_own = user.and_then(|user| user.locale.as_deref());
    first_known(app, caller.locale.as_deref().into_iter().chain(users_own))
}

/// The language of a message that somebody else asked for: the user's, else the deployment's.
pub fn own_locale(app: &App, user: &users::Model) -> String {
    first_known(app, user.locale.as_deref().into_iter())
}

fn first_known<'a>(app: &App, mut wishes: impl Iterator<Item = &'a str>) -> String {
    let wish = wishes.find(|wish| {
        let primary = wish.split(['-', '_']).next().unwrap_or_default();
        app.locales.iter().any(|locale| primary.eq_ignore_ascii_case(locale))
    });
    wish.unwrap_or(&app.config.messages.locale).to_owned()
}

/// Where and when the request was made, for its reader.
pub fn sighting(caller: &Caller, now: Timestamp) -> Sighting {
    Sighting { device: Device::from_user_agent(caller.user_agent.as_deref()).name, ip_address: caller.ip.to_string(), at: now }
}

/// When something was done by somebody whose device and address are not the reader's to know: an administrator.
pub const fn unseen(now: Timestamp) -> Sighting {
    Sighting { device: String::new(), ip_address: String::new(), at: now }
}

/// One message to each verified contact of the user, the address first.
pub fn all_contacts(app: &App, caller: &Caller, user: &users::Model, template: &Template, now: Timestamp) -> Vec<NewMessage> {
    in_language(app, user, template, &locale(app, caller, Some(user)), now)
}

/// The same where no request asked for it.
pub fn all_contacts_unasked(app: &App, user: &users::Model, template: &Template, now: Timestamp) -> Vec<NewMessage> {
    in_language(app, user, template, &own_locale(app, user), now)
}

fn in_language(app: &App, user: &users::Model, template: &Template, locale: &str, now: Timestamp) -> Vec<NewMessage> {
    let email = user.email.clone().filter(|_| user.email_verified_at.is_some()).map(|email| (Channel::Email, email));
    let phone =
        user.phone.clone().filter(|_| user.phone_verified_at.is_some() && app.reaches(Channel::Sms)).map(|phone| (Channel::Sms, phone));
    let message = |(channel, recipient)| NewMessage {
        user_id: Some(user.id),
        channel,
        recipient,
        template: template.clone(),
        secret: MessageSecret::none(),
        locale: locale.to_owned(),
        created_at: now,
        expires_at: now + NOTICE_TTL,
        delivery: Delivery::Send,
    };
    email.into_iter().chain(phone).map(message).collect()
}

/// One message, to the address or, without one, to the number.
pub fn first_contact(app: &App, caller: &Caller, user: &users::Model, template: &Template, now: Timestamp) -> Option<NewMessage> {
    all_contacts(app, caller, user, template, now).into_iter().next()
}

/// One message to the verified number, where there is one.
pub fn number(app: &App, caller: &Caller, user: &users::Model, template: &Template, now: Timestamp) -> Option<NewMessage> {
    all_contacts(app, caller, user, template, now).into_iter().find(|message| message.channel == Channel::Sms)
}

/// What the link of a notice does, without a code beside it.
pub struct NoticeLink {
    /// What it does.
    pub purpose: Purpose,
    /// The session that it is about; then it is the only link for it.
    pub session_id: Option<Uuid>,
    /// Its end.
    pub expires_at: Timestamp,
}

/// Sends one message as [`first_contact`] has it; an e-mail carries the link.
pub async fn first_contact_with_link<R>(
    app: &App,
    caller: &Caller,
    change: &mut Change<'_>,
    (user, template): (&users::Model, Template),
    link: NoticeLink,
) -> Result<(), Failure<R>> {
    let Some(mut message) = first_contact(app, caller, user, &template, change.now) else { return Ok(()) };
    if message.channel == Channel::Email {
        let token = OpaqueToken::generate(&app.entropy);
        let row = link_tokens::Model {
            id: app.entropy.uuid(change.now),
            user_id: Some(user.id),
            pending_sign_up_id: None,
            purpose: link.purpose,
            contact: message.recipient.clone(),
            session_id: link.session_id,
            token_hash: token.hash().to_vec(),
            expires_at: link.expires_at,
            used_at: None,
            created_at: change.now,
            challenge_id: None,
            reset_attempt_id: None,
            device_hash: None,
        };
        match link.session_id {
            Some(_) => links::insert_later(change.later(), row),
            None => links::insert_for_account(change.db(), row).await?,
        }
        message.secret.link_token = Some(token.raw().to_owned());
    }
    change.send(message);
    Ok(())
}
