//! What the detector says of one trace.

use std::time::Duration;

/// The span that took most of its own time beyond what its operation does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contribution {
    /// Number of the operation.
    pub op: u32,
    /// Number of the operation of the calling span, if there is one.
    pub caller: Option<u32>,
    /// Self time, in nanoseconds.
    pub observed_nanos: u64,
    /// p97.5 of the operation's self time, in nanoseconds.
    pub expected_nanos: u64,
    /// Spans that this p97.5 was learned from.
    pub samples: u64,
    /// How far back they go.
    pub reference_age: Duration,
    /// Part of the trace's duration that `observed_nanos` is, 0 to 1.
    pub share: f32,
}

/// An error in the trace; the most telling one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TraceError {
    /// Number of the operation that failed.
    pub op: u32,
    /// Whether the failing span is a root or a SERVER span: the caller has seen the error.
    pub on_exit_path: bool,
    /// Stands for operation and error type.
    pub key: u64,
    /// How often this key came lately, decayed, this one included.
    pub recent: f64,
}

/// What is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoveltyKind {
    /// An operation.
    Operation,
    /// A set of calls.
    Shape,
}

/// Something that was not seen before, or hardly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Novelty {
    /// What is new.
    pub kind: NoveltyKind,
    /// Number of the new operation; of the root for a shape.
    pub op: u32,
    /// How often it came, decayed, this one included.
    pub count: f64,
}

/// What is odd about a trace, in numbers. Says nothing of budgets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    /// Self time above the operations' p97.5, summed over spans, in nanoseconds: the score.
    pub excess_nanos: u64,
    /// The span with the largest excess; none without any.
    pub top: Option<Contribution>,
    /// Whether the excess is large enough to matter: by `min_duration`, and by the duration that
    /// traces with this root usually have.
    pub is_candidate: bool,
    /// The most telling error.
    pub error: Option<TraceError>,
    /// The newest thing.
    pub novelty: Option<Novelty>,
    /// Number of the root's operation.
    pub root_op: u32,
    /// The set of calls as a number.
    pub shape: u64,
    /// Duration of the trace after clock-skew correction, in nanoseconds.
    pub duration_nanos: u64,
    /// Whether the root's operation is known well enough to judge by.
    pub is_warm: bool,
    /// Whether the trace has a root and no span whose parent is missing.
    pub is_complete: bool,
}
