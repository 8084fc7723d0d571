//! Exact counts by bucket, sparse: what windows are added up in before they become a reference.

use super::buckets::{Bucket, quantile};
use super::window::Window;

/// Counts of the buckets that have any, rising by bucket; they saturate at `u32::MAX`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(Vec<(Bucket, u32)>);

impl Counts {
    /// Adds `count` values of a bucket.
    pub fn add(&mut self, bucket: Bucket, count: u32) {
        match self.0.binary_search_by_key(&bucket, |(known, _)| *known) {
            Ok(place) => self.0[place].1 = self.0[place].1.saturating_add(count),
            Err(place) => self.0.insert(place, (bucket, count)),
        }
    }

    /// Moves every value of a window here.
    pub fn take(&mut self, window: &mut Window) {
        for (bucket, count) in Bucket::all().zip(&window.counts) {
            if *count > 0 {
                self.add(bucket, u32::from(*count));
            }
        }
        window.clear();
    }

    /// Adds the values of another; the result does not depend on the order.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(bucket, count)| self.add(*bucket, *count));
    }

    /// How many values there are.
    pub fn total(&self) -> u64 {
        self.0.iter().map(|(_, count)| u64::from(*count)).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The buckets with their counts, rising.
    pub fn iter(&self) -> impl Iterator<Item = (Bucket, u32)> {
        self.0.iter().copied()
    }

    /// The duration that a share `share` of all values does not exceed, in nanoseconds; off by at
    /// most one bucket. `None` without values, and beyond the last edge.
    pub fn quantile(&self, share: f64) -> Option<u64> {
        quantile(self.iter().map(|(bucket, count)| (bucket, f64::from(count))), self.total() as f64, share)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sketch::{BUCKETS, bucket_of};

    proptest! {
        #[test]
        fn merging_is_counting_together(
            left in proptest::collection::vec(any::<u32>(), 0..80),
            right in proptest::collection::vec(any::<u32>(), 0..80),
        ) {
            let counts = |values: &[u32]| {
                let mut window = Window::default();
                values.iter().for_each(|value| assert!(!window.add(bucket_of((*value).into()))));
                let mut counts = Counts::default();
                counts.take(&mut window);
                counts
            };
            let mut merged = counts(&left);
            merged.merge(&counts(&right));
            let together = counts(&[left, right].concat());
            prop_assert_eq!(&merged, &together);
            let mut twin = [0_u32; BUCKETS];
            together.iter().for_each(|(bucket, count)| twin[bucket.place()] = count);
            prop_assert_eq!(twin.iter().map(|count| u64::from(*count)).sum::<u64>(), merged.total());
        }
    }

    #[test]
    fn counts_saturate() {
        let mut counts = Counts::default();
        counts.add(bucket_of(5), u32::MAX);
        counts.add(bucket_of(5), 7);
        assert_eq!(counts.total(), u64::from(u32::MAX));
        assert!(Counts::default().is_empty());
        assert_eq!(Counts::default().quantile(0.5), None);
    }
}
