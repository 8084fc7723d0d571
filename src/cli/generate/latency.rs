//! Latencies in buckets of about 3 % width: quantiles without keeping every value.

use std::time::Duration;

const STEPS: usize = 32;

/// Counts durations by magnitude, from 1 µs to hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latencies {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { counts: vec![0; STEPS * 35], total: 0 }
    }
}

impl Latencies {
    /// Counts one duration.
    pub fn record(&mut self, latency: Duration) {
        let bucket = bucket(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX)).min(self.counts.len() - 1);
        self.counts[bucket] += 1;
        self.total += 1;
    }

    /// The duration that this share of the values is at or below, rounded up to its bucket; zero
    /// when nothing was counted.
    pub fn quantile(&self, share: f64) -> Duration {
        let rank = (share * self.total as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_micros(upper(bucket));
            }
        }
        Duration::ZERO
    }
}

/// Values below 32 have a bucket each; above, each doubling has 32.
fn bucket(micros: u64) -> usize {
    let magnitude = (64 - micros.leading_zeros()).saturating_sub(6);
    magnitude as usize * STEPS + (micros >> magnitude) as usize
}

fn upper(bucket: usize) -> u64 {
    let magnitude = (bucket / STEPS).saturating_sub(1);
    let step = (bucket - magnitude * STEPS) as u64;
    ((step + 1) << magnitude) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn quantiles_are_within_four_percent_of_the_sorted_values(
            mut values in prop::collection::vec(0u64..40_000_000, 1..200),
            share in 0.01f64..1.0,
        ) {
            let mut latencies = Latencies::default();
            values.iter().for_each(|micros| latencies.record(Duration::from_micros(*micros)));
            values.sort_unstable();
            let exact = values[((share * values.len() as f64).ceil() as usize).max(1) - 1];
            let told = latencies.quantile(share).as_micros() as u64;
            prop_assert!(told >= exact && told as f64 <= exact as f64 * 1.04, "{told} for {exact}");
        }
    }

    #[test]
    fn nothing_counted_is_zero() {
        assert_eq!(Latencies::default().quantile(0.99), Duration::ZERO);
    }
}
