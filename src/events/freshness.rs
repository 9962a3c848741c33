//! What changed lately, as counters: whoever keeps rows in memory asks here whether they may still be believed.

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::{Duration, Instant},
};

use entity::account_events::{Kind, Model};
use uuid::Uuid;

/// Nothing in memory is believed when the log was last read longer ago than this.
pub const BELIEVED_FOR: Duration = Duration::from_secs(1);

/// Sessions (and users) share slots: a collision costs one reading of the database, nothing else.
const SLOTS: usize = 1 << 14;

/// A moment in the count of changes. What is read from the database after it was taken knows all changes before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp(u64);

/// Counts the changes of sessions and users.
///
/// A reader takes a [`Stamp`] *before* it asks the database, and keeps it with the rows: a change that is announced meanwhile makes them
/// unbelievable although they arrive later. Nothing is locked, allocated or removed, so that the memory does not grow with the changes.
#[derive(Debug)]
pub struct Freshness {
    changes: AtomicU64,
    /// The number of the last change of any session (user) of the slot.
    sessions: Box<[AtomicU64]>,
    users: Box<[AtomicU64]>,
    machine_tokens: AtomicU64,
    everything: AtomicU64,
    origin: Instant,
    /// Nanoseconds from `origin` to the start of the last successful reading, plus one; 0 for never.
    read_at: AtomicU64,
}

impl Freshness {
    /// Believes nothing until the log has been read once.
    #[must_use]
    pub fn new() -> Self {
        let slots = || std::iter::repeat_with(AtomicU64::default).take(SLOTS).collect();
        Self {
            changes: AtomicU64::new(0),
            sessions: slots(),
            users: slots(),
            machine_tokens: AtomicU64::new(0),
            everything: AtomicU64::new(0),
            origin: Instant::now(),
            read_at: AtomicU64::new(0),
        }
    }

    /// Take it before asking the database.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp(self.changes.load(SeqCst))
    }

    /// Whether rows that were asked for at `stamp` are still those of the database, to the knowledge of this instance.
    #[must_use]
    pub fn holds(&self, stamp: Stamp, session_id: Uuid, user_id: Uuid) -> bool {
        self.sessions[slot(session_id)].load(SeqCst) <= stamp.0
            && self.users[slot(user_id)].load(SeqCst) <= stamp.0
            && self.everything.load(SeqCst) <= stamp.0
            && self.is_current()
    }

    /// Whether machine tokens that were asked for at `stamp` are still those of the database, to the knowledge of this instance.
    #[must_use]
    pub fn machine_tokens_hold(&self, stamp: Stamp) -> bool {
        self.machine_tokens.load(SeqCst) <= stamp.0 && self.everything.load(SeqCst) <= stamp.0 && self.is_current()
    }

    /// Says that a machine token was made or revoked.
    pub fn machine_tokens_changed(&self) {
        self.machine_tokens.fetch_max(self.count(), SeqCst);
    }

    /// Whether the log was read successfully within the last second.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.age().is_some_and(|age| age <= BELIEVED_FOR)
    }

    /// How long ago the last successful reading of the log began; none if there was none.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let read_at = self.read_at.load(SeqCst).checked_sub(1)?;
        Some(self.origin.elapsed().saturating_sub(Duration::from_nanos(read_at)))
    }

    /// Says that a session was changed; call it after the commit.
    pub fn session_changed(&self, session_id: Uuid) {
        self.sessions[slot(session_id)].fetch_max(self.count(), SeqCst);
    }

    /// Says that a user was changed; call it after the commit.
    pub fn user_changed(&self, user_id: Uuid) {
        self.users[slot(user_id)].fetch_max(self.count(), SeqCst);
    }

    /// Says that nothing is as it was: the database was restored.
    pub fn everything_changed(&self) {
        self.everything.fetch_max(self.count(), SeqCst);
    }

    /// Says what a committed event changed.
    pub fn happened(&self, event: &Model) {
        match (event.kind, event.session_id) {
            (
                Kind::SessionRefreshed | Kind::SessionMarkedSuspicious | Kind::SessionTrusted | Kind::SessionExpired | Kind::SessionRevoked,
                Some(session_id),
            ) => self.session_changed(session_id),
            // A sign-in also moves the user's last one.
            (_, Some(session_id)) => {
                self.session_changed(session_id);
                self.user_changed(event.user_id);
            }
            (_, None) => self.user_changed(event.user_id),
        }
    }

    /// Says that all that was committed before `started` is counted.
    pub fn read_since(&self, started: Instant) {
        let nanos = started.saturating_duration_since(self.origin).as_nanos();
        self.read_at.fetch_max(u64::try_from(nanos).unwrap_or(u64::MAX - 1) + 1, SeqCst);
    }

    fn count(&self) -> u64 {
        self.changes.fetch_add(1, SeqCst) + 1
    }
}

impl Default for Freshness {
    fn default() -> Self {
        Self::new()
    }
}

/// The last bytes of a UUIDv7 are random.
fn slot(id: Uuid) -> usize {
    let bytes = id.as_bytes();
    usize::from(u16::from_le_bytes([bytes[14], bytes[15]])) % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> Uuid {
        Uuid::from_bytes([number; 16])
    }

    #[test]
    fn rows_asked_for_before_a_change_are_not_believed_after_it() {
        let freshness = Freshness::new();
        freshness.read_since(Instant::now());
        let before = freshness.stamp();
        assert!(freshness.holds(before, id(1), id(2)));
        freshness.session_changed(id(1));
        assert!(!freshness.holds(before, id(1), id(2)));
        let between = freshness.stamp();
        assert!(freshness.holds(between, id(1), id(2)));
        freshness.user_changed(id(2));
        assert!(!freshness.holds(between, id(1), id(2)));
        assert!(freshness.holds(between, id(1), id(3)));
        freshness.everything_changed();
        assert!(!freshness.holds(between, id(1), id(3)));
        assert!(freshness.holds(freshness.stamp(), id(1), id(2)));
        let before = freshness.stamp();
        assert!(freshness.machine_tokens_hold(before));
        freshness.machine_tokens_changed();
        assert!(!freshness.machine_tokens_hold(before) && freshness.machine_tokens_hold(freshness.stamp()));
        assert!(freshness.holds(before, id(1), id(2)));
    }

    #[test]
    fn nothing_is_believed_a_second_after_the_last_reading() {
        let freshness = Freshness::new();
        assert!(!freshness.holds(freshness.stamp(), id(1), id(2)));
        freshness.read_since(Instant::now());
        assert!(freshness.is_current());
        let mut late = Freshness::new();
        late.origin = Instant::now().checked_sub(Duration::from_secs(3)).unwrap();
        late.read_since(Instant::now().checked_sub(Duration::from_millis(1_500)).unwrap());
        assert!(!late.is_current());
        late.read_since(Instant::now());
        assert!(late.is_current());
    }
}
