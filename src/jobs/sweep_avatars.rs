//! Takes away pictures that no account names: what is left where a process died between the storage and the database.

use std::time::Duration;

use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    clock::Timestamp,
    storage::{avatars, deletions, error::StorageError, leases},
};

const JOB: &str = "sweep avatars";
/// The first time after a start, and as much again by chance: instances that start together do not all ask at once.
const FIRST: Duration = Duration::from_mins(2);
const EVERY: Duration = Duration::from_hours(6);
/// Younger ones may belong to a change that is not committed yet.
const AGE: Duration = Duration::from_hours(1);
const AT_ONCE: usize = 200;
/// Questions to the storage beside one another.
const SIDE_BY_SIDE: usize = 8;

/// Sweeps now and then until `stop`; of several instances one does.
pub async fn run(app: &App, stop: CancellationToken) -> Result<(), StorageError> {
    let holder = app.entropy.uuid(app.clock.now()).to_string();
    let spread = Duration::from_millis(u64::from(app.entropy.below(u32::try_from(FIRST.as_millis()).unwrap_or(u32::MAX))));
    let mut pause = FIRST + spread;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
        pause = EVERY;
        let now = app.clock.now();
        if leases::acquire(app.database.write(), JOB, &holder, now + EVERY / 2, now).await? {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                swept = sweep(app, now) => match swept {
                    Ok(0) => {}
                    Ok(count) => tracing::info!(count, "took away avatars that no account names"),
                    Err(error) => return Err(error),
                },
            }
        }
    }
}

/// Sweeps once, and says how many pictures went. What the storage refuses waits for the next time.
pub async fn sweep(app: &App, now: Timestamp) -> Result<usize, StorageError> {
    let mut found = app.pictures.list_older(now - AGE).chunks(AT_ONCE);
    let mut swept = 0;
    while let Some(chunk) = found.next().await {
        let mut keys = Vec::new();
        for key in chunk {
            match key {
                Ok(key) => keys.push(key),
                Err(error) => tracing::warn!(%error, "the avatars could not all be listed"),
            }
        }
        let named = avatars::list_named(app.database.write(), &keys).await?;
        for key in keys.iter().filter(|key| !named.contains(key)) {
            match app.pictures.delete(key).await {
                Ok(()) => swept += 1,
                Err(error) => tracing::warn!(%error, "an avatar that no account names could not be taken away"),
            }
        }
    }
    Ok(swept)
}

/// Takes away at most `limit` pictures of accounts that were erased, and says how many went. What the storage refuses waits for the next time.
pub async fn remove_noted(app: &App, limit: u64) -> Result<u64, StorageError> {
    let keys = deletions::list_removed_avatars(app.database.read(), limit).await?;
    let gone: Vec<String> = futures::stream::iter(keys)
        .map(async |key| match app.pictures.delete(&key).await {
            Ok(()) => Some(key),
            Err(error) => {
                tracing::warn!(%error, "the avatar of a deleted account could not be taken away");
                None
            }
        })
        .buffer_unordered(SIDE_BY_SIDE)
        .filter_map(std::future::ready)
        .collect()
        .await;
    if !gone.is_empty() {
        deletions::forget_avatars(app.database.write(), &gone).await?;
    }
    Ok(gone.len() as u64)
}
