//! The courier: delivers the messages that flows wrote, beside the requests and never inside one.
//!
//! Due messages are leased a few at a time, attempted in parallel, and ended or given back. A ring after a commit wakes it, and a tick finds
//! what nobody rang for: retries, and messages whose instance was killed. Every instance has one; the leases keep them from doing the same twice.

mod attempt;
mod sinks;

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use self::sinks::{Inbox, SinkError, Sinks};
use crate::{
    clock::Clock,
    crypto::secret_box::SecretBox,
    entropy::Entropy,
    outbound::{bell::Bell, render::Renderer},
    storage::{database::Database, error::StorageError, messages},
};

/// How the courier works.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Messages attempted at a time.
    pub concurrency: usize,
    /// For how long a message belongs to the instance that attempts it; longer than an attempt can take.
    pub lease: Duration,
    /// How often it looks by itself.
    pub tick: Duration,
    /// Retries end so long after the message was written.
    pub retry_for: Duration,
    /// How long shutdown waits for what is due.
    pub flush: Duration,
}

impl Pace {
    /// What one attempt may take, wherever it goes.
    pub const ATTEMPT: Duration = Duration::from_secs(20);
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            concurrency: 8,
            lease: Duration::from_mins(1),
            tick: Duration::from_secs(1),
            retry_for: Duration::from_hours(24),
            flush: Duration::from_secs(5),
        }
    }
}

/// What the courier is made of.
#[derive(Debug)]
pub struct Parts {
    /// Where the messages are.
    pub database: Database,
    /// What is due.
    pub clock: Clock,
    /// For the jitter of retries, and for sealing.
    pub entropy: Entropy,
    /// Opens codes and link tokens.
    pub secret_box: SecretBox,
    /// Makes the texts.
    pub renderer: Arc<Renderer>,
    /// Where messages go.
    pub sinks: Sinks,
    /// Rung after commits.
    pub bell: Bell,
    /// How it works.
    pub pace: Pace,
}

/// Delivers messages. Clones are the same courier.
#[derive(Clone, Debug)]
pub struct Courier(Arc<Parts>);

impl Courier {
    /// A courier that does nothing yet.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Delivers until `shutdown`, then what is due by then, for as long as the pace allows. What is left stays for the next start or
    /// another instance. Neither a database that is away nor a panic ends it.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut attempts = JoinSet::new();
        let mut why = Why::Perhaps;
        while !shutdown.is_cancelled() {
            let looked = AssertUnwindSafe(self.start_due(&mut attempts, why)).catch_unwind().await;
            let started = match looked {
                Ok(Ok(started)) => Some(started),
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the courier cannot read the messages");
                    None
                }
                Err(_) => {
                    tracing::error!("the courier panicked while it looked for messages");
                    None
                }
            };
            let Some(started) = started else {
                why = Why::Perhaps;
                // Rings go on while the database is away: they must not make it look without a pause.
                tokio::select! {
                    () = tokio::time::sleep(self.0.pace.tick) => {}
                    () = shutdown.cancelled() => {}
                }
                continue;
            };
            why = self.wait(&mut attempts, started, &shutdown).await;
        }
        if tokio::time::timeout(self.0.pace.flush, self.drain(&mut attempts)).await.is_err() {
            tracing::warn!(messages = attempts.len(), "shutdown did not wait for all messages");
        }
    }

    /// Waits for a reason to look again.
    async fn wait(&self, attempts: &mut JoinSet<()>, started: Started, shutdown: &CancellationToken) -> Why {
        let mut tick = std::pin::pin!(tokio::time::sleep(self.0.pace.tick));
        loop {
            tokio::select! {
                Some(ended) = attempts.join_next() => {
                    note(ended);
                    if started.more_may_wait {
                        return Why::Perhaps;
                    }
                }
                () = self.0.bell.rung() => return Why::Rung,
                () = &mut tick => return Why::Perhaps,
                () = shutdown.cancelled() => return Why::Perhaps,
            }
        }
    }

    /// Delivers everything that is due now and returns how many attempts that took.
    pub async fn deliver_due(&self) -> Result<usize, StorageError> {
        self.drain(&mut JoinSet::new()).await
    }

    async fn drain(&self, attempts: &mut JoinSet<()>) -> Result<usize, StorageError> {
        let mut count = 0;
        loop {
            count += self.start_due(attempts, Why::Perhaps).await?.count;
            let Some(ended) = attempts.join_next().await else { return Ok(count) };
            note(ended);
        }
    }

    /// Leases as many due messages as there is room for and starts their attempts.
    async fn start_due(&self, attempts: &mut JoinSet<()>, why: Why) -> Result<Started, StorageError> {
        while let Some(ended) = attempts.try_join_next() {
            note(ended);
        }
        let Parts { database, clock, pace, .. } = &*self.0;
        let room = pace.concurrency.saturating_sub(attempts.len());
        let now = clock.now();
        if room == 0 {
            return Ok(Started { count: 0, more_may_wait: true });
        }
        // Reading first where nobody rang: an idle courier must not take the write lock of SQLite every second.
        if why == Why::Perhaps && messages::find_next_due_at(database.read()).await?.is_none_or(|due| due > now) {
            return Ok(Started { count: 0, more_may_wait: false });
        }
        let leased = messages::lease_due(database.write(), now, now + pace.lease, u64::try_from(room).unwrap_or(1)).await?;
        let count = leased.len();
        for message in leased {
            let parts = Arc::clone(&self.0);
            attempts.spawn(async move { attempt::run(&parts, message).await });
        }
        Ok(Started { count, more_may_wait: count == room })
    }
}

/// Why the courier looks for messages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    /// A flow has just committed one.
    Rung,
    /// There may be some.
    Perhaps,
}

/// What a look came to.
struct Started {
    count: usize,
    /// There was not room for all, or perhaps not.
    more_may_wait: bool,
}

/// A panicked attempt leaves its lease to run out; the message is tried again then.
fn note(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("the delivery of a message panicked");
    }
}
