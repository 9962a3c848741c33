//! Codes that were sent and are waited for.

use std::{fmt, sync::Arc, time::Duration};

use entity::Channel;
use uuid::Uuid;

use super::store::{Change, Step, Store, Unavailable};
use crate::clock::Timestamp;

/// How long a challenge is still told as done, expired or exhausted, counted from its expiry.
pub const AFTERLIFE: Duration = Duration::from_hours(1);

/// What a code is for; it counts for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To prove the contact of a new account.
    SignUp,
    /// To sign in without a password.
    SignIn,
    /// To choose a new password.
    PasswordReset,
    /// To prove a new e-mail address.
    EmailChange,
    /// To prove a new phone number.
    PhoneChange,
    /// To make a session recent.
    Reauthentication,
    /// To prove the contact of an account that exists.
    ContactVerification,
    /// Asked of a sign-in that looks risky.
    Risk,
}

/// Where a challenge stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// A code is waited for.
    Pending,
    /// The right one came.
    Done,
    /// It came too late, or not at all.
    Expired,
    /// Too many wrong ones came.
    Exhausted,
}

/// A code that was sent and is waited for.
#[derive(Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Names it; whoever knows it may answer it and look at it.
    pub id: Uuid,
    /// What the code is for.
    pub purpose: Purpose,
    /// How it was sent.
    pub channel: Channel,
    /// Where to, in canonical form.
    pub contact: String,
    /// Whose account, where there is one.
    pub user_id: Option<Uuid>,
    /// The pending sign-up or other row that the code is about.
    pub subject: Option<Uuid>,
    /// Keyed hash of the code; `None` where nothing may match.
    pub code_hash: Option<[u8; 32]>,
    /// How many guesses are left that nobody has reserved.
    pub attempts_left: u32,
    /// Where it stands.
    pub state: State,
    /// When it began.
    pub created_at: Timestamp,
    /// Until when a code counts.
    pub expires_at: Timestamp,
    /// From when on another code may be asked for.
    pub resend_at: Timestamp,
}

impl Challenge {
    /// From when on it is not known any more.
    #[must_use]
    pub fn gone_at(&self) -> Timestamp {
        self.expires_at + AFTERLIFE
    }

    /// As it stands now: a pending one that is over is expired.
    #[must_use]
    pub(super) fn seen_at(mut self, now: Timestamp) -> Self {
        if self.state == State::Pending && now >= self.expires_at {
            self.state = State::Expired;
        }
        self
    }

    /// Takes a step; `attempts` is the number it began with. The script of the store in Redis follows the same rules.
    pub(super) fn apply(&mut self, step: Step, attempts: u32, now: Timestamp) -> bool {
        if self.state != State::Pending || now >= self.expires_at {
            return false;
        }
        match step {
            Step::Find => false,
            Step::Reserve => match self.attempts_left.checked_sub(1) {
                Some(left) => {
                    self.attempts_left = left;
                    true
                }
                None => false,
            },
            Step::GiveBack => {
                let below = self.attempts_left < attempts;
                self.attempts_left += u32::from(below);
                below
            }
            Step::Finish => {
                self.state = State::Done;
                true
            }
            Step::Exhaust => {
                self.state = State::Exhausted;
                true
            }
            Step::Reissue { code_hash, resend_at } => {
                let due = self.attempts_left > 0 && now >= self.resend_at;
                if due {
                    self.code_hash = code_hash;
                    self.resend_at = resend_at;
                }
                due
            }
        }
    }
}

/// Without the contact and the hash: neither belongs into a log.
impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenge")
            .field("id", &self.id)
            .field("purpose", &self.purpose)
            .field("state", &self.state)
            .field("attempts_left", &self.attempts_left)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// What came of asking for an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reservation {
    /// One attempt is taken. `attempts_left` does not count it any more: with 0 left, a wrong code is the moment to [`Challenges::exhaust`].
    Reserved(Challenge),
    /// It is over, or (still pending) every attempt that is left is reserved by others.
    Refused(Challenge),
    /// There is no such challenge, or not any more.
    Unknown,
}

/// What came of asking for another code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reissue {
    /// The new code counts, the one before does not.
    Reissued(Challenge),
    /// Not before its `resend_at`.
    TooSoon(Challenge),
    /// It is over, or has no attempt left.
    Refused(Challenge),
    /// There is no such challenge, or not any more.
    Unknown,
}

/// The challenges of all instances. Where the store does not answer, nothing may be taken for granted.
#[derive(Clone)]
pub struct Challenges {
    store: Arc<dyn Store>,
}

impl Challenges {
    /// Kept in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Begins one; from now on its `attempts_left` is the most that it ever has.
    pub async fn create(&self, challenge: &Challenge, now: Timestamp) -> Result<(), Unavailable> {
        self.store.create_challenge(challenge, now).await
    }

    /// Looks at one.
    pub async fn find(&self, id: Uuid, now: Timestamp) -> Result<Option<Challenge>, Unavailable> {
        Ok(self.store.change_challenge(id, Step::Find, now).await?.map(|change| change.challenge))
    }

    /// Takes an attempt, before the code is looked at.
    pub async fn reserve(&self, id: Uuid, now: Timestamp) -> Result<Reservation, Unavailable> {
        Ok(match self.store.change_challenge(id, Step::Reserve, now).await? {
            Some(Change { applied: true, challenge }) => Reservation::Reserved(challenge),
            Some(Change { applied: false, challenge }) => Reservation::Refused(challenge),
            None => Reservation::Unknown,
        })
    }

    /// Puts a reserved attempt back whose code was right, or was never looked at. Says whether it did.
    pub async fn give_back(&self, id: Uuid, now: Timestamp) -> Result<bool, Unavailable> {
        self.changed(id, Step::GiveBack, now).await
    }

    /// Ends it as done. Of all callers, one is told `true`.
    pub async fn finish(&self, id: Uuid, now: Timestamp) -> Result<bool, Unavailable> {
        self.changed(id, Step::Finish, now).await
    }

    /// Ends it as exhausted, whatever is left. Says whether it was pending.
    pub async fn exhaust(&self, id: Uuid, now: Timestamp) -> Result<bool, Unavailable> {
        self.changed(id, Step::Exhaust, now).await
    }

    /// Replaces the code. Neither the expiry nor the attempts left change.
    pub async fn reissue(
        &self,
        id: Uuid,
        code_hash: Option<[u8; 32]>,
        resend_at: Timestamp,
        now: Timestamp,
    ) -> Result<Reissue, Unavailable> {
        Ok(match self.store.change_challenge(id, Step::Reissue { code_hash, resend_at }, now).await? {
            Some(Change { applied: true, challenge }) => Reissue::Reissued(challenge),
            Some(Change { challenge, .. }) if challenge.state == State::Pending && challenge.attempts_left > 0 => {
                Reissue::TooSoon(challenge)
            }
            Some(Change { challenge, .. }) => Reissue::Refused(challenge),
            None => Reissue::Unknown,
        })
    }

    /// How many are pending, as well as it is known.
    pub async fn count_pending(&self, now: Timestamp) -> Result<u64, Unavailable> {
        self.store.count_pending_challenges(now).await
    }

    async fn changed(&self, id: Uuid, step: Step, now: Timestamp) -> Result<bool, Unavailable> {
        Ok(self.store.change_challenge(id, step, now).await?.is_some_and(|change| change.applied))
    }
}

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenges")
    }
}
