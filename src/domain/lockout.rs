//! Lockout: how long each lock in a row lasts.

use std::time::Duration;

/// More doublings than this no setting can mean.
const MOST: usize = 32;

/// The length of each lock in a row: the first, doubled each time, up to the longest, which then repeats.
#[must_use]
pub fn durations(first: Duration, longest: Duration) -> Vec<Duration> {
    let mut locks = vec![first.min(longest)];
    while let Some(last) = locks.last().copied().filter(|last| *last < longest && locks.len() < MOST) {
        locks.push((last * 2).min(longest));
    }
    locks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lock_is_twice_as_long_up_to_a_day() {
        let hours: Vec<f64> =
            durations(Duration::from_mins(15), Duration::from_hours(24)).into_iter().map(|lock| lock.as_secs_f64() / 3600.0).collect();
        assert_eq!(hours, [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 24.0]);
    }

    #[test]
    fn settings_at_the_edge_end_too() {
        assert_eq!(durations(Duration::from_hours(2), Duration::from_hours(1)), [Duration::from_hours(1)]);
        assert_eq!(durations(Duration::ZERO, Duration::from_hours(1)).len(), MOST);
    }
}
