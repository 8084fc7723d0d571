//! `not`: keeps what its policy does not keep, and the other way round. Other answers pass.

use super::{Ballot, Policy, TraceView, Verdict};
use crate::model::{Chance, Now};

/// See the module.
pub struct Not(Box<dyn Policy>);

impl Not {
    /// The opposite of a policy.
    pub fn new(policy: Box<dyn Policy>) -> Self {
        Self(policy)
    }
}

impl Policy for Not {
    fn evaluate(&mut self, trace: &TraceView<'_>, ballot: &mut Ballot, now: Now) -> Verdict {
        let mut own = Ballot::default();
        let verdict = self.0.evaluate(trace, &mut own, now);
        // What a threshold does not keep is no share that a threshold could stand for.
        ballot.chance = if own.chance == Chance::Certain { Chance::Certain } else { Chance::Unknown };
        match verdict {
            Verdict::Sampled => Verdict::NotSampled,
            Verdict::NotSampled => Verdict::Sampled,
            other => other,
        }
    }

    fn observe(&mut self, trace: &TraceView<'_>, now: Now) {
        self.0.observe(trace, now);
    }
}
