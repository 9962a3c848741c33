//! Asks for another e-mail address or phone number: it waits for its proof while the old one goes on.
//!
//! 1. Limits: the account's own, and those of the new contact, for its owner gets the messages.
//! 2. Whether the new contact is taken is nobody's to know: then the code matches nothing, and its owner gets a message instead.
//! 3. One change: the waiting contact in the place of an earlier one, the code, the notice to the old address with the link that stops it.

use entity::{
    Channel, Timestamp,
    account_events::Kind,
    user_audit_log::{Category, Status},
    users,
};
use uuid::Uuid;

use super::{
    ask_for_code::new_challenge,
    caller::{Caller, SignedIn},
    change::{self, Change},
    check_code::Budget,
    failure::Failure,
    hold_account, notify,
    send_code::{self, Letter, LinkOf, Meant, Secrets},
    sign_up::find_owner,
    undo_link::{self, Notice},
};
use crate::{
    app::App,
    domain::contact::{Contact, Email, Phone},
    ephemeral::{
        challenges::{Challenge, Purpose},
        rate_limits::{Rule, ip_subject},
    },
    outbound::message::{Delivery, Template},
    storage::{
        audit::Entry,
        user_contacts::{self, Pending},
        users as storage,
    },
};

/// What is typed.
pub enum Input {
    /// Another address.
    Email(String),
    /// Another number, or the first.
    Phone(String),
}

/// A contact that waits for its proof.
pub struct Outcome {
    /// The account as it is now.
    pub user: users::Model,
    /// The code that is waited for.
    pub challenge: Challenge,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not an address, or not a number.
    Invalid(Channel),
    /// Nothing can be sent by this channel here.
    ChannelDisabled(Channel),
    /// It is the account's own already.
    Unchanged(Channel),
}

impl Refusal {
    /// As the audit log has it.
    const fn code(self) -> &'static str {
        match self {
            Self::Invalid(Channel::Email) => "EMAIL_INVALID",
            Self::Invalid(Channel::Sms) => "PHONE_INVALID",
            Self::ChannelDisabled(_) => "METHOD_DISABLED",
            Self::Unchanged(_) => "INVALID_INPUT",
        }
    }
}

/// Asks for it.
pub async fn run(app: &App, caller: &Caller, input: Input) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    let me = caller.signed_in().map_err(Failure::Unauthenticated)?;
    let channel = match &input {
        Input::Email(_) => Channel::Email,
        Input::Phone(_) => Channel::Sms,
    };
    let ended = ask(app, caller, me, input, now).await;
    if let Err(Failure::Refused(refusal)) = &ended {
        let entry = Entry::failure(event_type(channel), Category::Security, Some(me.live.user.id), refusal.code());
        change::record(app, caller, vec![entry.in_session(me.live.session.id)], now).await?;
    }
    ended
}

async fn ask(app: &App, caller: &Caller, me: &SignedIn, input: Input, now: Timestamp) -> Result<Outcome, Failure<Refusal>> {
    let contact = parse(app, input).map_err(Failure::Refused)?;
    let channel = contact.channel();
    let user_id = me.live.user.id;
    if is_own(&me.live.user, &contact) {
        return Err(Failure::Refused(Refusal::Unchanged(channel)));
    }
    app.rate_limits.take(Rule::CodesPerIp, &ip_subject(caller.ip), now).await?;
    Budget::Wanted(user_id).take_send(app, caller, (channel, contact.as_str()), now).await?;
    let owner = find_owner(app, &contact).await?;
    if owner.as_ref().is_some_and(|owner| owner.id == user_id) {
        return Err(Failure::Refused(Refusal::Unchanged(channel)));
    }
    let meant = if owner.is_some() { Meant::AsDecoy } else { Meant::Really };
    let wanted = (channel, contact.as_str().to_owned());
    let (challenge, secrets) = new_challenge(app, wanted, meant, (purpose(channel), Some(user_id), None), now);
    app.challenges.create(&challenge, now).await?;

    let mut change = Change::begin(app, caller, now).await?;
    let user = hold_account::run(&change, me, None).await?;
    let replaced = waiting(&user, channel);
    let pending = Pending { contact: contact.as_str(), challenge_id: challenge.id, expires_at: challenge.expires_at };
    user_contacts::insert_pending(change.db(), user.id, channel, pending, now).await?;
    let code = Code { challenge: &challenge, secrets, link_of: LinkOf::None, template: code_template(&challenge) };
    send(app, caller, &mut change, code, (&user, owner.as_ref())).await?;
    warn_old_contact(app, caller, &mut change, &user, &challenge).await?;
    change.tell(Kind::Updated, user.id);
    change.audit(requested(&challenge, me));
    change.commit().await?;
    if let Some(replaced) = replaced {
        // It proves nothing any more, for another one waits; this only lets its page say so.
        let _ = app.challenges.exhaust(replaced, now).await;
    }
    let user = storage::find_by_id(app.database.read(), user.id).await?.unwrap_or(user);
    Ok(Outcome { user, challenge })
}

/// Whether the account has proved it; what is remembered of the account may be a moment old.
fn is_own(user: &users::Model, contact: &Contact) -> bool {
    let (own, verified_at) = match contact.channel() {
        Channel::Email => (&user.email, user.email_verified_at),
        Channel::Sms => (&user.phone, user.phone_verified_at),
    };
    verified_at.is_some() && own.as_deref() == Some(contact.as_str())
}

fn parse(app: &App, input: Input) -> Result<Contact, Refusal> {
    let contact = match input {
        Input::Email(raw) => Email::parse(&raw).map(Contact::Email).ok_or(Refusal::Invalid(Channel::Email)),
        Input::Phone(raw) => {
            let country = app.config.phones.default_country.as_deref();
            Phone::parse(&raw, country).map(Contact::Phone).ok_or(Refusal::Invalid(Channel::Sms))
        }
    }?;
    if app.reaches_contact(&contact) { Ok(contact) } else { Err(Refusal::ChannelDisabled(contact.channel())) }
}

/// What is sent to a contact that nobody else has proved.
pub struct Code<'a> {
    /// What the code answers.
    pub challenge: &'a Challenge,
    /// The code and its link.
    pub secrets: Secrets,
    /// What the link does.
    pub link_of: LinkOf,
    /// What the message says.
    pub template: Template,
}

/// Sends the code, or to the owner of a taken contact that it is taken. That message is the owner's; a code to a contact that the account has not
/// proved is nobody's: otherwise what is stored about the account would tell which of the two it was.
pub async fn send<R>(
    app: &App,
    caller: &Caller,
    change: &mut Change<'_>,
    code: Code<'_>,
    (user, owner): (&users::Model, Option<&users::Model>),
) -> Result<(), Failure<R>> {
    let template = match (owner, code.challenge.channel) {
        (None, _) => code.template,
        (Some(_), Channel::Email) => Template::EmailChangeTaken {},
        (Some(_), Channel::Sms) => Template::PhoneChangeTaken {},
    };
    let addressed = Challenge { user_id: owner.map(|owner| owner.id), ..code.challenge.clone() };
    let locale = notify::locale(app, caller, Some(owner.unwrap_or(user)));
    let letter = Letter { template, locale, delivery: Delivery::Send, budget: Budget::Wanted(user.id) };
    send_code::run(app, change, &addressed, code.secrets, code.link_of, letter).await
}

/// Tells the contact that the account is being moved away from. A link that stops it goes to an address alone.
async fn warn_old_contact<R>(
    app: &App,
    caller: &Caller,
    change: &mut Change<'_>,
    user: &users::Model,
    challenge: &Challenge,
) -> Result<(), Failure<R>> {
    let sighting = notify::sighting(caller, change.now);
    let notice = match challenge.channel {
        Channel::Email => {
            let template = Template::EmailChangeRequested(sighting);
            if let Some(address) = user.email.as_deref().filter(|_| user.email_verified_at.is_some()) {
                let notice = Notice { user, address, challenge_id: challenge.id, template, expires_at: challenge.expires_at };
                return Ok(undo_link::send(app, caller, change, notice).await?);
            }
            notify::first_contact(app, caller, user, &template, change.now)
        }
        Channel::Sms => notify::number(app, caller, user, &Template::PhoneChangeRequested(sighting), change.now),
    };
    if let Some(notice) = notice {
        change.send(notice);
    }
    Ok(())
}

/// The challenge that counts for the waiting contact, where one waits.
pub const fn waiting(user: &users::Model, channel: Channel) -> Option<Uuid> {
    match channel {
        Channel::Email => user.pending_email_challenge_id,
        Channel::Sms => user.pending_phone_challenge_id,
    }
}

/// What the code is for.
pub const fn purpose(channel: Channel) -> Purpose {
    match channel {
        Channel::Email => Purpose::EmailChange,
        Channel::Sms => Purpose::PhoneChange,
    }
}

/// The message with the code.
pub const fn code_template(challenge: &Challenge) -> Template {
    match challenge.channel {
        Channel::Email => Template::EmailChangeCode { challenge_id: challenge.id },
        Channel::Sms => Template::PhoneChangeCode { challenge_id: challenge.id },
    }
}

/// As the audit log calls it.
pub const fn event_type(channel: Channel) -> &'static str {
    match channel {
        Channel::Email => "email_change",
        Channel::Sms => "phone_change",
    }
}

fn requested(challenge: &Challenge, me: &SignedIn) -> Entry {
    let entry = Entry::success(event_type(challenge.channel), Category::Security, Some(me.live.user.id));
    Entry { status: Status::Pending, ..entry.in_session(me.live.session.id) }
}
