//! Who listens in this process: streams by user, of everybody and of the audit log, and watches for the end of sessions.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use entity::{Timestamp, account_events::Model, user_audit_log};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use crate::storage::{
    account_events::{Position, Positions, position},
    audit_outbox,
};

/// Events that wait for one stream. One that is further behind is detached and reads the log again, so that slowness costs no memory.
const BUFFERED: usize = 64;
/// The same for streams of everybody, which are few: more than one reading delivers.
const BUFFERED_OF_ALL: usize = 1024;

/// Whose events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Those of one user.
    One(Uuid),
    /// Those of all users.
    Everybody,
}

/// A row of a log on its way to a stream.
#[derive(Debug)]
pub struct Delivery<R> {
    /// The row.
    pub row: Arc<R>,
    /// Where the other log stood before it.
    pub beside: Position,
}

/// The streams that get the same rows.
#[derive(Debug)]
struct Listeners<R>(Vec<(u64, mpsc::Sender<Delivery<R>>)>);

impl<R> Default for Listeners<R> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<R> Listeners<R> {
    fn add(&mut self, id: u64, buffered: usize) -> mpsc::Receiver<Delivery<R>> {
        let (sender, deliveries) = mpsc::channel(buffered);
        self.0.push((id, sender));
        deliveries
    }

    fn remove(&mut self, id: u64) {
        self.0.retain(|(other, _)| *other != id);
    }

    const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Hands a row to all of them; how many fell behind.
    fn send(&mut self, row: &Arc<R>, beside: Position) -> usize {
        let mut fallen_behind = 0;
        self.0.retain(|(_, sender)| {
            let sent = sender.try_send(Delivery { row: Arc::clone(row), beside });
            fallen_behind += usize::from(matches!(sent, Err(mpsc::error::TrySendError::Full(_))));
            sent.is_ok()
        });
        fallen_behind
    }
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
    streams: HashMap<Uuid, Listeners<Model>>,
    everybody: Listeners<Model>,
    audit: Listeners<user_audit_log::Model>,
    /// How far the audit log is settled. Where somebody listens to it, more than was delivered.
    audit_settled: Position,
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
pub struct Attachment<R> {
    /// For [`Registry::detach`].
    pub id: u64,
    /// Everything after `since`, in order; closed when the stream fell behind.
    pub deliveries: mpsc::Receiver<Delivery<R>>,
    /// Where the logs stood when it was attached.
    pub since: Positions,
}

impl Registry {
    /// Nobody listens yet.
    pub fn new(positions: Positions) -> Self {
        Self {
            positions,
            next_id: 0,
            streams: HashMap::new(),
            everybody: Listeners::default(),
            audit: Listeners::default(),
            audit_settled: positions.audit,
            sessions: HashMap::new(),
            expiries: BTreeSet::new(),
        }
    }

    /// All events at or before this position were delivered to whoever was attached.
    pub const fn positions(&self) -> Positions {
        self.positions
    }

    /// How many streams are attached, and how many sessions are watched.
    pub fn counts(&self) -> (usize, usize) {
        let of_users: usize = self.streams.values().map(|listeners| listeners.0.len()).sum();
        (of_users + self.everybody.0.len() + self.audit.0.len(), self.sessions.len())
    }

    /// Whether any stream is attached.
    pub fn has_listeners(&self) -> bool {
        !self.streams.is_empty() || !self.everybody.0.is_empty() || !self.audit.0.is_empty()
    }

    /// Attaches a stream to the events of a user, or of everybody.
    pub fn attach(&mut self, whose: Whose) -> Attachment<Model> {
        self.next_id += 1;
        let id = self.next_id;
        let deliveries = match whose {
            Whose::One(user_id) => self.streams.entry(user_id).or_default().add(id, BUFFERED),
            Whose::Everybody => self.everybody.add(id, BUFFERED_OF_ALL),
        };
        Attachment { id, deliveries, since: self.positions }
    }

    /// Attaches a stream to the audit log.
    pub fn attach_audit(&mut self) -> Attachment<user_audit_log::Model> {
        self.next_id += 1;
        Attachment { id: self.next_id, deliveries: self.audit.add(self.next_id, BUFFERED_OF_ALL), since: self.positions }
    }

    /// Forgets a stream of events.
    pub fn detach(&mut self, whose: Whose, id: u64) {
        match whose {
            Whose::One(user_id) => {
                if let Some(listeners) = self.streams.get_mut(&user_id) {
                    listeners.remove(id);
                    self.forget_silent(user_id);
                }
            }
            Whose::Everybody => self.everybody.remove(id),
        }
    }

    /// Forgets a stream of the audit log.
    pub fn detach_audit(&mut self, id: u64) {
        self.audit.remove(id);
    }

    fn forget_silent(&mut self, user_id: Uuid) {
        if self.streams.get(&user_id).is_some_and(Listeners::is_empty) {
            self.streams.remove(&user_id);
        }
    }

    /// Hands settled rows, in order, to the streams, and says that all up to `position` is delivered. Returns how many streams fell behind.
    pub fn deliver(&mut self, rows: Vec<Model>, until: Position) -> usize {
        let mut fallen_behind = 0;
        for row in rows {
            if position(&row) <= self.positions.events {
                continue;
            }
            let user_id = row.user_id;
            if self.everybody.is_empty() && !self.streams.contains_key(&user_id) {
                continue;
            }
            let (row, beside) = (Arc::new(row), self.positions.audit);
            fallen_behind += self.everybody.send(&row, beside);
            if let Some(listeners) = self.streams.get_mut(&user_id) {
                fallen_behind += listeners.send(&row, beside);
                self.forget_silent(user_id);
            }
        }
        self.positions.events = self.positions.events.max(until);
        fallen_behind
    }

    /// Says how far the audit log is settled. Where nobody listens to it, that is also how far it is delivered; else it says whether there is
    /// something to read.
    pub fn audit_stands_at(&mut self, audit: Position) -> bool {
        self.audit_settled = self.audit_settled.max(audit);
        if self.audit.is_empty() {
            self.positions.audit = self.audit_settled;
        }
        self.positions.audit < self.audit_settled
    }

    /// Between which positions the audit log is to be read for those who listen to it; none where there is nothing, or nobody.
    pub fn audit_unread(&self) -> Option<(Position, Position)> {
        (!self.audit.is_empty() && self.positions.audit < self.audit_settled).then_some((self.positions.audit, self.audit_settled))
    }

    /// Hands rows of the audit log, in order, to those who listen to it, and says that all up to `until` is delivered. Returns how many fell behind.
    pub fn deliver_audit(&mut self, rows: Vec<user_audit_log::Model>, until: Position) -> usize {
        let mut fallen_behind = 0;
        for row in rows.into_iter().filter(|row| audit_outbox::position(row) > self.positions.audit) {
            fallen_behind += self.audit.send(&Arc::new(row), self.positions.events);
        }
        self.positions.audit = self.positions.audit.max(until);
        fallen_behind
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
