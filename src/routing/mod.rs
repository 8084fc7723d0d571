//! Floor 1: which slot a trace belongs to, and which shard owns a slot. A pure function of the
//! trace id: every process of every run and every machine answers the same.

use std::num::NonZeroUsize;

use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};

use crate::model::TraceId;

/// Fixed for ever: another seed would send every trace to another place.
const SECRETS: RapidSecrets = RapidSecrets::seed(0x7461_696c_7761_7465);

/// How many slots there are.
pub const SLOTS: usize = 1 << 16;

/// The slot of a trace: the top 16 bits of a fixed-seed rapidhash (version 3) of its 16 bytes.
/// Ids that begin with a time stamp, or have only 64 random bits, spread as well as any.
pub fn slot_of(trace_id: TraceId) -> u16 {
    (rapidhash_v3_seeded(&trace_id.0, &SECRETS) >> 48) as u16
}

/// The shard that owns a slot: shards own runs of slots that differ by one slot at most.
pub fn shard_of(slot: u16, shards: NonZeroUsize) -> usize {
    (usize::from(slot) * shards.get()) >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_never_change() {
        let golden = [
            ("00000000000000000000000000000000", 22374),
            ("00000000000000000000000000000001", 60435),
            ("0af7651916cd43dd8448eb211c80319c", 54580),
            ("5759e988bd862e3fe1be46a994272793", 8785),
            ("ffffffffffffffffffffffffffffffff", 33556),
        ];
        let slots = golden.map(|(id, _)| (id, slot_of(TraceId::parse(id).unwrap())));
        assert_eq!(slots, golden);
    }

    #[test]
    fn every_slot_has_a_shard_and_shards_are_even() {
        for shards in 1..=64 {
            let shards = NonZeroUsize::new(shards).unwrap();
            let mut slots = vec![0_usize; shards.get()];
            for slot in 0..=u16::MAX {
                slots[shard_of(slot, shards)] += 1;
            }
            let (least, most) = (slots.iter().min().unwrap(), slots.iter().max().unwrap());
            assert!(most - least <= 1, "{shards} shards: {least} to {most} slots");
        }
    }

    #[test]
    fn ids_that_count_up_spread_over_the_slots() {
        let shards = NonZeroUsize::new(4).unwrap();
        let mut traces = [0_u32; 4];
        for number in 0..40_000_u128 {
            traces[shard_of(slot_of(TraceId(number.to_be_bytes())), shards)] += 1;
        }
        assert!(traces.iter().all(|count| (9_500..10_500).contains(count)), "{traces:?}");
    }
}
