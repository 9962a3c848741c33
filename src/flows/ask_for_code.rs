//! What every request of somebody for a code to their own contact has in common, whether or not there is an account.
//!
//! Whose contact it is decides where the message goes, and nothing else: limits, writes and answer are the same.

use entity::users;
use uuid::Uuid;

use super::{
    caller::Caller,
    check_code::Budget,
    failure::Failure,
    notify,
    send_code::{Letter, Meant, Secrets},
    sign_up::{ContactInput, find_owner},
};
use crate::{
    app::App,
    clock::Timestamp,
    domain::contact::{Contact, Email, Phone},
    ephemeral::{
        challenges::{Challenge, Purpose, State},
        rate_limits::{Rule, ip_subject},
    },
    outbound::message::{Delivery, Template},
};

/// Who may be meant.
pub struct Asked {
    /// What was typed, in canonical form.
    pub contact: Contact,
    /// Whose it is.
    pub owner: Option<users::Model>,
    /// Whose sends are counted: those of a device that the account knows are its own.
    budget: Budget,
}

/// A code that was sent.
pub struct Outcome {
    /// It is waited for.
    pub challenge: Challenge,
    /// How the link of the message will know this browser.
    pub device_token: String,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not an e-mail address.
    EmailInvalid,
    /// Not a phone number.
    PhoneInvalid,
    /// Nothing can be sent by this channel.
    ChannelDisabled,
}

/// Reads the contact, takes a share of what the caller's address may ask for, and looks who is meant.
pub async fn run(app: &App, caller: &Caller, input: &ContactInput, now: Timestamp) -> Result<Asked, Failure<Refusal>> {
    let contact = parse(app, input).map_err(Failure::Refused)?;
    app.rate_limits.take(Rule::CodesPerIp, &ip_subject(caller.ip), now).await?;
    let owner = find_owner(app, &contact).await?;
    let budget = Budget::of(app, caller, owner.as_ref().map(|user| user.id)).await?;
    Ok(Asked { contact, owner, budget })
}

fn parse(app: &App, input: &ContactInput) -> Result<Contact, Refusal> {
    let contact = match input {
        ContactInput::Email(raw) => Email::parse(raw).map(Contact::Email).ok_or(Refusal::EmailInvalid)?,
        ContactInput::Phone(raw) => {
            Phone::parse(raw, app.config.phones.default_country.as_deref()).map(Contact::Phone).ok_or(Refusal::PhoneInvalid)?
        }
    };
    if app.reaches_contact(&contact) { Ok(contact) } else { Err(Refusal::ChannelDisabled) }
}

impl Asked {
    /// Takes a share of what may be sent to the contact.
    pub async fn take_send<R>(&self, app: &App, caller: &Caller, now: Timestamp) -> Result<(), Failure<R>> {
        self.budget.take_send(app, caller, (self.contact.channel(), self.contact.as_str()), now).await
    }

    /// The challenge and what is sent for it.
    pub fn challenge(&self, app: &App, purpose: Purpose, subject: Option<Uuid>, now: Timestamp) -> (Challenge, Secrets) {
        let meant = if self.owner.is_some() { Meant::Really } else { Meant::AsDecoy };
        let contact = (self.contact.channel(), self.contact.as_str().to_owned());
        new_challenge(app, contact, meant, (purpose, self.owner.as_ref().map(|user| user.id), subject), now)
    }

    /// The message; nobody's reaches nobody.
    pub fn letter(&self, app: &App, caller: &Caller, template: Template) -> Letter {
        let delivery = if self.owner.is_some() { Delivery::Send } else { Delivery::Decoy };
        Letter { template, locale: notify::locale(app, caller, self.owner.as_ref()), delivery, budget: self.budget }
    }
}

/// A challenge that begins now, about an account and another row.
pub fn new_challenge(
    app: &App,
    (channel, contact): (entity::Channel, String),
    meant: Meant,
    (purpose, user_id, subject): (Purpose, Option<Uuid>, Option<Uuid>),
    now: Timestamp,
) -> (Challenge, Secrets) {
    let secrets = Secrets::draw(app, channel);
    let id = app.entropy.uuid(now);
    let rules = &app.config.codes;
    let challenge = Challenge {
        id,
        purpose,
        channel,
        contact,
        user_id,
        subject,
        code_hash: secrets.code_hash(app, id, meant),
        attempts_left: rules.attempts,
        state: State::Pending,
        created_at: now,
        expires_at: now + rules.ttl,
        resend_at: now + rules.resend_after,
    };
    (challenge, secrets)
}
