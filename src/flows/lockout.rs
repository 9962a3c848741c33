//! Which counter an attempt falls into, and what its limits are.

use std::time::Duration;

use entity::{known_devices, users};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::in_flight::Place;
use crate::{
    app::App,
    config::Config,
    crypto::{keyed_hash, password_hash::Overloaded},
    domain::lockout,
    storage::attempt_counters::{Counted, Policy},
};

/// Attempts at passwords.
pub const PASSWORD: &str = "password";
/// Attempts at codes.
pub const CODE: &str = "code";
/// Attempts at second factors.
pub const SECOND_FACTOR: &str = "second_factor";

/// Whose password is tried.
#[derive(Clone, Copy)]
pub enum Subject<'a> {
    /// An account, from anywhere: one counter, whichever identifier was used.
    Account(&'a users::Model),
    /// An account, from a device that it knows: an allowance of its own, so that nobody can lock a person out from afar.
    Device(&'a users::Model, &'a known_devices::Model),
    /// An identifier that belongs to nobody, in canonical form.
    Nobody(&'a str),
}

impl Subject<'_> {
    /// What its leaky bucket is called: identifiers do not stand in keys of the store in clear.
    pub fn limit_name(self, app: &App) -> String {
        match self {
            Self::Account(user) => user.id.simple().to_string(),
            Self::Device(_, device) => device.id.simple().to_string(),
            Self::Nobody(identifier) => contact_limit_name(app, identifier),
        }
    }
}

/// What the leaky bucket of a contact or identifier is called.
pub fn contact_limit_name(app: &App, contact: &str) -> String {
    let hash = keyed_hash::counter_key(&app.key_ring, "rate_limit", &[contact.as_bytes()]);
    Uuid::from_slice(&hash[..16]).unwrap_or_default().simple().to_string()
}

/// What is counted for attempts at a password.
pub struct PasswordCounter {
    key: [u8; 32],
    user_id: Option<Uuid>,
    is_account: bool,
    place: Option<Place>,
}

impl PasswordCounter {
    /// The counter of a subject.
    pub fn of(app: &App, subject: Subject<'_>) -> Self {
        let (key, user_id) = match subject {
            Subject::Account(user) => (account_key(app, user.id), Some(user.id)),
            Subject::Device(user, device) => {
                let key = keyed_hash::counter_key(&app.key_ring, PASSWORD, &[b"device", user.id.as_bytes(), device.id.as_bytes()]);
                (key, Some(user.id))
            }
            Subject::Nobody(identifier) => {
                (keyed_hash::counter_key(&app.key_ring, PASSWORD, &[b"identifier", identifier.as_bytes()]), None)
            }
        };
        Self { key, user_id, is_account: matches!(subject, Subject::Account(_)), place: None }
    }

    /// Waits until few enough others are being checked: so many right passwords at once, from one who reloads or tries in a loop, then never
    /// look like wrong ones. Half as many as would lock, so that two instances together do not reach that either. The place is kept for as long
    /// as this is.
    pub async fn enter(mut self, app: &App) -> Result<Self, Overloaded> {
        let at_once = app.config.lockout.failures.saturating_sub(1) / 2;
        let at_once = usize::try_from(at_once).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS);
        let place = app.passwords_in_flight.enter(self.key, at_once, app.config.passwords.queue_wait).await;
        self.place = Some(place.ok_or(Overloaded { retry_after: Duration::from_secs(1) })?);
        Ok(self)
    }

    /// For storage.
    pub const fn counted(&self) -> Counted<'_> {
        Counted { kind: PASSWORD, key: &self.key, user_id: self.user_id, is_account: self.is_account }
    }
}

/// The key of an account's own counter.
pub fn account_key(app: &App, user_id: Uuid) -> [u8; 32] {
    keyed_hash::counter_key(&app.key_ring, PASSWORD, &[b"account", user_id.as_bytes()])
}

/// What is counted for attempts at codes of an authenticator app.
pub struct FactorCounter {
    key: [u8; 32],
    user_id: Uuid,
    is_account: bool,
}

impl FactorCounter {
    /// The account's own, or that of a device which it knows: so that nobody can lock a person out from afar.
    pub fn of(app: &App, user: &users::Model, device: Option<&known_devices::Model>) -> Self {
        let key = match device {
            Some(device) => keyed_hash::counter_key(&app.key_ring, SECOND_FACTOR, &[b"device", user.id.as_bytes(), device.id.as_bytes()]),
            None => keyed_hash::counter_key(&app.key_ring, SECOND_FACTOR, &[b"account", user.id.as_bytes()]),
        };
        Self { key, user_id: user.id, is_account: device.is_none() }
    }

    /// For storage.
    pub const fn counted(&self) -> Counted<'_> {
        Counted { kind: SECOND_FACTOR, key: &self.key, user_id: Some(self.user_id), is_account: self.is_account }
    }
}

/// The key of the attempts of one login token.
pub fn login_attempt_key(app: &App, token_hash: &[u8; 32]) -> [u8; 32] {
    keyed_hash::counter_key(&app.key_ring, SECOND_FACTOR, &[b"login", token_hash])
}

/// The key of the budget of wrong codes of a contact, existing or not.
pub fn code_budget_key(app: &App, contact: &str) -> [u8; 32] {
    keyed_hash::counter_key(&app.key_ring, CODE, &[b"contact", contact.as_bytes()])
}

/// The key of the budget of wrong codes that a live session or a known device has for itself.
pub fn own_code_budget_key(app: &App, id: Uuid) -> [u8; 32] {
    keyed_hash::counter_key(&app.key_ring, CODE, &[b"own", id.as_bytes()])
}

/// Five failures lock, each lock twice as long as the one before.
pub fn password_policy(config: &Config) -> Policy {
    let rule = &config.lockout;
    let locks = lockout::durations(rule.first, rule.longest);
    Policy { failures: bounded(rule.failures), window: rule.window, locks, in_a_row: bounded(rule.in_a_row) }
}

/// The same for codes of an authenticator app.
pub fn factor_policy(config: &Config) -> Policy {
    password_policy(config)
}

/// So many attempts has one login token, and then no more.
pub fn login_policy(attempts: i32, ttl: Duration) -> Policy {
    Policy { failures: attempts.saturating_add(1), window: ttl, locks: vec![ttl], in_a_row: attempts }
}

/// So many wrong codes in a day, and no more until a day has passed.
pub fn code_policy(config: &Config) -> Policy {
    let window: Duration = config.codes.budget_window;
    Policy { failures: bounded(config.codes.wrong_budget), window, locks: vec![window], in_a_row: i32::MAX }
}

fn bounded(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
