//! Marks sessions as expired as soon as their time is over where somebody watches them, so that the last event of their streams says so. All others
//! wait for the clean-up.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::{app::App, flows::expire_sessions, storage::error::StorageError};

const BATCH: u64 = 200;
/// Before a database is asked again that did not answer.
const RETRY: Duration = Duration::from_millis(250);

/// Does so until `stop`. What cannot be written now is left to the clean-up.
pub async fn run(app: &App, stop: CancellationToken) -> Result<(), StorageError> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = app.events.overdue() => {}
        }
        loop {
            match expire_sessions::run(app, BATCH).await {
                Ok(BATCH) => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "sessions whose time is over could not be marked as expired");
                    tokio::time::sleep(RETRY).await;
                    break;
                }
            }
        }
    }
}
