//! Starts a sign-up: a row that reserves nothing and is no user, and a code to its contact.
//!
//! 1. Everything that is typed must be well formed; all of it is told at once.
//! 2. Limits: by address and by contact.
//! 3. The password is hashed, whether or not the contact is registered.
//! 4. The challenge goes to the short-lived store; where that is away, nothing is written.
//! 5. One change: the pending sign-up (three live for a contact), the link, the message, the audit row. For a registered contact it is the
//!    same, but the code matches nothing and the message tells the owner.

use entity::{pending_sign_ups, user_audit_log::Category, users};
use serde_json::json;

use super::{
    caller::Caller,
    change::Change,
    check_code::Budget,
    even_time,
    failure::Failure,
    notify,
    send_code::{self, Letter, LinkOf, Meant, Secrets},
};
use crate::{
    app::App,
    clock::Timestamp,
    crypto::{opaque_token::OpaqueToken, password_hash::Overloaded},
    domain::{
        contact::{Contact, Email, Phone},
        password::{Password, PasswordRefusal, Weakness, weakness},
        profile::{Profile, ProfileRefusal},
        username::Username,
    },
    ephemeral::{
        challenges::{Challenge, Purpose, State},
        rate_limits::{Rule, ip_subject},
    },
    outbound::message::{Delivery, Template},
    storage::{audit::Entry, error::StorageError, pending_sign_ups as storage, users as user_storage},
};

/// Where the code goes.
pub enum ContactInput {
    /// An e-mail address, as typed.
    Email(String),
    /// A number, as typed.
    Phone(String),
}

/// What is typed.
pub struct Input {
    /// What will be proved.
    pub contact: ContactInput,
    /// Without one the account signs in by code.
    pub password: Option<String>,
    /// Claimed at the confirmation.
    pub username: Option<String>,
    /// Takes effect with the confirmation.
    pub profile: Profile,
}

/// A code that was sent.
pub struct Outcome {
    /// It is waited for.
    pub challenge: Challenge,
    /// How the link of the message will know this browser.
    pub device_token: String,
}

/// What is wrong with the input; several at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// This deployment takes no new accounts.
    Disabled,
    /// Or none by this channel.
    ChannelDisabled,
    /// Not an e-mail address.
    EmailInvalid,
    /// Not a phone number.
    PhoneInvalid,
    /// Too short or too long.
    Password(PasswordRefusal),
    /// Too easily guessed.
    Weak(Weakness),
    /// Not a username.
    UsernameInvalid,
    /// A part of the profile.
    Profile(ProfileRefusal),
}

/// Starts a sign-up.
pub async fn run(app: &App, caller: &Caller, input: Input) -> Result<Outcome, Failure<Vec<Refusal>>> {
    even_time::of(Box::pin(begin(app, caller, input))).await
}

async fn begin(app: &App, caller: &Caller, input: Input) -> Result<Outcome, Failure<Vec<Refusal>>> {
    let now = app.clock.now();
    let parsed = parse(app, &input, now).map_err(Failure::Refused)?;
    app.rate_limits.take(Rule::SignUpPerIp, &ip_subject(caller.ip), now).await?;
    if let Some(password) = &parsed.password {
        let context = personal_words(&parsed, &input.profile);
        if let Some(weakness) = judge_password(app, password.clone(), context).await? {
            return Err(Failure::Refused(vec![Refusal::Weak(weakness)]));
        }
    }
    Budget::OfContact.take_send(app, caller, (parsed.contact.channel(), parsed.contact.as_str()), now).await?;
    app.rate_limits.take(Rule::CodesPerIp, &ip_subject(caller.ip), now).await?;
    let password_hash = match parsed.password.clone() {
        Some(password) => Some(app.passwords.hash(password).await?),
        None => None,
    };
    let owner = find_owner(app, &parsed.contact).await?;
    let meant = if owner.is_some() { Meant::AsDecoy } else { Meant::Really };
    let (challenge, secrets) = new_challenge(app, &parsed.contact, meant, now);
    app.challenges.create(&challenge, now).await?;
    let (device_token, device_hash) = device(app, caller);
    let row = pending_sign_ups::Model {
        id: challenge.subject.unwrap_or_default(),
        channel: challenge.channel,
        contact: challenge.contact.clone(),
        password_hash,
        username: parsed.username.map(|username| username.as_str().to_owned()),
        profile: input.profile.to_json(),
        device_hash: Some(device_hash.to_vec()),
        challenge_id: challenge.id,
        decoy: owner.is_some(),
        expires_at: now + app.config.sign_up.pending_ttl,
        created_at: now,
    };
    let replaced = write(app, caller, row, &challenge, secrets, owner.as_ref(), now).await?;
    for id in replaced {
        // It answers no more anyway, for its sign-up is gone; this only lets its page say so.
        let _ = app.challenges.exhaust(id, now).await;
    }
    Ok(Outcome { challenge, device_token })
}

struct Parsed {
    contact: Contact,
    password: Option<Password>,
    username: Option<Username>,
}

fn parse(app: &App, input: &Input, now: Timestamp) -> Result<Parsed, Vec<Refusal>> {
    if !app.config.sign_up.enabled {
        return Err(vec![Refusal::Disabled]);
    }
    let mut refusals = Vec::new();
    let contact = match &input.contact {
        ContactInput::Email(raw) => Email::parse(raw).map(Contact::Email).ok_or(Refusal::EmailInvalid),
        ContactInput::Phone(raw) => {
            Phone::parse(raw, app.config.phones.default_country.as_deref()).map(Contact::Phone).ok_or(Refusal::PhoneInvalid)
        }
    };
    let offered = |contact: &Contact| app.offers(contact.channel()) && app.reaches_contact(contact);
    let contact = contact.and_then(|contact| if offered(&contact) { Ok(contact) } else { Err(Refusal::ChannelDisabled) });
    let rules = &app.config.passwords;
    let password = input.password.as_deref().map(|raw| Password::parse(raw, rules.min_length, rules.max_length)).transpose();
    let username = input.username.as_deref().map(|raw| Username::parse(raw).ok_or(Refusal::UsernameInvalid)).transpose();
    let contact = contact.map_err(|refusal| refusals.push(refusal)).ok();
    let password = password.map_err(|refusal| refusals.push(Refusal::Password(refusal))).ok().flatten();
    let username = username.map_err(|refusal| refusals.push(refusal)).ok().flatten();
    refusals.extend(input.profile.problems(now).into_iter().map(Refusal::Profile));
    match contact {
        Some(contact) if refusals.is_empty() => Ok(Parsed { contact, password, username }),
        _ => Err(refusals),
    }
}

/// What is too easy about a new password, if anything; the product's name counts against it too, and so do breaches.
pub async fn judge_password(app: &App, password: Password, mut context: Vec<String>) -> Result<Option<Weakness>, Overloaded> {
    context.push(app.config.messages.product_name.clone());
    let min_strength = app.config.passwords.min_strength;
    let (judged, breaches) = (password.clone(), app.breaches.clone());
    let found = app.passwords.judge(move || {
        let found = weakness(&judged, min_strength, &context);
        found.or_else(|| breaches.is_listed(judged.as_ref()).then_some(Weakness::Breached))
    });
    match found.await? {
        None if app.breaches.is_known_to_service(password.as_ref()).await => Ok(Some(Weakness::Breached)),
        found => Ok(found),
    }
}

/// What must not make a password.
fn personal_words(parsed: &Parsed, profile: &Profile) -> Vec<String> {
    let mut words = profile.names();
    words.push(parsed.contact.as_str().to_owned());
    words.extend(parsed.username.as_ref().map(|username| username.as_str().to_owned()));
    words
}

/// Who has proved this contact.
pub async fn find_owner(app: &App, contact: &Contact) -> Result<Option<users::Model>, StorageError> {
    match contact {
        Contact::Email(email) => user_storage::find_by_verified_email(app.database.read(), email.as_str()).await,
        Contact::Phone(phone) => user_storage::find_by_verified_phone(app.database.read(), phone.as_str()).await,
    }
}

fn new_challenge(app: &App, contact: &Contact, meant: Meant, now: Timestamp) -> (Challenge, Secrets) {
    let channel = contact.channel();
    let secrets = Secrets::draw(app, channel);
    let id = app.entropy.uuid(now);
    let rules = &app.config.codes;
    let challenge = Challenge {
        id,
        purpose: Purpose::SignUp,
        channel,
        contact: contact.as_str().to_owned(),
        user_id: None,
        subject: Some(app.entropy.uuid(now)),
        code_hash: secrets.code_hash(app, id, meant),
        attempts_left: rules.attempts,
        state: State::Pending,
        created_at: now,
        expires_at: now + rules.ttl,
        resend_at: now + rules.resend_after,
    };
    (challenge, secrets)
}

/// The token of the caller's device, a new one where it has none, and its hash: how a link knows the browser that began.
pub fn device(app: &App, caller: &Caller) -> (String, [u8; 32]) {
    if let (Some(token), Some(hash)) = (&caller.device_token, caller.device_hash()) {
        (token.clone(), hash)
    } else {
        let token = OpaqueToken::generate(&app.entropy);
        (token.raw().to_owned(), token.hash())
    }
}

async fn write(
    app: &App,
    caller: &Caller,
    row: pending_sign_ups::Model,
    challenge: &Challenge,
    secrets: Secrets,
    owner: Option<&users::Model>,
    now: Timestamp,
) -> Result<Vec<uuid::Uuid>, Failure<Vec<Refusal>>> {
    let mut change = Change::begin(app, caller, now).await?;
    change.lock("contact", &row.contact).await?;
    let link_of = LinkOf::SignUp { pending_sign_up_id: row.id, expires_at: row.expires_at };
    let replaced = storage::insert_within(change.db(), row, u64::from(app.config.sign_up.per_contact)).await?;
    let template = match owner {
        Some(_) => Template::SignUpContactTaken {},
        None => Template::SignUpCode { challenge_id: challenge.id },
    };
    let letter = Letter { template, locale: notify::locale(app, caller, owner), delivery: Delivery::Send, budget: Budget::OfContact };
    send_code::run(app, &mut change, challenge, secrets, link_of, letter).await?;
    let mut entry = Entry::success("sign_up", Category::Account, None).with(json!({ "channel": challenge.channel.as_str() }));
    entry.status = entity::user_audit_log::Status::Pending;
    change.audit(entry);
    change.commit().await?;
    Ok(replaced)
}
