//! Checks a code the way every flow must.
//!
//! 1. The challenge must be one of the flow's own purpose; nothing is counted against another one.
//! 2. The attempt is counted twice before it is checked: against a budget, and against the challenge.
//! 3. Right: the budget has it back, the challenge keeps it until the flow finishes the challenge or gives the attempt back.

use uuid::Uuid;

use super::{caller::Caller, failure::Failure, lockout, sign_in};
use crate::{
    app::App,
    clock::Timestamp,
    crypto::keyed_hash,
    ephemeral::challenges::{Challenge, Purpose, Reservation as Attempt, State},
    storage::{
        attempt_counters::{self, Counted, Reservation},
        error::StorageError,
    },
};

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not the code, or used up, or of another purpose.
    Invalid {
        /// Guesses left; `None` where there is nothing to guess.
        attempts_left: Option<u32>,
    },
    /// Too late.
    Expired,
    /// No guesses left.
    TooManyAttempts,
}

/// What wrong answers are counted against, besides the challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// The contact, existing or not: what strangers can spend.
    OfContact,
    /// A live session's or a known device's own, which no stranger can spend.
    Own(Uuid),
}

impl Budget {
    /// Of somebody who is not signed in: a device that the account knows counts for itself, everybody else for the contact.
    pub async fn of(app: &App, caller: &Caller, user_id: Option<Uuid>) -> Result<Self, StorageError> {
        Ok(sign_in::find_device(app, caller, user_id).await?.map_or(Self::OfContact, |device| Self::Own(device.id)))
    }

    /// What the leaky bucket of sends is called.
    pub fn limit_name(self, app: &App, contact: &str) -> String {
        match self {
            Self::OfContact => lockout::contact_limit_name(app, contact),
            Self::Own(id) => id.simple().to_string(),
        }
    }

    /// What the counter is called.
    pub fn key(self, app: &App, contact: &str) -> [u8; 32] {
        match self {
            Self::OfContact => lockout::code_budget_key(app, contact),
            Self::Own(id) => lockout::own_code_budget_key(app, id),
        }
    }
}

/// The challenge that a client names, where it is one of this purpose.
pub async fn find(app: &App, id: &str, purpose: Purpose, now: Timestamp) -> Result<Challenge, Failure<Refusal>> {
    let unknown = || Failure::Refused(Refusal::Invalid { attempts_left: None });
    let id = Uuid::try_parse(id).map_err(|_| unknown())?;
    app.challenges.find(id, now).await?.filter(|challenge| challenge.purpose == purpose).ok_or_else(unknown)
}

/// Counts the attempt and checks the code.
pub async fn run(app: &App, challenge: Challenge, code: &str, budget: Budget, now: Timestamp) -> Result<Challenge, Failure<Refusal>> {
    refuse_ended(&challenge)?;
    let policy = lockout::code_policy(&app.config);
    let key = budget.key(app, &challenge.contact);
    let counted = Counted { kind: lockout::CODE, key: &key, user_id: None };
    let id = app.entropy.uuid(now);
    if let Reservation::Locked { .. } = attempt_counters::reserve(app.database.write(), &counted, &policy, id, now).await? {
        return Err(Failure::Refused(Refusal::TooManyAttempts));
    }
    let attempt = match app.challenges.reserve(challenge.id, now).await {
        Ok(Attempt::Reserved(challenge)) => challenge,
        not_reserved => {
            attempt_counters::give_back(app.database.write(), &counted, &policy, now).await?;
            return Err(match not_reserved? {
                Attempt::Refused(challenge) => refuse_ended(&challenge).err().unwrap_or(Failure::Refused(Refusal::TooManyAttempts)),
                _ => Failure::Refused(Refusal::Expired),
            });
        }
    };
    // Compared also where nothing can match, so that it takes the same time.
    let matches = keyed_hash::code_matches(&app.key_ring, attempt.id, code.trim(), &attempt.code_hash.unwrap_or_default());
    let right = matches && attempt.code_hash.is_some();
    if !right {
        if attempt.attempts_left == 0 {
            // The last one is spent: its page may say so from now on.
            let _ = app.challenges.exhaust(attempt.id, now).await;
        }
        return Err(Failure::Refused(Refusal::Invalid { attempts_left: Some(attempt.attempts_left) }));
    }
    attempt_counters::give_back(app.database.write(), &counted, &policy, now).await?;
    Ok(attempt)
}

fn refuse_ended(challenge: &Challenge) -> Result<(), Failure<Refusal>> {
    match challenge.state {
        State::Pending => Ok(()),
        State::Done => Err(Failure::Refused(Refusal::Invalid { attempts_left: None })),
        State::Expired => Err(Failure::Refused(Refusal::Expired)),
        State::Exhausted => Err(Failure::Refused(Refusal::TooManyAttempts)),
    }
}
