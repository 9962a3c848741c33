//! Wakes the courier when a message was committed.

use std::sync::Arc;

use tokio::sync::Notify;

/// Rung after a commit, heard by the courier of this instance. A lost ring costs one tick, never a message. Clones are the same bell.
#[derive(Clone, Debug, Default)]
pub struct Bell(Arc<Notify>);

impl Bell {
    /// Says that something may be due. Never waits.
    pub fn ring(&self) {
        self.0.notify_one();
    }

    /// Returns after the next ring, or at once if it rang since the last time.
    pub async fn rung(&self) {
        self.0.notified().await;
    }
}
