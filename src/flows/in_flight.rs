//! Who may try at one thing at a time: a few, so that right attempts that come together never look like a crowd of wrong ones.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// What is tried, as its counter is called.
type Key = [u8; 32];

/// The attempts of this instance that are being checked now, by what they try.
#[derive(Clone, Debug, Default)]
pub struct InFlight(Arc<Mutex<HashMap<Key, Arc<Semaphore>>>>);

/// A place among them; it is free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    among: InFlight,
    key: Key,
    permit: Option<OwnedSemaphorePermit>,
}

impl InFlight {
    /// Waits for one of `at_once` places, `patience` at most.
    pub async fn enter(&self, key: Key, at_once: usize, patience: Duration) -> Option<Place> {
        let semaphore = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(key).or_insert_with(|| Arc::new(Semaphore::new(at_once.max(1)))))
        };
        // Made first: it takes the entry away again, also where the wait is given up.
        let mut place = Place { among: self.clone(), key, permit: None };
        place.permit = Some(timeout(patience, semaphore.acquire_owned()).await.ok()?.ok()?);
        Some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.among.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.permit = None;
        // Held by the map alone: nobody is there or waits. Others get theirs under the same lock.
        if all.get(&self.key).is_some_and(|semaphore| Arc::strong_count(semaphore) == 1) {
            all.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn so_many_at_once_and_no_trace_left() {
        let all = InFlight::default();
        let first = all.enter([1; 32], 2, SHORT).await.unwrap();
        let second = all.enter([1; 32], 2, SHORT).await.unwrap();
        assert!(all.enter([1; 32], 2, SHORT).await.is_none());
        let other = all.enter([2; 32], 2, SHORT).await.unwrap();
        drop(first);
        let third = all.enter([1; 32], 2, SHORT).await.unwrap();
        drop((second, third, other));
        assert!(all.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn who_waits_is_let_in_when_a_place_is_free() {
        let all = InFlight::default();
        let first = all.enter([1; 32], 1, SHORT).await.unwrap();
        let waiting = tokio::spawn({
            let all = all.clone();
            async move { all.enter([1; 32], 1, Duration::from_secs(5)).await.is_some() }
        });
        tokio::task::yield_now().await;
        drop(first);
        assert!(waiting.await.unwrap());
        assert!(all.0.lock().unwrap().is_empty());
    }
}
