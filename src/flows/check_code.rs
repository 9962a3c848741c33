//! Checks a code the way every flow must.
//!
//! 1. The challenge must be one of the flow's own purpose; nothing is counted against another one.
//! 2. The attempt is counted twice before it is checked: against a budget, and against the challenge.
//! 3. Right: the budget has it back, the challenge keeps it until the flow finishes the challenge or gives the attempt back.

use std::time::Duration;

use entity::Channel;
use uuid::Uuid;

use super::{caller::Caller, failure::Failure, limit_sms, lockout, sign_in};
use crate::{
    app::App,
    clock::Timestamp,
    crypto::keyed_hash,
    ephemeral::{
        challenges::{Challenge, Purpose, Reservation as Attempt, State},
        rate_limits::Rule,
    },
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
    TooManyAttempts {
        /// When there are again; `None` where it is another challenge that is needed.
        retry_after: Option<Duration>,
    },
}

/// At this challenge.
const NO_GUESSES: Refusal = Refusal::TooManyAttempts { retry_after: None };

/// What wrong answers are counted against, besides the challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// The contact, existing or not: what strangers can spend.
    OfContact,
    /// An account's, a live session's or a known device's own, which no stranger can spend.
    Own(Uuid),
    /// An account's own, at a contact that it wants and that may be anybody's: what it sends counts with what all others send who want the same.
    Wanted(Uuid),
}

impl Budget {
    /// Of somebody who is not signed in: a device that the account knows counts for itself, everybody else for the contact.
    pub async fn of(app: &App, caller: &Caller, user_id: Option<Uuid>) -> Result<Self, StorageError> {
        Ok(sign_in::find_device(app, caller, user_id).await?.map_or(Self::OfContact, |device| Self::Own(device.id)))
    }

    /// Takes the shares of one code to `contact`: of what is sent for whoever asks and, where a contact is wanted that may be somebody else's,
    /// of what all accounts together may send to it. Strangers have another one, so that none of them can keep an account from its new contact.
    pub async fn take_send<R>(
        self,
        app: &App,
        caller: &Caller,
        (channel, contact): (Channel, &str),
        now: Timestamp,
    ) -> Result<(), Failure<R>> {
        if channel == Channel::Sms {
            limit_sms::cool_down(app, caller, self, contact, now).await?;
        }
        let by = match self {
            Self::OfContact => lockout::contact_limit_name(app, contact),
            Self::Own(id) | Self::Wanted(id) => id.simple().to_string(),
        };
        app.rate_limits.take(Rule::CodesPerContact, &by, now).await?;
        match self {
            Self::OfContact | Self::Own(_) => Ok(()),
            Self::Wanted(_) => Ok(app.rate_limits.take(Rule::CodesPerContact, &self.number_name(app, contact), now).await?),
        }
    }

    /// What the shares of a number, or of a contact that is wanted, are called.
    pub fn number_name(self, app: &App, number: &str) -> String {
        match self {
            Self::OfContact => lockout::contact_limit_name(app, number),
            Self::Own(id) => format!("own:{}", id.simple()),
            Self::Wanted(_) => lockout::contact_limit_name(app, &format!("wanted {number}")),
        }
    }

    /// What the counter is called.
    pub fn key(self, app: &App, contact: &str) -> [u8; 32] {
        match self {
            Self::OfContact => lockout::code_budget_key(app, contact),
            Self::Own(id) | Self::Wanted(id) => lockout::own_code_budget_key(app, id),
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
    let counted = Counted { kind: lockout::CODE, key: &key, user_id: None, is_account: false };
    let id = app.entropy.uuid(now);
    if let Reservation::Locked { until } = attempt_counters::reserve(app.database.write(), &counted, &policy, id, now).await? {
        return Err(Failure::Refused(Refusal::TooManyAttempts { retry_after: Some(until.until(now)) }));
    }
    let attempt = match app.challenges.reserve(challenge.id, now).await {
        Ok(Attempt::Reserved(challenge)) => challenge,
        not_reserved => {
            attempt_counters::give_back(app.database.write(), &counted, now).await?;
            return Err(match not_reserved? {
                Attempt::Refused(challenge) => refuse_ended(&challenge).err().unwrap_or(Failure::Refused(NO_GUESSES)),
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
    attempt_counters::give_back(app.database.write(), &counted, now).await?;
    Ok(attempt)
}

fn refuse_ended(challenge: &Challenge) -> Result<(), Failure<Refusal>> {
    match challenge.state {
        State::Pending => Ok(()),
        State::Done => Err(Failure::Refused(Refusal::Invalid { attempts_left: None })),
        State::Expired => Err(Failure::Refused(Refusal::Expired)),
        State::Exhausted => Err(Failure::Refused(NO_GUESSES)),
    }
}
