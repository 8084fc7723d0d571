//! The policies, one file a type, and the table that the config names them by.

pub mod always_sample;
pub mod and;
pub mod drop;
pub mod latency;
pub mod probabilistic;
pub mod rate_limiting;
pub mod span_count;
pub mod status_code;
mod trace_view;

use std::num::NonZeroUsize;

pub use always_sample::AlwaysSample;
pub use and::And;
pub use drop::Drop;
pub use latency::Latency;
pub use probabilistic::Probabilistic;
pub use rate_limiting::RateLimiting;
pub use span_count::SpanCount;
pub use status_code::StatusCode;
pub use trace_view::TraceView;

use crate::config::Section;
use crate::model::Instant;

/// What a policy says of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Keep it.
    Sampled,
    /// No reason to keep it.
    NotSampled,
    /// Drop it, whatever the others say.
    Dropped,
}

/// Decides on a trace.
pub trait Policy: Send {
    /// Looks at a trace as it is at `now`. Policies with a budget spend it here.
    fn evaluate(&mut self, trace: &TraceView<'_>, now: Instant) -> Verdict;
}

/// A policy as it was written: its name and what its type says.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyConfig {
    /// Not empty and unique.
    pub name: String,
    /// The type with its keys.
    pub kind: PolicyKind,
}

/// The types, with their keys.
#[derive(Clone, Debug, PartialEq)]
pub enum PolicyKind {
    /// `always_sample`
    AlwaysSample,
    /// `status_code`
    StatusCode(status_code::Config),
    /// `latency`
    Latency(latency::Config),
    /// `probabilistic`
    Probabilistic(probabilistic::Config),
    /// `span_count`
    SpanCount(span_count::Config),
    /// `rate_limiting`
    RateLimiting(rate_limiting::Config),
    /// `and`
    And(Vec<PolicyConfig>),
    /// `drop`
    Drop(Vec<PolicyConfig>),
}

impl PolicyKind {
    /// Whether the policy reads span columns when it decides, beside the trace's summary.
    pub(super) fn reads_columns(&self) -> bool {
        match self {
            Self::Latency(config) => config.upper_threshold_ms != 0,
            Self::And(policies) | Self::Drop(policies) => policies.iter().any(|policy| policy.kind.reads_columns()),
            _ => false,
        }
    }
}

/// The types that stand only at the top.
const TOP_ONLY: [&str; 3] = ["and", "drop", "composite"];

/// Every type that is built.
const KNOWN: [&str; 8] =
    ["always_sample", "and", "drop", "latency", "probabilistic", "rate_limiting", "span_count", "status_code"];

/// Types of the Collector that are not built.
const NOT_YET: [&str; 9] = [
    "boolean_attribute",
    "bytes_limiting",
    "composite",
    "not",
    "numeric_attribute",
    "ottl_condition",
    "string_attribute",
    "trace_flags",
    "trace_state",
];

/// Where a policy stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    Inside,
}

/// Reads `policies`.
pub(super) fn decode(section: &mut Section<'_>) -> Vec<PolicyConfig> {
    decode_list(section, "policies", Place::Top)
}

fn decode_list(section: &mut Section<'_>, key: &'static str, place: Place) -> Vec<PolicyConfig> {
    let mut names: Vec<String> = Vec::new();
    let policies = section.list(key, |policy| {
        let name = policy.string("name", "");
        if name.is_empty() {
            policy.error("name", "policy name cannot be empty; write name: beside the type");
        } else if names.contains(&name) {
            policy.error("name", format!("duplicate policy name {name:?}; each policy needs a name of its own"));
        }
        names.push(name.clone());
        let kind = decode_kind(policy, &name, place)?;
        Some(PolicyConfig { name, kind })
    });
    policies.into_iter().flatten().collect()
}

fn decode_kind(policy: &mut Section<'_>, name: &str, place: Place) -> Option<PolicyKind> {
    let word = policy.string("type", "");
    for key in KNOWN.into_iter().chain(NOT_YET) {
        if policy.is_given(key) && key != word {
            policy.warn(key, format!("accepted and ignored: policy {name:?} has the type {word:?}"));
        }
    }
    if place == Place::Inside && TOP_ONLY.contains(&word.as_str()) {
        policy.error("type", format!("policy {name:?}: the type {word:?} cannot stand inside another policy"));
        return None;
    }
    Some(match word.as_str() {
        "always_sample" => PolicyKind::AlwaysSample,
        "status_code" => {
            PolicyKind::StatusCode(policy.section_or_default("status_code", |keys| status_code::decode(keys, name)))
        }
        "latency" => PolicyKind::Latency(policy.section_or_default("latency", latency::decode)),
        "probabilistic" => PolicyKind::Probabilistic(
            policy.section_or_default("probabilistic", |keys| probabilistic::decode(keys, name)),
        ),
        "span_count" => PolicyKind::SpanCount(policy.section_or_default("span_count", span_count::decode)),
        "rate_limiting" => PolicyKind::RateLimiting(policy.section_or_default("rate_limiting", rate_limiting::decode)),
        "and" => {
            PolicyKind::And(policy.section_or_default("and", |keys| decode_list(keys, "and_sub_policy", Place::Inside)))
        }
        "drop" => PolicyKind::Drop(
            policy.section_or_default("drop", |keys| decode_list(keys, "drop_sub_policy", Place::Inside)),
        ),
        _ => {
            report_type(policy, name, &word);
            return None;
        }
    })
}

fn report_type(policy: &mut Section<'_>, name: &str, word: &str) {
    let known = KNOWN.join(", ");
    let message = match word {
        "" => format!("policy {name:?} has no type; known: {known}"),
        _ if NOT_YET.contains(&word) => {
            format!("policy {name:?}: policy type {word:?} is not supported yet; known: {known}")
        }
        _ => format!("policy {name:?}: unknown sampling policy type {word:?}; known: {known}"),
    };
    policy.error("type", message);
}

impl PolicyConfig {
    /// A policy for one of `shards` that share its budget by the second.
    pub fn build(&self, shards: NonZeroUsize) -> Box<dyn Policy> {
        match &self.kind {
            PolicyKind::AlwaysSample => Box::new(AlwaysSample),
            PolicyKind::StatusCode(config) => Box::new(StatusCode::new(config)),
            PolicyKind::Latency(config) => Box::new(Latency::new(config)),
            PolicyKind::Probabilistic(config) => Box::new(Probabilistic::new(config)),
            PolicyKind::SpanCount(config) => Box::new(SpanCount::new(config)),
            PolicyKind::RateLimiting(config) => Box::new(RateLimiting::new(config, shards)),
            PolicyKind::And(policies) => Box::new(And::new(build_all(policies, shards))),
            PolicyKind::Drop(policies) => Box::new(Drop::new(build_all(policies, shards))),
        }
    }
}

fn build_all(policies: &[PolicyConfig], shards: NonZeroUsize) -> Vec<Box<dyn Policy>> {
    policies.iter().map(|policy| policy.build(shards)).collect()
}
