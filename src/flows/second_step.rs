//! The one gate between a first factor and a session: whoever has a second factor is asked for it, whichever way they came.
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

use super::{failure::Failure, provider_identity::ProvedIdentity, start_session};
use crate::{
    app::App,
    crypto::opaque_token::OpaqueToken,
    ephemeral::{Unavailable, challenges::Challenge},
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
}

impl Clearance {
    /// An account that begins with this very session has no second factor yet.
    pub const fn of_new_account() -> Self {
        Self { second_factor: None, is_strong: false, holds_with_totp: false }
    }

    /// A passkey with user verification is both factors at once.
    pub const fn of_passkey() -> Self {
        Self { second_factor: None, is_strong: true, holds_with_totp: true }
    }

    /// A second factor that was given just now.
    pub const fn of_second_factor(factor: SecondFactor) -> Self {
        // A code to a mailbox is asked for where the risk is high; it makes no session strong.
        let is_strong = !matches!(factor, SecondFactor::EmailCode | SecondFactor::SmsCode);
        Self { second_factor: Some(factor), is_strong, holds_with_totp: is_strong }
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
}

/// What the gate says.
pub enum Gate {
    /// Begin the session.
    Open(Clearance),
    /// First a second factor.
    Asks(Box<Asked>),
}

/// A second factor is asked for.
#[derive(Debug)]
pub struct Asked {
    /// What the second step is answered with.
    pub login_token: String,
    /// What is taken.
    pub methods: Vec<SecondFactor>,
    /// The code that was sent, where one was.
    pub challenge: Option<Challenge>,
    /// Until when.
    pub expires_at: Timestamp,
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
}

impl LoginAttempt {
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

/// Lets a first factor through, or keeps it until the second one comes. The caller's change then uses the first factor up all the same.
pub async fn run<R>(app: &App, first: FirstFactor<'_>, now: Timestamp) -> Result<Gate, Failure<R>> {
    let trusted = first.known_device.and_then(|device| device.trusted_until).is_some_and(|until| until > now);
    if first.user.totp_enabled_at.is_none() {
        return Ok(Gate::Open(Clearance { second_factor: None, is_strong: false, holds_with_totp: false }));
    }
    if trusted {
        return Ok(Gate::Open(Clearance { second_factor: None, is_strong: false, holds_with_totp: true }));
    }
    let methods = methods(app, first.user).await?;
    let token = OpaqueToken::generate(&app.entropy);
    let expires_at = now + LOGIN_TTL;
    let attempt = LoginAttempt {
        user_id: first.user.id,
        since: now.millis(),
        expires_at: expires_at.millis(),
        login_method: first.login_method.to_value(),
        amr: first.amr.iter().map(|name| (*name).to_owned()).collect(),
        proved: first.proved.map(|proved| (proved.channel.as_str().to_owned(), proved.contact.to_owned())),
        identity: first.identity.cloned(),
    };
    let record = serde_json::to_vec(&attempt).map_err(|_| Failure::inconsistent("a login attempt cannot be written"))?;
    app.store.put(&key_of(&token.hash()), &record, expires_at, now).await?;
    Ok(Gate::Asks(Box::new(Asked { login_token: token.raw().to_owned(), methods, challenge: None, expires_at })))
}

/// The audit row of a first factor that waits for its second.
pub fn pending(user_id: Uuid, login_method: LoginMethod) -> Entry {
    let mut entry = Entry::success("login", Category::Authentication, Some(user_id))
        .with(json!({ "method": start_session::method_name(login_method), "secondFactorRequired": true }));
    entry.status = Status::Pending;
    entry
}

/// With what an account with a second factor answers.
pub async fn methods(app: &App, user: &users::Model) -> Result<Vec<SecondFactor>, StorageError> {
    let db = app.database.read();
    let mut methods = vec![SecondFactor::Totp];
    if recovery_codes::count_unused(db, user.id).await? > 0 {
        methods.push(SecondFactor::RecoveryCode);
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
