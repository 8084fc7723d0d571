//! A map of bounded size; the least recently used entry makes room.

use hashbrown::HashTable;

use super::slab::Slab;
use super::trace::NONE;

#[derive(Clone, Default)]
struct Entry<K, V> {
    key: K,
    value: V,
    older: u32,
    newer: u32,
}

/// At most `capacity` entries. A capacity of 0 remembers nothing. The caller hashes the keys.
pub(super) struct Lru<K, V> {
    capacity: usize,
    table: HashTable<u32>,
    entries: Slab<Entry<K, V>>,
    oldest: u32,
    newest: u32,
}

impl<K: Default, V: Default> Lru<K, V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, table: HashTable::new(), entries: Slab::new(), oldest: NONE, newest: NONE }
    }

    /// Whether it remembers anything at all.
    pub(super) fn is_on(&self) -> bool {
        self.capacity > 0
    }

    /// What is remembered under the key of this hash for which `is_it` holds; makes it the most
    /// recently used.
    pub(super) fn find(&mut self, hash: u64, is_it: impl Fn(&K) -> bool) -> Option<&V> {
        if self.table.is_empty() {
            return None;
        }
        let place = *self.table.find(hash, |place| is_it(&self.entries[*place].key))?;
        if place != self.newest {
            self.unlink(place);
            self.link(place);
        }
        Some(&self.entries[place].value)
    }

    /// Remembers a key that is not known; `hash_of` gives the hash of any key.
    pub(super) fn insert(&mut self, hash: u64, key: K, value: V, hash_of: impl Fn(&K) -> u64) {
        if self.capacity == 0 {
            return;
        }
        if self.table.len() >= self.capacity {
            self.forget_oldest(&hash_of);
        }
        let place = self.entries.take();
        let entry = &mut self.entries[place];
        (entry.key, entry.value) = (key, value);
        self.link(place);
        let entries = &self.entries;
        self.table.insert_unique(hash, place, |place| hash_of(&entries[*place].key));
    }

    fn forget_oldest(&mut self, hash_of: &impl Fn(&K) -> u64) {
        let place = self.oldest;
        self.unlink(place);
        let key = std::mem::take(&mut self.entries[place].key);
        if let Ok(entry) = self.table.find_entry(hash_of(&key), |known| *known == place) {
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

    proptest! {
        #[test]
        fn behaves_as_a_list_in_order_of_use(
            capacity in 0_usize..6,
            steps in proptest::collection::vec((any::<bool>(), 0_u8..10), 0..200),
        ) {
            // Hashes that collide, so that keys decide.
            let hash = |key: &u8| u64::from(key % 3);
            let mut lru: Lru<u8, u16> = Lru::new(capacity);
            let mut twin: Vec<u8> = Vec::new();
            for (inserts, key) in steps {
                let known = twin.iter().position(|known| *known == key).map(|at| twin.remove(at));
                let found = lru.find(hash(&key), |known| *known == key).copied();
                prop_assert_eq!(found, known.map(|key| u16::from(key) + 300));
                if known.is_none() && inserts {
                    lru.insert(hash(&key), key, u16::from(key) + 300, hash);
                }
                if known.is_some() || inserts {
                    twin.push(key);
                    twin.drain(..twin.len().saturating_sub(capacity));
                }
            }
        }
    }
}
