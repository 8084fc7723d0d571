//! Ids of decided traces, so that late spans follow the first verdict after the trace itself is
//! forgotten. Least recently used ids go first.

use hashbrown::HashTable;

use super::hashing::IdHash;
use super::slab::Slab;
use super::trace::NONE;
use crate::model::TraceId;

#[derive(Clone, Copy, Default)]
struct Entry {
    id: TraceId,
    older: u32,
    newer: u32,
}

/// A set of at most `capacity` ids; about 40 bytes each. A capacity of 0 remembers nothing.
pub(super) struct DecisionCache {
    capacity: usize,
    hash: IdHash,
    table: HashTable<u32>,
    entries: Slab<Entry>,
    oldest: u32,
    newest: u32,
}

impl DecisionCache {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            hash: IdHash::new(),
            table: HashTable::new(),
            entries: Slab::new(),
            oldest: NONE,
            newest: NONE,
        }
    }

    /// Whether it remembers anything at all.
    pub(super) fn is_on(&self) -> bool {
        self.capacity > 0
    }

    /// Whether the id is remembered; makes it the most recently used.
    pub(super) fn contains(&mut self, id: TraceId) -> bool {
        if self.table.is_empty() {
            return false;
        }
        let found = self.table.find(self.hash.of(id), |place| self.entries[*place].id == id).copied();
        if let Some(place) = found
            && place != self.newest
        {
            self.unlink(place);
            self.link(place);
        }
        found.is_some()
    }

    /// Remembers an id.
    pub(super) fn insert(&mut self, id: TraceId) {
        if self.capacity == 0 || self.contains(id) {
            return;
        }
        if self.table.len() >= self.capacity {
            self.forget_oldest();
        }
        let place = self.entries.take();
        self.entries[place].id = id;
        self.link(place);
        let (entries, hash) = (&self.entries, &self.hash);
        self.table.insert_unique(hash.of(id), place, |place| hash.of(entries[*place].id));
    }

    fn forget_oldest(&mut self) {
        let place = self.oldest;
        let hash = self.hash.of(self.entries[place].id);
        self.unlink(place);
        if let Ok(entry) = self.table.find_entry(hash, |known| *known == place) {
            entry.remove();
        }
        self.entries.free(place);
    }

    fn link(&mut self, place: u32) {
        let older = self.newest;
        let entry = &mut self.entries[place];
        (entry.older, entry.newer) = (older, NONE);
        match older {
            NONE => self.oldest = place,
            older => self.entries[older].newer = place,
        }
        self.newest = place;
    }

    fn unlink(&mut self, place: u32) {
        let Entry { older, newer, .. } = self.entries[place];
        match older {
            NONE => self.oldest = newer,
            older => self.entries[older].newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            newer => self.entries[newer].older = older,
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
                    cache.insert(id(number));
                    twin.push(number);
                    if twin.len() > capacity {
                        twin.remove(0);
                    }
                } else {
                    prop_assert_eq!(cache.contains(id(number)), known.is_some());
                    twin.extend(known);
                }
            }
            for number in 0..10 {
                prop_assert_eq!(cache.contains(id(number)), twin.contains(&number));
            }
        }
    }
}
