//! Floor 1: which slot a trace id falls into, and which shard owns a slot.

use std::num::NonZeroUsize;

use crate::model::TraceId;

/// Slot of a trace id.
pub fn slot_of(id: TraceId) -> u16 {
    (u64::from_le_bytes([id.0[0], id.0[1], id.0[2], id.0[3], id.0[4], id.0[5], id.0[6], id.0[7]]) >> 48) as u16
}

/// Shard of a slot.
pub fn shard_of(slot: u16, shards: NonZeroUsize) -> usize {
    (usize::from(slot) * shards.get()) >> 16
}
