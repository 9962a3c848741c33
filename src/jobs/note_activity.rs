//! Notes that sessions and machine tokens are in use, beside the requests: at most once a minute each, several in one go.

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
    storage::{error::StorageError, machine_tokens, sessions},
};

/// Requests of this long share one write.
const GATHERED: Duration = Duration::from_millis(500);
/// Not written again before.
const EVERY: Duration = Duration::from_mins(1);
/// Beyond this, activity is not worth memory.
const MOST: usize = 10_000;

/// The sessions and machine tokens that were used. Clones share the lists.
#[derive(Clone, Debug, Default)]
pub struct Activity(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    sessions: Mutex<HashSet<Uuid>>,
    machines: Mutex<HashSet<Uuid>>,
    noted: Notify,
}

impl Activity {
    /// Notes one. Never waits.
    pub fn note(&self, session_id: Uuid) {
        self.add(&self.0.sessions, session_id);
    }

    /// Notes a machine token. Never waits.
    pub fn note_machine(&self, token_id: Uuid) {
        self.add(&self.0.machines, token_id);
    }

    fn add(&self, to: &Mutex<HashSet<Uuid>>, id: Uuid) {
        let mut ids = to.lock().unwrap_or_else(PoisonError::into_inner);
        if ids.len() < MOST && ids.insert(id) {
            self.0.noted.notify_one();
        }
    }
}

fn take(ids: &Mutex<HashSet<Uuid>>) -> Vec<Uuid> {
    std::mem::take(&mut *ids.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect()
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
    let (used, machines) = (take(&app.activity.0.sessions), take(&app.activity.0.machines));
    let now = app.clock.now();
    if !used.is_empty() {
        sessions::advance_activity(app.database.write(), &used, now - EVERY, now).await?;
        for session_id in used {
            app.live_sessions.invalidate(session_id);
        }
    }
    if !machines.is_empty() {
        machine_tokens::advance_last_used(app.database.write(), &machines, now - EVERY, now).await?;
    }
    Ok(())
}
