//! Finishes a sign-up with the code: the contact is proved, the account is made, and its first session begins.
//!
//! 1. The challenge must be one of a sign-up; nothing is counted against another purpose.
//! 2. The attempt is counted twice before it is checked: against the budget of the contact, and against the challenge.
//! 3. The code.
//! 4. One change: the challenge is spent, the account made, the session begun. A taken username undoes it and gives the attempt back.

use entity::{
    Channel, pending_sign_ups,
    user_audit_log::Category,
    user_sessions::{LoginMethod, TokenDelivery},
};
use uuid::Uuid;

use super::{
    caller::Caller,
    change::{self, Change},
    failure::Failure,
    issue_tokens, lockout,
    make_account::{self, PasswordOfSignUp, Taken},
    sign_in::SignedIn,
    start_session::{self, NewSession},
};
use crate::{
    app::App,
    clock::Timestamp,
    crypto::keyed_hash,
    domain::username::Username,
    ephemeral::challenges::{Challenge, Purpose, Reservation as Attempt, State},
    storage::{
        attempt_counters::{self, Counted, Reservation},
        audit::Entry,
        pending_sign_ups as storage, spent_tokens,
    },
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
    TooManyAttempts,
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
            Self::TooManyAttempts => "TOO_MANY_ATTEMPTS",
            Self::UsernameInvalid => "USERNAME_INVALID",
            Self::UsernameTaken => "USERNAME_TAKEN",
            Self::EmailTaken => "EMAIL_TAKEN",
            Self::PhoneTaken => "PHONE_TAKEN",
        }
    }
}

/// Finishes a sign-up.
pub async fn run(app: &App, caller: &Caller, input: Input) -> Result<SignedIn, Failure<Refusal>> {
    let now = app.clock.now();
    let ended = confirm(app, caller, input, now).await;
    if let Err(Failure::Refused(refusal)) = &ended {
        change::record(app, caller, vec![Entry::failure("sign_up", Category::Account, None, refusal.code())], now).await?;
    }
    ended
}

async fn confirm(app: &App, caller: &Caller, input: Input, now: Timestamp) -> Result<SignedIn, Failure<Refusal>> {
    let username = parse_username(input.username.as_deref()).ok_or(Failure::Refused(Refusal::UsernameInvalid))?;
    let unknown = || Failure::Refused(Refusal::CodeInvalid { attempts_left: None });
    let id = Uuid::try_parse(&input.challenge_id).map_err(|_| unknown())?;
    let challenge = app.challenges.find(id, now).await?.filter(|challenge| challenge.purpose == Purpose::SignUp).ok_or_else(unknown)?;
    let budget = lockout::code_budget_key(app, &challenge.contact);
    let counted = Counted { kind: lockout::CODE, key: &budget, user_id: None };
    let challenge = check_code(app, challenge, &input.code, &counted, now).await?;
    match make(app, caller, &challenge, username, input.delivery, now).await {
        Ok((signed_in, ended_challenges)) => {
            // The spent token has the last word; this lets other tabs see that it is done.
            let _ = app.challenges.finish(id, now).await;
            for other in ended_challenges.into_iter().filter(|other| *other != id) {
                let _ = app.challenges.exhaust(other, now).await;
            }
            Ok(signed_in)
        }
        Err(failure) => {
            // Only a success uses the code up: what went wrong was not the code.
            let _ = app.challenges.give_back(id, now).await;
            Err(failure)
        }
    }
}

/// Counts the attempt, checks the code, and takes the count against the contact back where it was right.
async fn check_code(
    app: &App,
    challenge: Challenge,
    code: &str,
    counted: &Counted<'_>,
    now: Timestamp,
) -> Result<Challenge, Failure<Refusal>> {
    refuse_ended(&challenge)?;
    let policy = lockout::code_policy(&app.config);
    let id = app.entropy.uuid(now);
    if let Reservation::Locked { .. } = attempt_counters::reserve(app.database.write(), counted, &policy, id, now).await? {
        return Err(Failure::Refused(Refusal::TooManyAttempts));
    }
    let attempt = match app.challenges.reserve(challenge.id, now).await {
        Ok(Attempt::Reserved(challenge)) => challenge,
        not_reserved => {
            attempt_counters::give_back(app.database.write(), counted, &policy, now).await?;
            return Err(match not_reserved? {
                Attempt::Refused(challenge) => refuse_ended(&challenge).err().unwrap_or(Failure::Refused(Refusal::TooManyAttempts)),
                _ => Failure::Refused(Refusal::CodeExpired),
            });
        }
    };
    let right = attempt.code_hash.is_some_and(|hash| keyed_hash::code_matches(&app.key_ring, attempt.id, code.trim(), &hash));
    if !right {
        if attempt.attempts_left == 0 {
            // The last one is spent: its page may say so from now on.
            let _ = app.challenges.exhaust(attempt.id, now).await;
        }
        return Err(Failure::Refused(Refusal::CodeInvalid { attempts_left: Some(attempt.attempts_left) }));
    }
    attempt_counters::give_back(app.database.write(), counted, &policy, now).await?;
    Ok(attempt)
}

fn refuse_ended(challenge: &Challenge) -> Result<(), Failure<Refusal>> {
    match challenge.state {
        State::Pending => Ok(()),
        State::Done => Err(Failure::Refused(Refusal::CodeInvalid { attempts_left: None })),
        State::Expired => Err(Failure::Refused(Refusal::CodeExpired)),
        State::Exhausted => Err(Failure::Refused(Refusal::TooManyAttempts)),
    }
}

async fn make(
    app: &App,
    caller: &Caller,
    challenge: &Challenge,
    username: Option<Username>,
    delivery: TokenDelivery,
    now: Timestamp,
) -> Result<(SignedIn, Vec<Uuid>), Failure<Refusal>> {
    let taken = contact_taken(challenge.channel);
    let mut change = Change::begin(app, caller, now).await?;
    change.lock("contact", &challenge.contact).await?;
    if !spent_tokens::consume(change.db(), "challenge", &challenge.id.to_string(), now + app.config.sign_up.pending_ttl).await? {
        return Err(Failure::Refused(Refusal::CodeInvalid { attempts_left: None }));
    }
    let Some(sign_up) = storage::find_live(change.db(), challenge.subject.unwrap_or_default(), now).await? else {
        // Another sign-up of this contact was finished first, or this one was replaced; the code was right, so the person may know.
        return Err(Failure::Refused(taken));
    };
    let username = username.or_else(|| claimed_username(&sign_up));
    let made = make_account::run(app, caller, &mut change, &sign_up, username, PasswordOfSignUp::Kept).await.map_err(|failure| {
        failure.map(|conflict| match conflict {
            Taken::Username => Refusal::UsernameTaken,
            Taken::Contact => taken,
        })
    })?;
    let new =
        NewSession { user: &made.user, login_method: LoginMethod::SignUp, amr: &["otp"], delivery, known_device: None, is_new_user: true };
    let started = start_session::run(app, caller, &mut change, new).await?;
    change.commit().await?;
    let mut tokens = issue_tokens::run(app, &started.session, &made.user, Some(&started.refresh_token), now)?;
    tokens.device_token = Some(started.device_token);
    Ok((SignedIn { is_new_user: true, user: made.user, session: started.session, tokens }, made.ended_challenges))
}

/// The name that is wished for now, if any; `None` where it cannot be one.
pub fn parse_username(raw: Option<&str>) -> Option<Option<Username>> {
    raw.map_or(Some(None), |raw| Username::parse(raw).map(Some))
}

/// The name that was wished for at the sign-up.
pub fn claimed_username(sign_up: &pending_sign_ups::Model) -> Option<Username> {
    sign_up.username.as_deref().and_then(Username::parse)
}

const fn contact_taken(channel: Channel) -> Refusal {
    match channel {
        Channel::Email => Refusal::EmailTaken,
        Channel::Sms => Refusal::PhoneTaken,
    }
}
