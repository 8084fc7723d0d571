//! Copying selected rows into a request of their own, with an index that follows from the old one:
//! nothing is scanned again, but for requests that have given up their columns.

use std::sync::Arc;

use arrow_buffer::{ArrowNativeType, ScalarBuffer};

use super::frame::{Layout, Placed, encode};
use super::{Limits, scan};
use crate::model::{Batch, Index, Items, Part, Piece, Request, ResourceEntry, ScopeEntry, Signal, SpanColumns};

/// Copies the selected rows out into a request of their own, so that the large ones can go. The
/// result has one part, its span columns and the same metadata; a batch that is one whole request
/// with its columns already, or that has no part or 4 GiB and more, comes back as it is.
pub fn compact(batch: Batch) -> Batch {
    let account = match batch.parts() {
        [] => return batch,
        [only] if only.is_whole() && only.request.index().has_columns() => return batch,
        [only] if only.is_whole() => return scanned(&batch, only.request.body().clone()).unwrap_or(batch),
        [first, ..] => first.request.account().clone(),
    };
    if !batch.parts().iter().all(|part| part.request.index().has_columns()) {
        return scanned(&batch, encode(&batch).into_bytes()).unwrap_or(batch);
    }
    let layouts: Vec<Layout> = batch.parts().iter().map(Layout::of).collect();
    let length: u64 = layouts.iter().map(|layout| layout.length).sum();
    if length > u64::from(u32::MAX) {
        return batch;
    }
    let rows = batch.parts().iter().map(|part| part.row_count() as usize).sum();
    let mut body = Vec::with_capacity(length as usize);
    let mut copy = IndexCopy::with_capacity(rows);
    for (part, layout) in batch.parts().iter().zip(&layouts) {
        layout.write(part, &mut body, &mut copy.part(part));
    }
    let index = copy.finish(&batch);
    let request = Arc::new(Request::new(body.into(), index, &account));
    Batch::from_request(request).with_metadata(batch.metadata().cloned())
}

/// The batch as one request whose index is built anew. `None` only for a body of 4 GiB and more:
/// what was scanned once scans again.
fn scanned(batch: &Batch, body: bytes::Bytes) -> Option<Batch> {
    let account = batch.parts().first()?.request.account();
    let request = scan(batch.signal(), body, &Limits::none(), account).ok()?;
    Some(Batch::from_request(request).with_metadata(batch.metadata().cloned()))
}

/// The index of the copy while it is written.
struct IndexCopy {
    offset: Vec<u32>,
    length: Vec<u32>,
    scope: Vec<u32>,
    scopes: Vec<ScopeEntry>,
    resources: Vec<ResourceEntry>,
    pieces: Vec<Piece>,
    rest: Vec<Piece>,
}

/// The index of the copy and the old index of the part at hand.
struct PartCopy<'a> {
    copy: &'a mut IndexCopy,
    old: &'a Index,
}

impl IndexCopy {
    fn with_capacity(rows: usize) -> Self {
        Self {
            offset: Vec::with_capacity(rows),
            length: Vec::with_capacity(rows),
            scope: Vec::with_capacity(rows),
            scopes: Vec::new(),
            resources: Vec::new(),
            pieces: Vec::new(),
            rest: Vec::new(),
        }
    }

    fn part<'a>(&'a mut self, part: &'a Part) -> PartCopy<'a> {
        PartCopy { copy: self, old: part.request.index() }
    }

    /// Notes pieces that were written from `at` on; returns where they are listed.
    fn pieces(&mut self, pieces: &[Piece], mut at: usize) -> (u32, u32) {
        let first = self.pieces.len() as u32;
        for piece in pieces {
            self.pieces.push(Piece { offset: at as u32, ..*piece });
            at += piece.length as usize;
        }
        (first, pieces.len() as u32)
    }

    fn finish(self, batch: &Batch) -> Index {
        let signal = batch.signal();
        let spans = (signal == Signal::Traces).then(|| columns(batch, &self.offset));
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

impl Placed for PartCopy<'_> {
    fn resource(&mut self, pieces: &[Piece], at: usize) {
        let (piece_first, piece_count) = self.copy.pieces(pieces, at);
        self.copy.resources.push(ResourceEntry { piece_first, piece_count });
    }

    fn scope(&mut self, pieces: &[Piece], at: usize) {
        let (piece_first, piece_count) = self.copy.pieces(pieces, at);
        let resource = self.copy.resources.len() as u32 - 1;
        self.copy.scopes.push(ScopeEntry { resource, piece_first, piece_count });
    }

    fn row(&mut self, row: u32, at: usize) {
        self.copy.offset.push(at as u32);
        self.copy.length.push(self.old.items.length[row as usize]);
        self.copy.scope.push(self.copy.scopes.len() as u32 - 1);
    }

    fn rest(&mut self, piece: Piece, at: usize) {
        self.copy.rest.push(Piece { offset: at as u32, ..piece });
    }
}

/// One column of the selected rows.
fn gather<T: ArrowNativeType>(
    batch: &Batch,
    column: impl for<'a> Fn(&'a Index) -> Option<&'a ScalarBuffer<T>>,
) -> ScalarBuffer<T> {
    let mut out: Vec<T> = Vec::with_capacity(batch.parts().iter().map(|part| part.row_count() as usize).sum());
    for part in batch.parts() {
        if let Some(old) = column(part.request.index()) {
            let old: &[T] = old;
            out.extend(part.rows().map(|row| old[row as usize]));
        }
    }
    out.into()
}

/// One column of the selected spans.
fn of_spans<T: ArrowNativeType>(batch: &Batch, column: fn(&SpanColumns) -> &ScalarBuffer<T>) -> ScalarBuffer<T> {
    gather(batch, |index| index.spans.as_ref().map(column))
}

/// The span columns of the selected rows, whose messages now stand at `offsets`.
fn columns(batch: &Batch, offsets: &[u32]) -> SpanColumns {
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
        has_trace_state: of_spans(batch, |spans| &spans.has_trace_state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Rows;
    use crate::testing::request_of;

    fn batch(request: Arc<Request>, rows: Rows) -> Batch {
        let mut batch = Batch::new(Signal::Traces);
        batch.push(Part { request, rows });
        batch
    }

    #[test]
    fn rows_that_waited_without_columns_get_the_same_ones_back() {
        let full = request_of(&[1, 2, 3, 4, 5]);
        let slim = Arc::new(full.without_columns());
        assert!(!slim.index().has_columns() && slim.held_bytes() < full.held_bytes());
        for rows in [Rows::All, Rows::Range { start: 1, end: 4 }, Rows::List([0, 2, 4].into())] {
            let [left, right] = [full.clone(), slim.clone()].map(|request| compact(batch(request, rows.clone())));
            let [left, right] = [&left, &right].map(|batch| batch.parts()[0].request.clone());
            assert_eq!(left.body(), right.body());
            let columns = |request: &Request| request.index().spans.as_ref().unwrap().record_batch().unwrap();
            assert_eq!(columns(&left), columns(&right));
        }
    }

    #[test]
    fn a_body_that_is_shared_is_charged_once() {
        let full = request_of(&[1, 2, 3]);
        let account = full.account().clone();
        let alone = account.held_bytes();
        let slim = [full.without_columns(), full.without_columns()];
        assert!(account.held_bytes() < alone + full.body().len() as u64);
        drop(full);
        assert!(account.held_bytes() >= slim[0].held_bytes());
        drop(slim);
        assert_eq!(account.held_bytes(), 0);
    }
}
