//! Password hashes (Argon2id, PHC strings), made and checked on threads of their own, so that they never hold up a request that needs none.
//! Hashes that other programs made are checked too, and made anew at the first sign-in.

mod crypt;
mod derived;
mod imported;
mod own;
mod salted;

use std::{
    fmt,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use argon2::Params;

use self::{
    imported::Imported,
    own::{Memory, Stored, params},
};
pub use self::{
    imported::{Unreadable, check_importable},
    own::hash_alone,
};
use super::work_pool::{Limits, Refused, WorkPool};
use crate::entropy::Entropy;

/// Argon2id's costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Costs {
    /// Memory in KiB, at least 8 for each lane.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// How hashing is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Of the hashes that are made.
    pub costs: Costs,
    /// Threads; by default one for each processor.
    pub threads: Option<usize>,
    /// How many jobs may wait.
    pub queue: usize,
    /// How long a job may wait.
    pub queue_wait: Duration,
    /// No wrong password is answered before so long, from when it is looked at: longer than the slowest stored hash takes.
    pub floor: Duration,
}

/// No room: the queue is full, or the job waited too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being hashed")]
pub struct Overloaded {
    /// When it may succeed.
    pub retry_after: Duration,
}

/// What a password came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the one.
    Right {
        /// The stored hash has other costs than the settings ask for: make it anew.
        rehash: bool,
    },
    /// It is not, or there is none to compare with.
    Wrong,
}

/// Hashing cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// The costs are out of Argon2's range.
    #[error("the costs of password hashing are out of range: {0}")]
    Costs(argon2::Error),
    /// The threads did not start.
    #[error("the threads for password hashing did not start")]
    Threads(#[from] std::io::Error),
}

/// Makes and checks hashes. Clones share the threads, which end with the last one.
#[derive(Clone)]
pub struct PasswordHasher {
    pool: Arc<WorkPool<Memory>>,
    params: Params,
    retry_after: Duration,
    floor: Duration,
    entropy: Entropy,
}

impl PasswordHasher {
    /// Starts the threads.
    pub fn new(settings: Settings, entropy: Entropy) -> Result<Self, SetUpError> {
        let params = params(settings.costs).map_err(SetUpError::Costs)?;
        let threads = settings.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
        let pool = WorkPool::start(Limits { threads, queue: settings.queue, queue_wait: settings.queue_wait })?;
        let retry_after = settings.queue_wait.max(Duration::from_secs(1));
        Ok(Self { pool: Arc::new(pool), params, retry_after, floor: settings.floor, entropy })
    }

    /// Hashes a new password, with a salt of its own: a PHC string.
    pub async fn hash(&self, password: impl AsRef<[u8]> + Send + 'static) -> Result<String, Overloaded> {
        let (params, salt) = (self.params.clone(), self.entropy.bytes::<{ own::SALT_BYTES }>());
        let hashed = self.run(move |memory| own::hash(&params, password.as_ref(), &salt, memory)).await?;
        hashed.ok_or_else(|| {
            tracing::error!("a password could not be hashed");
            self.overloaded()
        })
    }

    /// Checks a password against a stored PHC string. `None` (an unknown account, or one without a password) is wrong, and takes the same time:
    /// that of a hash of ours, or with the floor, its time whatever the hash.
    pub async fn verify(&self, password: impl AsRef<[u8]> + Send + 'static, stored: Option<String>) -> Result<Verdict, Overloaded> {
        let params = self.params.clone();
        let looked = self.run(move |memory| {
            let begun = Instant::now();
            (verify(&params, password.as_ref(), stored.as_deref(), memory), begun.elapsed())
        });
        let (verdict, took) = looked.await?;
        if verdict == Verdict::Wrong {
            // Counted without the time in the queue, or else a full one would let the rest be seen.
            tokio::time::sleep(self.floor.saturating_sub(took)).await;
        }
        Ok(verdict)
    }

    /// Judges a password on the same threads: how strong it is takes long to tell for some that were made for that.
    pub async fn judge<T: Send + 'static>(&self, rule: impl FnOnce() -> T + Send + 'static) -> Result<T, Overloaded> {
        self.run(move |_| rule()).await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&mut Memory) -> T + Send + 'static) -> Result<T, Overloaded> {
        self.pool.run(work).await.map_err(|Refused| self.overloaded())
    }

    const fn overloaded(&self) -> Overloaded {
        Overloaded { retry_after: self.retry_after }
    }
}

impl fmt::Debug for PasswordHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHasher").field("params", &self.params).finish_non_exhaustive()
    }
}

fn verify(ours: &Params, password: &[u8], stored: Option<&str>, memory: &mut Memory) -> Verdict {
    match stored.map(Imported::parse) {
        // A wrong one costs what its own program made it cost: the floor hides that.
        Some(Ok(imported)) if imported.is_right(password) => return Verdict::Right { rehash: true },
        Some(Ok(_)) => return Verdict::Wrong,
        Some(Err(Unreadable::NoFormat)) => {
            if let Some(stored) = stored.and_then(Stored::parse) {
                return stored.verify(ours, password, memory);
            }
        }
        Some(Err(Unreadable::TooExpensive)) => tracing::error!("a stored password hash asks for too much"),
        None => {}
    }
    memory.burn(ours, password);
    Verdict::Wrong
}
