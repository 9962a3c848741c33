//! The store in the process: bounded, and rid of what has expired.

use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use uuid::Uuid;

use super::{
    bucket::{Buckets, Limit, RateLimited},
    challenges::{Challenge, State},
    store::{Change, Step, Store, Unavailable},
};
use crate::clock::{Clock, Timestamp};

/// Values and challenges, each: some 50 MB at the very most.
const CAPACITY: usize = 100_000;
const BUCKETS: usize = 262_144;
const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// Short-lived state of a single instance. What it holds ends with the process.
pub struct Memory {
    values: Mutex<Expiring<String, Vec<u8>>>,
    challenges: Mutex<Expiring<Uuid, Waiting>>,
    buckets: Buckets,
}

struct Waiting {
    challenge: Challenge,
    /// The number of attempts it began with.
    attempts: u32,
}

impl Memory {
    /// An empty store that removes expired entries when others are added.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(CAPACITY)
    }

    /// The same with room for `capacity` values and as many challenges.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            values: Mutex::new(Expiring::new(capacity)),
            challenges: Mutex::new(Expiring::new(capacity)),
            buckets: Buckets::new(BUCKETS),
        }
    }

    /// An empty store that also removes expired entries once a minute, as long as somebody holds it.
    pub(super) fn swept(clock: Clock) -> Arc<Self> {
        let memory = Arc::new(Self::new());
        let swept = Arc::downgrade(&memory);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(SWEEP_EVERY).await;
                let Some(memory) = swept.upgrade() else { return };
                memory.sweep(clock.now());
            }
        });
        memory
    }

    /// Removes everything that has expired.
    pub fn sweep(&self, now: Timestamp) {
        lock(&self.values).sweep(now);
        lock(&self.challenges).sweep(now);
    }

    /// How many values and challenges are held, expired ones among them.
    pub fn len(&self) -> usize {
        lock(&self.values).kept.len() + lock(&self.challenges).kept.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

fn lock<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Store for Memory {
    async fn put(&self, key: &str, value: &[u8], expires_at: Timestamp, now: Timestamp) -> Result<(), Unavailable> {
        lock(&self.values).insert(key.to_owned(), value.to_vec(), expires_at, now)
    }

    async fn get(&self, key: &str, now: Timestamp) -> Result<Option<Vec<u8>>, Unavailable> {
        Ok(lock(&self.values).get(key, now).map(|value| value.clone()))
    }

    async fn take(&self, key: &str, now: Timestamp) -> Result<Option<Vec<u8>>, Unavailable> {
        Ok(lock(&self.values).remove(key).filter(|(_, expires_at)| now < *expires_at).map(|(value, _)| value))
    }

    async fn pour(&self, key: &str, limit: Limit, now: Timestamp) -> Result<Result<(), RateLimited>, Unavailable> {
        Ok(self.buckets.pour(key, limit, now))
    }

    async fn create_challenge(&self, challenge: &Challenge, now: Timestamp) -> Result<(), Unavailable> {
        let waiting = Waiting { challenge: challenge.clone(), attempts: challenge.attempts_left };
        lock(&self.challenges).insert(challenge.id, waiting, challenge.gone_at(), now)
    }

    async fn change_challenge(&self, id: Uuid, step: Step, now: Timestamp) -> Result<Option<Change>, Unavailable> {
        Ok(lock(&self.challenges).get(&id, now).map(|waiting| {
            let applied = waiting.challenge.apply(step, waiting.attempts, now);
            Change { applied, challenge: waiting.challenge.clone().seen_at(now) }
        }))
    }

    async fn count_pending_challenges(&self, now: Timestamp) -> Result<u64, Unavailable> {
        let challenges = lock(&self.challenges);
        let is_pending = |waiting: &Waiting| waiting.challenge.state == State::Pending && now < waiting.challenge.expires_at;
        Ok(challenges.kept.values().filter(|(waiting, _)| is_pending(waiting)).count() as u64)
    }

    async fn ping(&self) -> Result<(), Unavailable> {
        Ok(())
    }
}

/// A map whose entries expire. Where it is full of live ones, it takes no more: nothing that somebody waits for is thrown away.
struct Expiring<K, V> {
    kept: HashMap<K, (V, Timestamp)>,
    by_expiry: BTreeSet<(Timestamp, K)>,
    capacity: usize,
}

impl<K: Clone + Eq + Hash + Ord, V> Expiring<K, V> {
    fn new(capacity: usize) -> Self {
        Self { kept: HashMap::new(), by_expiry: BTreeSet::new(), capacity }
    }

    fn insert(&mut self, key: K, value: V, expires_at: Timestamp, now: Timestamp) -> Result<(), Unavailable> {
        self.sweep(now);
        self.remove(&key);
        if expires_at <= now {
            return Ok(());
        }
        if self.kept.len() >= self.capacity {
            tracing::error!(entries = self.capacity, "the in-process store is full");
            return Err(Unavailable);
        }
        self.by_expiry.insert((expires_at, key.clone()));
        self.kept.insert(key, (value, expires_at));
        Ok(())
    }

    fn get<Q: ?Sized + Eq + Hash>(&mut self, key: &Q, now: Timestamp) -> Option<&mut V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.kept.get_mut(key).filter(|(_, expires_at)| now < *expires_at).map(|(value, _)| value)
    }

    fn remove<Q: ?Sized + Eq + Hash>(&mut self, key: &Q) -> Option<(V, Timestamp)>
    where
        K: std::borrow::Borrow<Q>,
    {
        let (key, (value, expires_at)) = self.kept.remove_entry(key)?;
        self.by_expiry.remove(&(expires_at, key));
        Some((value, expires_at))
    }

    fn sweep(&mut self, now: Timestamp) {
        while let Some((expires_at, _)) = self.by_expiry.first()
            && *expires_at <= now
        {
            if let Some((_, key)) = self.by_expiry.pop_first() {
                self.kept.remove(&key);
            }
        }
    }
}
