//! The Collector's feature gates for tail sampling, by what they change.

use crate::pipeline::Settings;

/// Which of them are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gates {
    /// `usetracestate`: `probabilistic` reads `ot=rv`, and kept spans carry `ot=th`.
    pub(super) uses_trace_state: bool,
    /// `recordpolicy`: scopes of kept spans carry the policy that kept them.
    pub(super) records_policy: bool,
    /// `metricstatcountspanssampled`: spans are counted by policy and verdict, as traces are.
    pub(super) counts_spans: bool,
    /// `disableinvertdecisions`, which is on unless it is turned off: a match under `invert_match`
    /// does not drop the trace.
    pub(super) has_plain_inverted_match: bool,
}

impl Gates {
    pub(super) fn of(settings: &Settings) -> Self {
        let is_on =
            |gate: &str, default| settings.gates.is_on(&format!("processor.tailsamplingprocessor.{gate}"), default);
        Self {
            uses_trace_state: is_on("usetracestate", false),
            records_policy: is_on("recordpolicy", false),
            counts_spans: is_on("metricstatcountspanssampled", false),
            has_plain_inverted_match: is_on("disableinvertdecisions", true),
        }
    }
}
