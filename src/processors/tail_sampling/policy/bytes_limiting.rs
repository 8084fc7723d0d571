//! `bytes_limiting`: keeps traces while there are tokens for their bytes: what the trace would
//! take as OTLP protobuf alone, with the resources and scopes of its spans. The bucket starts
//! full and fills by `bytes_per_second`; a trace larger than the bucket is never kept.

use super::super::sizes::bytes_alone;
use super::token_bucket::{TokenBucket, burst};
use super::{Ballot, Policy, PolicyContext, TraceView, Verdict};
use crate::config::Section;
use crate::model::{Chance, Now};

/// The keys of `bytes_limiting`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Tokens a second.
    pub bytes_per_second: u64,
    /// Size of the bucket; twice the rate unless given.
    pub burst_capacity: u64,
}

pub(super) fn decode(section: &mut Section<'_>) -> Config {
    let bytes_per_second = section.uint("bytes_per_second", 0);
    Config { bytes_per_second, burst_capacity: burst(section.uint("burst_capacity", 0), bytes_per_second) }
}

/// See the module.
pub struct BytesLimiting(TokenBucket);

impl BytesLimiting {
    /// One of the buckets that share the rate of the config.
    pub fn new(config: &Config, context: &PolicyContext) -> Self {
        Self(TokenBucket::new(config.bytes_per_second, config.burst_capacity, context.shards))
    }
}

impl Policy for BytesLimiting {
    fn evaluate(&mut self, trace: &TraceView<'_>, ballot: &mut Ballot, now: Now) -> Verdict {
        ballot.chance = Chance::Unknown;
        let bytes = bytes_alone(trace.parts().map(|(request, rows)| (request.index(), rows)));
        Verdict::kept_if(self.0.take(bytes, now.mono))
    }
}
