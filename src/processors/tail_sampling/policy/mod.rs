//! The policies, one file a type, and the table that the config names them by.

pub mod adaptive;
pub mod always_sample;
pub mod and;
mod attribute;
pub mod boolean_attribute;
pub mod bytes_limiting;
pub mod composite;
mod decode;
pub mod drop;
pub mod latency;
pub mod not;
pub mod numeric_attribute;
pub mod ottl_condition;
pub mod probabilistic;
pub mod rate_limiting;
mod regexp;
pub mod span_count;
pub mod status_code;
pub mod string_attribute;
mod token_bucket;
pub mod trace_flags;
pub mod trace_state;
mod trace_view;

use std::num::NonZeroUsize;

pub use adaptive::Adaptive;
pub use always_sample::AlwaysSample;
pub use and::And;
pub use boolean_attribute::BooleanAttribute;
pub use bytes_limiting::BytesLimiting;
pub use composite::Composite;
pub(super) use decode::decode;
pub use drop::Drop;
pub use latency::Latency;
pub use not::Not;
pub use numeric_attribute::NumericAttribute;
pub use ottl_condition::OttlCondition;
pub use probabilistic::Probabilistic;
pub use rate_limiting::RateLimiting;
pub use span_count::SpanCount;
pub use status_code::StatusCode;
pub use string_attribute::StringAttribute;
pub use trace_flags::TraceFlags;
pub use trace_state::TraceStateValue;
pub use trace_view::TraceView;

use crate::model::{Chance, Class, Now};

/// What a policy says of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Keep it.
    Sampled,
    /// No reason to keep it.
    NotSampled,
    /// Drop it, whatever the others say.
    Dropped,
    /// An inverted match keeps it, unless another policy does not.
    InvertSampled,
    /// An inverted match drops it, whatever others keep.
    InvertNotSampled,
    /// The policy could not say; counted, and left out of the decision.
    Error,
}

impl Verdict {
    /// `Sampled` or `NotSampled`.
    pub fn kept_if(keeps: bool) -> Self {
        if keeps { Self::Sampled } else { Self::NotSampled }
    }
}

/// What a policy says beside its verdict, while it is evaluated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ballot {
    /// How likely a trace like this was to be kept by this policy. Rules leave it certain; a
    /// policy with a budget that depends on other traces says unknown.
    pub chance: Chance,
    /// What an adaptive policy made of the detector's finding.
    pub choice: Option<Choice>,
    /// Place of the sub-policy of a `composite` that kept the trace.
    pub sub_policy: Option<u16>,
}

impl Ballot {
    /// Both this and the other hold.
    pub fn join(&mut self, other: Self) {
        self.chance = self.chance.and(other.chance);
        self.choice = self.choice.or(other.choice);
        self.sub_policy = self.sub_policy.or(other.sub_policy);
    }
}

/// What an adaptive policy made of a finding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// The first reason that holds.
    pub class: Class,
    /// What the excess had to exceed, in nanoseconds.
    pub tau_nanos: u64,
    /// Probabilities by channel: anomaly or error, novelty, baseline; 0 where one does not hold.
    pub probabilities: [f32; 3],
}

/// Decides on a trace.
pub trait Policy: Send {
    /// Looks at a trace as it is at `now`. Policies with a budget spend it here. The ballot comes
    /// empty; what stands in it counts only beside a verdict that keeps, but a chance that is not
    /// certain is told beside every verdict: `not` turns it round.
    fn evaluate(&mut self, trace: &TraceView<'_>, ballot: &mut Ballot, now: Now) -> Verdict;

    /// Learns from a trace that is being decided, before any policy is evaluated and whether or
    /// not this one will be.
    fn observe(&mut self, trace: &TraceView<'_>, now: Now) {
        let _ = (trace, now);
    }
}

/// What policies are built with, beside their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyContext {
    /// How many shards share what a policy may keep by the second.
    pub shards: NonZeroUsize,
    /// Whether a match under `invert_match` drops the trace, whatever others keep; the gate
    /// `disableinvertdecisions` turned off.
    pub inverted_match_vetoes: bool,
    /// Whether `probabilistic` decides by W3C's randomness; the gate `usetracestate`.
    pub uses_trace_state: bool,
}

impl Default for PolicyContext {
    /// One shard, no gate turned.
    fn default() -> Self {
        Self { shards: NonZeroUsize::MIN, inverted_match_vetoes: false, uses_trace_state: false }
    }
}

/// A policy as it was written: its name and what its type says.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyConfig {
    /// Unique and not empty at the top.
    pub name: String,
    /// The type with its keys.
    pub kind: PolicyKind,
}

/// The types, with their keys.
#[derive(Clone, Debug, PartialEq)]
pub enum PolicyKind {
    /// `adaptive`
    Adaptive(adaptive::Config),
    /// `always_sample`
    AlwaysSample,
    /// `status_code`
    StatusCode(status_code::Config),
    /// `latency`
    Latency(latency::Config),
    /// `numeric_attribute`
    NumericAttribute(numeric_attribute::Config),
    /// `boolean_attribute`
    BooleanAttribute(boolean_attribute::Config),
    /// `string_attribute`
    StringAttribute(string_attribute::Config),
    /// `probabilistic`
    Probabilistic(probabilistic::Config),
    /// `span_count`
    SpanCount(span_count::Config),
    /// `ottl_condition`
    OttlCondition(ottl_condition::Config),
    /// `rate_limiting`
    RateLimiting(rate_limiting::Config),
    /// `bytes_limiting`
    BytesLimiting(bytes_limiting::Config),
    /// `trace_state`
    TraceState(trace_state::Config),
    /// `trace_flags`
    TraceFlags,
    /// `and`
    And(Vec<PolicyConfig>),
    /// `not`
    Not(Box<PolicyConfig>),
    /// `drop`
    Drop(Vec<PolicyConfig>),
    /// `composite`
    Composite(composite::Config),
}

impl PolicyKind {
    /// The type as the config names it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Adaptive(_) => "adaptive",
            Self::AlwaysSample => "always_sample",
            Self::StatusCode(_) => "status_code",
            Self::Latency(_) => "latency",
            Self::NumericAttribute(_) => "numeric_attribute",
            Self::BooleanAttribute(_) => "boolean_attribute",
            Self::StringAttribute(_) => "string_attribute",
            Self::Probabilistic(_) => "probabilistic",
            Self::SpanCount(_) => "span_count",
            Self::OttlCondition(_) => "ottl_condition",
            Self::RateLimiting(_) => "rate_limiting",
            Self::BytesLimiting(_) => "bytes_limiting",
            Self::TraceState(_) => "trace_state",
            Self::TraceFlags => "trace_flags",
            Self::And(_) => "and",
            Self::Not(_) => "not",
            Self::Drop(_) => "drop",
            Self::Composite(_) => "composite",
        }
    }

    /// Whether the policy decides by what the detector says.
    pub(super) fn reads_findings(&self) -> bool {
        matches!(self, Self::Adaptive(_)) || self.inner().iter().any(|policy| policy.kind.reads_findings())
    }

    /// The policies inside this one.
    pub(super) fn inner(&self) -> &[PolicyConfig] {
        match self {
            Self::And(policies) | Self::Drop(policies) => policies,
            Self::Not(policy) => std::slice::from_ref(policy),
            Self::Composite(config) => &config.policies,
            _ => &[],
        }
    }

    /// Whether kept spans carry the probability that this policy kept them with.
    pub(super) fn writes_probability(&self) -> bool {
        matches!(self, Self::Adaptive(_)) || self.inner().iter().any(|policy| policy.kind.writes_probability())
    }

    /// The same policy with budgets of its own, for another processor.
    #[must_use]
    fn with_own_budgets(&self) -> Self {
        let own = |policies: &[PolicyConfig]| policies.iter().map(PolicyConfig::with_own_budgets).collect();
        match self {
            Self::Adaptive(config) => Self::Adaptive(config.with_own_budget()),
            Self::And(policies) => Self::And(own(policies)),
            Self::Not(policy) => Self::Not(Box::new(policy.with_own_budgets())),
            Self::Drop(policies) => Self::Drop(own(policies)),
            Self::Composite(config) => {
                Self::Composite(composite::Config { policies: own(&config.policies), ..config.clone() })
            }
            other => other.clone(),
        }
    }

    /// Whether the policy reads span columns when it decides, beside the trace's summary.
    pub(super) fn reads_columns(&self) -> bool {
        match self {
            Self::Latency(config) => config.upper_threshold_ms != 0,
            _ => self.inner().iter().any(|policy| policy.kind.reads_columns()),
        }
    }

    /// Whether more spans of a trace, or other traces, may turn what it keeps into what it does
    /// not keep. A `composite` counts by what is in it, as in the Collector, in spite of its budget.
    pub(super) fn is_stateful(&self) -> bool {
        match self {
            Self::Adaptive(_) | Self::RateLimiting(_) | Self::BytesLimiting(_) => true,
            Self::Latency(config) => config.upper_threshold_ms != 0,
            Self::SpanCount(config) => config.max_spans != 0,
            _ => self.inner().iter().any(|policy| policy.kind.is_stateful()),
        }
    }
}

impl PolicyConfig {
    /// Every `adaptive` policy in this one, this one included, by name.
    pub(super) fn adaptives(&self) -> Vec<(&str, &adaptive::Config)> {
        match &self.kind {
            PolicyKind::Adaptive(config) => vec![(&self.name, config)],
            kind => kind.inner().iter().flat_map(Self::adaptives).collect(),
        }
    }

    /// The same policy with budgets of its own: shards that are built from one config share
    /// theirs, processors do not.
    #[must_use]
    pub fn with_own_budgets(&self) -> Self {
        Self { name: self.name.clone(), kind: self.kind.with_own_budgets() }
    }

    /// A policy of one shard.
    pub fn build(&self, context: &PolicyContext) -> Box<dyn Policy> {
        match &self.kind {
            PolicyKind::Adaptive(config) => Box::new(Adaptive::new(config)),
            PolicyKind::AlwaysSample => Box::new(AlwaysSample),
            PolicyKind::StatusCode(config) => Box::new(StatusCode::new(config)),
            PolicyKind::Latency(config) => Box::new(Latency::new(config)),
            PolicyKind::NumericAttribute(config) => Box::new(NumericAttribute::new(config, context)),
            PolicyKind::BooleanAttribute(config) => Box::new(BooleanAttribute::new(config, context)),
            PolicyKind::StringAttribute(config) => Box::new(StringAttribute::new(config, context)),
            PolicyKind::Probabilistic(config) => Box::new(Probabilistic::new(config, context)),
            PolicyKind::SpanCount(config) => Box::new(SpanCount::new(config)),
            PolicyKind::OttlCondition(config) => Box::new(OttlCondition::new(config)),
            PolicyKind::RateLimiting(config) => Box::new(RateLimiting::new(config, context)),
            PolicyKind::BytesLimiting(config) => Box::new(BytesLimiting::new(config, context)),
            PolicyKind::TraceState(config) => Box::new(TraceStateValue::new(config)),
            PolicyKind::TraceFlags => Box::new(TraceFlags),
            PolicyKind::And(policies) => Box::new(And::new(build_all(&adaptive_last(policies), context))),
            PolicyKind::Not(policy) => Box::new(Not::new(policy.build(context))),
            PolicyKind::Drop(policies) => Box::new(Drop::new(build_all(policies, context))),
            PolicyKind::Composite(config) => {
                Box::new(Composite::new(config, build_all(&config.policies, context), context))
            }
        }
    }
}

/// An `adaptive` policy is asked after the others of an `and`, so that what they refuse takes
/// nothing of its budget.
fn adaptive_last(policies: &[PolicyConfig]) -> Vec<PolicyConfig> {
    let mut ordered = policies.to_vec();
    ordered.sort_by_key(|policy| matches!(policy.kind, PolicyKind::Adaptive(_)));
    ordered
}

fn build_all(policies: &[PolicyConfig], context: &PolicyContext) -> Vec<Box<dyn Policy>> {
    policies.iter().map(|policy| policy.build(context)).collect()
}
