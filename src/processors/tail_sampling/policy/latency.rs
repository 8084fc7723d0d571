//! `latency`: keeps traces by the time from their earliest start to their latest end.
//!
//! The Collector computes that time while it goes through the spans, and stops at the first
//! prefix of them that matches. With `upper_threshold_ms` a trace can thus match although it is
//! longer than that as a whole (contrib#43948). This is kept. Without it the longest prefix says
//! all, and no span is read again.

use super::super::trace::Window;
use super::{Ballot, Policy, TraceView, Verdict};
use crate::config::Section;
use crate::model::Now;

const NANOS_PER_MS: i64 = 1_000_000;

/// The keys of `latency`, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Exclusive, as in the Collector since 0.157.
    pub threshold_ms: i64,
    /// Inclusive; 0 for none.
    pub upper_threshold_ms: i64,
}

pub(super) fn decode(section: &mut Section<'_>) -> Config {
    Config { threshold_ms: section.int("threshold_ms", 0), upper_threshold_ms: section.int("upper_threshold_ms", 0) }
}

/// See the module.
pub struct Latency {
    above_ms: i64,
    up_to_ms: Option<i64>,
}

impl Latency {
    /// Keeps by the thresholds of the config.
    pub fn new(config: &Config) -> Self {
        Self {
            above_ms: config.threshold_ms,
            up_to_ms: (config.upper_threshold_ms != 0).then_some(config.upper_threshold_ms),
        }
    }

    fn some_prefix_matches(&self, trace: &TraceView<'_>, up_to_ms: i64) -> bool {
        let mut window = Window::default();
        trace.parts().any(|(request, rows)| {
            let Some(columns) = &request.index().spans else { return false };
            rows.into_iter().any(|row| {
                let length = window.add(columns.start[row as usize], columns.end[row as usize]) / NANOS_PER_MS;
                self.above_ms < length && length <= up_to_ms
            })
        })
    }
}

impl Policy for Latency {
    fn evaluate(&mut self, trace: &TraceView<'_>, _: &mut Ballot, _: Now) -> Verdict {
        let is_long = trace.summary().longest_nanos / NANOS_PER_MS > self.above_ms;
        Verdict::kept_if(is_long && self.up_to_ms.is_none_or(|up_to_ms| self.some_prefix_matches(trace, up_to_ms)))
    }
}
