//! What assembly is told of a span. It must not know how a span is stored.

/// What assembly needs of one span; 40 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanFacts {
    /// The span's id as in `model::SpanColumns`; 0 when absent. A span without an id is never a
    /// duplicate and never a parent.
    pub span_id: u64,
    /// The parent's span id; 0 for a root.
    pub parent_span_id: u64,
    /// Start in nanoseconds of unix time.
    pub start: u64,
    /// End in nanoseconds of unix time; before `start` it means a length of zero.
    pub end: u64,
    /// Number of the interned operation (service, span name, kind).
    pub op: u32,
    /// OTLP's `SpanKind`.
    pub kind: u8,
    /// OTLP's `Status.code`.
    pub status: u8,
}

/// `SPAN_KIND_SERVER`.
pub(super) const SERVER: u8 = 2;
/// `SPAN_KIND_CLIENT`.
pub(super) const CLIENT: u8 = 3;
/// `SPAN_KIND_PRODUCER`.
pub(super) const PRODUCER: u8 = 4;
/// `SPAN_KIND_CONSUMER`.
pub(super) const CONSUMER: u8 = 5;

/// Whether a kind is one end of a remote call.
pub(super) fn is_call(kind: u8) -> bool {
    matches!(kind, CLIENT | SERVER)
}

/// Whether two kinds are the two ends of a remote call.
pub(super) fn is_pair(one: u8, other: u8) -> bool {
    matches!((one, other), (CLIENT, SERVER) | (SERVER, CLIENT))
}
