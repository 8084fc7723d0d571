//! The reference: durations of the past by bucket, those of long ago with less weight.

use super::buckets::{BUCKETS, Bucket, quantile};
use super::counts::Counts;
use crate::model::{Cursor, put_varint};

/// Weights by bucket; all are finite and not negative.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    weights: [f32; BUCKETS],
}

/// Bytes that are not a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not a histogram")]
pub struct DecodeError;

impl Default for Histogram {
    fn default() -> Self {
        Self { weights: [0.0; BUCKETS] }
    }
}

impl Histogram {
    /// What was known keeps the share `decay` of its weight, each new value weighs 1.
    pub fn decay_and_add(&mut self, decay: f32, counts: &Counts) {
        self.weights.iter_mut().for_each(|weight| *weight *= decay);
        counts.iter().for_each(|(bucket, count)| self.weights[bucket.place()] += count as f32);
    }

    /// Adds the weights of another.
    pub fn merge(&mut self, other: &Self) {
        for (weight, more) in self.weights.iter_mut().zip(&other.weights) {
            *weight = (*weight + more).min(f32::MAX);
        }
    }

    /// The sum of all weights: how many values the reference is worth.
    pub fn total(&self) -> f64 {
        self.weights.iter().map(|weight| f64::from(*weight)).sum()
    }

    /// The duration that a share `share` of the weight does not exceed, in nanoseconds; off by at
    /// most one bucket. `None` without weight, and beyond the last edge.
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let weights = Bucket::all().zip(self.weights.iter().map(|weight| f64::from(*weight)));
        quantile(weights, self.total(), share)
    }

    /// Appends the buckets that weigh anything: how many, then of each the distance from the last
    /// one and its weight, as varints. A whole number takes one to four bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let used = || self.weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0);
        put_varint(out, used().count() as u64);
        let mut next = 0;
        for (place, weight) in used() {
            put_varint(out, (place - next) as u64);
            // The bits of small whole numbers are all at the top.
            put_varint(out, u64::from(weight.to_bits().reverse_bits()));
            next = place + 1;
        }
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// When the bytes end too early, name a bucket beyond the last, or hold a weight that is not
    /// a positive finite number.
    pub fn decode(cursor: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        let mut histogram = Self::default();
        let mut next = 0_u64;
        for _ in 0..cursor.varint().map_err(|_| DecodeError)? {
            let gap = cursor.varint().map_err(|_| DecodeError)?;
            let bucket = next.checked_add(gap).and_then(Bucket::new).ok_or(DecodeError)?;
            let bits = u32::try_from(cursor.varint().map_err(|_| DecodeError)?).map_err(|_| DecodeError)?;
            let weight = f32::from_bits(bits.reverse_bits());
            if !(weight > 0.0 && weight.is_finite()) {
                return Err(DecodeError);
            }
            histogram.weights[bucket.place()] = weight;
            next = bucket.place() as u64 + 1;
        }
        Ok(histogram)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sketch::bucket_of;

    fn counts(values: &[u32]) -> Counts {
        let mut counts = Counts::default();
        values.iter().for_each(|value| counts.add(bucket_of(u64::from(*value) << 8), 1));
        counts
    }

    fn windows() -> impl Strategy<Value = Vec<Vec<u32>>> {
        proptest::collection::vec(proptest::collection::vec(any::<u32>(), 0..50), 1..6)
    }

    proptest! {
        #[test]
        fn decays_as_a_list_of_weighted_values_would(windows in windows()) {
            let mut histogram = Histogram::default();
            let mut twin: Vec<(usize, f64)> = Vec::new();
            for window in &windows {
                histogram.decay_and_add(0.9, &counts(window));
                twin.iter_mut().for_each(|(_, weight)| *weight *= f64::from(0.9_f32));
                twin.extend(window.iter().map(|value| (bucket_of(u64::from(*value) << 8).place(), 1.0)));
            }
            for (place, weight) in histogram.weights.iter().enumerate() {
                let wanted: f64 = twin.iter().filter(|(twin, _)| *twin == place).map(|(_, weight)| weight).sum();
                prop_assert!((f64::from(*weight) - wanted).abs() <= 1e-4 * (1.0 + wanted));
            }
        }

        #[test]
        fn comes_back_from_its_bytes_and_its_halves(windows in windows()) {
            let mut whole = Histogram::default();
            let mut halves = [Histogram::default(), Histogram::default()];
            for (number, window) in windows.iter().enumerate() {
                whole.decay_and_add(1.0, &counts(window));
                halves[number % 2].decay_and_add(1.0, &counts(window));
            }
            let [mut left, right] = halves;
            left.merge(&right);
            prop_assert_eq!(&left, &whole);
            let mut bytes = Vec::new();
            whole.encode(&mut bytes);
            prop_assert_eq!(Histogram::decode(&mut Cursor::new(&bytes)), Ok(whole));
            for end in 0..bytes.len() {
                prop_assert_eq!(Histogram::decode(&mut Cursor::new(&bytes[..end])), Err(DecodeError));
            }
        }

        #[test]
        fn any_bytes_are_a_histogram_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(histogram) = Histogram::decode(&mut Cursor::new(&bytes)) {
                prop_assert!(histogram.total().is_finite());
            }
        }
    }

    #[test]
    fn whole_numbers_take_few_bytes() {
        let mut histogram = Histogram::default();
        let values: Vec<u32> = (0..40).flat_map(|number| vec![1 << 16 | number << 12; number as usize + 1]).collect();
        histogram.decay_and_add(1.0, &counts(&values));
        let mut bytes = Vec::new();
        histogram.encode(&mut bytes);
        let buckets = usize::from(bytes[0]);
        assert!(bytes.len() <= 1 + 4 * buckets, "{} bytes for {buckets} buckets", bytes.len());
    }
}
