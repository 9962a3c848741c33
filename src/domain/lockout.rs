//! Lockout: when too many failures close password sign-in, and for how long.

use std::time::Duration;

use crate::clock::Timestamp;

/// The numbers of the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// So many failures lock.
    pub failures: u32,
    /// A failure is forgotten if so long no other one follows.
    pub window: Duration,
    /// How long the first lock lasts; each further one twice as long as the one before.
    pub first: Duration,
    /// No lock lasts longer.
    pub longest: Duration,
    /// After so many failures in a row only known devices may try.
    pub in_a_row: u32,
}

/// A counter as it was last written; all zeros where there is none yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// Failures in the current window.
    pub failures: u32,
    /// Failures in a row, since the last success or reset.
    pub total: u32,
    /// Locks in a row.
    pub locks: u32,
    /// Until when it is closed.
    pub locked_until: Option<Timestamp>,
    /// When the last failure came.
    pub last_failure_at: Option<Timestamp>,
}

/// What a counter means now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// An attempt may be made.
    Open,
    /// None may be made yet.
    Locked {
        /// How long it lasts from now.
        retry_after: Duration,
    },
    /// Only a known device may make one, until reset or unlock.
    KnownDevicesOnly,
}

impl Counter {
    /// Whether an attempt may be made now. A lock is told before anything else, since it ends by itself.
    #[must_use]
    pub fn standing(&self, policy: &Policy, now: Timestamp) -> Standing {
        match self.locked_until {
            Some(until) if now < until => Standing::Locked { retry_after: until.until(now) },
            _ if self.total >= policy.in_a_row => Standing::KnownDevicesOnly,
            _ => Standing::Open,
        }
    }

    /// The counter after one more failure. A lock begins with the failure that fills the window, which then starts anew.
    #[must_use]
    pub fn after_failure(&self, policy: &Policy, now: Timestamp) -> Self {
        let in_window = self.last_failure_at.is_some_and(|last| now.since(last) < policy.window);
        let failures = if in_window { self.failures.saturating_add(1) } else { 1 };
        let counted = Self { failures, total: self.total.saturating_add(1), last_failure_at: Some(now), ..*self };
        if failures < policy.failures {
            return counted;
        }
        Self { failures: 0, locks: self.locks.saturating_add(1), locked_until: Some(now + lock_duration(policy, self.locks)), ..counted }
    }

    /// The counter after a success, a reset or an unlock: nothing is held against the next attempt.
    #[must_use]
    pub const fn cleared() -> Self {
        Self { failures: 0, total: 0, locks: 0, locked_until: None, last_failure_at: None }
    }
}

/// How long the next lock lasts after `locks` in a row: the first, doubled each time, up to the longest.
#[must_use]
pub fn lock_duration(policy: &Policy, locks: u32) -> Duration {
    let factor = 1_u32.checked_shl(locks).unwrap_or(u32::MAX);
    policy.first.saturating_mul(factor).min(policy.longest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);
    const POLICY: Policy = Policy {
        failures: 5,
        window: Duration::from_mins(15),
        first: Duration::from_mins(15),
        longest: Duration::from_hours(24),
        in_a_row: 100,
    };

    fn start() -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000)
    }

    fn fail(mut counter: Counter, times: u32, now: Timestamp) -> Counter {
        for _ in 0..times {
            counter = counter.after_failure(&POLICY, now);
        }
        counter
    }

    #[test]
    fn the_fifth_failure_in_the_window_locks() {
        let counter = fail(Counter::default(), 4, start());
        assert_eq!(counter.standing(&POLICY, start()), Standing::Open);
        let counter = fail(counter, 1, start() + 14 * MINUTE);
        assert_eq!(counter.standing(&POLICY, start() + 14 * MINUTE), Standing::Locked { retry_after: 15 * MINUTE });
        assert_eq!(counter.standing(&POLICY, start() + 29 * MINUTE), Standing::Open);
    }

    #[test]
    fn failures_are_forgotten_after_the_window() {
        let counter = fail(Counter::default(), 4, start());
        let counter = fail(counter, 4, start() + 15 * MINUTE);
        assert_eq!(counter.standing(&POLICY, start() + 15 * MINUTE), Standing::Open);
        assert_eq!(counter.total, 8);
    }

    #[test]
    fn locks_double_up_to_a_day() {
        let minutes = (0..9).map(|locks| lock_duration(&POLICY, locks).as_secs() / 60).collect::<Vec<_>>();
        assert_eq!(minutes, [15, 30, 60, 120, 240, 480, 960, 1440, 1440]);
        assert_eq!(lock_duration(&POLICY, u32::MAX), POLICY.longest);
    }

    // C6: at most 100 failures in a row, ever.
    #[test]
    fn after_a_hundred_only_known_devices_may_try() {
        let mut now = start();
        let mut counter = Counter::default();
        for _ in 0..100 {
            counter = counter.after_failure(&POLICY, now);
            if let Standing::Locked { retry_after } = counter.standing(&POLICY, now) {
                now = now + retry_after;
            }
        }
        assert_eq!(counter.standing(&POLICY, now), Standing::KnownDevicesOnly);
        assert_eq!(counter.standing(&POLICY, now + 1000 * POLICY.longest), Standing::KnownDevicesOnly);
        assert_eq!(Counter::cleared().standing(&POLICY, now), Standing::Open);
    }

    proptest! {
        #[test]
        fn a_lock_never_outlasts_the_longest(gaps in prop::collection::vec(0..200_000_u64, 1..200)) {
            let mut now = start();
            let mut counter = Counter::default();
            for gap in gaps {
                now = now + Duration::from_secs(gap);
                counter = counter.after_failure(&POLICY, now);
                prop_assert!(counter.failures < POLICY.failures);
                if let Standing::Locked { retry_after } = counter.standing(&POLICY, now) {
                    prop_assert!(retry_after <= POLICY.longest);
                }
            }
        }
    }
}
