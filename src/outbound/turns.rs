//! Who may hand a message over: few at a time, since what a server has taken, and nobody wrote down yet, goes out twice where the process is killed.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::send_failure::SendFailure;

/// So many turns at a time.
#[derive(Clone, Debug)]
pub struct Turns(Arc<Semaphore>);

impl Turns {
    /// So many at a time.
    #[must_use]
    pub fn new(at_a_time: usize) -> Self {
        Self(Arc::new(Semaphore::new(at_a_time)))
    }

    /// Waits for one; it ends when it is dropped.
    pub async fn next(&self) -> Result<OwnedSemaphorePermit, SendFailure> {
        Arc::clone(&self.0).acquire_owned().await.map_err(|_| SendFailure::Later("nothing is handed over any more".to_owned()))
    }
}
