//! How busy it was lately: who does something for each of many things does it for several at once then.

use std::time::{Duration, Instant};

/// How many there were in this second, and in the one before.
#[derive(Debug)]
pub struct Lately {
    since: Instant,
    before: usize,
    now: usize,
}

impl Default for Lately {
    fn default() -> Self {
        Self { since: Instant::now(), before: 0, now: 0 }
    }
}

impl Lately {
    /// So many more.
    pub fn add(&mut self, more: usize) {
        let passed = self.since.elapsed();
        if passed >= Duration::from_secs(1) {
            self.before = if passed < Duration::from_secs(2) { self.now } else { 0 };
            (self.since, self.now) = (Instant::now(), 0);
        }
        self.now += more;
    }

    /// The more of the two seconds.
    #[must_use]
    pub fn a_second(&self) -> usize {
        self.before.max(self.now)
    }
}
