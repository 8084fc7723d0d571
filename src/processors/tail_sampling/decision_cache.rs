//! Ids of decided traces, so that late spans follow the first verdict after the trace itself is
//! forgotten. Least recently used ids go first.

use super::hashing::IdHash;
use super::lru::Lru;
use super::trace::Odds;
use crate::model::TraceId;

/// At most `capacity` ids with their odds; about 48 bytes each. A capacity of 0 remembers nothing.
pub(super) struct DecisionCache {
    hash: IdHash,
    decided: Lru<TraceId, Odds>,
}

impl DecisionCache {
    pub(super) fn new(capacity: usize) -> Self {
        Self { hash: IdHash::new(), decided: Lru::new(capacity) }
    }

    /// Whether it remembers anything at all.
    pub(super) fn is_on(&self) -> bool {
        self.decided.is_on()
    }

    /// What is remembered of an id; makes it the most recently used.
    pub(super) fn find(&mut self, id: TraceId) -> Option<Odds> {
        self.decided.find(self.hash.of(id), |known| *known == id).copied()
    }

    /// Remembers an id; what was remembered of it before stays.
    pub(super) fn insert(&mut self, id: TraceId, odds: Odds) {
        if self.find(id).is_none() {
            self.decided.insert(self.hash.of(id), id, odds, |id| self.hash.of(*id));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(number: u8) -> TraceId {
        TraceId([number; 16])
    }

    proptest! {
        #[test]
        fn behaves_as_a_list_in_order_of_use(
            capacity in 0_usize..6,
            steps in proptest::collection::vec((any::<bool>(), 0_u8..10), 0..200),
        ) {
            let mut cache = DecisionCache::new(capacity);
            let mut twin: Vec<u8> = Vec::new();
            for (inserts, number) in steps {
                let known = twin.iter().position(|known| *known == number).map(|at| twin.remove(at));
                if inserts {
                    cache.insert(id(number), Odds::default());
                    twin.push(number);
                    if twin.len() > capacity {
                        twin.remove(0);
                    }
                } else {
                    prop_assert_eq!(cache.find(id(number)).is_some(), known.is_some());
                    twin.extend(known);
                }
            }
            for number in 0..10 {
                prop_assert_eq!(cache.find(id(number)).is_some(), twin.contains(&number));
            }
        }
    }
}
