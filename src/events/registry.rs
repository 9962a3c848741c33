//! Who listens in this process: streams by user, and watches for the end of sessions.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use entity::{Timestamp, account_events::Model};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use crate::storage::account_events::{Position, Positions, position};

/// Events that wait for one stream. One that is further behind is detached and reads the log again, so that slowness costs no memory.
const BUFFERED: usize = 64;

/// A row of the log on its way to a stream.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The row.
    pub row: Arc<Model>,
    /// Where the audit log stood before it.
    pub audit: Position,
}

/// How a session ended.
#[derive(Clone, Debug)]
pub struct End {
    /// The event that told it; none where it expired and nobody could write one.
    pub event: Option<Arc<Model>>,
}

/// Guarded by one lock; nothing in it waits.
#[derive(Debug)]
pub struct Registry {
    positions: Positions,
    next_id: u64,
    streams: HashMap<Uuid, Vec<(u64, mpsc::Sender<Delivery>)>>,
    sessions: HashMap<Uuid, Watched>,
    expiries: BTreeSet<(Timestamp, Uuid)>,
}

#[derive(Debug)]
struct Watched {
    ended: watch::Sender<Option<End>>,
    expires_at: Timestamp,
    /// Since when its time is known to be over, and its event waited for.
    overdue: Option<Instant>,
}

/// What a stream holds while it is attached.
#[derive(Debug)]
pub struct Attachment {
    /// For [`Registry::detach`].
    pub id: u64,
    /// Everything after `since`, in order; closed when the stream fell behind.
    pub deliveries: mpsc::Receiver<Delivery>,
    /// Where the logs stood when it was attached.
    pub since: Positions,
}

impl Registry {
    /// Nobody listens yet.
    pub fn new(positions: Positions) -> Self {
        Self { positions, next_id: 0, streams: HashMap::new(), sessions: HashMap::new(), expiries: BTreeSet::new() }
    }

    /// All events at or before this position were delivered to whoever was attached.
    pub const fn positions(&self) -> Positions {
        self.positions
    }

    /// How many streams are attached, and how many sessions are watched.
    pub fn counts(&self) -> (usize, usize) {
        (self.streams.values().map(Vec::len).sum(), self.sessions.len())
    }

    /// Attaches a stream to the events of a user.
    pub fn attach(&mut self, user_id: Uuid) -> Attachment {
        self.next_id += 1;
        let (sender, deliveries) = mpsc::channel(BUFFERED);
        self.streams.entry(user_id).or_default().push((self.next_id, sender));
        Attachment { id: self.next_id, deliveries, since: self.positions }
    }

    /// Forgets a stream.
    pub fn detach(&mut self, user_id: Uuid, id: u64) {
        if let Some(streams) = self.streams.get_mut(&user_id) {
            streams.retain(|(other, _)| *other != id);
            if streams.is_empty() {
                self.streams.remove(&user_id);
            }
        }
    }

    /// Hands settled rows, in order, to the streams, and says that all up to `position` is delivered. Returns how many streams fell behind.
    pub fn deliver(&mut self, rows: Vec<Model>, until: Position) -> usize {
        let mut fallen_behind = 0;
        for row in rows {
            if position(&row) <= self.positions.events {
                continue;
            }
            if let Some(streams) = self.streams.get_mut(&row.user_id) {
                let user_id = row.user_id;
                let delivery = Delivery { row: Arc::new(row), audit: self.positions.audit };
                streams.retain(|(_, sender)| {
                    let sent = sender.try_send(delivery.clone());
                    fallen_behind += usize::from(matches!(sent, Err(mpsc::error::TrySendError::Full(_))));
                    sent.is_ok()
                });
                if streams.is_empty() {
                    self.streams.remove(&user_id);
                }
            }
        }
        self.positions.events = self.positions.events.max(until);
        fallen_behind
    }

    /// Says where the audit log stood before the events that come next.
    pub fn audit_stands_at(&mut self, audit: Position) {
        self.positions.audit = self.positions.audit.max(audit);
    }

    /// Watches for the end of a session.
    pub fn watch(&mut self, session_id: Uuid, expires_at: Timestamp) -> watch::Receiver<Option<End>> {
        if let Some(watched) = self.sessions.get(&session_id) {
            return watched.ended.subscribe();
        }
        let (ended, receiver) = watch::channel(None);
        self.sessions.insert(session_id, Watched { ended, expires_at, overdue: None });
        self.expiries.insert((expires_at, session_id));
        receiver
    }

    /// Forgets a session that nobody watches any more.
    pub fn unwatch(&mut self, session_id: Uuid) {
        if self.sessions.get(&session_id).is_some_and(|watched| watched.ended.receiver_count() == 0) {
            self.forget(session_id);
        }
    }

    /// Tells all who watch a session that it is over.
    pub fn end(&mut self, session_id: Uuid, event: Option<&Model>) {
        if let Some(watched) = self.forget(session_id) {
            watched.ended.send_replace(Some(End { event: event.cloned().map(Arc::new) }));
        }
    }

    /// Watched sessions that should have expired by `now`, at most `limit`. Each has to be told by [`Registry::await_end`] or [`Registry::prolong`].
    pub fn due(&self, now: Timestamp, limit: usize) -> Vec<Uuid> {
        self.expiries.iter().take_while(|(expires_at, _)| *expires_at <= now).take(limit).map(|(_, session_id)| *session_id).collect()
    }

    /// Says that a watched session lives longer than was known.
    pub fn prolong(&mut self, session_id: Uuid, expires_at: Timestamp) {
        if let Some(watched) = self.sessions.get_mut(&session_id) {
            self.expiries.remove(&(watched.expires_at, session_id));
            watched.expires_at = expires_at;
            watched.overdue = None;
            self.expiries.insert((expires_at, session_id));
        }
    }

    /// Waits for the event of a session whose time is over; what has none after `patience` is over without. Says whether the waiting begins with this.
    pub fn await_end(&mut self, session_id: Uuid, patience: Duration) -> bool {
        let Some(watched) = self.sessions.get_mut(&session_id) else { return false };
        let Some(since) = watched.overdue else {
            watched.overdue = Some(Instant::now());
            return true;
        };
        if since.elapsed() >= patience {
            self.end(session_id, None);
        }
        false
    }

    fn forget(&mut self, session_id: Uuid) -> Option<Watched> {
        let watched = self.sessions.remove(&session_id)?;
        self.expiries.remove(&(watched.expires_at, session_id));
        Some(watched)
    }
}
