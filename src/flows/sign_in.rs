//! Signs in with an identifier and a password.
//!
//! 1. Limits: by address, and by identifier.
//! 2. Whose identifier it is; from a device that the account knows, its own allowance counts.
//! 3. The password (counted before it is checked; the same work where there is no account).
//! 4. Only after the right password: whether the account may be used.
//! 5. Where no contact of it was ever proved, a code first.
//! 6. The gate: whoever has a second factor is asked for it, unless the device is trusted; whose sign-in looks risky is asked in any case.
//! 7. One change: the session, its event, audit rows and the notice about a new device. It holds only if the account still has that
//!    password and is active.

use entity::{
    known_devices,
    user_audit_log::Category,
    user_sessions::{LoginMethod, TokenDelivery},
    users,
};
use uuid::Uuid;

use super::{
    assess_risk::Failures,
    caller::Caller,
    change::{self, Change},
    even_time,
    failure::Failure,
    lockout::Subject,
    prove_password::{self, Attempt, Proof},
    second_step::{self, Asked, FirstFactor, Gate},
    start_session::{self, NewSession, SignedIn},
    verify_at_sign_in,
};
use crate::{
    app::App,
    clock::Timestamp,
    domain::{contact::Identifier, password::Password},
    ephemeral::{
        challenges::Challenge,
        rate_limits::{Rule, ip_subject},
    },
    storage::{
        attempt_counters,
        audit::Entry,
        error::StorageError,
        known_devices as devices, users as storage,
        users::{Named, SignIn as SignInWrite},
    },
};

/// What is typed.
pub struct Input {
    /// E-mail address, phone number or username.
    pub identifier: String,
    /// As typed.
    pub password: String,
    /// How the tokens shall travel.
    pub delivery: TokenDelivery,
}

/// What the right password leads to.
pub enum Outcome {
    /// A session.
    SignedIn(Box<SignedIn>),
    /// The first factor was right, and a second one is asked for.
    SecondFactorRequired(Box<Asked>),
    /// The contact has to be proved first: the code was sent.
    VerificationRequired(Challenge),
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Identifier or password; it does not say which.
    CredentialsInvalid,
    /// Too many failures.
    Locked {
        /// When it ends.
        until: Timestamp,
        /// When it was refused.
        now: Timestamp,
    },
    /// The password was right, but the account is suspended.
    Suspended,
    /// The same, banned.
    Banned,
    /// The same, inactive.
    Inactive,
    /// A contact has to be proved first, and nothing can be sent to it.
    ChannelDisabled,
}

/// Signs in.
pub async fn run(app: &App, caller: &Caller, input: Input) -> Result<Outcome, Failure<Refusal>> {
    even_time::of(Box::pin(sign_in(app, caller, input))).await
}

async fn sign_in(app: &App, caller: &Caller, input: Input) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    app.rate_limits.take(Rule::SignInPerIp, &ip_subject(caller.ip), now).await?;
    let identifier = Identifier::parse(&input.identifier, app.config.phones.default_country.as_deref());
    let (user, device) = find_user_and_device(app, caller, &identifier).await?;
    let subject = match (&user, &device) {
        (Some(user), Some(device)) => Subject::Device(user, device),
        (Some(user), None) => Subject::Account(user),
        (None, _) => Subject::Nobody(identifier.as_str()),
    };
    app.rate_limits.take(Rule::SignInPerAccount, &subject.limit_name(app), now).await?;
    let password = Password::parse(&input.password, 1, app.config.passwords.max_length).ok();
    let attempt = Attempt { subject, password: password.as_ref(), event_type: "login" };
    let (counter, rehash, failed_before) = match prove_password::run(app, caller, attempt, now).await? {
        Proof::Right { counter, rehash, failed_before } => (counter, rehash, failed_before),
        Proof::Wrong => return Err(Failure::Refused(Refusal::CredentialsInvalid)),
        Proof::Locked { until } => return Err(Failure::Refused(Refusal::Locked { until, now })),
    };
    let (Some(user), Some(password)) = (user, password) else {
        return Err(Failure::inconsistent("a password was right for an account that does not exist"));
    };
    if let Some(refusal) = refused_by_status(user.status) {
        attempt_counters::clear(app.database.write(), counter.counted().kind, counter.counted().key).await?;
        change::record(app, caller, vec![Entry::failure("login", Category::Authentication, Some(user.id), refusal.code())], now).await?;
        return Err(Failure::Refused(refusal));
    }
    let rehashed = if rehash { Some(app.passwords.hash(password).await?) } else { None };
    let old_hash = user.password_hash.clone().unwrap_or_default();
    let write = SignInWrite { password_hash: &old_hash, rehashed: rehashed.as_deref() };
    if let Some(contact) = verify_at_sign_in::unproved_contact(&user) {
        attempt_counters::clear(app.database.write(), counter.counted().kind, counter.counted().key).await?;
        return Ok(Outcome::VerificationRequired(verify_at_sign_in::begin(app, caller, (&user, contact), write, now).await?));
    }
    let first = FirstFactor {
        user: &user,
        known_device: device.as_ref(),
        login_method: LoginMethod::Password,
        amr: &["pwd"],
        proved: None,
        identity: None,
        failures: Failures::Told(failed_before),
    };
    let gate = match second_step::run(app, caller, first, now).await {
        Ok(gate) => gate,
        Err(failure) => {
            // The password was right, whatever went wrong.
            attempt_counters::give_back(app.database.write(), &counter.counted(), now).await?;
            return Err(failure);
        }
    };
    let clearance = match gate {
        Gate::Open(clearance) => clearance,
        Gate::Asks(mut asked) => {
            let mut change = Change::begin(app, caller, now).await?;
            if !storage::keep_password(change.db(), user.id, write).await? {
                return Err(Failure::Refused(Refusal::CredentialsInvalid));
            }
            if asked.by_risk {
                // What came before goes on to count until the second proof is given, or asking twice would look less risky.
                attempt_counters::give_back(change.db(), &counter.counted(), now).await?;
            } else {
                attempt_counters::clear_later(change.later(), counter.counted().kind, counter.counted().key);
            }
            second_step::send(app, caller, &mut change, (&user, LoginMethod::Password), &mut asked).await?;
            change.commit().await?;
            return Ok(Outcome::SecondFactorRequired(asked));
        }
    };
    let mut change = Change::begin(app, caller, now).await?;
    if !storage::advance_sign_in(change.db(), user.id, write, now).await? {
        return Err(Failure::Refused(Refusal::CredentialsInvalid));
    }
    attempt_counters::clear_later(change.later(), counter.counted().kind, counter.counted().key);
    let new = NewSession {
        user: &user,
        login_method: LoginMethod::Password,
        amr: &["pwd"],
        clearance,
        delivery: input.delivery,
        known_device: device,
        is_new_user: false,
    };
    let started = start_session::run(app, caller, &mut change, new).await?;
    let user = users::Model { password_hash: rehashed.or(user.password_hash), ..user };
    Ok(Outcome::SignedIn(started.commit(change, user).await?))
}

/// One question for both, whether or not a device token came, so that it takes the same time for every account.
async fn find_user_and_device(
    app: &App,
    caller: &Caller,
    identifier: &Identifier,
) -> Result<(Option<users::Model>, Option<known_devices::Model>), StorageError> {
    let named = match identifier {
        Identifier::Email(email) => Named::Email(email.as_str()),
        Identifier::Phone(phone) => Named::Phone(phone.as_str()),
        Identifier::Username(username) => Named::Username(username.as_str()),
        // Nobody; not with that text, which a database need not take (PostgreSQL no NUL).
        Identifier::Unrecognised(_) => Named::Username(""),
    };
    let device_hash = caller.device_hash().unwrap_or_default();
    let found = storage::find_with_device(app.database.read(), named, &device_hash).await?;
    Ok(found.map_or((None, None), |(user, device)| (Some(user), device)))
}

/// The caller's device, where the account knows it; asked for nobody's too, so that it takes the same time.
pub async fn find_device(app: &App, caller: &Caller, user_id: Option<Uuid>) -> Result<Option<known_devices::Model>, StorageError> {
    match caller.device_hash() {
        Some(hash) => devices::find(app.database.read(), user_id.unwrap_or_default(), &hash).await,
        None => Ok(None),
    }
}

/// What the status of an account refuses, told only after the right secret.
pub const fn refused_by_status(status: users::Status) -> Option<Refusal> {
    match status {
        users::Status::Active => None,
        users::Status::Suspended => Some(Refusal::Suspended),
        users::Status::Banned => Some(Refusal::Banned),
        users::Status::Inactive => Some(Refusal::Inactive),
    }
}

impl Refusal {
    /// As the audit log has it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::CredentialsInvalid => "CREDENTIALS_INVALID",
            Self::Locked { .. } => "ACCOUNT_LOCKED",
            Self::Suspended => "ACCOUNT_SUSPENDED",
            Self::Banned => "ACCOUNT_BANNED",
            Self::Inactive => "ACCOUNT_INACTIVE",
            Self::ChannelDisabled => "METHOD_DISABLED",
        }
    }
}
