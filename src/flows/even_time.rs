//! Answers whose time must not tell what they do not say.
//!
//! What is done for a known and an unknown account is the same by count, yet not to the microsecond: a row more is read, another page of an index is
//! written. Against that an answer waits until a moment that does not depend on it.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Several times what the work takes, and less than anybody notices.
const SHORTEST: Duration = Duration::from_millis(10);

/// Answers no sooner than 10 ms after now. No clock runs beside the work: what takes longer, as every hash does, is not woken by one.
pub async fn of<F: Future>(work: F) -> F::Output {
    let earliest = Instant::now() + SHORTEST;
    let output = work.await;
    if Instant::now() < earliest {
        sleep_until(earliest).await;
    }
    output
}
