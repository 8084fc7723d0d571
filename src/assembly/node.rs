//! What is found out about one span. It must not know how.

use super::facts::SpanFacts;

/// No span: the end of the row numbers.
pub(super) const NONE: u32 = u32::MAX;

/// A span's place in the trace; 72 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    /// Corrected start; never after `end`.
    pub(super) start: u64,
    /// Corrected end.
    pub(super) end: u64,
    /// Self time; the whole length until children are taken off.
    pub(super) self_nanos: u64,
    /// The last stretch that children are known to cover; see `cover`.
    pub(super) covered_from: u64,
    pub(super) covered_to: u64,
    /// Row of the parent, or [`NONE`].
    pub(super) parent: u32,
    /// Where its children stand in the list of all children.
    pub(super) first_child: u32,
    /// The child that came last, and the sibling that came before this one; or [`NONE`].
    pub(super) last_child: u32,
    pub(super) sibling: u32,
    /// How many children it has.
    pub(super) child_count: u32,
    /// The other span of a shared id, or [`NONE`]. On a span that is no call: a call that waits
    /// for its other end.
    pub(super) twin: u32,
    /// The span's operation.
    pub(super) op: u32,
    /// The span's kind.
    pub(super) kind: u8,
    /// What it is in the tree.
    pub(super) place: Place,
}

/// Where a span stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Below another span.
    Child,
    /// On top: names no parent.
    Root,
    /// On top: its parent is not here.
    Orphan,
    /// On top: the link to its parent closed a cycle.
    Head,
    /// Nowhere: another span has its id.
    Duplicate,
}

impl Node {
    pub(super) fn new(span: &SpanFacts) -> Self {
        let end = span.end.max(span.start);
        Self {
            start: span.start,
            end,
            self_nanos: end - span.start,
            covered_from: span.start,
            covered_to: span.start,
            parent: NONE,
            first_child: 0,
            last_child: NONE,
            sibling: NONE,
            child_count: 0,
            twin: NONE,
            op: span.op,
            kind: span.kind,
            place: Place::Child,
        }
    }

    /// Where its children stand.
    pub(super) fn children(&self) -> std::ops::Range<usize> {
        let first = self.first_child as usize;
        first..first + self.child_count as usize
    }
}
