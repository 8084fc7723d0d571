//! Tokens that fill by the second up to a burst. The bucket starts full.

use std::num::NonZeroUsize;

use crate::model::Instant;

/// See the module.
pub(super) struct TokenBucket {
    tokens: f64,
    burst: f64,
    tokens_per_nano: f64,
    filled: Option<Instant>,
}

impl TokenBucket {
    /// One of `shards` buckets: they share the rate; the burst is each one's own, as in the
    /// Collector, so that a trace which fits is not refused for being in the wrong shard.
    pub(super) fn new(per_second: u64, burst: u64, shards: NonZeroUsize) -> Self {
        let burst = burst as f64;
        let tokens_per_nano = per_second as f64 / 1e9 / shards.get() as f64;
        Self { tokens: burst, burst, tokens_per_nano, filled: None }
    }

    /// Takes so many tokens, or none where there are fewer.
    pub(super) fn take(&mut self, wanted: u64, now: Instant) -> bool {
        let since = self.filled.map_or(0, |filled| now.0.saturating_sub(filled.0));
        self.tokens = self.burst.min(self.tokens + since as f64 * self.tokens_per_nano);
        self.filled = Some(now);
        let wanted = wanted as f64;
        let has_enough = wanted <= self.tokens;
        if has_enough {
            self.tokens -= wanted;
        }
        has_enough
    }
}

/// The burst that a config gives, or twice the rate.
pub(super) fn burst(given: u64, per_second: u64) -> u64 {
    if given == 0 { per_second.saturating_mul(2) } else { given }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_full_bucket_is_spent_and_fills_by_the_second() {
        let mut bucket = TokenBucket::new(50, burst(100, 50), NonZeroUsize::MIN);
        let taken = (0..30).filter(|_| bucket.take(5, Instant(7))).count();
        assert_eq!(taken, 20);
        assert!(!bucket.take(5, Instant(7)));
        let taken = (0..30).filter(|_| bucket.take(5, Instant(7 + SECOND))).count();
        assert_eq!(taken, 10);
        let taken = (0..30).filter(|_| bucket.take(5, Instant(7 + 100 * SECOND))).count();
        assert_eq!(taken, 20, "it holds no more than its capacity");
        assert!(!bucket.take(101, Instant(1_000 * SECOND)), "a trace above the capacity never passes");
    }

    #[test]
    fn shards_share_the_rate_and_each_has_the_burst() {
        let mut bucket = TokenBucket::new(100, burst(10, 100), NonZeroUsize::new(4).unwrap());
        assert!(bucket.take(10, Instant(0)));
        assert!(!bucket.take(3, Instant(SECOND / 10)));
        assert!(bucket.take(2, Instant(SECOND / 10)));
    }

    #[test]
    fn the_burst_is_twice_the_rate_unless_given() {
        assert_eq!([burst(0, 5), burst(7, 5), burst(0, u64::MAX)], [10, 7, u64::MAX]);
    }
}
