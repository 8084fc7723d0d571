//! Writing a batch: whole requests go out as they came; selected rows are copied under re-framed
//! resource and scope headers. A span's bytes are never changed here; what is written in their
//! stead comes from outside, by [`Contents`].

use bytes::{BufMut, Bytes, BytesMut};

use crate::model::{Batch, Index, Part, Piece, put_varint, varint_len};

/// An OTLP request message in chunks; protobuf messages of one type join by standing in a row.
#[derive(Clone, Debug, Default)]
pub struct Encoded {
    chunks: Vec<Bytes>,
    length: u64,
}

impl Encoded {
    /// The message's bytes, in order.
    pub fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// Total bytes.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether the message is empty.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The message as one piece; copies unless there is one chunk.
    pub fn into_bytes(mut self) -> Bytes {
        if self.chunks.len() == 1 {
            return self.chunks.swap_remove(0);
        }
        let mut joined = BytesMut::with_capacity(self.length as usize);
        self.chunks.iter().for_each(|chunk| joined.put_slice(chunk));
        joined.freeze()
    }

    fn push(&mut self, chunk: Bytes) {
        self.length += chunk.len() as u64;
        self.chunks.push(chunk);
    }
}

/// Writes a batch as the body of one `Export…ServiceRequest`.
pub fn encode(batch: &Batch) -> Encoded {
    let mut encoded = Encoded::default();
    for part in batch.parts() {
        if part.is_whole() {
            encoded.push(part.request.body().clone());
            continue;
        }
        let layout = Layout::of(part);
        let mut out = Vec::with_capacity(layout.length as usize);
        layout.write(part, &mut out, &mut ());
        encoded.push(out.into());
    }
    encoded
}

/// Bytes that [`encode`] would write; the size of the telemetry as the Collector's protobuf sizer
/// counts it.
pub fn encoded_len(batch: &Batch) -> u64 {
    let length = |part: &Part| if part.is_whole() { part.request.body().len() as u64 } else { Layout::of(part).length };
    batch.parts().iter().map(length).sum()
}

/// Told where each thing lands while a part is written.
pub(super) trait Placed {
    /// A resource, whose own fields are written from `at` on; only their lengths count.
    fn resource(&mut self, pieces: &[Piece], at: usize);
    /// A scope of the latest resource, whose own fields are written from `at` on.
    fn scope(&mut self, pieces: &[Piece], at: usize);
    /// A row of the latest scope, whose message is written at `at`.
    fn row(&mut self, length: u32, at: usize);
    /// The latest row is a span that was changed: where its name begins in the message, when it
    /// has one, and whether it has a `trace_state`, if that is not as it was.
    fn changed(&mut self, name: u32, has_trace_state: Option<bool>);
    /// A field of the request itself.
    fn rest(&mut self, piece: Piece, at: usize);
}

impl Placed for () {
    fn resource(&mut self, _: &[Piece], _: usize) {}
    fn scope(&mut self, _: &[Piece], _: usize) {}
    fn row(&mut self, _: u32, _: usize) {}
    fn changed(&mut self, _: u32, _: Option<bool>) {}
    fn rest(&mut self, _: Piece, _: usize) {}
}

/// What a part's scopes and rows hold when they are written. Both are measured first, in order,
/// and then written in the same order.
pub(super) trait Contents {
    /// Bytes of a row's message.
    fn row_len(&mut self, row: u32) -> u64;
    /// Bytes of a scope's own fields.
    fn scope_len(&mut self, scope: u32) -> u64;
    /// Appends a scope's own fields.
    fn put_scope(&mut self, scope: u32, out: &mut Vec<u8>, placed: &mut impl Placed);
    /// Appends rows of the latest scope, each with its header.
    fn put_rows(&mut self, rows: impl Iterator<Item = u32>, out: &mut Vec<u8>, placed: &mut impl Placed);
}

/// Scopes and rows as the request holds them.
struct AsTheyStand<'a> {
    index: &'a Index,
    body: &'a [u8],
}

impl Contents for AsTheyStand<'_> {
    #[inline]
    fn row_len(&mut self, row: u32) -> u64 {
        self.index.items.length[row as usize].into()
    }

    fn scope_len(&mut self, scope: u32) -> u64 {
        total(self.index.scope_pieces(scope))
    }

    fn put_scope(&mut self, scope: u32, out: &mut Vec<u8>, placed: &mut impl Placed) {
        let pieces = self.index.scope_pieces(scope);
        placed.scope(pieces, out.len());
        pieces.iter().for_each(|piece| out.extend_from_slice(piece.of(self.body)));
    }

    fn put_rows(&mut self, rows: impl Iterator<Item = u32>, out: &mut Vec<u8>, placed: &mut impl Placed) {
        let mut run = Run::new(self.body);
        rows.for_each(|row| run.put(self.index.item(row), out, placed));
        run.finish(out);
    }
}

/// Rows that stand back to back in the body, which are copied together.
pub(super) struct Run<'a> {
    body: &'a [u8],
    range: std::ops::Range<usize>,
}

impl<'a> Run<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { body, range: 0..0 }
    }

    /// Appends the row that stands at `item`, or notes that the run goes on.
    #[inline]
    pub(super) fn put(&mut self, item: Piece, out: &mut Vec<u8>, placed: &mut impl Placed) {
        let (offset, length) = (item.offset as usize, item.length as usize);
        // No more than a minimal header stands between them: then it is that header.
        if self.range.end + field_len(length as u64) as usize - length == offset && !self.range.is_empty() {
            placed.row(item.length, out.len() + offset - self.range.start);
            self.range.end = offset + length;
            return;
        }
        self.finish(out);
        put_header(out, 2, length as u64);
        placed.row(item.length, out.len());
        self.range = offset..offset + length;
    }

    /// Appends what the run holds, and ends it.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.body[std::mem::take(&mut self.range)]);
    }
}

/// What a part will look like when it is written: which scopes, and how long everything is.
#[derive(Debug)]
pub(super) struct Layout {
    resources: Vec<Group>,
    scopes: Vec<Group>,
    /// Bytes in all.
    pub length: u64,
}

/// A resource or scope with what is selected of it.
#[derive(Debug)]
struct Group {
    /// Row of [`Index::resources`] or [`Index::scopes`].
    number: u32,
    /// Bytes of its message.
    length: u64,
    /// How many scopes or rows are selected.
    count: u32,
}

/// Bytes of a field with a message of this length; every field here has a tag of one byte.
pub(super) const fn field_len(length: u64) -> u64 {
    1 + varint_len(length) as u64 + length
}

pub(super) fn total(pieces: &[Piece]) -> u64 {
    pieces.iter().map(|piece| u64::from(piece.length)).sum()
}

impl Layout {
    /// Measures a part.
    pub(super) fn of(part: &Part) -> Self {
        let (index, body) = (part.request.index(), part.request.body());
        Self::measure(part, &mut AsTheyStand { index, body })
    }

    /// Measures a part with other contents.
    pub(super) fn measure(part: &Part, contents: &mut impl Contents) -> Self {
        let index = part.request.index();
        let mut layout = Self { resources: Vec::new(), scopes: Vec::new(), length: total(&index.rest) };
        let scopes: &[u32] = &index.items.scope;
        let mut open: Option<Group> = None;
        for row in part.rows() {
            let number = scopes[row as usize];
            let length = field_len(contents.row_len(row));
            match &mut open {
                Some(group) if group.number == number => {
                    group.length += length;
                    group.count += 1;
                }
                _ => {
                    let length = length + contents.scope_len(number);
                    layout.close(index, open.replace(Group { number, length, count: 1 }));
                }
            }
        }
        layout.close(index, open);
        layout.length += layout.resources.iter().map(|resource| field_len(resource.length)).sum::<u64>();
        layout
    }

    /// Adds a finished scope to its resource.
    fn close(&mut self, index: &Index, scope: Option<Group>) {
        let Some(scope) = scope else { return };
        let number = index.scopes[scope.number as usize].resource;
        let length = field_len(scope.length);
        self.scopes.push(scope);
        match self.resources.last_mut() {
            Some(resource) if resource.number == number => {
                resource.length += length;
                resource.count += 1;
            }
            _ => {
                let length = length + total(index.resource_pieces(number));
                self.resources.push(Group { number, length, count: 1 });
            }
        }
    }

    /// Appends the part that was measured.
    pub(super) fn write(&self, part: &Part, out: &mut Vec<u8>, placed: &mut impl Placed) {
        let (index, body) = (part.request.index(), part.request.body());
        self.write_contents(part, &mut AsTheyStand { index, body }, out, placed);
    }

    /// Appends the part that was measured with these contents.
    pub(super) fn write_contents(
        &self,
        part: &Part,
        contents: &mut impl Contents,
        out: &mut Vec<u8>,
        placed: &mut impl Placed,
    ) {
        let (index, body) = (part.request.index(), part.request.body());
        for piece in &index.rest {
            placed.rest(*piece, out.len());
            out.extend_from_slice(piece.of(body));
        }
        let mut scopes = self.scopes.iter();
        let mut rows = part.rows();
        for resource in &self.resources {
            put_header(out, 1, resource.length);
            let pieces = index.resource_pieces(resource.number);
            placed.resource(pieces, out.len());
            pieces.iter().for_each(|piece| out.extend_from_slice(piece.of(body)));
            for scope in scopes.by_ref().take(resource.count as usize) {
                put_header(out, 2, scope.length);
                contents.put_scope(scope.number, out, placed);
                contents.put_rows(rows.by_ref().take(scope.count as usize), out, placed);
            }
        }
    }
}

/// Appends tag and length of a field that holds a message; field numbers are below 16.
pub(super) fn put_header(out: &mut Vec<u8>, number: u8, length: u64) {
    out.push(number << 3 | 2);
    put_varint(out, length);
}
