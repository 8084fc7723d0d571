//! `span_count`: keeps traces by how many spans they have.

use super::{Ballot, Policy, TraceView, Verdict};
use crate::config::Section;
use crate::model::Now;

/// The keys of `span_count`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Inclusive.
    pub min_spans: i64,
    /// Inclusive; 0 for none.
    pub max_spans: i64,
}

pub(super) fn decode(section: &mut Section<'_>) -> Config {
    Config { min_spans: section.int("min_spans", 0), max_spans: section.int("max_spans", 0) }
}

/// See the module.
pub struct SpanCount {
    config: Config,
}

impl SpanCount {
    /// Keeps by the bounds of the config.
    pub fn new(config: &Config) -> Self {
        Self { config: *config }
    }
}

impl Policy for SpanCount {
    fn evaluate(&mut self, trace: &TraceView<'_>, _: &mut Ballot, _: Now) -> Verdict {
        let spans = i64::from(trace.summary().spans);
        let Config { min_spans, max_spans } = self.config;
        Verdict::kept_if(min_spans <= spans && (max_spans == 0 || spans <= max_spans))
    }
}
