//! `drop`: drops what all its policies keep, whatever other policies say.

use super::{And, Policy, TraceView, Verdict};
use crate::model::Instant;

/// See the module.
pub struct Drop(And);

impl Drop {
    /// All of these; none at all drops every trace, as in the Collector.
    pub fn new(policies: Vec<Box<dyn Policy>>) -> Self {
        Self(And::new(policies))
    }
}

impl Policy for Drop {
    fn evaluate(&mut self, trace: &TraceView<'_>, now: Instant) -> Verdict {
        match self.0.evaluate(trace, now) {
            Verdict::Sampled => Verdict::Dropped,
            verdict => verdict,
        }
    }
}
