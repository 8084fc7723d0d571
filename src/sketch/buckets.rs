//! Logarithmic buckets of durations: the exponent and the top three bits of the mantissa of the
//! `f32`, eight buckets an octave, at most 12.5 % wide. No logarithm is taken.

/// How many buckets there are: 28 octaves.
pub const BUCKETS: usize = 224;

/// Nanoseconds below 2^14 (16 µs) share the first bucket, those of 2^42 (73 min) and more the
/// last one.
const FIRST_EXPONENT: u32 = 14;
const MANTISSA_BITS: u32 = 23;
const SHIFT: u32 = MANTISSA_BITS - 3;
const FIRST: u32 = (127 + FIRST_EXPONENT) << 3;

/// Number of a bucket, below [`BUCKETS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(u8);

/// The bucket of a duration in nanoseconds. Within one part in 16 million below an edge the
/// rounding to `f32` may choose the bucket above.
#[inline]
pub fn bucket_of(nanos: u64) -> Bucket {
    // A signed number becomes a float in one instruction.
    let signed = nanos.min(i64::MAX as u64).cast_signed();
    let place = ((signed as f32).to_bits() >> SHIFT).saturating_sub(FIRST);
    Bucket(place.min(BUCKETS as u32 - 1) as u8)
}

impl Bucket {
    /// Every bucket, rising.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..BUCKETS as u8).map(Self)
    }

    /// The bucket with a number; `None` from [`BUCKETS`] on.
    pub fn new(number: u64) -> Option<Self> {
        (number < BUCKETS as u64).then_some(Self(number as u8))
    }

    /// Its number.
    #[inline]
    pub fn place(self) -> usize {
        usize::from(self.0)
    }

    /// Smallest duration in it, in nanoseconds.
    pub fn lower(self) -> u64 {
        if self.0 == 0 { 0 } else { edge(self.0.into()) }
    }

    /// First duration above it, in nanoseconds; `None` for the last bucket, which has no end.
    pub fn upper(self) -> Option<u64> {
        (self.place() + 1 < BUCKETS).then(|| edge(u32::from(self.0) + 1))
    }
}

fn edge(place: u32) -> u64 {
    f32::from_bits((place + FIRST) << SHIFT) as u64
}

/// The duration that a share `quantile` of all counts does not exceed, in nanoseconds, by rank
/// within the bucket. `None` without counts, and in the last bucket. `counts` rise by bucket.
pub(super) fn quantile(counts: impl Iterator<Item = (Bucket, f64)>, total: f64, quantile: f64) -> Option<u64> {
    let rank = quantile * total;
    let mut below = 0.0;
    let mut last = None;
    for (bucket, count) in counts.filter(|(_, count)| *count > 0.0) {
        last = Some(bucket);
        if below + count >= rank {
            let (lower, upper) = (bucket.lower(), bucket.upper()?);
            let share = ((rank - below) / count).clamp(0.0, 1.0);
            return Some(lower + (share * (upper - lower) as f64) as u64);
        }
        below += count;
    }
    // Rounding may leave the rank a hair above the sum.
    last?.upper()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_touch_each_other_and_cover_everything() {
        assert_eq!((bucket_of(0).place(), bucket_of(u64::MAX).place()), (0, BUCKETS - 1));
        for bucket in Bucket::all() {
            assert_eq!(bucket_of(bucket.lower()), bucket);
            let Some(upper) = bucket.upper() else { continue };
            assert_eq!(bucket_of(upper).place(), bucket.place() + 1);
            assert!(bucket.place() == 0 || (upper - bucket.lower()) * 8 <= bucket.lower());
        }
        assert_eq!(Bucket::new(BUCKETS as u64), None);
    }

    proptest! {
        #[test]
        fn a_duration_lies_between_the_edges_of_its_bucket(nanos in any::<u64>(), shift in 0_u32..64) {
            let nanos = nanos >> shift;
            let bucket = bucket_of(nanos);
            let slack = nanos / (1 << 23);
            prop_assert!(bucket.lower() <= nanos + slack);
            prop_assert!(bucket.upper().is_none_or(|upper| nanos < upper));
        }

        #[test]
        fn a_quantile_is_off_by_at_most_one_bucket(
            mut values in proptest::collection::vec(20_000_u64..1 << 41, 1..300),
            share in 0.01_f64..1.0,
        ) {
            values.sort_unstable();
            let mut counts = [0.0; BUCKETS];
            values.iter().for_each(|value| counts[bucket_of(*value).place()] += 1.0);
            let found = quantile(Bucket::all().zip(counts), values.len() as f64, share).unwrap();
            let rank = (share * values.len() as f64).ceil().max(1.0) as usize;
            let exact = values[rank - 1];
            let bucket = bucket_of(exact);
            prop_assert!((bucket.lower()..=bucket.upper().unwrap()).contains(&found), "{found} for {exact}");
        }
    }
}
