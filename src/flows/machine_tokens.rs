//! Machine tokens that hold, from memory where that can be believed: what every request of a machine asks first.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use entity::machine_tokens::Model;
use uuid::Uuid;

use crate::{
    clock::{Clock, Timestamp},
    domain::machine_scope::MachineScope,
    events::freshness::{Freshness, Stamp},
    storage::{database::Database, error::StorageError, machine_tokens},
};

/// Rows that were changed by hand are believed no longer than this.
const KEPT: Duration = Duration::from_mins(5);
/// A token that is not known makes this instance look again at most so often: one may have been made a moment ago.
const UNKNOWN_EVERY_MS: u64 = 100;
/// The last use is written at most this often.
const USED_EVERY: Duration = Duration::from_mins(1);
/// How often whoever waits for the end of a token looks whether it has come.
const LOOK: Duration = Duration::from_millis(200);

/// A machine, by its token.
#[derive(Debug)]
pub struct Machine {
    /// Of the token: names the machine in the audit log, and owns its cursors.
    pub id: Uuid,
    /// Of the token.
    pub hash: [u8; 32],
    /// What it may use.
    pub scopes: Vec<MachineScope>,
    expires_at: Option<Timestamp>,
    /// Milliseconds.
    last_used_at: AtomicI64,
}

impl Machine {
    /// Whether the token covers a scope.
    #[must_use]
    pub fn has(&self, scope: MachineScope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Notes that it is used now, and says whether that is worth writing.
    #[must_use]
    pub fn note_use(&self, now: Timestamp) -> bool {
        let last = self.last_used_at.load(Relaxed);
        let is_due = now.since(Timestamp::from_millis(last)) >= USED_EVERY;
        is_due && self.last_used_at.compare_exchange(last, now.millis(), Relaxed, Relaxed).is_ok()
    }

    fn holds(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|expires_at| expires_at > now)
    }
}

/// All tokens that were not revoked, as this instance knows them.
///
/// There are few of them, so they are kept together: a token that is none of ours is then as cheap to refuse as one of ours is to let in. They are
/// kept with the stamp of the moment *before* they were read; [`Freshness`] tells whether one was made or revoked since, and whether the
/// database is heard of at all. So neither an answer that comes late nor a reader that stands still keeps a revoked token alive for longer than a second.
#[derive(Debug)]
pub struct MachineTokens {
    database: Database,
    freshness: Arc<Freshness>,
    kept: ArcSwapOption<Kept>,
    origin: Instant,
    /// Milliseconds from `origin` to the last look for a token that was not known, plus one.
    looked_at: AtomicU64,
    reads: AtomicU64,
}

#[derive(Debug)]
struct Kept {
    stamp: Stamp,
    read_at: Instant,
    by_hash: HashMap<[u8; 32], Arc<Machine>>,
}

impl MachineTokens {
    /// Knows none yet.
    #[must_use]
    pub fn new(database: Database, freshness: Arc<Freshness>) -> Self {
        let kept = ArcSwapOption::empty();
        Self { database, freshness, kept, origin: Instant::now(), looked_at: AtomicU64::new(0), reads: AtomicU64::new(0) }
    }

    /// The machine whose token has this hash, where the token holds now.
    ///
    /// From memory it costs a look-up and takes no lock; else one round trip.
    ///
    /// # Errors
    /// Those of the database: then nobody knows, and the caller lets nobody in.
    pub async fn find(&self, hash: &[u8; 32], now: Timestamp) -> Result<Option<Arc<Machine>>, StorageError> {
        let believed = self.kept.load_full().filter(|kept| self.believes(kept));
        let kept = match believed {
            Some(kept) if kept.by_hash.contains_key(hash) || !self.may_look_for_unknown() => kept,
            Some(_) | None => self.read().await?,
        };
        Ok(kept.by_hash.get(hash).filter(|machine| machine.holds(now)).cloned())
    }

    /// Comes when the machine's token is over: revoked on any instance, or expired. While the database is away nothing is known, and nothing comes.
    pub async fn ended(&self, machine: &Machine, clock: &Clock) {
        loop {
            if self.freshness.is_current() && matches!(self.find(&machine.hash, clock.now()).await, Ok(None)) {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// How often the database was asked.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.reads.load(Relaxed)
    }

    fn believes(&self, kept: &Kept) -> bool {
        self.freshness.machine_tokens_hold(kept.stamp) && kept.read_at.elapsed() < KEPT
    }

    fn may_look_for_unknown(&self) -> bool {
        let now = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1;
        let last = self.looked_at.load(Relaxed);
        let is_due = last == 0 || now.saturating_sub(last) >= UNKNOWN_EVERY_MS;
        is_due && self.looked_at.compare_exchange(last, now, Relaxed, Relaxed).is_ok()
    }

    async fn read(&self) -> Result<Arc<Kept>, StorageError> {
        let (stamp, read_at) = (self.freshness.stamp(), Instant::now());
        self.reads.fetch_add(1, Relaxed);
        metrics::counter!("postern_machine_token_reads_total").increment(1);
        let rows = machine_tokens::list_unrevoked(self.database.read()).await?;
        let by_hash = rows.into_iter().filter_map(machine).map(|machine| (machine.hash, Arc::new(machine))).collect();
        let kept = Arc::new(Kept { stamp, read_at, by_hash });
        // A slower reading may overwrite a newer one here; its older stamp then says that it is not to be believed.
        self.kept.store(Some(Arc::clone(&kept)));
        Ok(kept)
    }
}

/// None for a hash that no token can have.
fn machine(row: Model) -> Option<Machine> {
    Some(Machine {
        id: row.id,
        hash: row.token_hash.try_into().ok()?,
        scopes: MachineScope::list_from(&row.scopes),
        expires_at: row.expires_at,
        last_used_at: AtomicI64::new(row.last_used_at.unwrap_or_default().millis()),
    })
}
