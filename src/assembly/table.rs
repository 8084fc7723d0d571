//! A map from 64-bit keys to row numbers, emptied in O(1) for the next trace: open addressing,
//! linear probing, at most half full, and each entry stamped with the generation it belongs to.
//! It must not know what its keys are.
//!
//! Ids are chosen by whoever sends spans, so keys are mixed with a seed that the sender does not
//! know: nobody can make them collide on purpose.

/// Odd and without pattern: the golden ratio's bits.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
const ENTRIES_MIN: usize = 16;
/// Up to so many keys the table is at most a quarter full: fewer keys collide, and a collision
/// costs more than the memory, which stays in the cache.
const SPARSE_KEYS_MAX: usize = 1_024;

#[derive(Clone, Copy, Default)]
struct Entry {
    key: u64,
    generation: u32,
    value: u32,
}

/// The map; 16 bytes an entry, 2 to 8 entries a key.
pub(super) struct Table {
    entries: Vec<Entry>,
    mask: usize,
    generation: u32,
    seed: u64,
    multiplier: u64,
}

impl Table {
    pub(super) fn new(seed: u64) -> Self {
        let multiplier = fold(seed ^ MULTIPLIER, MULTIPLIER) | 1;
        Self { entries: Vec::new(), mask: 0, generation: 0, seed, multiplier }
    }

    /// Forgets every key and makes room for this many.
    pub(super) fn reset(&mut self, keys: usize) {
        let entries_per_key = if keys <= SPARSE_KEYS_MAX { 4 } else { 2 };
        let size = keys.saturating_mul(entries_per_key).next_power_of_two().max(ENTRIES_MIN);
        self.mask = size - 1;
        self.generation = self.generation.wrapping_add(1);
        if self.entries.len() < size {
            self.entries = vec![Entry::default(); size];
            self.generation = 1;
        } else if self.generation == 0 {
            self.entries.fill(Entry::default());
            self.generation = 1;
        }
    }

    /// Adds a key, or gives the value that it has already and leaves it.
    pub(super) fn insert(&mut self, key: u64, value: u32) -> Option<u32> {
        let slot = self.slot(key);
        let entry = &mut self.entries[slot];
        if entry.generation == self.generation {
            return Some(entry.value);
        }
        *entry = Entry { key, generation: self.generation, value };
        None
    }

    /// Adds a key or changes its value.
    pub(super) fn replace(&mut self, key: u64, value: u32) {
        let slot = self.slot(key);
        self.entries[slot] = Entry { key, generation: self.generation, value };
    }

    /// The value of a key.
    pub(super) fn find(&self, key: u64) -> Option<u32> {
        let entry = &self.entries[self.slot(key)];
        (entry.generation == self.generation).then_some(entry.value)
    }

    /// Where the key stands, or the free slot where it would.
    fn slot(&self, key: u64) -> usize {
        let mut slot = fold(key ^ self.seed, self.multiplier) as usize & self.mask;
        loop {
            let entry = &self.entries[slot];
            if entry.generation != self.generation || entry.key == key {
                return slot;
            }
            slot = (slot + 1) & self.mask;
        }
    }
}

/// Both halves of a 128-bit product: every bit of the factors reaches the low bits.
pub(super) fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_does_as_a_hash_map_does(
            traces in prop::collection::vec(prop::collection::vec((0_u64..40, 0_u32..9, any::<bool>()), 0..60), 1..6),
            seed: u64,
        ) {
            let mut table = Table::new(seed);
            for trace in traces {
                table.reset(trace.len());
                let mut twin = HashMap::new();
                for (key, value, is_replaced) in trace {
                    prop_assert_eq!(table.find(key), twin.get(&key).copied());
                    if is_replaced {
                        table.replace(key, value);
                        twin.insert(key, value);
                    } else {
                        prop_assert_eq!(table.insert(key, value), twin.get(&key).copied());
                        twin.entry(key).or_insert(value);
                    }
                }
            }
        }
    }

    #[test]
    fn a_generation_that_wraps_forgets_all_the_same() {
        let mut table = Table::new(7);
        table.reset(4);
        table.insert(1, 10);
        table.generation = u32::MAX;
        table.reset(4);
        assert_eq!(table.find(1), None);
        table.insert(0, 5);
        assert_eq!(table.find(0), Some(5));
    }
}
