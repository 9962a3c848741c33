//! Notes that sessions are in use, beside the requests: at most once a minute each, several in one go.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    app::App,
    storage::{error::StorageError, sessions},
};

/// Requests of this long share one write.
const GATHERED: Duration = Duration::from_millis(500);
/// Not written again before.
const EVERY: Duration = Duration::from_mins(1);
/// Beyond this, activity is not worth memory.
const MOST: usize = 10_000;

/// The sessions that were used. Clones share the list.
#[derive(Clone, Debug, Default)]
pub struct Activity(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    sessions: Mutex<HashSet<Uuid>>,
    noted: Notify,
}

impl Activity {
    /// Notes one. Never waits.
    pub fn note(&self, session_id: Uuid) {
        let mut sessions = self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() < MOST && sessions.insert(session_id) {
            self.0.noted.notify_one();
        }
    }

    fn take(&self) -> Vec<Uuid> {
        std::mem::take(&mut *self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect()
    }
}

/// Writes what was noted, until `stop`; what is left then is written too.
pub async fn run(app: &App, stop: CancellationToken) -> Result<(), StorageError> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return write(app).await,
            () = app.activity.0.noted.notified() => {}
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(GATHERED) => {}
        }
        write(app).await?;
    }
}

async fn write(app: &App) -> Result<(), StorageError> {
    let used = app.activity.take();
    if used.is_empty() {
        return Ok(());
    }
    let now = app.clock.now();
    sessions::advance_activity(app.database.write(), &used, now - EVERY, now).await?;
    for session_id in used {
        app.live_sessions.invalidate(session_id);
    }
    Ok(())
}
