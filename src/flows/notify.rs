//! Messages to the owner of an account about what was done to it.

use std::time::Duration;

use entity::{Channel, Timestamp, users};

use super::caller::Caller;
use crate::{
    app::App,
    domain::device::Device,
    outbound::message::{Delivery, MessageSecret, NewMessage, Sighting, Template},
};

/// After a day, news of a change is no longer news.
const NOTICE_TTL: Duration = Duration::from_hours(24);

/// The language of a message: that of the request, else the user's, else the deployment's.
pub fn locale(app: &App, caller: &Caller, user: Option<&users::Model>) -> String {
    let users_own = user.and_then(|user| user.locale.clone());
    caller.locale.clone().or(users_own).unwrap_or_else(|| app.config.messages.locale.clone())
}

/// Where and when the request was made, for its reader.
pub fn sighting(caller: &Caller, now: Timestamp) -> Sighting {
    Sighting { device: Device::from_user_agent(caller.user_agent.as_deref()).name, ip_address: caller.ip.to_string(), at: now }
}

/// One message to each verified contact of the user, the address first.
pub fn all_contacts(app: &App, caller: &Caller, user: &users::Model, template: &Template, now: Timestamp) -> Vec<NewMessage> {
    let email = user.email.clone().filter(|_| user.email_verified_at.is_some()).map(|email| (Channel::Email, email));
    let phone = user.phone.clone().filter(|_| user.phone_verified_at.is_some()).map(|phone| (Channel::Sms, phone));
    let message = |(channel, recipient)| NewMessage {
        user_id: Some(user.id),
        channel,
        recipient,
        template: template.clone(),
        secret: MessageSecret::none(),
        locale: locale(app, caller, Some(user)),
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
