//! Sessions that are live, from memory where that can be believed: what every signed-in request asks first.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use entity::users;
use moka::sync::Cache;
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    events::freshness::{Freshness, Stamp},
    storage::{database::Database, error::StorageError, live_sessions},
};

/// Rows that were changed by hand, without an event, are believed no longer than this.
const KEPT: Duration = Duration::from_mins(5);

/// A live session with its user.
#[derive(Debug)]
pub struct LiveSession {
    /// The session's row.
    pub session: Arc<entity::user_sessions::Model>,
    /// Its user's row.
    pub user: Arc<entity::users::Model>,
}

/// The sessions that this instance knows.
///
/// Each is kept with the stamp of the moment *before* it was read. [`Freshness`] tells whether anything happened to it since, and whether the
/// event log is read at all: so that neither a lost hint, nor an answer of the database that comes late, nor a reader that stands still keeps an
/// ended session alive for longer than a second.
#[derive(Debug)]
pub struct LiveSessions {
    database: Database,
    freshness: Arc<Freshness>,
    kept: Cache<Uuid, Kept>,
    reads: AtomicU64,
}

#[derive(Clone, Debug)]
struct Kept {
    stamp: Stamp,
    live: Arc<LiveSession>,
}

impl LiveSessions {
    /// Keeps at most `capacity` sessions (some 2 KiB each).
    #[must_use]
    pub fn new(database: Database, freshness: Arc<Freshness>, capacity: u64) -> Self {
        let kept = Cache::builder().max_capacity(capacity).time_to_live(KEPT).build();
        Self { database, freshness, kept, reads: AtomicU64::new(0) }
    }

    /// The session and its user as they are now; none where the session has ended or expired, or its account is not active.
    ///
    /// From memory it costs a look-up and takes no lock; else one round trip.
    ///
    /// # Errors
    /// Those of the database: then nobody knows, and the caller lets nobody in.
    pub async fn get(&self, session_id: Uuid, now: Timestamp) -> Result<Option<Arc<LiveSession>>, StorageError> {
        if let Some(kept) = self.kept.get(&session_id)
            && self.freshness.holds(kept.stamp, session_id, kept.live.user.id)
        {
            return Ok(lives(&kept.live, now).then_some(kept.live));
        }
        self.read(session_id, now).await
    }

    /// Drops what is known of a session, after the commit of a change that no event tells.
    pub fn invalidate(&self, session_id: Uuid) {
        self.freshness.session_changed(session_id);
        self.kept.invalidate(&session_id);
    }

    /// Drops what is known of a user, in all of their sessions, after the commit of a change that no event tells.
    pub fn invalidate_user(&self, user_id: Uuid) {
        self.freshness.user_changed(user_id);
    }

    /// How often the database was asked.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.reads.load(Relaxed)
    }

    async fn read(&self, session_id: Uuid, now: Timestamp) -> Result<Option<Arc<LiveSession>>, StorageError> {
        let stamp = self.freshness.stamp();
        self.reads.fetch_add(1, Relaxed);
        metrics::counter!("postern_live_session_reads_total").increment(1);
        let Some((session, user)) = live_sessions::find(&self.database, session_id).await? else {
            self.kept.invalidate(&session_id);
            return Ok(None);
        };
        let live = Arc::new(LiveSession { session: Arc::new(session), user: Arc::new(user) });
        // A slower reading may overwrite a newer one here; its older stamp then says that it is not to be believed.
        self.kept.insert(session_id, Kept { stamp, live: Arc::clone(&live) });
        Ok(lives(&live, now).then_some(live))
    }
}

fn lives(live: &LiveSession, now: Timestamp) -> bool {
    live.user.status == users::Status::Active && expires_at(live) > now
}

/// When the session expires unless it is refreshed.
#[must_use]
pub fn expires_at(live: &LiveSession) -> Timestamp {
    live.session.expires_at.min(live.session.absolute_expires_at)
}
