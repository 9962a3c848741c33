//! The open sockets and streams: how many each user and each address has, and whether all are gone at shutdown.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;
use uuid::Uuid;

/// Counts of open sockets.
#[derive(Debug)]
pub struct Sockets {
    counts: Mutex<Counts>,
    open: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Counts {
    anonymous: HashMap<IpAddr, usize>,
    users: HashMap<Uuid, usize>,
}

/// Whose a socket is.
#[derive(Clone, Copy, Debug)]
enum Holder {
    Anonymous(IpAddr),
    User(Uuid),
}

/// One open socket; its place is free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    sockets: Arc<Sockets>,
    holder: Holder,
}

impl Default for Sockets {
    fn default() -> Self {
        Self { counts: Mutex::default(), open: watch::Sender::new(0) }
    }
}

impl Sockets {
    /// A place for a socket that belongs to nobody yet; none where the address has `most` of them.
    pub fn enter(self: &Arc<Self>, ip: IpAddr, most: usize) -> Option<Place> {
        let ip = block(ip);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if !take(&mut counts.anonymous, ip, most) {
            return None;
        }
        self.open.send_modify(|open| *open += 1);
        metrics::gauge!("postern_sockets_open").increment(1);
        Some(Place { sockets: Arc::clone(self), holder: Holder::Anonymous(ip) })
    }

    /// Waits until none is open.
    pub async fn wait_until_none(&self) {
        let mut open = self.open.subscribe();
        // The sender lives as long as `self`.
        let _ = open.wait_for(|open| *open == 0).await;
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        *self.open.borrow()
    }
}

impl Place {
    /// The socket belongs to this user from now on; false, and nothing changed, where the user has `most` of them.
    pub fn belongs_to(&mut self, user: Uuid, most: usize) -> bool {
        let mut counts = self.sockets.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if !take(&mut counts.users, user, most) {
            return false;
        }
        give_back(&mut counts, self.holder);
        self.holder = Holder::User(user);
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        give_back(&mut self.sockets.counts.lock().unwrap_or_else(PoisonError::into_inner), self.holder);
        self.sockets.open.send_modify(|open| *open -= 1);
        metrics::gauge!("postern_sockets_open").decrement(1);
    }
}

fn take<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: K, most: usize) -> bool {
    let count = counts.entry(key).or_default();
    // An entry at zero is one that was just made: `most` is at least one.
    if *count >= most.max(1) {
        return false;
    }
    *count += 1;
    true
}

fn give_back(counts: &mut Counts, holder: Holder) {
    match holder {
        Holder::Anonymous(ip) => give_one_back(&mut counts.anonymous, &ip),
        Holder::User(user) => give_one_back(&mut counts.users, &user),
    }
}

fn give_one_back<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// A /64 is one IPv6 address.
fn block(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_and_given_back() {
        // H20
        let sockets = Arc::new(Sockets::default());
        let (here, near): (IpAddr, IpAddr) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        let mut first = sockets.enter(here, 2).unwrap();
        let _second = sockets.enter(near, 2).unwrap();
        assert!(sockets.enter(here, 2).is_none());
        assert!(first.belongs_to(Uuid::from_u128(1), 1));
        let mut third = sockets.enter(here, 2).unwrap();
        assert!(!third.belongs_to(Uuid::from_u128(1), 1));
        assert_eq!(sockets.open(), 3);
        drop(first);
        assert!(third.belongs_to(Uuid::from_u128(1), 1));
        assert_eq!(sockets.open(), 2);
    }
}
