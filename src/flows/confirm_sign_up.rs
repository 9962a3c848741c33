//! Finishes a sign-up with the code: the contact is proved, the account is made, and its first session begins.
//!
//! 1. The challenge must be one of a sign-up; nothing is counted against another purpose.
//! 2. The attempt is counted twice before it is checked: against the budget of the contact, and against the challenge.
//! 3. The code.
//!    The code of an account that exists already (`VerificationRequired`) proves its contact instead.
//! 4. One change: the challenge is spent, the account made, the session begun. A taken username undoes it and gives the attempt back.

use std::time::Duration;

use entity::{
    Channel, pending_sign_ups,
    user_audit_log::Category,
    user_sessions::{LoginMethod, TokenDelivery},
};

use super::{
    assess_risk,
    caller::Caller,
    change::{self, Change},
    check_code::{self, Budget},
    failure::Failure,
    make_account::{self, Taken, TypedBy},
    second_step::Clearance,
    sign_in::Outcome,
    start_session::{self, NewSession},
    verify_at_sign_in,
};
use crate::{
    app::App,
    clock::Timestamp,
    domain::username::Username,
    ephemeral::{
        challenges::{Challenge, Purpose},
        rate_limits::{Rule, ip_subject},
    },
    storage::{audit::Entry, pending_sign_ups as storage, spent_tokens},
};

/// What is typed.
pub struct Input {
    /// As `signUp` gave it.
    pub challenge_id: String,
    /// As typed.
    pub code: String,
    /// Instead of the one of the sign-up.
    pub username: Option<String>,
    /// How the tokens shall travel.
    pub delivery: TokenDelivery,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not the code, or used up, or not one of a sign-up.
    CodeInvalid {
        /// Guesses left; `None` where there is nothing to guess.
        attempts_left: Option<u32>,
    },
    /// Too late.
    CodeExpired,
    /// No guesses left.
    TooManyAttempts {
        /// When there are again; `None` where it is another challenge that is needed.
        retry_after: Option<Duration>,
    },
    /// Not a username.
    UsernameInvalid,
    /// Somebody has it; the code is still good.
    UsernameTaken,
    /// The address belongs to an account by now.
    EmailTaken,
    /// The number does.
    PhoneTaken,
}

impl Refusal {
    /// As the audit log has it.
    const fn code(self) -> &'static str {
        match self {
            Self::CodeInvalid { .. } => "CODE_INVALID",
            Self::CodeExpired => "CODE_EXPIRED",
            Self::TooManyAttempts { .. } => "TOO_MANY_ATTEMPTS",
            Self::UsernameInvalid => "USERNAME_INVALID",
            Self::UsernameTaken => "USERNAME_TAKEN",
            Self::EmailTaken => "EMAIL_TAKEN",
            Self::PhoneTaken => "PHONE_TAKEN",
        }
    }
}

/// Finishes a sign-up.
pub async fn run(app: &App, caller: &Caller, input: Input) -> Result<Outcome, Failure<Refusal>> {
    let now = app.clock.now();
    let ended = confirm(app, caller, input, now).await;
    if let Err(Failure::Refused(refusal)) = &ended {
        change::record(app, caller, vec![Entry::failure("sign_up", Category::Account, None, refusal.code())], now).await?;
    }
    ended
}

async fn confirm(app: &App, caller: &Caller, input: Input, now: Timestamp) -> Result<Outcome, Failure<Refusal>> {
    let username = parse_username(input.username.as_deref()).ok_or(Failure::Refused(Refusal::UsernameInvalid))?;
    app.rate_limits.take(Rule::SignInPerIp, &ip_subject(caller.ip), now).await?;
    let challenge = check_code::find(app, &input.challenge_id, Purpose::SignUp, now).await.map_err(refused)?;
    let id = challenge.id;
    // Whose challenge is an account's had its password: no stranger can spend its budget.
    let budget = challenge.user_id.map_or(Budget::OfContact, Budget::Own);
    let challenge = check_code::run(app, challenge, &input.code, budget, now).await.map_err(refused)?;
    let ended = match challenge.user_id {
        Some(user_id) => verify_at_sign_in::finish(app, caller, (&challenge, user_id), input.delivery, now).await,
        None => make(app, caller, &challenge, username, input.delivery, now).await,
    };
    match ended {
        Ok(outcome) => {
            // The spent token has the last word; this lets other tabs see that it is done.
            let _ = app.challenges.finish(id, now).await;
            Ok(outcome)
        }
        Err(failure) => {
            // Only a success uses the code up: what went wrong was not the code.
            let _ = app.challenges.give_back(id, now).await;
            Err(failure)
        }
    }
}

fn refused(failure: Failure<check_code::Refusal>) -> Failure<Refusal> {
    failure.map(|refusal| match refusal {
        check_code::Refusal::Invalid { attempts_left } => Refusal::CodeInvalid { attempts_left },
        check_code::Refusal::Expired => Refusal::CodeExpired,
        check_code::Refusal::TooManyAttempts { retry_after } => Refusal::TooManyAttempts { retry_after },
    })
}

async fn make(
    app: &App,
    caller: &Caller,
    challenge: &Challenge,
    username: Option<Username>,
    delivery: TokenDelivery,
    now: Timestamp,
) -> Result<Outcome, Failure<Refusal>> {
    let taken = contact_taken(challenge.channel);
    let mut change = Change::begin(app, caller, now).await?;
    change.lock("contact", &challenge.contact).await?;
    if !spent_tokens::consume(change.db(), "challenge", &challenge.id.to_string(), now + app.config.sign_up.pending_ttl).await? {
        return Err(Failure::Refused(Refusal::CodeInvalid { attempts_left: None }));
    }
    let sign_up = storage::find_live(change.db(), challenge.subject.unwrap_or_default(), now).await?;
    // Another sign-up of this contact was finished first, or this one was replaced; the code was right, so the person may know.
    let sign_up = sign_up.filter(|sign_up| !sign_up.decoy).ok_or(Failure::Refused(taken))?;
    let user = make_account::run(app, caller, &mut change, &sign_up, username, TypedBy::Prover).await.map_err(|failure| {
        failure.map(|conflict| match conflict {
            Taken::Username => Refusal::UsernameTaken,
            Taken::Contact => taken,
        })
    })?;
    let new = NewSession {
        user: &user,
        login_method: LoginMethod::SignUp,
        amr: &["otp"],
        clearance: Clearance::of_new_account(assess_risk::of_new_account(app, caller)),
        delivery,
        known_device: None,
        is_new_user: true,
    };
    let started = start_session::run(app, caller, &mut change, new).await?;
    Ok(Outcome::SignedIn(started.commit(change, user).await?))
}

/// The name that is wished for now, if any; `None` where it cannot be one.
pub fn parse_username(raw: Option<&str>) -> Option<Option<Username>> {
    raw.map_or(Some(None), |raw| Username::parse(raw).map(Some))
}

/// The name that was wished for at the sign-up.
pub fn claimed_username(sign_up: &pending_sign_ups::Model) -> Option<Username> {
    sign_up.username.as_deref().and_then(Username::parse)
}

/// What a proved contact of somebody else is told as.
pub const fn contact_taken(channel: Channel) -> Refusal {
    match channel {
        Channel::Email => Refusal::EmailTaken,
        Channel::Sms => Refusal::PhoneTaken,
    }
}
