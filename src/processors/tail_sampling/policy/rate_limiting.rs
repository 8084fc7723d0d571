//! `rate_limiting`: keeps traces while there are tokens for their spans. The bucket starts full
//! and fills by `spans_per_second`; a trace larger than the bucket is never kept.

use super::token_bucket::{TokenBucket, burst};
use super::{Ballot, Policy, PolicyContext, TraceView, Verdict};
use crate::config::Section;
use crate::model::{Chance, Now};

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
    Config { spans_per_second, burst_capacity: burst(section.uint("burst_capacity", 0), spans_per_second) }
}

/// See the module.
pub struct RateLimiting(TokenBucket);

impl RateLimiting {
    /// One of the buckets that share the rate of the config.
    pub fn new(config: &Config, context: &PolicyContext) -> Self {
        Self(TokenBucket::new(config.spans_per_second, config.burst_capacity, context.shards))
    }
}

impl Policy for RateLimiting {
    fn evaluate(&mut self, trace: &TraceView<'_>, ballot: &mut Ballot, now: Now) -> Verdict {
        ballot.chance = Chance::Unknown;
        Verdict::kept_if(self.0.take(trace.summary().spans.into(), now.mono))
    }
}
