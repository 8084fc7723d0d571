//! Quantiles of a long stream of numbers whose past fades: a histogram of eight buckets an octave
//! whose older counts weigh less. No sample is drawn, so the same stream gives the same answers.

/// Buckets an octave, as a power of two.
const BITS: u32 = 3;
/// All buckets from 1 to 2^64, and some room for rounding up.
const BUCKETS: usize = 65 << BITS;
/// Weight of a new number at which all weights are scaled down.
const WEIGHT_MAX: f64 = 1e12;

/// A fading distribution of whole numbers, such as nanoseconds. About 4 KiB.
#[derive(Clone, Debug)]
pub struct ScoreQuantile {
    counts: Box<[f64; BUCKETS]>,
    /// Weight of the zeros.
    zeros: f64,
    total: f64,
    /// Weight of the next number; grows instead of every count being scaled down.
    weight: f64,
    growth: f64,
}

impl ScoreQuantile {
    /// Empty; a number weighs half after `half_life` further ones.
    pub fn new(half_life: f64) -> Self {
        let mut new = Self { counts: Box::new([0.0; BUCKETS]), zeros: 0.0, total: 0.0, weight: 1.0, growth: 1.0 };
        new.set_half_life(half_life);
        new
    }

    /// Numbers weigh half after so many further ones, from now on; at least one.
    pub fn set_half_life(&mut self, half_life: f64) {
        self.growth = half_life.max(1.0).recip().exp2();
    }

    /// Takes in a number.
    pub fn add(&mut self, value: u64) {
        match value {
            0 => self.zeros += self.weight,
            _ => self.counts[bucket(value)] += self.weight,
        }
        self.total += self.weight;
        self.weight *= self.growth;
        if self.weight > WEIGHT_MAX {
            self.scale(self.weight.recip());
        }
    }

    /// How many numbers are remembered, older ones counted less.
    pub fn count(&self) -> f64 {
        self.total / self.weight
    }

    /// Share of the numbers that are not 0; 0 when nothing is known.
    pub fn nonzero(&self) -> f64 {
        if self.total > 0.0 { (1.0 - self.zeros / self.total).max(0.0) } else { 0.0 }
    }

    /// The number that a share of the numbers, 0 to 1, is above, to a bucket's width of 9 %. 0
    /// when the share reaches into the zeros; the largest `u64` when nothing is known.
    pub fn above(&self, share: f64) -> u64 {
        if self.total <= 0.0 {
            return u64::MAX;
        }
        let wanted = share.clamp(0.0, 1.0) * self.total;
        let mut above = 0.0;
        for (bucket, count) in self.counts.iter().enumerate().rev() {
            if *count > 0.0 && above + count >= wanted {
                let part = 1.0 - (wanted - above) / count;
                let (low, high) = (lower(bucket), lower(bucket + 1));
                return (low + part * (high - low)) as u64;
            }
            above += count;
        }
        0
    }

    /// The buckets that hold something with their counts, zeros as bucket `None`.
    pub fn entries(&self) -> impl Iterator<Item = (Option<u16>, f64)> {
        let zeros = std::iter::once((None, self.zeros / self.weight));
        let counts = self.counts.iter().enumerate().map(|(bucket, count)| (Some(bucket as u16), count / self.weight));
        zeros.chain(counts).filter(|(_, count)| *count > 0.0)
    }

    /// Adds what [`ScoreQuantile::entries`] gave. Buckets out of range and counts that are not
    /// positive numbers are left out.
    pub fn merge(&mut self, bucket: Option<u16>, count: f64) {
        let count = count * self.weight;
        if !(count > 0.0 && count.is_finite()) {
            return;
        }
        let place = match bucket {
            None => Some(&mut self.zeros),
            Some(bucket) => self.counts.get_mut(usize::from(bucket)),
        };
        if let Some(place) = place {
            *place += count;
            self.total += count;
        }
    }

    fn scale(&mut self, factor: f64) {
        self.counts.iter_mut().for_each(|count| *count *= factor);
        self.zeros *= factor;
        self.total *= factor;
        self.weight *= factor;
    }
}

/// Exponent and the top bits of the mantissa of the number as an `f32`.
fn bucket(value: u64) -> usize {
    let bits = (value as f32).to_bits() >> (23 - BITS);
    (bits as usize).saturating_sub(127 << BITS).min(BUCKETS - 1)
}

/// The least number of a bucket.
fn lower(bucket: usize) -> f64 {
    f64::from(f32::from_bits(((bucket + (127 << BITS)) as u32) << (23 - BITS)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn without_fading_it_is_the_quantile_of_the_sorted_numbers(
            numbers in prop::collection::vec(any::<u64>().prop_map(|bits| bits >> (bits % 64)), 1..300),
            share in 0.0_f64..1.0,
        ) {
            let mut scores = ScoreQuantile::new(1e15);
            numbers.iter().for_each(|number| scores.add(*number));
            let mut sorted = numbers.clone();
            sorted.sort_unstable_by(|left, right| right.cmp(left));
            let rank = ((share * numbers.len() as f64).ceil() as usize).clamp(1, numbers.len());
            let (exact, found) = (sorted[rank - 1], scores.above(share));
            if exact == 0 {
                prop_assert_eq!(found, 0);
            } else {
                let ratio = found as f64 / exact as f64;
                prop_assert!((0.88..1.14).contains(&ratio), "{} instead of {}", found, exact);
            }
        }

        #[test]
        fn entries_carry_everything_over(numbers in prop::collection::vec(0_u64..1 << 40, 1..100), share in 0.01_f64..0.99) {
            let mut scores = ScoreQuantile::new(20.0);
            numbers.iter().for_each(|number| scores.add(*number));
            let mut copy = ScoreQuantile::new(20.0);
            scores.entries().for_each(|(bucket, count)| copy.merge(bucket, count));
            let (left, right) = (scores.above(share) as f64, copy.above(share) as f64);
            prop_assert!((left - right).abs() <= left * 0.1 + 1.0);
            prop_assert!((scores.count() - copy.count()).abs() < 1e-6 * scores.count());
        }
    }

    #[test]
    fn old_numbers_fade() {
        let mut scores = ScoreQuantile::new(100.0);
        (0..1_000).for_each(|_| scores.add(1_000_000));
        (0..300).for_each(|_| scores.add(10));
        let median = scores.above(0.5);
        assert!((9..=12).contains(&median), "{median}");
        assert!(scores.above(0.05) > 900_000, "an eighth of the weight is still there");
        assert!((143.0..145.0).contains(&scores.count()), "{}", scores.count());
    }

    #[test]
    fn weights_stay_finite_over_any_number_of_additions() {
        let mut scores = ScoreQuantile::new(1.0);
        (0..100_000).for_each(|number| scores.add(number % 7));
        assert!((0.9..1.1).contains(&scores.count()));
        assert!(scores.above(0.9) <= 7);
    }

    #[test]
    fn nothing_known_is_above_everything_and_bad_entries_are_left_out() {
        let mut scores = ScoreQuantile::new(1.0);
        for (bucket, count) in [(Some(u16::MAX), 1.0), (Some(3), f64::NAN), (None, -1.0), (None, f64::INFINITY)] {
            scores.merge(bucket, count);
        }
        assert_eq!(scores.above(0.5), u64::MAX);
        scores.add(u64::MAX);
        assert!(scores.above(0.5) >= u64::MAX / 10 * 9);
    }
}
