//! The hash of trace ids and texts inside one process. Its seed is random, so that nobody can
//! choose what collides; nothing but the speed of a look-up depends on it.

use std::hash::{BuildHasher, RandomState};

use rapidhash::v3::{RapidSecrets, rapidhash_v3_nano_inline};

use crate::model::TraceId;

/// A keyed hash.
pub(super) struct IdHash(RapidSecrets);

impl IdHash {
    /// One with a seed of its own.
    pub(super) fn new() -> Self {
        Self(RapidSecrets::seed(RandomState::new().hash_one(0)))
    }

    /// The hash of an id.
    pub(super) fn of(&self, id: TraceId) -> u64 {
        rapidhash_v3_nano_inline::<true, false>(&id.0, &self.0)
    }

    /// The hash of a text.
    pub(super) fn of_text(&self, text: &[u8]) -> u64 {
        rapidhash_v3_nano_inline::<true, false>(text, &self.0)
    }
}
