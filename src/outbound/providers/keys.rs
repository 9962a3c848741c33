//! The keys that a provider publishes (RFC 7517), remembered.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::Value;
use tokio::{
    sync::{Mutex, MutexGuard},
    time::Instant,
};
use url::Url;

use super::{
    discovery::PAUSE,
    fetch::{Asked, Fetcher, ProviderFault},
};
use crate::clock::{Clock, Timestamp};

/// How long they are believed: so long lives a key that the provider has withdrawn.
const KEPT: Duration = Duration::from_hours(1);
/// How often an unknown key makes us look again: tokens with invented names of keys cost the provider nothing. `// E15`
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// The keys of one provider, asked for by one at a time.
pub(super) struct Keys {
    clock: Clock,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    found: Option<(Timestamp, Arc<[Value]>)>,
    looked_again_at: Option<Timestamp>,
    failed_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

impl Keys {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, last: Mutex::default() }
    }

    /// The keys as they were within the last hour.
    pub(super) async fn get(&self, fetcher: &Fetcher, url: &Url, until: Instant) -> Result<Arc<[Value]>, ProviderFault> {
        let mut last = self.lock(until).await?;
        let now = self.clock.now();
        match &last.found {
            Some((at, keys)) if now.since(*at) < KEPT => Ok(Arc::clone(keys)),
            _ => last.ask(fetcher, url, until, now).await,
        }
    }

    /// The same, asked for anew; those that are remembered where that was done within the last minute.
    pub(super) async fn get_newer(&self, fetcher: &Fetcher, url: &Url, until: Instant) -> Result<Arc<[Value]>, ProviderFault> {
        let mut last = self.lock(until).await?;
        let now = self.clock.now();
        let lately = last.looked_again_at.is_some_and(|at| now.since(at) < LOOK_AGAIN);
        match &last.found {
            Some((_, keys)) if lately => Ok(Arc::clone(keys)),
            _ => {
                last.looked_again_at = Some(now);
                last.ask(fetcher, url, until, now).await
            }
        }
    }

    async fn lock(&self, until: Instant) -> Result<MutexGuard<'_, Last>, ProviderFault> {
        tokio::time::timeout_at(until, self.last.lock()).await.map_err(|_| ProviderFault::Slow)
    }
}

impl Last {
    async fn ask(&mut self, fetcher: &Fetcher, url: &Url, until: Instant, now: Timestamp) -> Result<Arc<[Value]>, ProviderFault> {
        if self.failed_at.is_some_and(|at| now.since(at) < PAUSE) {
            return Err(ProviderFault::Lately);
        }
        let answer = fetcher.ask(url, Asked::Document, until).await;
        match answer.and_then(|answer| answer.read::<KeySet>()) {
            Ok(set) => {
                let keys: Arc<[Value]> = set.keys.into();
                (self.found, self.failed_at) = (Some((now, Arc::clone(&keys))), None);
                Ok(keys)
            }
            Err(fault) => {
                self.failed_at = Some(now);
                Err(fault)
            }
        }
    }
}
