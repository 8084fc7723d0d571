//! Durations of the running window: half a kilobyte, one addition a value.

use super::buckets::{BUCKETS, Bucket};

/// What one spill of a bucket stands for.
pub const SPILL: u32 = 1 << 16;

/// Counts by bucket, 16 bits each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    pub(super) counts: [u16; BUCKETS],
}

impl Window {
    /// Counts a value. True when the bucket spilled: it is empty again, and the caller notes
    /// that it stands for [`SPILL`] values more.
    #[inline]
    #[must_use]
    pub fn add(&mut self, bucket: Bucket) -> bool {
        let count = &mut self.counts[bucket.place()];
        *count = count.wrapping_add(1);
        *count == 0
    }

    /// Forgets every value.
    pub fn clear(&mut self) {
        self.counts = [0; BUCKETS];
    }
}

impl Default for Window {
    fn default() -> Self {
        Self { counts: [0; BUCKETS] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sketch::{Counts, bucket_of};

    #[test]
    fn a_bucket_spills_when_its_bits_are_used_up() {
        let mut window = Window::default();
        let bucket = bucket_of(1_000_000);
        let spills = (0..SPILL + 3).filter(|_| window.add(bucket)).count();
        assert_eq!(spills, 1);
        let mut counts = Counts::default();
        counts.take(&mut window);
        assert_eq!(counts.total(), 3);
        assert_eq!(window, Window::default());
    }
}
