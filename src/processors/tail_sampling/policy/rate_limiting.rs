//! `rate_limiting`: keeps traces while there are tokens for their spans. The bucket starts full
//! and fills by `spans_per_second`; a trace larger than the bucket is never kept.

use std::num::NonZeroUsize;

use super::{Policy, TraceView, Verdict};
use crate::config::Section;
use crate::model::Instant;

/// The keys of `rate_limiting`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Tokens a second.
    pub spans_per_second: u64,
    /// Size of the bucket; twice the rate unless given.
    pub burst_capacity: u64,
}

pub(super) fn decode(section: &mut Section<'_>) -> Config {
    let spans_per_second = section.uint("spans_per_second", 0);
    let burst_capacity = match section.uint("burst_capacity", 0) {
        0 => spans_per_second.saturating_mul(2),
        burst => burst,
    };
    Config { spans_per_second, burst_capacity }
}

/// See the module.
pub struct RateLimiting {
    tokens: f64,
    burst: f64,
    tokens_per_nano: f64,
    filled: Option<Instant>,
}

impl RateLimiting {
    /// One of `shards` buckets: they share the rate; the burst is each one's own, as in the
    /// Collector, so that a trace which fits is not refused for being in the wrong shard.
    pub fn new(config: &Config, shards: NonZeroUsize) -> Self {
        let burst = config.burst_capacity as f64;
        let tokens_per_nano = config.spans_per_second as f64 / 1e9 / shards.get() as f64;
        Self { tokens: burst, burst, tokens_per_nano, filled: None }
    }

    fn take(&mut self, spans: u32, now: Instant) -> bool {
        let since = self.filled.map_or(0, |filled| now.0.saturating_sub(filled.0));
        self.tokens = self.burst.min(self.tokens + since as f64 * self.tokens_per_nano);
        self.filled = Some(now);
        let wanted = f64::from(spans);
        let has_enough = wanted <= self.tokens;
        if has_enough {
            self.tokens -= wanted;
        }
        has_enough
    }
}

impl Policy for RateLimiting {
    fn evaluate(&mut self, trace: &TraceView<'_>, now: Instant) -> Verdict {
        if self.take(trace.summary().spans, now) { Verdict::Sampled } else { Verdict::NotSampled }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_full_bucket_is_spent_and_fills_by_the_second() {
        let config = Config { spans_per_second: 50, burst_capacity: 100 };
        let mut bucket = RateLimiting::new(&config, NonZeroUsize::MIN);
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
    fn shards_share_the_rate() {
        let config = Config { spans_per_second: 100, burst_capacity: 10 };
        let mut bucket = RateLimiting::new(&config, NonZeroUsize::new(4).unwrap());
        assert!(bucket.take(10, Instant(0)));
        assert!(!bucket.take(3, Instant(SECOND / 10)));
        assert!(bucket.take(2, Instant(SECOND / 10)));
    }
}
