//! Figures for a dashboard, taken at one moment and kept for a few seconds: however many ask, the database is asked once.

use std::{sync::Arc, time::Duration};

use tokio::sync::Mutex;

use crate::{
    app::App,
    clock::Timestamp,
    storage::{
        error::StorageError,
        statistics::{self, Counts, Figures},
    },
};

/// For so long they are given again.
pub const KEPT: Duration = Duration::from_secs(5);
const DAY: Duration = Duration::from_hours(24);

/// The figures.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When they were taken.
    pub at: Timestamp,
    /// What was counted.
    pub counts: Counts,
    /// Codes that are waited for, as well as it is known.
    pub pending_challenges: u64,
    /// What the database tells of itself.
    pub database: Figures,
}

/// Those that were taken last.
#[derive(Debug, Default)]
pub struct Kept(Mutex<Option<Arc<Snapshot>>>);

/// The figures of now, or of a few seconds ago.
pub async fn run(app: &App) -> Result<Arc<Snapshot>, StorageError> {
    // Held while they are taken, so that whoever asks meanwhile gets the same.
    let mut kept = app.statistics.0.lock().await;
    let now = app.clock.now();
    if let Some(snapshot) = kept.as_ref().filter(|snapshot| now.since(snapshot.at) < KEPT) {
        return Ok(Arc::clone(snapshot));
    }
    let db = app.database.read();
    let snapshot = Arc::new(Snapshot {
        at: now,
        counts: statistics::count(db, now, now - DAY).await?,
        // They are told without it where the store is away.
        pending_challenges: app.challenges.count_pending(now).await.unwrap_or_default(),
        database: statistics::figures(db).await?,
    });
    *kept = Some(Arc::clone(&snapshot));
    Ok(snapshot)
}
