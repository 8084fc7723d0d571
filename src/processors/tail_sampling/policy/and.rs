//! `and`: keeps what all its policies keep; the first that does not ends the evaluation, so that
//! later ones spend no budget.

use super::{Policy, TraceView, Verdict};
use crate::model::Instant;

/// See the module.
pub struct And {
    policies: Vec<Box<dyn Policy>>,
}

impl And {
    /// All of these; none at all keeps every trace, as in the Collector.
    pub fn new(policies: Vec<Box<dyn Policy>>) -> Self {
        Self { policies }
    }
}

impl Policy for And {
    fn evaluate(&mut self, trace: &TraceView<'_>, now: Instant) -> Verdict {
        match self.policies.iter_mut().all(|policy| policy.evaluate(trace, now) == Verdict::Sampled) {
            true => Verdict::Sampled,
            false => Verdict::NotSampled,
        }
    }
}
