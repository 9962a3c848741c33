//! After a rotation of secrets: seals what the older one sealed anew, once after each start, for secrets change by a start alone.
//!
//! Instances that do so at once do no harm: each seed is replaced by one conditional write.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{app::App, flows::reseal_seeds, storage::error::StorageError};

const BATCH: u64 = 200;
/// Between batches, so that others get their turn at the one writer of SQLite.
const PAUSE: Duration = Duration::from_millis(20);

/// Goes through all accounts once, then rests until `stop`.
pub async fn run(app: &App, stop: CancellationToken) -> Result<(), StorageError> {
    let (mut after, mut resealed) = (None, 0);
    loop {
        let batch = reseal_seeds::run(app, after, BATCH).await?;
        resealed += batch.resealed;
        after = batch.last;
        if after.is_none() {
            break;
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
    if resealed > 0 {
        tracing::info!(resealed, "seeds of authenticator apps were sealed by the first secret");
    }
    stop.cancelled().await;
    Ok(())
}
