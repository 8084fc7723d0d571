//! `always_sample`: keeps every trace.

use super::{Ballot, Policy, TraceView, Verdict};
use crate::model::Now;

/// See the module.
pub struct AlwaysSample;

impl Policy for AlwaysSample {
    fn evaluate(&mut self, _trace: &TraceView<'_>, _: &mut Ballot, _: Now) -> Verdict {
        Verdict::Sampled
    }
}
