//! Medians and percentiles.

use std::time::Duration;

/// The middle of the values.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    percentile(values, 50.0)
}

/// The value that `percent` of the values do not exceed.
pub fn percentile(values: impl IntoIterator<Item = f64>, percent: f64) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    assert!(!values.is_empty(), "nothing was measured");
    values.sort_by(f64::total_cmp);
    let mut rest = values.len() as f64 * percent / 100.0;
    for value in &values {
        rest -= 1.0;
        if rest <= 0.0 {
            return *value;
        }
    }
    *values.last().unwrap()
}

/// In milliseconds.
pub fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
