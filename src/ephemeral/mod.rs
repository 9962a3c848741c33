//! Short-lived state: one small trait, in the process or in Redis, and what is built on it.

use std::{sync::Arc, time::Duration};

use crate::clock::Clock;

mod bucket;
mod challenge_record;
pub mod challenges;
pub mod memory;
pub mod rate_limits;
pub mod redis;
mod store;

pub use bucket::{Limit, RateLimited};
pub use store::{Change, Step, Store, Unavailable};

/// An address of Redis that cannot be read as one; the address itself may hold a password and is not repeated.
#[derive(Debug, thiserror::Error)]
#[error("Redis address {position}: {reason}")]
pub struct InvalidAddress {
    /// Which one of the list, from 1.
    pub position: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// The store that the settings ask for: in the process when there is no address, one Redis for one address, a Redis Cluster for several.
///
/// It does not wait for Redis: until that answers, every call is [`Unavailable`]. `timeout` bounds every call. Call it inside a Tokio runtime.
pub fn connect(redis_urls: &[String], timeout: Duration, clock: Clock) -> Result<Arc<dyn Store>, InvalidAddress> {
    if redis_urls.is_empty() {
        return Ok(memory::Memory::swept(clock));
    }
    Ok(Arc::new(redis::Redis::connect(redis_urls, timeout)?))
}
