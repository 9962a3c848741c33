//! Who may hand a message over: few at a time, since what a server has taken, and nobody wrote down yet, goes out twice where the process is killed.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::send_failure::SendFailure;

/// How long one is waited for.
pub const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// So many turns at a time.
#[derive(Clone, Debug)]
pub struct Turns(Arc<Semaphore>);

impl Turns {
    /// So many at a time.
    #[must_use]
    pub fn new(at_a_time: usize) -> Self {
        Self(Arc::new(Semaphore::new(at_a_time)))
    }

    /// Waits for one, for as long as [`LONGEST_WAIT`]; it ends when it is dropped.
    pub async fn next(&self) -> Result<OwnedSemaphorePermit, SendFailure> {
        match tokio::time::timeout(LONGEST_WAIT, Arc::clone(&self.0).acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(SendFailure::NotItsTurn),
        }
    }
}
