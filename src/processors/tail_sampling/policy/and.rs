//! `and`: keeps what all its policies keep; the first that does not ends the evaluation, so that
//! later ones spend no budget.

use super::{Ballot, Policy, TraceView, Verdict};
use crate::model::Now;

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
    fn evaluate(&mut self, trace: &TraceView<'_>, ballot: &mut Ballot, now: Now) -> Verdict {
        for policy in &mut self.policies {
            let mut own = Ballot::default();
            match policy.evaluate(trace, &mut own, now) {
                Verdict::Sampled | Verdict::InvertSampled => ballot.join(own),
                Verdict::Error => return Verdict::Error,
                _ => return Verdict::NotSampled,
            }
        }
        Verdict::Sampled
    }

    fn observe(&mut self, trace: &TraceView<'_>, now: Now) {
        self.policies.iter_mut().for_each(|policy| policy.observe(trace, now));
    }
}
