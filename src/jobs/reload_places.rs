//! Reads the database of addresses and the list of anonymous networks again once they were replaced, on each instance for itself.

use std::{convert::Infallible, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::outbound::places::Places;

const EVERY: Duration = Duration::from_mins(1);

/// Looks now and then until `stop`.
pub async fn run(places: &Arc<Places>, stop: CancellationToken) -> Result<(), Infallible> {
    if !places.reads_files() {
        return Ok(());
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(EVERY) => {}
        }
        let places = Arc::clone(places);
        // One that panics is looked at again in a minute.
        let _ = tokio::task::spawn_blocking(move || places.reload()).await;
    }
}
