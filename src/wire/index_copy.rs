//! The index of a copy of selected rows: it follows from the old indexes and from where each thing
//! landed, so that nothing is scanned again.

use arrow_buffer::{ArrowNativeType, ScalarBuffer};

use super::frame::Placed;
use crate::model::{Batch, Index, Items, Piece, ResourceEntry, ScopeEntry, Signal, SpanColumns};

/// The index of a copy while it is written.
pub(super) struct IndexCopy {
    offset: Vec<u32>,
    length: Vec<u32>,
    scope: Vec<u32>,
    scopes: Vec<ScopeEntry>,
    resources: Vec<ResourceEntry>,
    pieces: Vec<Piece>,
    rest: Vec<Piece>,
    changed: Vec<ChangedSpan>,
}

/// A span whose message is not the one that the columns were read from.
struct ChangedSpan {
    /// Row of the copy.
    row: usize,
    /// First byte of the name in the message, when there is a name.
    name: u32,
    /// Whether there is a `trace_state` now, if that has changed.
    has_trace_state: Option<bool>,
}

impl IndexCopy {
    pub(super) fn with_capacity(rows: usize) -> Self {
        Self {
            offset: Vec::with_capacity(rows),
            length: Vec::with_capacity(rows),
            scope: Vec::with_capacity(rows),
            scopes: Vec::new(),
            resources: Vec::new(),
            pieces: Vec::new(),
            rest: Vec::new(),
            changed: Vec::new(),
        }
    }

    /// Notes pieces that were written from `at` on; returns where they are listed.
    fn put_pieces(&mut self, pieces: &[Piece], mut at: usize) -> (u32, u32) {
        let first = self.pieces.len() as u32;
        for piece in pieces {
            self.pieces.push(Piece { offset: at as u32, ..*piece });
            at += piece.length as usize;
        }
        (first, pieces.len() as u32)
    }

    /// The index of the copy of every row of the batch.
    pub(super) fn finish(self, batch: &Batch) -> Index {
        let signal = batch.signal();
        let spans = (signal == Signal::Traces).then(|| columns(batch, &self.offset, &self.changed));
        let points = (signal == Signal::Metrics).then(|| gather(batch, |index| index.points.as_ref()));
        Index {
            signal,
            items: Items { offset: self.offset.into(), length: self.length.into(), scope: self.scope.into() },
            scopes: self.scopes,
            resources: self.resources,
            pieces: self.pieces,
            rest: self.rest,
            spans,
            points,
            item_count: batch.item_count(),
        }
    }
}

impl Placed for IndexCopy {
    fn resource(&mut self, pieces: &[Piece], at: usize) {
        let (piece_first, piece_count) = self.put_pieces(pieces, at);
        self.resources.push(ResourceEntry { piece_first, piece_count });
    }

    fn scope(&mut self, pieces: &[Piece], at: usize) {
        let (piece_first, piece_count) = self.put_pieces(pieces, at);
        let resource = self.resources.len() as u32 - 1;
        self.scopes.push(ScopeEntry { resource, piece_first, piece_count });
    }

    fn row(&mut self, length: u32, at: usize) {
        self.offset.push(at as u32);
        self.length.push(length);
        self.scope.push(self.scopes.len() as u32 - 1);
    }

    fn changed(&mut self, name: u32, has_trace_state: Option<bool>) {
        self.changed.push(ChangedSpan { row: self.offset.len() - 1, name, has_trace_state });
    }

    fn rest(&mut self, piece: Piece, at: usize) {
        self.rest.push(Piece { offset: at as u32, ..piece });
    }
}

/// One column of the selected rows.
fn gather<T: ArrowNativeType>(
    batch: &Batch,
    column: impl for<'a> Fn(&'a Index) -> Option<&'a ScalarBuffer<T>>,
) -> ScalarBuffer<T> {
    gathered(batch, column).into()
}

/// The same before it becomes a buffer.
fn gathered<T: ArrowNativeType>(
    batch: &Batch,
    column: impl for<'a> Fn(&'a Index) -> Option<&'a ScalarBuffer<T>>,
) -> Vec<T> {
    let mut out: Vec<T> = Vec::with_capacity(batch.parts().iter().map(|part| part.row_count() as usize).sum());
    for part in batch.parts() {
        if let Some(old) = column(part.request.index()) {
            let old: &[T] = old;
            out.extend(part.rows().map(|row| old[row as usize]));
        }
    }
    out
}

/// One column of the selected spans.
fn of_spans<T: ArrowNativeType>(batch: &Batch, column: fn(&SpanColumns) -> &ScalarBuffer<T>) -> ScalarBuffer<T> {
    gather(batch, |index| index.spans.as_ref().map(column))
}

/// The span columns of the selected rows, whose messages now stand at `offsets`.
fn columns(batch: &Batch, offsets: &[u32], changed: &[ChangedSpan]) -> SpanColumns {
    let mut name_offset = Vec::with_capacity(offsets.len());
    for part in batch.parts() {
        let index = part.request.index();
        let Some(names) = index.spans.as_ref().map(|spans| &*spans.name_offset) else { continue };
        let old: &[u32] = &index.items.offset;
        for row in part.rows() {
            let moved = |name: u32| name - old[row as usize] + offsets[name_offset.len()];
            let name = names[row as usize];
            name_offset.push(if name == 0 { 0 } else { moved(name) });
        }
    }
    let mut has_trace_state = gathered(batch, |index| index.spans.as_ref().map(|spans| &spans.has_trace_state));
    for span in changed {
        if name_offset[span.row] != 0 {
            name_offset[span.row] = offsets[span.row] + span.name;
        }
        if let Some(has) = span.has_trace_state {
            has_trace_state[span.row] = u8::from(has);
        }
    }
    SpanColumns {
        trace_id: of_spans(batch, |spans| &spans.trace_id),
        span_id: of_spans(batch, |spans| &spans.span_id),
        parent_span_id: of_spans(batch, |spans| &spans.parent_span_id),
        start: of_spans(batch, |spans| &spans.start),
        end: of_spans(batch, |spans| &spans.end),
        flags: of_spans(batch, |spans| &spans.flags),
        name_offset: name_offset.into(),
        name_length: of_spans(batch, |spans| &spans.name_length),
        kind: of_spans(batch, |spans| &spans.kind),
        status_code: of_spans(batch, |spans| &spans.status_code),
        has_trace_state: has_trace_state.into(),
    }
}
