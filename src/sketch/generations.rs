//! A map of bounded size that forgets what was not used for long: two generations, of which the
//! older one goes when the younger one is full.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Keys are hashes already, made with a secret or of few things; one multiplication spreads them.
#[derive(Clone, Copy, Debug, Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(self.0 ^ u64::from(*byte)));
    }

    fn write_u64(&mut self, key: u64) {
        let wide = u128::from(key ^ 0x2d35_8dcc_aa6c_78a5) * 0x8bb8_4b93_962e_acc9;
        self.0 = wide as u64 ^ (wide >> 64) as u64;
    }
}

type Map<V> = HashMap<u64, V, BuildHasherDefault<Spread>>;

/// At most `capacity` keys, and at least the half of it that was used last.
#[derive(Clone, Debug)]
pub struct Generations<V> {
    half: usize,
    young: Map<V>,
    old: Map<V>,
    forgotten: u64,
}

impl<V: Default> Generations<V> {
    /// An empty map; a capacity below 2 counts as 2.
    pub fn new(capacity: usize) -> Self {
        Self { half: (capacity / 2).max(1), young: Map::default(), old: Map::default(), forgotten: 0 }
    }

    /// The value of a key, which is now the one used last; a new one when there is none.
    pub fn entry(&mut self, key: u64) -> &mut V {
        if self.young.len() < self.half {
            let old = &mut self.old;
            return self.young.entry(key).or_insert_with(|| old.remove(&key).unwrap_or_default());
        }
        if !self.young.contains_key(&key) {
            let value = self.old.remove(&key).unwrap_or_default();
            self.forgotten += self.old.len() as u64;
            self.old = std::mem::take(&mut self.young);
            self.young.insert(key, value);
        }
        self.young.entry(key).or_default()
    }

    /// The value of a key, without using it.
    pub fn peek(&self, key: u64) -> Option<&V> {
        self.young.get(&key).or_else(|| self.old.get(&key))
    }

    /// The value of a key, to be changed without using it.
    pub fn peek_mut(&mut self, key: u64) -> Option<&mut V> {
        self.young.get_mut(&key).or_else(|| self.old.get_mut(&key))
    }

    /// Every key and value, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &V)> {
        self.young.iter().chain(&self.old).map(|(key, value)| (*key, value))
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many keys were forgotten to make room.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn never_holds_more_and_keeps_what_was_used_last(
            capacity in 2_usize..20,
            keys in proptest::collection::vec(0_u64..30, 0..200),
        ) {
            let mut map = Generations::<u32>::new(capacity);
            let mut recent: Vec<u64> = Vec::new();
            for key in keys {
                *map.entry(key) += 1;
                recent.retain(|known| *known != key);
                recent.push(key);
                prop_assert!(map.len() <= capacity);
                let kept = recent.len().saturating_sub(capacity / 2);
                prop_assert!(recent[kept..].iter().all(|key| map.peek(*key).is_some()));
            }
        }
    }

    #[test]
    fn a_key_in_use_survives_a_flood_of_others() {
        let mut map = Generations::<u64>::new(8);
        for flood in 0..1_000 {
            *map.entry(u64::MAX) += 1;
            map.entry(flood);
        }
        assert_eq!(map.peek(u64::MAX), Some(&1_000));
        assert!(map.forgotten() > 900 && !map.is_empty());
        if let Some(value) = map.peek_mut(u64::MAX) {
            *value = 0;
        }
        assert_eq!(map.iter().find(|(key, _)| *key == u64::MAX), Some((u64::MAX, &0)));
    }
}
