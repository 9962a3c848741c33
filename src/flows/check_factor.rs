//! Checks what an authenticator app or a recovery code says, the way every flow must.
//!
//! 1. Count the attempt at a code of the app, unless its counter is locked: that counter is the account's own (a known device has one for itself),
//!    and no right password resets it. Recovery codes are too long to be guessed, and let the owner of a locked account in.
//! 2. Check it; what is right is only looked at.
//! 3. The flow's own change uses it up, by one conditional write: of many at once one wins.

use entity::{Channel, Timestamp, account_events::Kind, known_devices, user_audit_log::Category, user_sessions::SecondFactor, users};

use super::{
    caller::Caller,
    change::{self, Change},
    failure::Failure,
    lockout::{self, FactorCounter},
    notify,
    passkey_assertion::Asserted,
    proof::Proof,
};
use crate::{
    app::App,
    domain::{recovery_code::RecoveryCode, totp},
    outbound::message::Template,
    storage::{
        attempt_counters::{self, Reservation},
        audit::Entry,
        error::StorageError,
        recovery_codes, totp as storage, users as user_storage,
    },
};

/// What the seeds are sealed for.
pub const SEED_PURPOSE: &str = "totp";

/// What is typed.
pub enum Given<'a> {
    /// Of the app.
    Totp(&'a str),
    /// One of the set.
    RecoveryCode(&'a str),
}

/// Whose factor, and from where.
#[derive(Clone, Copy)]
pub struct Holder<'a> {
    /// As the database has it now.
    pub user: &'a users::Model,
    /// The device, where the account knows it.
    pub known_device: Option<&'a known_devices::Model>,
    /// Name of the audit event, for example `login`.
    pub event_type: &'static str,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not right, or used up.
    Wrong,
    /// Too many wrong ones at this account; nothing was looked at.
    Locked {
        /// When it ends.
        until: Timestamp,
    },
}

/// A factor that was right, to be used up by the change that follows.
pub enum Checked {
    /// A code of the app.
    Totp {
        /// Its time step.
        step: i64,
        /// Names the seed.
        enabled_at: Timestamp,
        /// To be cleared.
        counter: FactorCounter,
    },
    /// A recovery code.
    RecoveryCode {
        /// Names it.
        hash: [u8; 32],
    },
    /// A passkey.
    Passkey(Box<Asserted>),
    /// A code that was sent because the sign-in looked risky.
    Code(Box<Proof>),
}

/// Checks it.
pub async fn run<R>(
    app: &App,
    caller: &Caller,
    holder: Holder<'_>,
    given: Given<'_>,
    now: Timestamp,
) -> Result<Result<Checked, Refusal>, Failure<R>> {
    match given {
        Given::Totp(code) => check_totp(app, caller, holder, code, now).await,
        Given::RecoveryCode(code) => check_recovery_code(app, holder.user, code).await,
    }
}

async fn check_totp<R>(
    app: &App,
    caller: &Caller,
    holder: Holder<'_>,
    code: &str,
    now: Timestamp,
) -> Result<Result<Checked, Refusal>, Failure<R>> {
    let user = holder.user;
    let (Some(enabled_at), Some(sealed)) = (user.totp_enabled_at, user.totp_secret_sealed.as_deref()) else {
        return Ok(Err(Refusal::Wrong));
    };
    let counter = FactorCounter::of(app, user, holder.known_device);
    let policy = lockout::factor_policy(&app.config);
    let id = app.entropy.uuid(now);
    let row = match attempt_counters::reserve(app.database.write(), &counter.counted(), &policy, id, now).await? {
        Reservation::Reserved(row) => row,
        Reservation::Locked { until } => return Ok(Err(Refusal::Locked { until })),
    };
    let Some(seed) = app.secret_box.open(SEED_PURPOSE, sealed).map(zeroize::Zeroizing::new) else {
        attempt_counters::give_back(app.database.write(), &counter.counted(), now).await?;
        return Err(Failure::inconsistent("a seed was sealed by a secret that is no longer set"));
    };
    if let Some(step) = totp::matching_step(&seed, code, user.totp_last_step, now) {
        return Ok(Ok(Checked::Totp { step, enabled_at, counter }));
    }
    if let (Some(until), None) = (row.locked_until, holder.known_device) {
        tell_locked(app, caller, holder, until, now).await?;
    }
    Ok(Err(Refusal::Wrong))
}

/// Whoever tries codes of the app has passed the first factor: its owner should know.
async fn tell_locked(app: &App, caller: &Caller, holder: Holder<'_>, until: Timestamp, now: Timestamp) -> Result<(), StorageError> {
    let mut change = Change::begin(app, caller, now).await?;
    let mut entry = Entry::failure("second_factor_locked", Category::Security, Some(holder.user.id), "TOO_MANY_ATTEMPTS");
    entry.actor = entity::user_sessions::Actor::Security;
    entry.metadata = serde_json::json!({ "until": until.to_string() });
    change.audit(entry);
    for message in notify::all_contacts(app, caller, holder.user, &Template::SecondFactorLocked { until }, now) {
        change.send(message);
    }
    change.tell(Kind::Locked, holder.user.id);
    change.commit().await
}

async fn check_recovery_code<R>(app: &App, user: &users::Model, code: &str) -> Result<Result<Checked, Refusal>, Failure<R>> {
    let Some(hash) = RecoveryCode::parse(code).map(|code| code.hash(user.id)) else { return Ok(Err(Refusal::Wrong)) };
    let right = user.totp_enabled_at.is_some() && recovery_codes::is_unused(app.database.read(), user.id, &hash).await?;
    Ok(if right { Ok(Checked::RecoveryCode { hash }) } else { Err(Refusal::Wrong) })
}

impl Checked {
    /// What it is as a second factor.
    pub fn factor(&self) -> SecondFactor {
        match self {
            Self::Totp { .. } => SecondFactor::Totp,
            Self::RecoveryCode { .. } => SecondFactor::RecoveryCode,
            Self::Passkey(_) => SecondFactor::Passkey,
            Self::Code(proof) => match proof.contact().channel {
                Channel::Email => SecondFactor::EmailCode,
                Channel::Sms => SecondFactor::SmsCode,
            },
        }
    }

    /// RFC 8176 names of it, and that there were several. A code to a mailbox makes no sign-in strong.
    pub fn amr(&self) -> Vec<&'static str> {
        match self {
            Self::Totp { .. } | Self::RecoveryCode { .. } => vec!["otp", "mfa"],
            Self::Passkey(asserted) => asserted.amr().to_vec(),
            Self::Code(_) => vec!["otp"],
        }
    }

    /// Uses it up in the transaction of what it does, and tells what that brings; false where somebody else did.
    pub async fn spend(&self, app: &App, caller: &Caller, change: &mut Change<'_>, user: &users::Model) -> Result<bool, StorageError> {
        match self {
            Self::Totp { step, enabled_at, counter } => {
                let counted = counter.counted();
                attempt_counters::clear_later(change.later(), counted.kind, counted.key);
                storage::advance_step(change.db(), user.id, *enabled_at, *step).await
            }
            Self::RecoveryCode { hash } => {
                if !recovery_codes::consume(change.db(), user.id, hash, change.now).await? {
                    return Ok(false);
                }
                // Whoever has one is the owner: what others guessed no longer counts.
                attempt_counters::clear_all_of_user(change.db(), lockout::SECOND_FACTOR, user.id).await?;
                change.audit(Entry::success("recovery_code_used", Category::Security, Some(user.id)));
                change.tell(Kind::SecondFactorChanged, user.id);
                let template = Template::RecoveryCodeUsed(notify::sighting(caller, change.now));
                for message in notify::all_contacts(app, caller, user, &template, change.now) {
                    change.send(message);
                }
                Ok(true)
            }
            Self::Passkey(asserted) => asserted.spend(change).await,
            Self::Code(proof) => {
                // It must still be the account's contact.
                Ok(user_storage::advance_sign_in_by_contact(change.db(), user.id, proof.contact(), change.now).await?
                    && proof.spend(app, change).await?)
            }
        }
    }
}

/// The audit row of a factor that was refused.
pub async fn record_refusal(app: &App, caller: &Caller, holder: Holder<'_>, refusal: Refusal, now: Timestamp) -> Result<(), StorageError> {
    let code = match refusal {
        Refusal::Wrong => "SECOND_FACTOR_INVALID",
        Refusal::Locked { .. } => "TOO_MANY_ATTEMPTS",
    };
    change::record(app, caller, vec![Entry::failure(holder.event_type, Category::Authentication, Some(holder.user.id), code)], now).await
}
