//! Reads the audit log for whoever follows it, and not at all while nobody does. It has a task of its own, so that it never delays the
//! [`reader`](super::reader), which ends sessions.

use std::time::Duration;

use super::Inner;
use crate::storage::{
    audit_outbox::{self, position},
    error::StorageError,
};

const PAGE: u64 = 200;
/// It reads at most so often.
const PAUSE: Duration = Duration::from_millis(10);
/// Before it asks again a database that did not answer.
const RETRY: Duration = Duration::from_millis(250);
/// The longest that it waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads for ever, woken by the reader of events, which finds out how far the log is settled.
pub(super) async fn run(bus: &Inner) {
    loop {
        let wait = match tokio::time::timeout(PATIENCE, read_page(bus)).await.unwrap_or(Err(StorageError::Unavailable)) {
            Ok(Progress::Some) => PAUSE,
            Ok(Progress::None) => {
                bus.audit_moved.notified().await;
                PAUSE
            }
            Err(error) => {
                tracing::debug!(%error, "the audit log waits for the database");
                RETRY
            }
        };
        tokio::time::sleep(wait).await;
    }
}

enum Progress {
    Some,
    /// All that is settled was read, or nobody listens.
    None,
}

async fn read_page(bus: &Inner) -> Result<Progress, StorageError> {
    let unread = bus.registry().audit_unread();
    let Some((from, until)) = unread else { return Ok(Progress::None) };
    let rows = audit_outbox::list_between(&bus.database, from, until, PAGE).await?;
    let done = rows.last().map(position).filter(|_| rows.len() as u64 == PAGE).unwrap_or(until);
    let fallen_behind = bus.registry().deliver_audit(rows, done);
    if fallen_behind > 0 {
        metrics::counter!("postern_event_streams_fallen_behind_total").increment(fallen_behind as u64);
    }
    Ok(Progress::Some)
}
