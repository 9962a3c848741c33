//! Reads the log: one task of every instance.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use futures::FutureExt;

use super::{Inner, registry::Registry};
use crate::{
    lately::Lately,
    storage::{
        account_events::{self, Position, position},
        error::StorageError,
        live_sessions,
    },
};

/// It reads at least so often, hint or no hint.
const TICK: Duration = Duration::from_millis(250);
/// And at most so often: many events make one reading.
const PAUSE: Duration = Duration::from_millis(4);
/// From so many events a second on, those of this instance that nobody here listens for are read together.
const BUSY_FROM: usize = 20;
const BUSY_PAUSE: Duration = Duration::from_millis(50);
/// First look for what is committed but not settled yet; doubled up to the tick.
const SETTLING: Duration = Duration::from_millis(8);
/// The longest that it waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// No transaction of ours is older (the database ends them after 5 s).
const LONGEST_TRANSACTION: Duration = Duration::from_secs(10);
/// How long the event of an expired session is waited for.
const EXPIRY_PATIENCE: Duration = Duration::from_millis(500);
const PAGE: u64 = 500;
const DUE_AT_ONCE: usize = 200;

/// Reads for ever. A reading that fails is tried again; until then [`super::freshness::Freshness`] runs out, and nothing in memory is believed.
pub(super) async fn run(bus: &Inner) {
    let mut horizons = Horizons::default();
    let mut seen = Seen { epoch: bus.registry().positions().events.epoch, machine_tokens: None };
    let mut settling = SETTLING;
    let mut failing = false;
    let mut lately = Lately::default();
    loop {
        let started = Instant::now();
        let outcome =
            tokio::time::timeout(PATIENCE, scan(bus, horizons.floor(), &mut seen)).await.unwrap_or(Err(StorageError::Unavailable));
        let wait = match outcome {
            Ok(scan) => {
                bus.freshness.read_since(started);
                horizons.add(started, scan.next_xid);
                lately.add(scan.settled);
                if std::mem::take(&mut failing) {
                    tracing::info!("the event log is read again");
                }
                settling = if scan.news { SETTLING } else { (settling * 2).min(TICK) };
                if scan.unsettled { settling } else { TICK }
            }
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "the event log cannot be read: until it can, every request asks the database");
                }
                TICK
            }
        };
        report(bus, failing);
        end_expired(bus).await;
        let pause = if lately.a_second() >= BUSY_FROM { BUSY_PAUSE } else { PAUSE };
        tokio::select! {
            () = bus.wake.notified() => {}
            () = wrote_and_waited(bus, started + pause) => {}
            () = tokio::time::sleep_until((started + wait).into()) => {}
        }
        wait_until(started + PAUSE).await;
        // The reading that begins now is for all who asked until now.
        let _ = (bus.wake.notified().now_or_never(), bus.wrote.notified().now_or_never());
    }
}

async fn wrote_and_waited(bus: &Inner, until: Instant) {
    bus.wrote.notified().await;
    wait_until(until).await;
}

/// Sets no timer for what has passed.
async fn wait_until(moment: Instant) {
    if Instant::now() < moment {
        tokio::time::sleep_until(moment.into()).await;
    }
}

/// What the last reading found of what is no event.
struct Seen {
    epoch: i32,
    /// None before the first reading: what was read before it is not to be believed.
    machine_tokens: Option<i64>,
}

struct Scan {
    /// Events that this instance had not heard of.
    news: bool,
    /// How many rows were delivered.
    settled: usize,
    /// Some committed rows wait for older transactions.
    unsettled: bool,
    next_xid: i64,
}

/// Reads everything after the position, acts on all of it, and delivers what is settled.
async fn scan(bus: &Inner, floor: i64, seen: &mut Seen) -> Result<Scan, StorageError> {
    let mut done = bus.registry().positions().events;
    let mut from = done;
    let mut first: Option<(Position, i64)> = None;
    let mut outcome = Scan { news: false, settled: 0, unsettled: false, next_xid: 0 };
    loop {
        let page = account_events::read_after(&bus.database, from, floor, PAGE).await?;
        if page.audit.epoch > seen.epoch {
            seen.epoch = page.audit.epoch;
            bus.freshness.everything_changed();
        }
        if seen.machine_tokens.replace(page.machine_tokens) != Some(page.machine_tokens) {
            bus.freshness.machine_tokens_changed();
        }
        first.get_or_insert((page.audit, page.next_xid));
        outcome.news |= bus.act_on(&page.rows);
        let last = page.rows.last().map(position).filter(|_| page.rows.len() as u64 == PAGE);
        if from == done {
            // What was skipped as unsettled is not looked at again before the next reading, so that only pages that follow on one another deliver.
            done = last.map_or(page.settled, |last| last.min(page.settled)).max(done);
            let (settled, unsettled): (Vec<_>, Vec<_>) = page.rows.into_iter().partition(|row| position(row) <= done);
            outcome.unsettled |= !unsettled.is_empty();
            outcome.settled += settled.len();
            deliver(&mut bus.registry(), settled, done);
        }
        match last {
            Some(last) => from = last,
            None => break,
        }
    }
    if let Some((audit, next_xid)) = first {
        let is_awaited = bus.registry().audit_stands_at(audit);
        if is_awaited {
            bus.audit_moved.notify_one();
        }
        outcome.next_xid = next_xid;
    }
    Ok(outcome)
}

fn deliver(registry: &mut Registry, settled: Vec<entity::account_events::Model>, done: Position) {
    metrics::counter!("postern_events_read_total").increment(settled.len() as u64);
    let fallen_behind = registry.deliver(settled, done);
    if fallen_behind > 0 {
        metrics::counter!("postern_event_streams_fallen_behind_total").increment(fallen_behind as u64);
    }
}

/// Watched sessions that nobody refreshed in time are marked as expired without waiting for the clean-up: who watches hears of it by that event. Where
/// nobody can mark them, they end all the same.
async fn end_expired(bus: &Inner) {
    let now = bus.clock.now();
    let due = bus.registry().due(now, DUE_AT_ONCE);
    if due.is_empty() {
        return;
    }
    // While the database is away nothing is known; the next tick asks again.
    let asked = tokio::time::timeout(PATIENCE, live_sessions::list_expiries(&bus.database, due.clone())).await;
    if let Ok(Ok(living)) = asked {
        let mut registry = bus.registry();
        for session_id in due {
            match living.iter().find(|(id, _)| *id == session_id) {
                Some((_, expires_at)) if *expires_at > now => registry.prolong(session_id, *expires_at),
                _ => {
                    if registry.await_end(session_id, EXPIRY_PATIENCE) {
                        bus.overdue.notify_one();
                    }
                }
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
fn report(bus: &Inner, failing: bool) {
    let (streams, sessions) = bus.registry().counts();
    metrics::gauge!("postern_event_streams").set(streams as f64);
    metrics::gauge!("postern_watched_sessions").set(sessions as f64);
    metrics::gauge!("postern_event_log_readable").set(if failing { 0.0 } else { 1.0 });
}

/// Remembers which transactions began how long ago, without any wall clock: all that were numbered at a reading have ended
/// [`LONGEST_TRANSACTION`] later, and what they committed was seen by the next reading after that.
///
/// It matters only where some other work on the same PostgreSQL server keeps a transaction open for long: then rows stay unsettled, and are
/// not read again and again.
#[derive(Default)]
struct Horizons {
    seen: VecDeque<(Instant, i64)>,
    floor: i64,
}

impl Horizons {
    fn add(&mut self, started: Instant, next_xid: i64) {
        while let Some((_, xid)) = self.seen.pop_front_if(|(at, _)| at.elapsed() >= LONGEST_TRANSACTION + started.elapsed()) {
            self.floor = xid;
        }
        if self.seen.back().is_none_or(|(at, _)| started.saturating_duration_since(*at) >= Duration::from_secs(1)) {
            self.seen.push_back((started, next_xid));
        }
    }

    const fn floor(&self) -> i64 {
        self.floor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_of_the_last_ten_seconds_are_above_the_floor() {
        let begin = Instant::now().checked_sub(Duration::from_mins(1)).unwrap();
        let mut horizons = Horizons::default();
        for second in 0_u64..=60 {
            horizons.add(begin + Duration::from_secs(second), i64::try_from(second).unwrap());
            let allowed = i64::try_from(second.saturating_sub(10)).unwrap();
            assert!(horizons.floor() <= allowed, "{second}: {}", horizons.floor());
            assert!(horizons.floor() >= allowed - 1, "{second}: {}", horizons.floor());
            assert!(horizons.seen.len() <= 12);
        }
    }
}
