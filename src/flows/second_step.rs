//! The one gate between a first factor and a session: whoever has a second factor is asked for it, whichever way they came, and whose sign-in looks
//! risky for another proof, whatever they have.
//!
//! A session begins only with a [`Clearance`], and only this gate, a passkey, a given second factor or a new account makes one. What the first
//! factor proved waits under a login token, which is good for nothing but the second step.

use std::time::Duration;

use entity::{
    Channel, Timestamp, known_devices,
    user_audit_log::{Category, Status},
    user_sessions::{LoginMethod, SecondFactor},
    users,
};
use sea_orm::ActiveEnum as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{
    ask_for_code::new_challenge,
    assess_risk::{self, Failures, SignIn},
    caller::Caller,
    change::Change,
    check_code::Budget,
    failure::Failure,
    notify,
    provider_identity::ProvedIdentity,
    send_code::{self, Letter, LinkOf, Meant, Secrets},
    start_session,
};
use crate::{
    app::App,
    crypto::opaque_token::OpaqueToken,
    domain::{contact::Contact, risk::Signals},
    ephemeral::{
        Unavailable,
        challenges::{Challenge, Purpose},
        rate_limits::{Rule, ip_subject},
    },
    outbound::message::{Delivery, Template},
    storage::{audit::Entry, error::StorageError, passkeys, recovery_codes, users::ProvedContact},
};

/// How long the second step may take.
pub const LOGIN_TTL: Duration = Duration::from_mins(5);

/// That nothing more has to be proved before a session begins.
#[derive(Clone, Copy, Debug)]
pub struct Clearance {
    /// The second factor that was given.
    pub second_factor: Option<SecondFactor>,
    /// Whether it is worth a second factor: one was given, or a passkey with user verification.
    pub is_strong: bool,
    /// Whether it holds for an account whose second step is on.
    pub holds_with_totp: bool,
    /// What was unusual about the sign-in.
    pub signals: Signals,
}

impl Clearance {
    /// An account that begins with this very session has no second factor yet.
    pub const fn of_new_account(signals: Signals) -> Self {
        Self { second_factor: None, is_strong: false, holds_with_totp: false, signals }
    }

    /// A passkey with user verification is both factors at once.
    pub const fn of_passkey(signals: Signals) -> Self {
        Self { second_factor: None, is_strong: true, holds_with_totp: true, signals }
    }

    /// A second factor that was given just now.
    pub const fn of_second_factor(factor: SecondFactor, signals: Signals) -> Self {
        // A code to a mailbox is asked for where the risk is high; it makes no session strong.
        let is_strong = !matches!(factor, SecondFactor::EmailCode | SecondFactor::SmsCode);
        Self { second_factor: Some(factor), is_strong, holds_with_totp: is_strong, signals }
    }
}

/// What the first factor proved.
pub struct FirstFactor<'a> {
    /// Whose it is.
    pub user: &'a users::Model,
    /// The device, where the account knows it.
    pub known_device: Option<&'a known_devices::Model>,
    /// How.
    pub login_method: LoginMethod,
    /// RFC 8176 names of the proofs.
    pub amr: &'a [&'static str],
    /// The contact that it proved.
    pub proved: Option<ProvedContact<'a>>,
    /// The account at a provider that signs in, linked already or to be linked with the session.
    pub identity: Option<&'a ProvedIdentity>,
    /// Whether wrong passwords came shortly before.
    pub failures: Failures,
}

/// What the gate says.
pub enum Gate {
    /// Begin the session.
    Open(Clearance),
    /// First a second factor.
    Asks(Box<Asked>),
}

/// A second factor is asked for.
pub struct Asked {
    /// What the second step is answered with.
    pub login_token: String,
    /// What is taken.
    pub methods: Vec<SecondFactor>,
    /// The code that was sent, where one was.
    pub challenge: Option<Challenge>,
    /// Until when.
    pub expires_at: Timestamp,
    /// Whether it is asked for because the sign-in looked risky.
    pub by_risk: bool,
    signals: Signals,
    secrets: Option<Secrets>,
}

/// A sign-in that waits for its second factor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoginAttempt {
    /// Whose sign-in.
    pub user_id: Uuid,
    /// When the first factor was given, in milliseconds: it no longer counts once a new password, or the wish to leave, voided earlier proofs.
    since: i64,
    /// The end, in milliseconds.
    expires_at: i64,
    login_method: String,
    /// RFC 8176 names of the proofs.
    pub amr: Vec<String>,
    proved: Option<(String, String)>,
    /// The account at a provider that signs in.
    pub identity: Option<ProvedIdentity>,
    /// The code that was sent, where no better factor answers.
    #[serde(default)]
    pub challenge_id: Option<Uuid>,
    /// Whether an authenticator app or a recovery code answers.
    #[serde(default = "yes")]
    pub takes_app: bool,
    /// Whether the sign-in looked risky.
    #[serde(default)]
    pub by_risk: bool,
    #[serde(default)]
    signals: Vec<String>,
}

/// What waited before there was risk was for the app.
const fn yes() -> bool {
    true
}

impl LoginAttempt {
    /// What was unusual about the first factor.
    pub fn signals(&self) -> Signals {
        Signals::of_names(self.signals.iter().map(String::as_str))
    }

    /// How the first factor was given.
    pub fn login_method(&self) -> Option<LoginMethod> {
        LoginMethod::try_from_value(&self.login_method).ok()
    }

    /// When the first factor was given.
    pub const fn since(&self) -> Timestamp {
        Timestamp::from_millis(self.since)
    }

    /// Its end.
    pub const fn expires_at(&self) -> Timestamp {
        Timestamp::from_millis(self.expires_at)
    }

    /// The contact that the first factor proved.
    pub fn proved(&self) -> Option<ProvedContact<'_>> {
        let (channel, contact) = self.proved.as_ref()?;
        Some(ProvedContact { channel: Channel::parse(channel)?, contact, since: self.since() })
    }
}

/// Lets a first factor through, or keeps it until the second one comes. The caller's change then uses the first factor up all the same, and
/// [sends](send) what is to be sent.
pub async fn run<R>(app: &App, caller: &Caller, first: FirstFactor<'_>, now: Timestamp) -> Result<Gate, Failure<R>> {
    let sign_in = SignIn { user: first.user, known_device: first.known_device, failures: first.failures };
    let signals = assess_risk::of_sign_in(app, caller, sign_in, now).await?;
    let by_risk = signals.score() >= app.config.risk.second_factor_from;
    let has_app = first.user.totp_enabled_at.is_some();
    let is_trusted = first.known_device.and_then(|device| device.trusted_until).is_some_and(|until| until > now);
    let open = Clearance { second_factor: None, is_strong: false, holds_with_totp: has_app, signals };
    if !by_risk && (!has_app || is_trusted) {
        return Ok(Gate::Open(open));
    }
    let mut methods = methods(app, first.user).await?;
    let mut code = None;
    if methods.is_empty() {
        // Nothing is asked for that could not come: it stays with the mark, and its owner is told.
        let Some(contact) = contact_for_code(app, &first) else { return Ok(Gate::Open(open)) };
        methods.push(match contact.0 {
            Channel::Email => SecondFactor::EmailCode,
            Channel::Sms => SecondFactor::SmsCode,
        });
        code = Some(begin_code(app, caller, (first.user, contact), now).await?);
    }
    let token = OpaqueToken::generate(&app.entropy);
    let expires_at = now + LOGIN_TTL;
    let (challenge, secrets) = code.unzip();
    let attempt = LoginAttempt {
        user_id: first.user.id,
        since: now.millis(),
        expires_at: expires_at.millis(),
        login_method: first.login_method.to_value(),
        amr: first.amr.iter().map(|name| (*name).to_owned()).collect(),
        proved: first.proved.map(|proved| (proved.channel.as_str().to_owned(), proved.contact.to_owned())),
        identity: first.identity.cloned(),
        challenge_id: challenge.as_ref().map(|challenge: &Challenge| challenge.id),
        takes_app: has_app,
        by_risk,
        signals: signals.names().into_iter().map(str::to_owned).collect(),
    };
    let record = serde_json::to_vec(&attempt).map_err(|_| Failure::inconsistent("a login attempt cannot be written"))?;
    app.store.put(&key_of(&token.hash()), &record, expires_at, now).await?;
    Ok(Gate::Asks(Box::new(Asked { login_token: token.raw().to_owned(), methods, challenge, expires_at, by_risk, signals, secrets })))
}

/// Where a code can go: to a contact that is proved and reached, but not to the one that was the first factor, for whoever has that has both.
fn contact_for_code(app: &App, first: &FirstFactor<'_>) -> Option<(Channel, String)> {
    let user = first.user;
    let email = user.email.clone().filter(|_| user.email_verified_at.is_some()).map(|email| (Channel::Email, email));
    let phone = user.phone.clone().filter(|_| user.phone_verified_at.is_some()).map(|phone| (Channel::Sms, phone));
    let is_first_factor = |channel: Channel| first.proved.is_some_and(|proved| proved.channel == channel);
    let reaches = |contact: &str| Contact::from_canonical(contact).is_some_and(|contact| app.reaches_contact(&contact));
    email.into_iter().chain(phone).find(|(channel, contact)| !is_first_factor(*channel) && reaches(contact))
}

/// The first factor was right: what strangers ask for must not keep the owner out.
async fn begin_code<R>(
    app: &App,
    caller: &Caller,
    (user, contact): (&users::Model, (Channel, String)),
    now: Timestamp,
) -> Result<(Challenge, Secrets), Failure<R>> {
    Budget::Own(user.id).take_send(app, caller, (contact.0, &contact.1), now).await?;
    app.rate_limits.take(Rule::CodesPerIp, &ip_subject(caller.ip), now).await?;
    let (challenge, secrets) = new_challenge(app, contact, Meant::Really, (Purpose::Risk, Some(user.id), None), now);
    app.challenges.create(&challenge, now).await?;
    Ok((challenge, secrets))
}

/// Writes down, in the change that uses the first factor up, that the second one is waited for, and sends its code where it is one.
pub async fn send<R>(
    app: &App,
    caller: &Caller,
    change: &mut Change<'_>,
    (user, login_method): (&users::Model, LoginMethod),
    asked: &mut Asked,
) -> Result<(), Failure<R>> {
    let mut about = json!({ "method": start_session::method_name(login_method), "secondFactorRequired": true });
    if asked.by_risk {
        about["riskSignals"] = json!(asked.signals.names());
    }
    let mut entry = Entry::success("login", Category::Authentication, Some(user.id)).at_risk(asked.signals.score()).with(about);
    entry.status = Status::Pending;
    change.audit(entry);
    if let (Some(challenge), Some(secrets)) = (&asked.challenge, asked.secrets.take()) {
        let template = Template::RiskCode { challenge_id: challenge.id };
        let locale = notify::locale(app, caller, Some(user));
        let letter = Letter { template, locale, delivery: Delivery::Send, budget: Budget::Own(user.id) };
        send_code::run(app, change, challenge, secrets, LinkOf::None, letter).await?;
    }
    Ok(())
}

/// With what an account answers that has something to answer with. Recovery codes stand in for the app.
async fn methods(app: &App, user: &users::Model) -> Result<Vec<SecondFactor>, StorageError> {
    let db = app.database.read();
    let mut methods = Vec::new();
    if user.totp_enabled_at.is_some() {
        methods.push(SecondFactor::Totp);
        if recovery_codes::count_unused(db, user.id).await? > 0 {
            methods.push(SecondFactor::RecoveryCode);
        }
    }
    if app.relying_party.is_some() && passkeys::count_of_user(db, user.id).await? > 0 {
        methods.push(SecondFactor::Passkey);
    }
    Ok(methods)
}

/// The sign-in that a login token stands for, and the hash that names it; looking uses nothing up.
pub async fn find(app: &App, login_token: &str, now: Timestamp) -> Result<Option<(LoginAttempt, [u8; 32])>, Unavailable> {
    let Some(hash) = OpaqueToken::parse(login_token) else { return Ok(None) };
    let found = app.store.get(&key_of(&hash), now).await?;
    Ok(found.and_then(|record| serde_json::from_slice(&record).ok()).map(|attempt| (attempt, hash)))
}

/// Forgets a sign-in that is over; the database has had the last word.
pub async fn forget(app: &App, hash: &[u8; 32], now: Timestamp) {
    let _ = app.store.take(&key_of(hash), now).await;
}

fn key_of(hash: &[u8; 32]) -> String {
    format!("login_attempt:{}", hex::encode(hash))
}
