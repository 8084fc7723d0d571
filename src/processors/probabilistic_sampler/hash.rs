//! The hash of mode `hash_seed`: FNV-1a, 32 bits, over the seed and the source's bytes, of which
//! 14 bits decide; and the randomness of 56 bits that makes every later sampler decide the same.

use crate::sampling::{Randomness, Threshold};

const FNV_OFFSET: u32 = 0x811c_9dc5;
const FNV_PRIME: u32 = 0x0100_0193;
/// Values that decide: 2^14.
const BUCKETS: u32 = 0x4000;
const BUCKET_BITS: u32 = 14;

/// The randomness that a source hashes to.
pub(super) fn randomness(seed: u32, source: &[u8]) -> Randomness {
    let hash = fnv1a(fnv1a(FNV_OFFSET, &seed.to_le_bytes()), source);
    let bucket = u64::from(hash % BUCKETS);
    // A hash is kept below a limit and a randomness from a threshold up: the order is turned.
    let turned = u64::from(BUCKETS) - 1 - bucket;
    let unused = u64::from(hash >> (32 - BUCKET_BITS));
    let mixed = unused ^ unused << 10;
    Randomness::from_bits(turned << 42 | mixed << 14 | bucket)
}

/// The threshold of a percentage: in 32-bit numbers and cut, not rounded, as it always was.
/// `NEVER` when nothing of it is left.
pub(super) fn threshold(percentage: f32) -> Threshold {
    let kept = (percentage.min(100.0) * (BUCKETS as f32 / 100.0)) as u32;
    Threshold::from_rejected(u64::from(BUCKETS - kept.min(BUCKETS)) << 42)
}

fn fnv1a(hash: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(FNV_PRIME))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_hash_is_fnv_1a_of_32_bits() {
        // Vectors of the authors of FNV.
        for (text, hash) in [("", FNV_OFFSET), ("a", 0xe40c_292c), ("foobar", 0xbf9c_f968)] {
            assert_eq!(fnv1a(FNV_OFFSET, text.as_bytes()), hash, "{text:?}");
        }
    }

    #[test]
    fn percentages_are_cut_to_14_bits() {
        let kept = |percentage| (1_u64 << 14) - (threshold(percentage).rejected() >> 42);
        assert_eq!(
            [0.0, 0.006, 0.0062, 25.0, 50.0, 99.999, 100.0, 250.0].map(kept),
            [0, 0, 1, 4_096, 8_192, 16_383, 16_384, 16_384]
        );
        assert_eq!(threshold(0.001), Threshold::NEVER);
        assert_eq!(threshold(100.0), Threshold::ALWAYS);
    }

    proptest! {
        #[test]
        fn the_randomness_decides_as_the_hash_itself(seed: u32, id: [u8; 16], percentage in 0.01_f32..100.0) {
            let hash = fnv1a(fnv1a(FNV_OFFSET, &seed.to_le_bytes()), &id) & 0x3fff;
            let is_kept = hash < (percentage * 163.84) as u32;
            prop_assert_eq!(threshold(percentage).keeps(randomness(seed, &id)), is_kept);
        }
    }
}
