//! Hands the audit log on to a webhook, every row at least once and in its order. The log itself is the outbox.
//!
//! One instance at a time has the lease, and the lease has the position of the last row that the receiver took. It moves only after the receiver
//! said so: whoever is killed in between sends the same rows again, under the same ids. A receiver that is away is asked again with growing pauses,
//! and nothing is left out; it has as long as rows are kept.

use std::time::Duration;

use entity::user_audit_log;
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    flows::audit_record,
    outbound::audit_webhook::AuditWebhook,
    storage::{
        account_events::{self, Position},
        audit_outbox,
        error::StorageError,
        leases,
    },
};

/// For one post.
pub const TIMEOUT: Duration = Duration::from_secs(10);

const JOB: &str = "forward audit";
/// No turn takes longer than a post and some statements.
const LEASE: Duration = Duration::from_secs(30);
/// Rows of a post.
const BATCH: u64 = 100;
/// Where there is nothing to hand on, or another instance does it.
const IDLE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// How long the shutdown waits for the turn, and as long again until the lease is given back.
const LONGEST_GOODBYE: Duration = Duration::from_secs(2);

/// What came of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The receiver took so many rows.
    Sent(u64),
    /// It did not, for now.
    Failed,
    /// Another instance has the lease.
    NotOurs,
}

/// Takes turns until `stop`, and gives the lease back then. Whoever begins anew after a failure is the same `holder`, and has it still.
pub async fn run(app: &App, webhook: &AuditWebhook, holder: &str, stop: CancellationToken) -> Result<(), StorageError> {
    let (mut pause, mut failures) = (IDLE, 0);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(pause) => {}
        }
        // Its own statement that takes the lease must not come after the one that gives it back: only a turn that takes long is broken off.
        let turn = tokio::select! {
            () = stopped_for(LONGEST_GOODBYE, &stop) => break,
            turn = turn(app, webhook, holder) => turn?,
        };
        failures = if turn == Turn::Failed { failures + 1 } else { 0 };
        pause = match turn {
            Turn::Sent(BATCH) => Duration::ZERO,
            Turn::Sent(_) | Turn::NotOurs => IDLE,
            Turn::Failed => IDLE.saturating_mul(1 << failures.min(16)).min(LONGEST_PAUSE),
        };
    }
    let release = leases::release(app.database.write(), JOB, holder, app.clock.now());
    tokio::time::timeout(LONGEST_GOODBYE, release).await.unwrap_or(Ok(()))
}

async fn stopped_for(so_long: Duration, stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(so_long).await;
}

/// One turn, if it is `holder`'s.
pub async fn turn(app: &App, webhook: &AuditWebhook, holder: &str) -> Result<Turn, StorageError> {
    let (db, now) = (app.database.write(), app.clock.now());
    if !leases::acquire(db, JOB, holder, now + LEASE, now).await? {
        return Ok(Turn::NotOurs);
    }
    let Some(from) = leases::find_position(db, JOB).await?.as_deref().and_then(read) else {
        // The first time: what was before is a matter of the export.
        let start = account_events::position_now(&app.database).await?.audit;
        leases::advance_position(db, JOB, holder, &write(start), now).await?;
        return Ok(Turn::Sent(0));
    };
    let rows = audit_outbox::read_settled(&app.database, from, BATCH).await?;
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(Turn::Sent(0)) };
    let sent = webhook.send(name(first, last), rows.iter().map(audit_record::run).collect(), now).await;
    if let Err(failure) = sent {
        metrics::counter!("postern_audit_forward_failures_total").increment(1);
        tracing::warn!(%failure, "the receiver of the audit log did not take it; it is tried again");
        return Ok(Turn::Failed);
    }
    metrics::counter!("postern_audit_forwarded_total").increment(rows.len() as u64);
    let is_noted = leases::advance_position(db, JOB, holder, &write(audit_outbox::position(last)), app.clock.now()).await?;
    Ok(if is_noted { Turn::Sent(rows.len() as u64) } else { Turn::NotOurs })
}

/// The same for the same rows.
fn name(first: &user_audit_log::Model, last: &user_audit_log::Model) -> String {
    format!("audit_{}_{}", first.id.simple(), last.id.simple())
}

fn write(position: Position) -> String {
    format!("{}/{}/{}", position.epoch, position.xid, position.seq)
}

fn read(text: &str) -> Option<Position> {
    let mut parts = text.split('/');
    let position = Position { epoch: parts.next()?.parse().ok()?, xid: parts.next()?.parse().ok()?, seq: parts.next()?.parse().ok()? };
    parts.next().is_none().then_some(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_written_and_read() {
        let position = Position { epoch: 2, xid: 3, seq: i64::MAX };
        assert_eq!(read(&write(position)), Some(position));
        for wrong in ["", "1/2", "1/2/3/4", "a/2/3"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
