//! What is remembered of the decision on a trace, kept or dropped: facts and numbers, from which
//! an explanation is made when somebody asks. No text is made at decision time.

use std::sync::Arc;
use std::time::Duration;

use super::{TraceId, UnixNanos};

/// How likely a trace like this one was to be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chance {
    /// Always: it was kept by a rule.
    #[default]
    Certain,
    /// With the probability of a consistent-probability threshold (56 bits, OTEP 235): kept when
    /// the trace's randomness is not below it.
    Threshold(u64),
    /// Nobody can say, as with a rate limit: downstream must not count with it.
    Unknown,
}

impl Chance {
    /// The chance that both hold, when both depend on the same randomness.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Certain, chance) | (chance, Self::Certain) => chance,
            (Self::Threshold(left), Self::Threshold(right)) => Self::Threshold(left.max(right)),
        }
    }

    /// The chance that one of them holds, when both depend on the same randomness.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Certain, _) | (_, Self::Certain) => Self::Certain,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Threshold(left), Self::Threshold(right)) => Self::Threshold(left.min(right)),
        }
    }

    /// The probability, where it is known.
    pub fn probability(self) -> Option<f64> {
        const ALL: f64 = (1_u64 << 56) as f64;
        match self {
            Self::Certain => Some(1.0),
            Self::Threshold(threshold) => Some((ALL - threshold as f64) / ALL),
            Self::Unknown => None,
        }
    }
}

/// What became of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Kept.
    Sampled,
    /// No policy kept it.
    NotSampled,
    /// A `drop` policy matched.
    Dropped,
    /// Evicted by `num_traces` before its decision.
    TooEarly,
    /// Above `maximum_trace_size_bytes`.
    TooLarge,
    /// Pending at shutdown with `drop_pending_traces_on_shutdown`.
    PendingAtShutdown,
    /// Turned away by the overload valve before it was assembled.
    Overload,
}

impl Outcome {
    /// As one word, in JSON and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sampled => "sampled",
            Self::NotSampled => "not_sampled",
            Self::Dropped => "dropped",
            Self::TooEarly => "dropped_too_early",
            Self::TooLarge => "trace_too_large",
            Self::PendingAtShutdown => "pending_at_shutdown",
            Self::Overload => "overload",
        }
    }
}

/// What made the decision due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// `decision_wait` had passed since the first span.
    DecisionWait,
    /// `decision_wait_after_root_received` had passed since a root span.
    RootReceived,
    /// Spans arrived and the strategy decides at once, or the trace was turned away.
    Arrival,
    /// Room was needed.
    Eviction,
    /// The pipeline stops.
    Shutdown,
}

impl Trigger {
    /// As one word, in JSON and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DecisionWait => "decision_wait",
            Self::RootReceived => "decision_wait_after_root_received",
            Self::Arrival => "arrival",
            Self::Eviction => "eviction",
            Self::Shutdown => "shutdown",
        }
    }
}

/// What one policy said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words are the Collector's")]
pub enum PolicyVerdict {
    /// An earlier policy ended the evaluation.
    #[default]
    NotAsked,
    Sampled,
    NotSampled,
    Dropped,
    InvertSampled,
    InvertNotSampled,
    /// The evaluation failed.
    Error,
}

impl PolicyVerdict {
    /// As one word, in JSON and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAsked => "not_asked",
            Self::Sampled => "sampled",
            Self::NotSampled => "not_sampled",
            Self::Dropped => "dropped",
            Self::InvertSampled => "invert_sampled",
            Self::InvertNotSampled => "invert_not_sampled",
            Self::Error => "error",
        }
    }
}

/// What each policy said, in the order of their evaluation; three bits each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolicyVerdicts(u128);

impl PolicyVerdicts {
    /// Policies that are remembered; what later ones said is not.
    pub const MAX: usize = 42;

    /// Notes what the policy in a place said.
    pub fn set(&mut self, place: usize, verdict: PolicyVerdict) {
        if place < Self::MAX {
            self.0 = self.0 & !(7 << (3 * place)) | (verdict as u128) << (3 * place);
        }
    }

    /// What the policy in a place said.
    pub fn of(&self, place: usize) -> PolicyVerdict {
        const ALL: [PolicyVerdict; 7] = [
            PolicyVerdict::NotAsked,
            PolicyVerdict::Sampled,
            PolicyVerdict::NotSampled,
            PolicyVerdict::Dropped,
            PolicyVerdict::InvertSampled,
            PolicyVerdict::InvertNotSampled,
            PolicyVerdict::Error,
        ];
        if place >= Self::MAX {
            return PolicyVerdict::NotAsked;
        }
        ALL.get((self.0 >> (3 * place)) as usize & 7).copied().unwrap_or_default()
    }
}

/// An operation: what a span is an instance of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Operation {
    /// `service.name` of the resource; empty when it has none.
    pub service: Arc<str>,
    /// Name of the span.
    pub name: Arc<str>,
    /// `SpanKind` as its number.
    pub kind: u8,
}

/// Why the adaptive sampler found a trace worth keeping: the first of these that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A span failed.
    Error,
    /// Spans took longer of their own time than their operations do.
    Anomaly,
    /// An operation was not seen before, or hardly.
    NewOperation,
    /// A combination of calls was not seen before, or hardly.
    NewShape,
    /// Nothing special: the fair sample of everything.
    Baseline,
}

impl Class {
    /// As one word, in JSON and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Anomaly => "anomaly",
            Self::NewOperation => "new_operation",
            Self::NewShape => "new_shape",
            Self::Baseline => "baseline",
        }
    }
}

/// What the detector saw, and what an adaptive policy made of it.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The reason that is shown; nothing when no adaptive policy looked at the trace.
    pub class: Option<Class>,
    /// Milliseconds matter, kept as nanoseconds: self time above the operations' p97.5, summed.
    pub excess_nanos: u64,
    /// What the excess had to exceed; nothing without an adaptive policy.
    pub tau_nanos: Option<u64>,
    /// The operation that the class is about: of the largest excess, of the error, the new one.
    pub operation: Option<Arc<Operation>>,
    /// The operation that called it, where it is known.
    pub caller: Option<Arc<Operation>>,
    /// Self time of the span with the largest excess.
    pub observed_nanos: u64,
    /// p97.5 of that operation's self time; 0 while it is not known.
    pub expected_nanos: u64,
    /// Spans that this p97.5 was learned from.
    pub samples: u64,
    /// How far back they go.
    pub reference_age: Duration,
    /// Part of the trace's duration that the observed self time is, 0 to 1.
    pub share: f32,
    /// The trace's operation of the root.
    pub root: Option<Arc<Operation>>,
    /// Number of the trace's shape: the same for the same set of calls.
    pub shape: u64,
    /// Probabilities by channel: anomaly or error, novelty, baseline; 0 where one does not hold.
    pub probabilities: [f32; 3],
}

/// What is remembered of a decided trace.
#[derive(Clone, Debug)]
pub struct DecisionRecord {
    /// Which trace.
    pub trace_id: TraceId,
    /// When it was decided.
    pub decided: UnixNanos,
    /// How long it had waited.
    pub waited: Duration,
    /// What became of it.
    pub outcome: Outcome,
    /// What made the decision due.
    pub trigger: Trigger,
    /// How likely it was to be kept; meaningful where it was.
    pub chance: Chance,
    /// Spans at the decision.
    pub spans: u32,
    /// Bytes of their messages.
    pub bytes: u64,
    /// Latest end less earliest start, in nanoseconds, as the `latency` policy counts.
    pub duration_nanos: i64,
    /// Bit 0, 1, 2: some span has status unset, ok, error.
    pub statuses: u8,
    /// What each policy said, in the order of evaluation.
    pub policies: PolicyVerdicts,
    /// What the detector saw, where one runs.
    pub finding: Option<Box<Finding>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_combine_as_sets_of_randomness() {
        let (low, high) = (Chance::Threshold(1), Chance::Threshold(2));
        assert_eq!((low.and(high), low.or(high)), (high, low));
        assert_eq!((Chance::Certain.and(low), Chance::Certain.or(low)), (low, Chance::Certain));
        assert_eq!((Chance::Unknown.and(low), Chance::Unknown.or(low)), (Chance::Unknown, Chance::Unknown));
        assert_eq!(Chance::Unknown.or(Chance::Certain), Chance::Certain);
        assert_eq!(Chance::Threshold(1 << 55).probability(), Some(0.5));
    }

    #[test]
    fn verdicts_are_remembered_by_place() {
        let mut verdicts = PolicyVerdicts::default();
        verdicts.set(0, PolicyVerdict::Sampled);
        verdicts.set(41, PolicyVerdict::Error);
        verdicts.set(41, PolicyVerdict::Dropped);
        verdicts.set(42, PolicyVerdict::Sampled);
        assert_eq!(verdicts.of(0), PolicyVerdict::Sampled);
        assert_eq!(verdicts.of(1), PolicyVerdict::NotAsked);
        assert_eq!(verdicts.of(41), PolicyVerdict::Dropped);
        assert_eq!(verdicts.of(42), PolicyVerdict::NotAsked);
    }
}
