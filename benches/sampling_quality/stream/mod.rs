//! A stream of labelled traces in memory, in the order of their ends. Knows nothing of samplers.

pub(crate) mod generated;
pub(crate) mod nezha;
pub(crate) mod rearranged;

/// What a span does: the unit of the learned baselines.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Operation {
    pub(crate) service: String,
    pub(crate) name: String,
}

/// One span; times in nanoseconds since the epoch.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) id: u64,
    /// 0 for a root.
    pub(crate) parent: u64,
    /// Index into [`Stream::operations`].
    pub(crate) operation: u32,
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// OTLP's `SpanKind`; 0 where the source does not say.
    pub(crate) kind: i32,
    /// Status ERROR.
    pub(crate) error: bool,
    /// Number of the deploy of its service, from 0.
    pub(crate) version: u32,
}

/// What is known to be true of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    Normal,
    /// Touched by a fault: an index into [`Stream::faults`].
    Affected(u32),
    /// Nobody can say, so it counts neither as found nor as a false alarm.
    LeftOut,
}

/// A fault that was injected.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    /// Nanoseconds since the epoch.
    pub(crate) inject: u64,
    pub(crate) service: String,
    pub(crate) kind: String,
}

/// The spans of one trace, the root first where there is one.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    pub(crate) spans: Vec<Span>,
    pub(crate) label: Label,
}

/// Traces in the order of their ends.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    pub(crate) name: &'static str,
    pub(crate) operations: Vec<Operation>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) traces: Vec<Trace>,
}

impl Trace {
    /// The latest end of a span.
    pub(crate) fn end(&self) -> u64 {
        self.spans.iter().map(|span| span.end).max().unwrap_or(0)
    }

    /// The first span without a parent.
    pub(crate) fn root(&self) -> &Span {
        self.spans.iter().find(|span| span.parent == 0).unwrap_or(&self.spans[0])
    }

    /// The root's duration in nanoseconds.
    pub(crate) fn root_nanos(&self) -> u64 {
        self.root().end.saturating_sub(self.root().start)
    }

    pub(crate) fn is_affected(&self) -> bool {
        matches!(self.label, Label::Affected(_))
    }
}

impl Stream {
    pub(crate) fn spans(&self) -> usize {
        self.traces.iter().map(|trace| trace.spans.len()).sum()
    }

    pub(crate) fn affected(&self) -> usize {
        self.traces.iter().filter(|trace| trace.is_affected()).count()
    }

    /// Whether each trace is affected; nothing where nobody can say.
    pub(crate) fn labels(&self) -> Vec<Option<bool>> {
        let of = |trace: &Trace| (trace.label != Label::LeftOut).then(|| trace.is_affected());
        self.traces.iter().map(of).collect()
    }

    /// Nanoseconds, a trace each.
    pub(crate) fn root_durations(&self) -> Vec<f64> {
        self.traces.iter().map(|trace| trace.root_nanos() as f64).collect()
    }
}
