//! Leaky buckets by the generic cell rate algorithm (GCRA), and a bounded table of them in the process.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::{BuildHasher, Hash},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::clock::Timestamp;

/// A bucket of so many, and how fast it leaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How many pass at once; 0 lets nothing through.
    at_once: u32,
    /// How many come back, evenly, in a period.
    refill: u32,
    /// How long that is.
    period: Duration,
}

/// The bucket is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rate limited for {retry_after:?}")]
pub struct RateLimited {
    /// When the next one would pass.
    pub retry_after: Duration,
}

impl Limit {
    /// `count` at once, and again as many over each `period`: what limits how fast something goes on.
    #[must_use]
    pub const fn new(count: u32, period: Duration) -> Self {
        Self { at_once: count, refill: count, period }
    }

    /// No more than `count` in any `period`, wherever it begins: what caps costs. A quarter passes at once, or five, and the rest over the period.
    #[must_use]
    pub fn within(count: u32, period: Duration) -> Self {
        let at_once = count.min((count / 4).max(5));
        // What passes in a period are those at once and, of the others, all but the one that comes back at its very end.
        Self { at_once, refill: count - at_once + 1, period }
    }

    /// What the algorithm counts with; refused where nothing may pass at all.
    pub(super) fn measure(self) -> Result<Measure, RateLimited> {
        if self.at_once == 0 || self.refill == 0 {
            return Err(RateLimited { retry_after: self.period });
        }
        let period = i64::try_from(self.period.as_micros()).unwrap_or(LONGEST_PERIOD).min(LONGEST_PERIOD);
        // Rounded up, so that never more comes back.
        let interval = ((period + i64::from(self.refill) - 1) / i64::from(self.refill)).max(1);
        Ok(Measure { interval, window: interval * i64::from(self.at_once) })
    }
}

/// A year: together with the time of day it still fits the 53 bits that a script in Redis can count with.
const LONGEST_PERIOD: i64 = 365 * 24 * 3600 * 1_000_000;

/// Microseconds for one drop to leak out, and for a full bucket to become empty.
#[derive(Clone, Copy)]
pub(super) struct Measure {
    pub(super) interval: i64,
    pub(super) window: i64,
}

/// Microseconds since the epoch.
pub(super) fn micros(now: Timestamp) -> i64 {
    now.millis().saturating_mul(1000)
}

/// A bucket is the instant at which it will be empty: gives the new one, or how long to wait.
fn pour_into(empty_at: i64, measure: Measure, now: i64) -> Result<i64, RateLimited> {
    // The upper bound heals a bucket that was filled by a clock that ran ahead.
    let next = empty_at.clamp(now, now + measure.window) + measure.interval;
    let excess = next - now - measure.window;
    if excess > 0 { Err(RateLimited { retry_after: Duration::from_micros(excess.unsigned_abs()) }) } else { Ok(next) }
}

/// Buckets of this process, by the keyed hash of their name: each takes a few bytes, and their number is bounded.
///
/// Every shard has two generations. A bucket that is used moves to the young one; when that one is full, or older than the longest
/// period, the old one is dropped. So what is dropped has either run empty or was not used while very many others were.
pub(super) struct Buckets {
    names: RandomState,
    shards: Vec<Mutex<Shard>>,
    generation_size: usize,
}

#[derive(Default)]
struct Shard {
    young: HashMap<u64, i64>,
    old: HashMap<u64, i64>,
    turned_at: i64,
    longest_window: i64,
}

const SHARDS: usize = 16;

impl Buckets {
    /// At most `capacity` buckets.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            names: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            generation_size: (capacity / SHARDS / 2).max(1),
        }
    }

    /// Pours one drop, or tells how long to wait.
    pub(super) fn pour(&self, name: impl Hash, limit: Limit, now: Timestamp) -> Result<(), RateLimited> {
        self.visit(name, limit, now, Keep::Poured)
    }

    /// Tells whether a drop would be refused.
    pub(super) fn probe(&self, name: impl Hash, limit: Limit, now: Timestamp) -> Result<(), RateLimited> {
        self.visit(name, limit, now, Keep::AsItWas)
    }

    fn visit(&self, name: impl Hash, limit: Limit, now: Timestamp, keep: Keep) -> Result<(), RateLimited> {
        let measure = limit.measure()?;
        let name = self.names.hash_one(name);
        let now = micros(now);
        let shard = usize::try_from(name % SHARDS as u64).unwrap_or(0);
        let Some(shard) = self.shards.get(shard) else { return Err(RateLimited { retry_after: limit.period }) };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        shard.turn(measure.window, now, self.generation_size);
        let empty_at = shard.young.get(&name).or_else(|| shard.old.get(&name)).copied().unwrap_or(now);
        let next = pour_into(empty_at, measure, now);
        match (next, keep) {
            (Ok(next), Keep::Poured) => shard.young.insert(name, next),
            // A full bucket that is asked again and again is in use as well.
            (Err(_), _) => shard.young.insert(name, empty_at),
            (Ok(_), Keep::AsItWas) => None,
        };
        next.map(|_| ())
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().map_or(0, |shard| shard.young.len() + shard.old.len())).sum()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Poured,
    AsItWas,
}

impl Shard {
    fn turn(&mut self, window: i64, now: i64, generation_size: usize) {
        self.longest_window = self.longest_window.max(window);
        let aged = now.saturating_sub(self.turned_at) >= self.longest_window;
        if aged || self.young.len() >= generation_size {
            self.old = std::mem::take(&mut self.young);
            self.turned_at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + millis)
    }

    #[test]
    fn a_burst_passes_and_then_one_each_interval() {
        let buckets = Buckets::new(1000);
        let limit = Limit::new(10, MINUTE);
        for _ in 0..10 {
            assert_eq!(buckets.pour("a", limit, at(0)), Ok(()));
        }
        assert_eq!(buckets.pour("a", limit, at(0)), Err(RateLimited { retry_after: Duration::from_secs(6) }));
        assert_eq!(buckets.probe("a", limit, at(5_999)), Err(RateLimited { retry_after: Duration::from_millis(1) }));
        assert_eq!(buckets.pour("b", limit, at(0)), Ok(()));
        assert_eq!(buckets.probe("a", limit, at(6_000)), Ok(()));
        assert_eq!(buckets.pour("a", limit, at(6_000)), Ok(()));
        assert!(buckets.pour("a", limit, at(6_000)).is_err());
        let later = (0..20).filter(|_| buckets.pour("a", limit, at(600_000)).is_ok()).count();
        assert_eq!(later, 10);
    }

    // B6
    #[test]
    fn a_cap_holds_in_every_period() {
        for count in [1, 2, 3, 5, 7, 10, 20, 100] {
            let buckets = Buckets::new(1000);
            let limit = Limit::within(count, MINUTE);
            let passed: Vec<i64> = (0..240_000).step_by(50).filter(|millis| buckets.pour("a", limit, at(*millis)).is_ok()).collect();
            for first in &passed {
                let within = passed.iter().filter(|millis| (*first..first + 60_000).contains(*millis)).count();
                assert!(within <= count as usize, "{within} of {count} from {first} on");
            }
            let in_the_first = passed.iter().filter(|millis| **millis < 60_000).count();
            assert_eq!(in_the_first, count as usize, "and all of it can be used");
        }
    }

    #[test]
    fn nothing_passes_a_limit_of_nothing() {
        assert_eq!(Buckets::new(10).pour("a", Limit::new(0, MINUTE), at(0)), Err(RateLimited { retry_after: MINUTE }));
    }

    #[test]
    fn a_clock_that_ran_ahead_does_not_lock_for_ever() {
        let buckets = Buckets::new(1000);
        let limit = Limit::new(1, MINUTE);
        assert!(buckets.pour("a", limit, at(86_400_000)).is_ok());
        assert_eq!(buckets.pour("a", limit, at(0)), Err(RateLimited { retry_after: MINUTE }));
    }

    #[test]
    fn extreme_limits_do_not_overflow() {
        let buckets = Buckets::new(1000);
        assert!(buckets.pour("a", Limit::new(u32::MAX, Duration::from_nanos(1)), at(0)).is_ok());
        assert!(buckets.pour("b", Limit::new(1, Duration::MAX), at(0)).is_ok());
        assert!(buckets.pour("b", Limit::new(1, Duration::MAX), at(0)).is_err());
    }

    #[test]
    fn the_table_is_bounded_and_forgets_empty_buckets() {
        let buckets = Buckets::new(320);
        let limit = Limit::new(2, MINUTE);
        for name in 0..100_000 {
            assert!(buckets.pour(name, limit, at(0)).is_ok());
        }
        assert!(buckets.len() <= 320, "{}", buckets.len());
        for name in 0..1_000 {
            assert!(buckets.pour(name, limit, at(60_000 * (1 + i64::from(name)))).is_ok());
        }
        assert!(buckets.len() < 64, "{}", buckets.len());
    }

    #[test]
    fn a_bucket_in_use_survives_the_change_of_generations() {
        let buckets = Buckets::new(1_000_000);
        let limit = Limit::new(3, MINUTE);
        for _ in 0..3 {
            assert!(buckets.pour("a", limit, at(59_000)).is_ok());
        }
        assert!(buckets.pour("a", limit, at(61_000)).is_err());
    }
}
