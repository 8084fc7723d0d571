//! From names on the wire to numbers: one hash look-up a span. The hash is keyed, so that nobody
//! can choose names that collide; two names that do share a number, and then only their baselines
//! mix (a chance below 1e-11 among 20,000 operations).

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use rapidhash::v3::{RapidSecrets, rapidhash_v3_nano_inline, rapidhash_v3_seeded};

use super::registry::{OTHER, OTHER_NAME, Registry, cut};
use crate::model::Operation;

/// For hashes that are the same in every process.
const EVERYWHERE: RapidSecrets = RapidSecrets::seed_cpp(0x7461_696c_7761_7465);

/// The hash of an operation that is the same in every process: for shapes and snapshots.
pub(super) fn key_of(operation: &Operation) -> u64 {
    let service = rapidhash_v3_seeded(operation.service.as_bytes(), &EVERYWHERE);
    let name = rapidhash_v3_seeded(operation.name.as_bytes(), &EVERYWHERE);
    (service.rotate_left(29) ^ name).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(operation.kind)
}

/// The hash of a text or an attribute that is the same in every process.
pub(super) fn text_key(text: &[u8]) -> u64 {
    rapidhash_v3_seeded(text, &EVERYWHERE)
}

#[derive(Clone, Copy)]
struct Slot {
    hash: u64,
    number: u32,
}

/// Resources that are remembered by their bytes; then they are read anew.
const RESOURCES_MAX: usize = 4_096;

/// What was read of a resource.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    pub(super) service: u32,
    /// Hash of the version; 0 without one.
    pub(super) version: u64,
}

/// A shard's table from names to numbers.
pub(super) struct Interner {
    secrets: RapidSecrets,
    operations: HashTable<Slot>,
    services: HashTable<Slot>,
    /// By a hash of their bytes.
    resources: HashTable<(u64, Origin)>,
    /// By service: the number of its `<other>` once it has no room, until the next rotation.
    full: Vec<Option<u32>>,
    services_full: bool,
}

impl Interner {
    pub(super) fn new() -> Self {
        Self {
            secrets: RapidSecrets::seed(RandomState::new().hash_one(0)),
            operations: HashTable::new(),
            services: HashTable::new(),
            resources: HashTable::new(),
            full: Vec::new(),
            services_full: false,
        }
    }

    #[inline]
    fn hash(&self, name: &[u8]) -> u64 {
        rapidhash_v3_nano_inline::<true, false>(name, &self.secrets)
    }

    #[inline]
    fn operation_hash(&self, service: u32, name: &[u8], kind: u8) -> u64 {
        let home = u64::from(service) << 8 | u64::from(kind);
        self.hash(name) ^ home.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// A hash of the bytes of a resource, in pieces.
    pub(super) fn resource_hash<'a>(&self, pieces: impl Iterator<Item = &'a [u8]>) -> u64 {
        pieces.fold(0, |all: u64, piece| all.rotate_left(17) ^ self.hash(piece))
    }

    /// What was read of a resource with this hash.
    pub(super) fn origin(&self, hash: u64) -> Option<Origin> {
        self.resources.find(hash, |(known, _)| *known == hash).map(|(_, origin)| *origin)
    }

    /// Remembers what was read of a resource.
    pub(super) fn add_origin(&mut self, hash: u64, origin: Origin) {
        if self.resources.len() >= RESOURCES_MAX {
            self.resources.clear();
        }
        self.resources.insert_unique(hash, (hash, origin), |(hash, _)| *hash);
    }

    /// The number of a known service, from its whole name.
    pub(super) fn service(&self, name: &[u8]) -> Option<u32> {
        let hash = self.hash(cut(name));
        match self.services.find(hash, |slot| slot.hash == hash) {
            Some(slot) => Some(slot.number),
            None => self.services_full.then_some(OTHER),
        }
    }

    /// Remembers the number of a service. [`OTHER`] says that there is no room for new ones.
    pub(super) fn add_service(&mut self, name: &[u8], number: u32) {
        if number == OTHER && name != OTHER_NAME.as_bytes() {
            self.services_full = true;
            return;
        }
        let hash = self.hash(cut(name));
        self.services.insert_unique(hash, Slot { hash, number }, |slot| slot.hash);
    }

    /// The number of a known operation, from its whole name.
    #[inline]
    pub(super) fn operation(&self, service: u32, name: &[u8], kind: u8) -> Option<u32> {
        let hash = self.operation_hash(service, cut(name), kind);
        match self.operations.find(hash, |slot| slot.hash == hash) {
            Some(slot) => Some(slot.number),
            None => self.full.get(service as usize).copied().flatten(),
        }
    }

    /// Remembers the number of an operation.
    pub(super) fn add_operation(&mut self, service: u32, name: &[u8], kind: u8, number: u32) {
        let hash = self.operation_hash(service, cut(name), kind);
        if self.operations.find(hash, |slot| slot.hash == hash).is_none() {
            self.operations.insert_unique(hash, Slot { hash, number }, |slot| slot.hash);
        }
    }

    /// A service has no room: until the next rotation its unknown names are not asked for again.
    pub(super) fn set_full(&mut self, service: u32, other: u32) {
        if self.full.len() <= service as usize {
            self.full.resize(service as usize + 1, None);
        }
        self.full[service as usize] = Some(other);
    }

    /// There may be room again.
    pub(super) fn forget_full(&mut self) {
        self.full.clear();
        self.services_full = false;
        // Some may have been read while there was no room.
        self.resources.clear();
    }

    /// Learns every name anew, after some were removed.
    pub(super) fn rebuild(&mut self, registry: &Registry) {
        self.operations.clear();
        self.services.clear();
        self.forget_full();
        for (number, service) in registry.services() {
            self.add_service(service.name.as_bytes(), number);
        }
        for (number, entry) in (0..).zip(registry.entries()).filter(|(number, _)| registry.is_live(*number)) {
            self.add_operation(entry.service, entry.operation.name.as_bytes(), entry.operation.kind, number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processors::tail_sampling::detector::options::Options;

    #[test]
    fn known_names_are_found_and_full_services_give_their_other() {
        let mut interner = Interner::new();
        interner.add_service(b"shop", 3);
        interner.add_operation(3, b"GET", 2, 17);
        assert_eq!((interner.service(b"shop"), interner.service(b"cart")), (Some(3), None));
        assert_eq!(interner.operation(3, b"GET", 2), Some(17));
        assert_eq!(interner.operation(3, b"GET", 3), None);
        assert_eq!(interner.operation(4, b"GET", 2), None);
        interner.set_full(3, 9);
        interner.add_service(b"cart", OTHER);
        assert_eq!(interner.operation(3, b"PUT", 2), Some(9));
        assert_eq!(interner.operation(3, b"GET", 2), Some(17));
        assert_eq!(interner.service(b"cart"), Some(OTHER));
        interner.forget_full();
        assert_eq!((interner.operation(3, b"PUT", 2), interner.service(b"cart")), (None, None));
    }

    #[test]
    fn what_is_after_the_limit_of_a_name_does_not_count() {
        let mut interner = Interner::new();
        let (long, longer) = ("x".repeat(300), "x".repeat(400));
        interner.add_operation(3, long.as_bytes(), 2, 17);
        assert_eq!(interner.operation(3, longer.as_bytes(), 2), Some(17));
    }

    #[test]
    fn a_rebuilt_table_knows_what_the_registry_knows() {
        let (mut registry, options) = (Registry::new(100), Options::default());
        let shop = registry.service("shop", &options);
        let get = registry.operation(shop, "GET", 2, 0, &options).number;
        let mut interner = Interner::new();
        interner.add_operation(shop, b"gone", 2, 99);
        interner.rebuild(&registry);
        assert_eq!(interner.service(b"shop"), Some(shop));
        assert_eq!(interner.operation(shop, b"GET", 2), Some(get));
        assert_eq!(interner.operation(shop, b"gone", 2), None);
    }

    #[test]
    fn the_key_of_an_operation_never_changes() {
        let operation = Operation { service: "shop".into(), name: "GET".into(), kind: 2 };
        // Learned state outlives a process: a change here makes everything new.
        assert_eq!(key_of(&operation), 15_234_395_595_315_711_433);
        assert_ne!(key_of(&operation), key_of(&Operation { kind: 3, ..operation.clone() }));
    }
}
