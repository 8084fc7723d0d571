//! A histogram of positive numbers with buckets by exponent and top bits of the mantissa.

/// Octaves from 1 on.
const OCTAVES: usize = 64;

/// Counts by bucket.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Vec<f64>,
    total: f64,
    /// Bits of the mantissa that tell buckets apart.
    bits: u32,
}

impl Histogram {
    /// With `2^bits` buckets an octave.
    pub(crate) fn new(bits: u32) -> Self {
        Self { counts: vec![0.0; OCTAVES << bits], total: 0.0, bits }
    }

    pub(crate) fn total(&self) -> f64 {
        self.total
    }

    /// Counts a value; below 1 is 1.
    pub(crate) fn add(&mut self, value: f64) {
        let bucket = ((value.max(1.0) as f32).to_bits() >> (23 - self.bits)) as usize - (127 << self.bits);
        self.counts[bucket.min((OCTAVES << self.bits) - 1)] += 1.0;
        self.total += 1.0;
    }

    /// Multiplies every count.
    pub(crate) fn scale(&mut self, factor: f64) {
        self.counts.iter_mut().for_each(|count| *count *= factor);
        self.total *= factor;
    }

    /// Adds the counts of another one with the same buckets.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, other)| *count += other);
        self.total += other.total;
    }

    /// Interpolated by rank in its bucket; infinite when empty.
    pub(crate) fn quantile(&self, quantile: f64) -> f64 {
        let (rank, mut below) = (quantile * self.total, 0.0);
        for (bucket, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0.0) {
            if below + count >= rank {
                let share = ((rank - below) / count).clamp(0.0, 1.0);
                return self.edge(bucket) + share * (self.edge(bucket + 1) - self.edge(bucket));
            }
            below += count;
        }
        f64::INFINITY
    }

    /// Lower edge of a bucket.
    fn edge(&self, bucket: usize) -> f64 {
        f64::from(f32::from_bits(((bucket + (127 << self.bits)) as u32) << (23 - self.bits)))
    }
}
