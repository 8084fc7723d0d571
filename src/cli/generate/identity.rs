//! Fresh ids that look random and can be read back: a bijection of a running number, so that a
//! sink can tell which spans arrived without remembering 8 bytes for each.

const FIRST: u64 = 0xbf58_476d_1ce4_e5b9;
const SECOND: u64 = 0x94d0_49bb_1331_11eb;

/// Makes the ids of one run.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    seed: u64,
}

impl Identity {
    /// Two runs with different seeds share no ids, short of a collision of 64 bits.
    pub fn new(seed: u64) -> Self {
        Self { seed: mix(seed ^ 0x9e37_79b9_7f4a_7c15) }
    }

    /// The id of the span with this running number; never zero in practice (one in 2^64).
    pub fn span_id(self, sequence: u64) -> [u8; 8] {
        mix(sequence ^ self.seed).to_le_bytes()
    }

    /// The running number of a span of this run, from its id.
    pub fn sequence_of(self, span_id: [u8; 8]) -> u64 {
        unmix(u64::from_le_bytes(span_id)) ^ self.seed
    }

    /// Both halves of the id of the trace with this running number. The low half is as random as
    /// W3C trace context level 2 asks.
    pub fn trace_id(self, trace: u64) -> [u64; 2] {
        [mix(trace.wrapping_add(self.seed)), mix(trace ^ self.seed.rotate_left(32))]
    }
}

/// Murmur's finalizer with shifts of a half word, which makes every step its own inverse but for
/// the multiplications.
const fn mix(mut x: u64) -> u64 {
    x ^= x >> 32;
    x = x.wrapping_mul(FIRST);
    x ^= x >> 32;
    x = x.wrapping_mul(SECOND);
    x ^ x >> 32
}

const fn unmix(mut x: u64) -> u64 {
    x ^= x >> 32;
    x = x.wrapping_mul(inverse(SECOND));
    x ^= x >> 32;
    x = x.wrapping_mul(inverse(FIRST));
    x ^ x >> 32
}

/// Inverse of an odd number modulo 2^64, by Newton's iteration: 3 right bits become 6, 12, … 96.
const fn inverse(odd: u64) -> u64 {
    let mut x = odd;
    let mut round = 0;
    while round < 5 {
        x = x.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(x)));
        round += 1;
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_span_id_tells_its_number(seed: u64, sequence: u64) {
            let identity = Identity::new(seed);
            prop_assert_eq!(identity.sequence_of(identity.span_id(sequence)), sequence);
        }
    }

    #[test]
    fn neighbouring_traces_share_no_bytes_by_rule() {
        let identity = Identity::new(7);
        let distance: u32 =
            (0..1000).map(|trace| (identity.trace_id(trace)[1] ^ identity.trace_id(trace + 1)[1]).count_ones()).sum();
        assert!((31_000..33_000).contains(&distance), "{distance} of 64,000 bits differ");
    }
}
