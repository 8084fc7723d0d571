//! `always_sample`: keeps every trace.

use super::{Policy, TraceView, Verdict};
use crate::model::Instant;

/// See the module.
pub struct AlwaysSample;

impl Policy for AlwaysSample {
    fn evaluate(&mut self, _trace: &TraceView<'_>, _now: Instant) -> Verdict {
        Verdict::Sampled
    }
}
