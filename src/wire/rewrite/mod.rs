//! Copying a batch with changes to single spans, log records and scopes: what is not changed is
//! copied byte by byte, unknown fields included, and the index of the copy follows from the old
//! one as it does in `compact`.

mod attributes;
mod item;

use std::sync::Arc;

pub use self::attributes::AttributePatch;
pub use self::item::ItemPatch;
use self::item::{Changed, Edits, Fields, Old};
use super::compact::scanned;
use super::frame::{Contents, Layout, Placed, Run, put_header, total};
use super::index_copy::IndexCopy;
use crate::model::{Batch, Index, Part, Piece, Request};

/// Copies the selected rows into one request of their own, each with what `patch` asks for; it is
/// called for every row in order, with the request and the row in it, and an empty patch. The
/// result has one part, its columns and the same metadata.
///
/// Patched are spans and log records; the patch of a metric is not looked at. A batch in which
/// nothing was patched, and one whose copy would reach 4 GiB, comes back as it is.
pub fn rewrite(batch: &Batch, patch: impl FnMut(&Request, u32, &mut ItemPatch)) -> Batch {
    rewrite_with_scopes(batch, |_, _| {}, patch)
}

/// The same, and `scope` is asked once for each part what to add to the attributes of every scope
/// of it; it gets the part's number in the batch. A scope without a scope message gets one. Parts
/// stay apart: rows of one scope that are in two parts come out under two scopes.
pub fn rewrite_with_scopes(
    batch: &Batch,
    mut scope: impl FnMut(usize, &mut AttributePatch),
    mut patch: impl FnMut(&Request, u32, &mut ItemPatch),
) -> Batch {
    let Some(first) = batch.parts().first() else { return batch.clone() };
    let rows = batch.parts().iter().map(|part| part.row_count() as usize).sum();
    let has_columns = batch.parts().iter().all(|part| part.request.index().has_columns());
    let mut body = Vec::with_capacity(if batch.parts().len() > 1 { batch.selected_bytes() as usize } else { 0 });
    let mut copy = IndexCopy::with_capacity(rows);
    let mut scratch = Scratch::default();
    let mut is_changed = false;
    for (number, part) in batch.parts().iter().enumerate() {
        scratch.clear();
        scope(number, &mut scratch.scope_patch);
        let mut contents = Patched { part, scratch: &mut scratch, patch: &mut patch, row: 0, scope: 0 };
        let layout = Layout::measure(part, &mut contents);
        if body.len() as u64 + layout.length > u64::from(u32::MAX) {
            return batch.clone();
        }
        body.reserve(layout.length as usize);
        if has_columns {
            layout.write_contents(part, &mut contents, &mut body, &mut copy);
        } else {
            layout.write_contents(part, &mut contents, &mut body, &mut ());
        }
        is_changed |= scratch.is_changed();
    }
    if !is_changed {
        return batch.clone();
    }
    body.shrink_to_fit();
    if !has_columns {
        return scanned(batch, body.into()).unwrap_or_else(|| batch.clone());
    }
    let request = Request::new(body.into(), copy.finish(batch), first.request.account());
    Batch::from_request(Arc::new(request)).with_metadata(batch.metadata().cloned())
}

/// What was changed in the part at hand; reused from part to part.
#[derive(Default)]
struct Scratch {
    item_patch: ItemPatch,
    scope_patch: AttributePatch,
    edits: Edits,
    /// One entry a row; `None` for a row that stays as it stood.
    rows: Vec<Option<Changed>>,
    /// The own fields of changed scopes, one after another.
    bytes: Vec<u8>,
    /// One entry a scope, when scopes are patched: where its pieces are and where their bytes begin.
    scopes: Vec<(std::ops::Range<usize>, usize)>,
    /// Lengths of the fields of changed scopes.
    pieces: Vec<Piece>,
}

impl Scratch {
    fn clear(&mut self) {
        self.scope_patch.clear();
        self.edits.clear();
        self.bytes.clear();
        self.rows.clear();
        self.scopes.clear();
        self.pieces.clear();
    }

    fn is_changed(&self) -> bool {
        !self.bytes.is_empty() || self.rows.iter().any(Option::is_some)
    }
}

/// A part with its patches, measured and then written.
struct Patched<'a, F> {
    part: &'a Part,
    scratch: &'a mut Scratch,
    patch: &'a mut F,
    /// The next row and the next scope to write.
    row: usize,
    scope: usize,
}

impl<F> Patched<'_, F> {
    fn index(&self) -> &Index {
        self.part.request.index()
    }
}

impl<F: FnMut(&Request, u32, &mut ItemPatch)> Contents for Patched<'_, F> {
    fn row_len(&mut self, row: u32) -> u64 {
        let request = &*self.part.request;
        let Scratch { item_patch, edits, rows, .. } = &mut *self.scratch;
        item_patch.clear();
        (self.patch)(request, row, item_patch);
        let fields = Fields::of(request.signal()).filter(|_| !item_patch.is_empty());
        let changed = fields.map(|fields| edits.change(&old(request, row, fields), item_patch));
        let length = changed.as_ref().map(|changed| changed.length);
        rows.push(changed);
        length.unwrap_or_else(|| request.index().items.length[row as usize].into())
    }

    fn scope_len(&mut self, scope: u32) -> u64 {
        let (index, body) = (self.part.request.index(), self.part.request.body());
        let Scratch { scope_patch, bytes, scopes, pieces, .. } = &mut *self.scratch;
        if scope_patch.is_empty() {
            return total(index.scope_pieces(scope));
        }
        let (start, first) = (bytes.len(), pieces.len());
        let old = index.scope_pieces(scope).iter().map(|piece| piece.of(body));
        scope_patch.put_into_scope(old, bytes, pieces);
        scopes.push((first..pieces.len(), start));
        (bytes.len() - start) as u64
    }

    fn put_scope(&mut self, scope: u32, out: &mut Vec<u8>, placed: &mut impl Placed) {
        if let Some((pieces, start)) = self.scratch.scopes.get(self.scope) {
            self.scope += 1;
            let pieces = &self.scratch.pieces[pieces.clone()];
            placed.scope(pieces, out.len());
            out.extend_from_slice(&self.scratch.bytes[*start..][..total(pieces) as usize]);
            return;
        }
        let pieces = self.index().scope_pieces(scope);
        placed.scope(pieces, out.len());
        pieces.iter().for_each(|piece| out.extend_from_slice(piece.of(self.part.request.body())));
    }

    fn put_rows(&mut self, rows: impl Iterator<Item = u32>, out: &mut Vec<u8>, placed: &mut impl Placed) {
        let mut run = Run::new(self.part.request.body());
        for row in rows {
            let changed = self.scratch.rows[self.row].as_ref();
            self.row += 1;
            let Some(changed) = changed else {
                run.put(self.index().item(row), out, placed);
                continue;
            };
            run.finish(out);
            put_header(out, 2, changed.length);
            placed.row(changed.length as u32, out.len());
            placed.changed(changed.name, changed.has_trace_state);
            let message = self.index().item(row).of(self.part.request.body());
            self.scratch.edits.put(changed, message, out);
        }
        run.finish(out);
    }
}

/// What must be known of a row's message to change it.
fn old(request: &Request, row: u32, fields: Fields) -> Old<'_> {
    let (index, at) = (request.index(), row as usize);
    let columns = index.spans.as_ref();
    let name = columns.map_or(0, |columns| columns.name_offset[at].saturating_sub(index.items.offset[at]));
    let lacks_trace_state = columns.is_some_and(|columns| columns.has_trace_state[at] == 0);
    Old { message: index.item(row).of(request.body()), fields, name, lacks_trace_state }
}
