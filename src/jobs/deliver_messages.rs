//! The courier: delivers the messages that flows wrote, beside the requests and never inside one.
//!
//! Due messages are leased a few at a time, attempted in parallel, and ended or given back. A ring after a commit wakes it, and a tick finds
//! what nobody rang for: retries, and messages whose instance was killed. Where it rings all the time, several messages are leased at once.
//! Every instance has a courier; the leases keep them from doing the same twice.
//! Retries have half of the room at most: where a server is long about some recipients, everybody else's first attempt does not wait for them.

mod attempt;
mod inbox;
mod sinks;

use std::{
    collections::HashSet,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::FutureExt;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use self::sinks::{Inbox, SinkError, Sinks};
use crate::{
    clock::Clock,
    crypto::secret_box::SecretBox,
    entropy::Entropy,
    lately::Lately,
    outbound::{bell::Bell, render::Renderer, turns::LONGEST_WAIT},
    storage::{
        database::Database,
        error::StorageError,
        messages::{self, Which},
    },
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
    /// From so many messages a second on, each look waits until `breath` after the one before, and takes what has come meanwhile.
    pub busy_from: usize,
    /// How long that is.
    pub breath: Duration,
    /// Retries end so long after the message was written.
    pub retry_for: Duration,
    /// How long shutdown waits for what is due.
    pub flush: Duration,
}

impl Pace {
    /// What each half of an attempt may take, wherever it goes: until it is taken, and until it has been.
    pub const ATTEMPT: Duration = Duration::from_secs(20);
}

/// Two halves of an attempt, the wait for its turn between them, and a while to write down what came of it: 75 seconds.
const LEASE: Duration = Duration::from_secs(2 * Pace::ATTEMPT.as_secs() + LONGEST_WAIT.as_secs() + 20);

impl Default for Pace {
    fn default() -> Self {
        Self {
            concurrency: 8,
            lease: LEASE,
            tick: Duration::from_secs(1),
            busy_from: 20,
            breath: Duration::from_millis(100),
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
        let mut attempts = Attempts::default();
        let mut why = Why::Perhaps;
        let mut looked_for_all = Instant::now();
        let (mut lately, mut last_rung) = (Lately::default(), None::<Instant>);
        while !shutdown.is_cancelled() {
            // However often it rings, what nobody rings for has its turn.
            if looked_for_all.elapsed() >= self.0.pace.tick {
                why = Why::Perhaps;
            }
            if why == Why::Perhaps {
                looked_for_all = Instant::now();
            }
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
            lately.add(started.count);
            let waits = lately.a_second() >= self.0.pace.busy_from && !started.more_may_wait;
            why = self.wait(&mut attempts, started, &shutdown).await;
            if why == Why::Rung {
                if let Some(last) = last_rung.filter(|_| waits) {
                    tokio::select! {
                        () = tokio::time::sleep(self.0.pace.breath.saturating_sub(last.elapsed())) => {}
                        () = shutdown.cancelled() => {}
                    }
                }
                last_rung = Some(Instant::now());
            }
        }
        if tokio::time::timeout(self.0.pace.flush, self.drain(&mut attempts)).await.is_err() {
            tracing::warn!(messages = attempts.running.len(), "shutdown did not wait for all messages");
        }
    }

    /// Waits for a reason to look again.
    async fn wait(&self, attempts: &mut Attempts, started: Started, shutdown: &CancellationToken) -> Why {
        let mut tick = std::pin::pin!(tokio::time::sleep(self.0.pace.tick));
        loop {
            tokio::select! {
                true = attempts.next_end() => {
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
        self.drain(&mut Attempts::default()).await
    }

    async fn drain(&self, attempts: &mut Attempts) -> Result<usize, StorageError> {
        let mut count = 0;
        loop {
            count += self.start_due(attempts, Why::Perhaps).await?.count;
            if !attempts.next_end().await {
                return Ok(count);
            }
        }
    }

    /// Leases as many due messages as there is room for and starts their attempts.
    async fn start_due(&self, attempts: &mut Attempts, why: Why) -> Result<Started, StorageError> {
        attempts.note_ended();
        let Parts { database, clock, pace, .. } = &*self.0;
        let now = clock.now();
        let mut room = pace.concurrency.saturating_sub(attempts.running.len());
        if room == 0 {
            return Ok(Started { count: 0, more_may_wait: true });
        }
        // Reading first where nobody rang: an idle courier must not take the write lock of SQLite every second.
        if why == Why::Perhaps && messages::find_next_due_at(database.read()).await?.is_none_or(|due| due > now) {
            return Ok(Started { count: 0, more_may_wait: false });
        }
        let retries = (pace.concurrency / 2).max(1).saturating_sub(attempts.retries());
        // Nobody rings for retries.
        let kinds: &[_] =
            if why == Why::Rung { &[(Which::New, usize::MAX)] } else { &[(Which::New, usize::MAX), (Which::Attempted, retries)] };
        let mut started = Started { count: 0, more_may_wait: false };
        for (which, most) in kinds {
            let limit = room.min(*most);
            if limit == 0 {
                started.more_may_wait = true;
                continue;
            }
            let until = now + pace.lease;
            let leased = messages::lease_due(database.write(), *which, now, until, u64::try_from(limit).unwrap_or(1)).await?;
            started.more_may_wait |= leased.len() == limit;
            started.count += leased.len();
            room -= leased.len().min(room);
            let (kept, sent): (Vec<_>, Vec<_>) = leased.into_iter().partition(|message| self.0.sinks.is_kept(message.channel));
            for message in sent {
                attempts.start(message.attempts, attempt::run(Arc::clone(&self.0), message));
            }
            if let Some(first) = kept.first() {
                attempts.start(first.attempts, inbox::deliver(Arc::clone(&self.0), kept));
            }
        }
        Ok(started)
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

/// What is attempted right now.
#[derive(Default)]
struct Attempts {
    running: JoinSet<()>,
    /// Those that are not the first of their message.
    again: HashSet<tokio::task::Id>,
}

impl Attempts {
    fn start(&mut self, number: i32, attempt: impl Future<Output = ()> + Send + 'static) {
        let started = self.running.spawn(attempt);
        if number > 1 {
            self.again.insert(started.id());
        }
    }

    fn retries(&self) -> usize {
        self.again.len()
    }

    /// Waits for one to end; false where none runs.
    async fn next_end(&mut self) -> bool {
        let ended = self.running.join_next_with_id().await;
        self.note(ended)
    }

    fn note_ended(&mut self) {
        while let ended @ Some(_) = self.running.try_join_next_with_id() {
            self.note(ended);
        }
    }

    fn note(&mut self, ended: Option<Result<(tokio::task::Id, ()), tokio::task::JoinError>>) -> bool {
        match ended {
            None => return false,
            Some(Ok((id, ()))) => self.again.remove(&id),
            Some(Err(error)) => {
                note(&error);
                self.again.remove(&error.id())
            }
        };
        true
    }
}

/// A panicked attempt leaves its lease to run out; the message is tried again then.
fn note(error: &tokio::task::JoinError) {
    if error.is_panic() {
        tracing::error!("the delivery of a message panicked");
    }
}
