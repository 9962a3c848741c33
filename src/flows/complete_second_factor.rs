//! Answers the second step of a sign-in.
//!
//! 1. The login token must be one of ours, and have an attempt left: it is counted before anything is looked at.
//! 2. The factor: of the very account whose first factor was right, which must still be allowed in.
//! 3. One change: the account (unchanged in what the first factor proved), the factor and the login token used up, the session begun.

use entity::{
    Timestamp,
    user_audit_log::Category,
    user_sessions::{LoginMethod, TokenDelivery},
    users,
};
use serde_json::Value;

use super::{
    caller::Caller,
    change::{self, Change},
    check_code::{self, Budget},
    check_factor::{self, Checked, Given as TypedFactor, Holder},
    failure::Failure,
    lockout::{self, PasswordCounter, Subject},
    passkey_assertion,
    proof::Proof,
    provider_identity,
    second_step::{self, Clearance, LoginAttempt},
    sign_in::{self, find_device, refused_by_status},
    start_session::{self, NewSession, SignedIn},
    trust_session,
};
use crate::{
    app::App,
    ephemeral::{
        challenges::Purpose,
        rate_limits::{Rule, ip_subject},
    },
    storage::{
        attempt_counters::{self, Counted, Reservation},
        audit::Entry,
        spent_tokens,
        users::{self as storage, FirstFactor},
    },
};

/// Guesses that one login token has.
const ATTEMPTS: i32 = 5;

/// With what.
pub enum Given {
    /// Of the authenticator app.
    Totp(String),
    /// One of the set.
    RecoveryCode(String),
    /// `AuthenticationResponseJSON`, after `beginPasskeySignIn` with the same login token.
    Passkey(Value),
    /// Of the challenge that was sent because the sign-in looked risky.
    Code(String),
}

/// What is typed.
pub struct Input {
    /// As the first factor's answer gave it.
    pub login_token: String,
    /// With what.
    pub factor: Given,
    /// Whether this device is not to be asked again for a while.
    pub trust_device: bool,
    /// How the tokens shall travel.
    pub delivery: TokenDelivery,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No sign-in waits under this token: begin again.
    TokenInvalid,
    /// Not right, or used up.
    Invalid {
        /// Guesses left.
        attempts_left: u32,
    },
    /// No guesses left with this token: begin again.
    TooManyAttempts,
    /// Too many wrong codes at this account.
    Locked {
        /// When it ends.
        until: Timestamp,
        /// When it was refused.
        now: Timestamp,
    },
    /// It was right, but the account may not be used.
    Account(sign_in::Refusal),
}

impl Refusal {
    /// As the audit log has it; `None` where it was written with the check.
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::TokenInvalid => Some("TOKEN_INVALID"),
            Self::TooManyAttempts => Some("TOO_MANY_ATTEMPTS"),
            Self::Account(refusal) => Some(refusal.code()),
            Self::Invalid { .. } | Self::Locked { .. } => None,
        }
    }
}

/// Answers it.
pub async fn run(app: &App, caller: &Caller, input: Input) -> Result<Box<SignedIn>, Failure<Refusal>> {
    let now = app.clock.now();
    app.rate_limits.take(Rule::SignInPerIp, &ip_subject(caller.ip), now).await?;
    let found = second_step::find(app, &input.login_token, now).await?;
    let user_id = found.as_ref().map(|(attempt, _)| attempt.user_id);
    let ended = match found {
        Some((attempt, hash)) => complete(app, caller, (&attempt, &hash), &input, now).await,
        None => Err(Failure::Refused(Refusal::TokenInvalid)),
    };
    if let Err(Failure::Refused(refusal)) = &ended
        && let Some(code) = refusal.code()
    {
        change::record(app, caller, vec![Entry::failure("login", Category::Authentication, user_id, code)], now).await?;
    }
    ended
}

async fn complete(
    app: &App,
    caller: &Caller,
    (attempt, hash): (&LoginAttempt, &[u8; 32]),
    input: &Input,
    now: Timestamp,
) -> Result<Box<SignedIn>, Failure<Refusal>> {
    let key = lockout::login_attempt_key(app, hash);
    let counted = Counted { kind: lockout::SECOND_FACTOR, key: &key, user_id: None, is_account: false };
    let policy = lockout::login_policy(ATTEMPTS, second_step::LOGIN_TTL);
    let id = app.entropy.uuid(now);
    let row = match attempt_counters::reserve(app.database.write(), &counted, &policy, id, now).await? {
        Reservation::Reserved(row) => row,
        Reservation::Locked { .. } => return Err(Failure::Refused(Refusal::TooManyAttempts)),
    };
    let checked = check(app, caller, (attempt, hash), &input.factor, now).await;
    let (user, checked) = match checked {
        Ok(Ok(right)) => right,
        Ok(Err(Wrong::Guess { left_elsewhere })) => {
            let attempts_left = u32::try_from(ATTEMPTS.saturating_sub(row.total)).unwrap_or(0).min(left_elsewhere.unwrap_or(u32::MAX));
            return Err(Failure::Refused(Refusal::Invalid { attempts_left }));
        }
        Ok(Err(Wrong::Over)) => return Err(Failure::Refused(Refusal::TooManyAttempts)),
        Ok(Err(Wrong::Locked { until })) => {
            // It was not looked at.
            attempt_counters::give_back(app.database.write(), &counted, now).await?;
            return Err(Failure::Refused(Refusal::Locked { until, now }));
        }
        Err(failure) => {
            attempt_counters::give_back(app.database.write(), &counted, now).await?;
            return Err(failure);
        }
    };
    let signed_in = begin_session(app, caller, (attempt, hash), (&user, &checked), input, now).await;
    if let Checked::Code(proof) = &checked {
        match &signed_in {
            Ok(_) => proof.finish(app, now).await,
            Err(Failure::Refused(_)) => {}
            Err(_) => proof.give_back(app, now).await,
        }
    }
    let signed_in = signed_in?;
    // The database has had the last word.
    second_step::forget(app, hash, now).await;
    Ok(signed_in)
}

/// Why a factor is none.
enum Wrong {
    /// It was looked at, and is not right.
    Guess {
        /// Guesses left at the challenge, where a code was sent.
        left_elsewhere: Option<u32>,
    },
    /// Nothing was looked at: too many wrong ones at this account.
    Locked {
        /// When it ends.
        until: Timestamp,
    },
    /// No code can be right any more.
    Over,
}

impl From<check_factor::Refusal> for Wrong {
    fn from(refusal: check_factor::Refusal) -> Self {
        match refusal {
            check_factor::Refusal::Wrong => Self::Guess { left_elsewhere: None },
            check_factor::Refusal::Locked { until } => Self::Locked { until },
        }
    }
}

async fn check(
    app: &App,
    caller: &Caller,
    (attempt, hash): (&LoginAttempt, &[u8; 32]),
    given: &Given,
    now: Timestamp,
) -> Result<Result<(users::Model, Checked), Wrong>, Failure<Refusal>> {
    let user = storage::find_by_id(app.database.read(), attempt.user_id).await?.ok_or(Failure::Refused(Refusal::TokenInvalid))?;
    let known_device = find_device(app, caller, Some(user.id)).await?;
    let holder = Holder { user: &user, known_device: known_device.as_ref(), event_type: "login" };
    let typed = match given {
        Given::Totp(code) => TypedFactor::Totp(code),
        Given::RecoveryCode(code) => TypedFactor::RecoveryCode(code),
        Given::Passkey(credential) => {
            return match passkey_assertion::check_for_login(app, (hash, attempt), credential, now).await {
                Ok(asserted) => Ok(Ok((user, Checked::Passkey(Box::new(asserted))))),
                Err(Failure::Refused(refusal)) => {
                    change::record(app, caller, vec![refusal.entry("login", Some(user.id))], now).await?;
                    Ok(Err(Wrong::Guess { left_elsewhere: None }))
                }
                Err(failure) => Err(failure.map(|_| Refusal::TokenInvalid)),
            };
        }
        Given::Code(code) => {
            return match check_sent_code(app, attempt, code, now).await? {
                Ok(proof) => Ok(Ok((user, Checked::Code(Box::new(proof))))),
                Err(wrong) => {
                    let refusal = match wrong {
                        Wrong::Guess { .. } | Wrong::Over => check_factor::Refusal::Wrong,
                        Wrong::Locked { until } => check_factor::Refusal::Locked { until },
                    };
                    check_factor::record_refusal(app, caller, holder, refusal, now).await?;
                    Ok(Err(wrong))
                }
            };
        }
    };
    match check_factor::run(app, caller, holder, typed, now).await? {
        Ok(checked) => Ok(Ok((user, checked))),
        Err(refusal) => {
            check_factor::record_refusal(app, caller, holder, refusal, now).await?;
            Ok(Err(refusal.into()))
        }
    }
}

/// The code of the very challenge that was sent for this sign-in. Its wrong ones are the account's own: whoever types has passed the first factor.
async fn check_sent_code(app: &App, attempt: &LoginAttempt, code: &str, now: Timestamp) -> Result<Result<Proof, Wrong>, Failure<Refusal>> {
    let Some(id) = attempt.challenge_id else { return Ok(Err(Wrong::Guess { left_elsewhere: None })) };
    let checked = match check_code::find(app, &id.to_string(), Purpose::Risk, now).await {
        Ok(challenge) => check_code::run(app, challenge, code, Budget::Own(attempt.user_id), now).await,
        Err(failure) => Err(failure),
    };
    match checked {
        Ok(challenge) => Ok(Ok(Proof::Code(challenge))),
        Err(Failure::Refused(refusal)) => Ok(Err(match refusal {
            check_code::Refusal::Invalid { attempts_left: Some(left) } => Wrong::Guess { left_elsewhere: Some(left) },
            check_code::Refusal::TooManyAttempts { retry_after: Some(wait) } => Wrong::Locked { until: now + wait },
            check_code::Refusal::Invalid { attempts_left: None }
            | check_code::Refusal::TooManyAttempts { retry_after: None }
            | check_code::Refusal::Expired => Wrong::Over,
        })),
        Err(failure) => Err(failure.map(|_| Refusal::TokenInvalid)),
    }
}

async fn begin_session(
    app: &App,
    caller: &Caller,
    (attempt, hash): (&LoginAttempt, &[u8; 32]),
    (user, checked): (&users::Model, &Checked),
    input: &Input,
    now: Timestamp,
) -> Result<Box<SignedIn>, Failure<Refusal>> {
    let over = || Failure::Refused(Refusal::TokenInvalid);
    if let Some(refusal) = refused_by_status(user.status) {
        return Err(Failure::Refused(Refusal::Account(refusal)));
    }
    let login_method = attempt.login_method().ok_or_else(over)?;
    let known_device = find_device(app, caller, Some(user.id)).await?;
    let mut change = Change::begin(app, caller, now).await?;
    // The account first: every flow takes its row before anything else of it.
    let first = FirstFactor { since: attempt.since(), proved: attempt.proved() };
    if !storage::advance_sign_in_by_second_factor(change.db(), user.id, first, now).await? {
        return Err(over());
    }
    if !spent_tokens::consume(change.db(), "login_attempt", &hex::encode(hash), attempt.expires_at()).await? {
        return Err(over());
    }
    if !checked.spend(app, caller, &mut change, user).await? {
        return Err(Failure::Refused(Refusal::Invalid { attempts_left: 0 }));
    }
    // A provider's account that is not linked yet is linked only now, for the first factor alone is not enough.
    if let Some(identity) = &attempt.identity
        && !provider_identity::link(app, caller, &mut change, user, identity).await?
    {
        return Err(over());
    }
    if attempt.by_risk && login_method == LoginMethod::Password {
        // What was wrong before the right password counted until now.
        let subject = known_device.as_ref().map_or(Subject::Account(user), |device| Subject::Device(user, device));
        let counter = PasswordCounter::of(app, subject);
        attempt_counters::clear_later(change.later(), counter.counted().kind, counter.counted().key);
    }
    let amr = all_methods(&attempt.amr, &checked.amr());
    let new = NewSession {
        user,
        login_method,
        amr: &amr,
        clearance: Clearance::of_second_factor(checked.factor(), attempt.signals()),
        delivery: input.delivery,
        known_device,
        is_new_user: false,
    };
    let started = start_session::run(app, caller, &mut change, new).await?;
    if input.trust_device
        && let Some(device_id) = started.session.known_device_id
    {
        trust_session::trust(&mut change, (user.id, started.session.id), device_id).await?;
    }
    started.commit(change, user.clone()).await
}

/// The names of the first factor, and those of the second one (RFC 8176).
fn all_methods<'a>(first: &'a [String], second: &[&'a str]) -> Vec<&'a str> {
    let mut names: Vec<&str> = first.iter().map(String::as_str).collect();
    for name in second {
        if !names.contains(name) {
            names.push(name);
        }
    }
    names
}
