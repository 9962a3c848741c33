//! Waits for what comes about by itself, in another process, socket, job or instance: it looks again and again, and gives up in the end.

use std::time::{Duration, Instant};

const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// Waits until something holds, and says how long that took.
pub async fn until(what: &str, patience: Duration, mut holds: impl AsyncFnMut() -> bool) -> Duration {
    let began = Instant::now();
    until_some(what, patience, async || holds().await.then_some(())).await;
    began.elapsed()
}

/// Waits until there is something.
pub async fn until_some<T>(what: &str, patience: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}
