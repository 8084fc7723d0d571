//! `drop`: drops what all its policies keep, whatever other policies say.

use super::{And, Ballot, Policy, TraceView, Verdict};
use crate::model::Now;

/// See the module.
pub struct Drop(And);

impl Drop {
    /// All of these; none at all drops every trace, as in the Collector.
    pub fn new(policies: Vec<Box<dyn Policy>>) -> Self {
        Self(And::new(policies))
    }
}

impl Policy for Drop {
    fn evaluate(&mut self, trace: &TraceView<'_>, ballot: &mut Ballot, now: Now) -> Verdict {
        match self.0.evaluate(trace, ballot, now) {
            Verdict::Sampled => Verdict::Dropped,
            verdict => verdict,
        }
    }

    fn observe(&mut self, trace: &TraceView<'_>, now: Now) {
        self.0.observe(trace, now);
    }
}
