//! The last events that this instance heard of, so that it acts once however often it hears.

use std::collections::{HashSet, VecDeque};

use uuid::Uuid;

/// More than are ever unsettled at once under ordinary load; one that fell out is acted on again, which is harmless.
const KEPT: usize = 4096;

/// A bounded set that forgets its oldest members.
#[derive(Debug, Default)]
pub struct Known {
    ids: HashSet<Uuid>,
    order: VecDeque<Uuid>,
}

impl Known {
    /// Adds an id, and says whether it is new.
    pub fn insert(&mut self, id: Uuid) -> bool {
        if !self.ids.insert(id) {
            return false;
        }
        if self.order.len() == KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        self.order.push_back(id);
        true
    }

    /// Whether it is one of the last.
    pub fn contains(&self, id: Uuid) -> bool {
        self.ids.contains(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_small() {
        let mut known = Known::default();
        for number in 0..20_000_u128 {
            assert!(known.insert(Uuid::from_u128(number)));
            assert!(!known.insert(Uuid::from_u128(number)));
        }
        assert_eq!((known.ids.len(), known.order.len()), (KEPT, KEPT));
        assert!(known.contains(Uuid::from_u128(19_999)) && !known.contains(Uuid::from_u128(0)));
    }
}
