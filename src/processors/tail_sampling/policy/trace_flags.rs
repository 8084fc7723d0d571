//! `trace_flags`: keeps traces in which some span has the W3C flag "sampled".

use super::{Ballot, Policy, TraceView, Verdict};
use crate::model::Now;

const SAMPLED: u8 = 1;

/// See the module.
pub struct TraceFlags;

impl Policy for TraceFlags {
    fn evaluate(&mut self, trace: &TraceView<'_>, _: &mut Ballot, _: Now) -> Verdict {
        Verdict::kept_if(trace.summary().flags & SAMPLED != 0)
    }
}
