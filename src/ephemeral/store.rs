//! What every store of short-lived state can do.

use async_trait::async_trait;
use uuid::Uuid;

use super::{
    bucket::{Limit, RateLimited},
    challenges::Challenge,
};
use crate::clock::Timestamp;

/// The store did not answer in time, or not with sense: whether the operation took place is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store of short-lived state does not answer")]
pub struct Unavailable;

/// What to do with a challenge. Every step but `Find` needs it to be pending.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Only look.
    Find,
    /// Take one attempt, if one is left.
    Reserve,
    /// Put one attempt back, never above the number it began with.
    GiveBack,
    /// End it as done.
    Finish,
    /// End it as exhausted.
    Exhaust,
    /// Replace the code, if an attempt is left and `resend_at` has come.
    Reissue {
        /// Of the new code; `None` where nothing may match.
        code_hash: Option<[u8; 32]>,
        /// When the next one may be asked for.
        resend_at: Timestamp,
    },
}

/// A challenge after a step, and whether that step changed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// False where the challenge did not allow the step, and always for `Find`.
    pub applied: bool,
    /// As it is now.
    pub challenge: Challenge,
}

/// Short-lived state. Every operation is atomic over all instances, touches one key, is bounded in time, and counts what has expired
/// by `now` (the program's clock) as absent.
#[async_trait]
pub trait Store: Send + Sync {
    /// Keeps `value` until `expires_at`, in place of any other under `key`.
    async fn put(&self, key: &str, value: &[u8], expires_at: Timestamp, now: Timestamp) -> Result<(), Unavailable>;
    /// The value under `key`.
    async fn get(&self, key: &str, now: Timestamp) -> Result<Option<Vec<u8>>, Unavailable>;
    /// The value under `key`, which is then gone: of several callers at once, one gets it.
    async fn take(&self, key: &str, now: Timestamp) -> Result<Option<Vec<u8>>, Unavailable>;
    /// Pours one drop into the bucket `key`, or tells how long to wait.
    async fn pour(&self, key: &str, limit: Limit, now: Timestamp) -> Result<Result<(), RateLimited>, Unavailable>;
    /// Keeps a new challenge until [`Challenge::gone_at`].
    async fn create_challenge(&self, challenge: &Challenge, now: Timestamp) -> Result<(), Unavailable>;
    /// Takes a step with a challenge; `None` where there is none.
    async fn change_challenge(&self, id: Uuid, step: Step, now: Timestamp) -> Result<Option<Change>, Unavailable>;
    /// How many challenges wait for their code, as well as it is known: for the statistics, and nothing may depend on it.
    async fn count_pending_challenges(&self, now: Timestamp) -> Result<u64, Unavailable>;
    /// Whether the store answers (of a cluster: every part of it).
    async fn ping(&self) -> Result<(), Unavailable>;
}
