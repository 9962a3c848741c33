//! The bus: from the outbox to every listener, on every instance.
//!
//! 1. A flow writes its events in the transaction of its change (`storage::account_events::insert`).
//! 2. After the commit it calls [`Events::publish`] with the rows: what this instance keeps in memory is dropped at once, streams of ended
//!    sessions learn of it, and a hint goes to the other instances.
//! 3. The [`reader`] of every instance reads the log, woken by publishing, by a hint, or by its tick; what nobody here listens for can wait a
//!    little. What is committed counts at once for what is kept in memory; streams get it in its final order, once nothing can come before it any
//!    more.

mod audit_reader;
mod feed;
mod known;
mod registry;

pub mod cursor;
pub mod freshness;
pub mod reader;
pub mod redis;
pub mod stream;

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use entity::{
    Timestamp,
    account_events::{Kind, Model},
    user_audit_log,
};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use self::{
    feed::Row,
    registry::{End, Whose},
    stream::{Event, Of, Subscription},
};
use self::{freshness::Freshness, known::Known, redis::Hints, registry::Registry};
use crate::{
    clock::Clock,
    storage::{
        account_events::{self, Positions},
        database::Database,
        error::StorageError,
    },
};

/// A socket of an ended session leaves its streams so long to say so before it closes.
const SOCKET_GRACE: Duration = Duration::from_millis(150);

/// How long a cursor waits for the reader, and how often it looks.
const LONGEST_CATCH_UP: Duration = Duration::from_secs(1);
const CATCH_UP_STEP: Duration = Duration::from_millis(2);

/// The bus. Clones share it.
#[derive(Clone, Debug)]
pub struct Events(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    database: Database,
    clock: Clock,
    freshness: Arc<Freshness>,
    registry: Mutex<Registry>,
    known: Mutex<Known>,
    /// Asks the reader to read now.
    wake: Notify,
    /// Asks it to read soon: what this instance wrote itself, and nobody here listens for.
    wrote: Notify,
    /// The audit log is settled further than it was read for those who follow it.
    audit_moved: Notify,
    /// The time of watched sessions is over.
    overdue: Notify,
    hints: Option<Hints>,
}

/// Whose events, and from where on.
#[derive(Clone, Debug)]
pub struct SubscribeTo {
    /// The listener.
    pub user_id: Uuid,
    /// The session whose end ends the stream.
    pub session_id: Uuid,
    /// When that session expires unless it is refreshed.
    pub session_expires_at: Timestamp,
    /// Which kinds.
    pub of: Of,
    /// Replays what came after; none: from where this instance's reader is, up to 250 ms ago.
    pub after: Option<Positions>,
}

impl Events {
    /// Finds out where the log stands. Nothing moves before [`Events::run`] does.
    ///
    /// The reader should have a [`Database`] of its own (two connections are plenty), so that requests that hold all the others cannot delay it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn connect(database: Database, clock: Clock, hints: Option<Hints>) -> Result<Self, StorageError> {
        let positions = account_events::position_now(&database).await?;
        Ok(Self(Arc::new(Inner {
            database,
            clock,
            freshness: Arc::new(Freshness::new()),
            registry: Mutex::new(Registry::new(positions)),
            known: Mutex::new(Known::default()),
            wake: Notify::new(),
            wrote: Notify::new(),
            audit_moved: Notify::new(),
            overdue: Notify::new(),
            hints,
        })))
    }

    /// Reads the log and talks to the other instances until `shutdown`. To be supervised: begun again after a panic, it goes on where it was.
    pub async fn run(&self, shutdown: CancellationToken) {
        let talk = async {
            match &self.0.hints {
                Some(hints) => {
                    tokio::join!(hints.send(), hints.listen(|hint| self.hear(hint)));
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = reader::run(&self.0) => {}
            () = audit_reader::run(&self.0) => {}
            () = talk => {}
        }
    }

    /// Tells everybody what was committed. Never waits and never fails: the log has the last word, this makes it quick.
    ///
    /// Call it only after the commit of the transaction that inserted `events`, with the rows that the insertion returned.
    pub fn publish(&self, events: &[Model]) {
        if events.is_empty() {
            return;
        }
        self.0.act_on(events);
        let has_listeners = self.0.registry().has_listeners();
        let asks = if has_listeners { &self.0.wake } else { &self.0.wrote };
        asks.notify_one();
        if let Some(hints) = &self.0.hints {
            hints.offer(events);
        }
        metrics::counter!("postern_events_published_total").increment(events.len() as u64);
    }

    /// Waits until the time of sessions is over that somebody watches: they are to be marked as expired now.
    pub async fn overdue(&self) {
        self.0.overdue.notified().await;
    }

    /// Opens a stream; it listens from this call on, whether polled or not.
    ///
    /// Open it *before* you check that the session lives: an end that comes between the two is then noticed by one or the other.
    #[must_use]
    pub fn subscribe(&self, to: &SubscribeTo) -> Subscription {
        Subscription::open(self.clone(), to)
    }

    /// Opens a stream of one user's or everybody's events, which ends with nothing: whoever opens it sees to it that it is still allowed.
    #[must_use]
    pub fn follow(&self, whose: Whose, of: Of, after: Option<Positions>) -> Subscription {
        Subscription::follow(self.clone(), whose, of, after)
    }

    /// The same of the audit log.
    #[must_use]
    pub fn follow_audit(
        &self,
        is_wanted: impl Fn(&user_audit_log::Model) -> bool + Send + 'static,
        after: Option<Positions>,
    ) -> Subscription<user_audit_log::Model> {
        Subscription::follow_audit(self.clone(), is_wanted, after)
    }

    /// Comes as soon as the session is over. It watches from this call on, whether polled or not.
    pub fn session_over(&self, session_id: Uuid, expires_at: Timestamp) -> impl Future<Output = ()> + Send + 'static + use<> {
        let mut watch = SessionWatch::new(self, session_id, expires_at);
        async move {
            watch.ended().await;
        }
    }

    /// Comes when the session is over: ended on any instance, or expired without being refreshed. A short grace is included, in which the
    /// session's streams say so themselves; whoever drops the future stops watching.
    ///
    /// It watches from this call on, whether polled or not. Call it *before* you check that the session lives.
    pub fn session_ended(&self, session_id: Uuid, expires_at: Timestamp) -> impl Future<Output = ()> + Send + 'static + use<> {
        let over = self.session_over(session_id, expires_at);
        async move {
            over.await;
            tokio::time::sleep(SOCKET_GRACE).await;
        }
    }

    /// Up to where this instance has delivered events: at most 250 ms behind the database while that answers, usually a few. It asks nobody.
    ///
    /// What is read from the database (or from memory) after this call contains at least all events up to here.
    #[must_use]
    pub fn positions(&self) -> Positions {
        self.0.registry().positions()
    }

    /// Where the logs stand now, asked of the database: everything that was committed before this call and is settled lies before it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn position_now(&self) -> Result<Positions, StorageError> {
        account_events::position_now(&self.0.database).await
    }

    /// What may be believed of what is kept in memory.
    #[must_use]
    pub fn freshness(&self) -> Arc<Freshness> {
        Arc::clone(&self.0.freshness)
    }

    /// How many streams are attached to the live log, and how many sessions are watched.
    #[must_use]
    pub fn listeners(&self) -> (usize, usize) {
        self.0.registry().counts()
    }

    /// Where the logs stand now, once everything that is committed by now is settled, and delivered by this instance: what is read afterwards, from
    /// the database or from memory, contains at least that, and none of it is told again. Where that takes too long, because a transaction stays
    /// open or the reader lags, it is the place that was reached: then nothing is missed, and some is told again.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn caught_up(&self) -> Result<Positions, StorageError> {
        let newest = account_events::newest(&self.0.database).await?;
        let deadline = tokio::time::Instant::now() + LONGEST_CATCH_UP;
        loop {
            let (now, delivered) = (self.position_now().await?, self.positions());
            let is_delivered = delivered.events >= now.events;
            if is_delivered && now.events >= newest {
                return Ok(now);
            }
            if tokio::time::Instant::now() >= deadline {
                return Ok(if is_delivered { now } else { delivered });
            }
            self.0.wake.notify_one();
            tokio::time::sleep(CATCH_UP_STEP).await;
        }
    }

    fn hear(&self, hint: redis::Hint) {
        let news = match hint {
            redis::Hint::Event(id) => !self.0.known().contains(id),
            redis::Hint::Reconnected => true,
        };
        if news {
            self.0.wake.notify_one();
        }
    }
}

impl Inner {
    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What does not wait for the final order: memory is dropped, ended sessions are told. Says whether any of it was news.
    fn act_on(&self, committed: &[Model]) -> bool {
        let mut news = false;
        for event in committed {
            if !self.known().insert(event.id) {
                continue;
            }
            news = true;
            self.freshness.happened(event);
            if let (true, Some(session_id)) = (ends_session(event.kind), event.session_id) {
                self.registry().end(session_id, Some(event));
            }
        }
        news
    }
}

/// Whether a session is over with this event.
const fn ends_session(kind: Kind) -> bool {
    matches!(kind, Kind::SessionRevoked | Kind::SessionExpired)
}

/// Waits for the end of one session.
#[derive(Debug)]
struct SessionWatch {
    events: Events,
    session_id: Uuid,
    /// None only while it is dropped.
    receiver: Option<watch::Receiver<Option<End>>>,
}

impl SessionWatch {
    fn new(events: &Events, session_id: Uuid, expires_at: Timestamp) -> Self {
        let receiver = events.0.registry().watch(session_id, expires_at);
        Self { events: events.clone(), session_id, receiver: Some(receiver) }
    }

    async fn ended(&mut self) -> End {
        match &mut self.receiver {
            Some(receiver) => match receiver.wait_for(Option::is_some).await {
                Ok(end) => end.clone().unwrap_or(End { event: None }),
                // The registry lives as long as this watch does, and drops the sender only after it has told the end.
                Err(_) => End { event: None },
            },
            None => std::future::pending().await,
        }
    }
}

impl Drop for SessionWatch {
    fn drop(&mut self) {
        let mut registry = self.events.0.registry();
        self.receiver = None;
        registry.unwatch(self.session_id);
    }
}
