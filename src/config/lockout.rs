//! When guessing passwords locks an account.

use std::time::Duration;

use super::reader::Reader;

/// Settings of the lockout.
#[derive(Clone, Debug)]
pub struct Lockout {
    /// Failures within the window that lock.
    pub failures: u32,
    /// The window.
    pub window: Duration,
    /// How long the first lock lasts; each further one doubles it.
    pub first: Duration,
    /// How long a lock lasts at most.
    pub longest: Duration,
    /// Failures in a row after which only known devices may try.
    pub in_a_row: u32,
}

impl Lockout {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let quarter = Duration::from_mins(15);
        let lockout = Self {
            failures: reader.count("lockout.failures", 5, "Wrong passwords within lockout.window that lock an account."),
            window: reader.duration("lockout.window", quarter, "In how long the wrong passwords are counted."),
            first: reader.duration("lockout.first", quarter, "How long the first lock lasts; each further one doubles it."),
            longest: reader.duration("lockout.longest", Duration::from_hours(24), "How long a lock lasts at most."),
            in_a_row: reader.count("lockout.in_a_row", 100, "Wrong passwords in a row after which only known devices may try."),
        };
        if lockout.longest < lockout.first {
            reader.problem("lockout.longest", "must be no less than lockout.first");
        }
        if lockout.in_a_row < lockout.failures {
            reader.problem("lockout.in_a_row", "must be no less than lockout.failures");
        }
        lockout
    }
}
