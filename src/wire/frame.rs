//! Writing a batch: whole requests go out as they came; selected rows are copied under re-framed
//! resource and scope headers. A span's bytes are never changed.

use bytes::{BufMut, Bytes, BytesMut};

use crate::model::{Batch, Index, Part, Piece, varint_len};

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
    /// A resource, whose own fields are written from `at` on.
    fn resource(&mut self, pieces: &[Piece], at: usize);
    /// A scope of the latest resource, whose own fields are written from `at` on.
    fn scope(&mut self, pieces: &[Piece], at: usize);
    /// A row, whose message is written at `at`.
    fn row(&mut self, row: u32, at: usize);
    /// A field of the request itself.
    fn rest(&mut self, piece: Piece, at: usize);
}

impl Placed for () {
    fn resource(&mut self, _: &[Piece], _: usize) {}
    fn scope(&mut self, _: &[Piece], _: usize) {}
    fn row(&mut self, _: u32, _: usize) {}
    fn rest(&mut self, _: Piece, _: usize) {}
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
const fn field_len(length: u64) -> u64 {
    1 + varint_len(length) as u64 + length
}

fn total(pieces: &[Piece]) -> u64 {
    pieces.iter().map(|piece| u64::from(piece.length)).sum()
}

impl Layout {
    /// Measures a part.
    pub(super) fn of(part: &Part) -> Self {
        let index = part.request.index();
        let mut layout = Self { resources: Vec::new(), scopes: Vec::new(), length: total(&index.rest) };
        let (lengths, scopes) = (&*index.items.length, &*index.items.scope);
        let mut open: Option<Group> = None;
        for row in part.rows() {
            let number = scopes[row as usize];
            let length = field_len(lengths[row as usize].into());
            match &mut open {
                Some(group) if group.number == number => {
                    group.length += length;
                    group.count += 1;
                }
                _ => {
                    let length = length + total(index.scope_pieces(number));
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
                let pieces = index.scope_pieces(scope.number);
                placed.scope(pieces, out.len());
                pieces.iter().for_each(|piece| out.extend_from_slice(piece.of(body)));
                put_rows(out, index, body, rows.by_ref().take(scope.count as usize), placed);
            }
        }
    }
}

/// Appends rows of one scope. Rows that stand back to back in the body are copied together.
fn put_rows(out: &mut Vec<u8>, index: &Index, body: &[u8], rows: impl Iterator<Item = u32>, placed: &mut impl Placed) {
    let (offsets, lengths) = (&*index.items.offset, &*index.items.length);
    let mut run = 0..0;
    for row in rows {
        let (offset, length) = (offsets[row as usize] as usize, lengths[row as usize] as usize);
        // No more than a minimal header stands between them: then it is that header.
        if run.end + field_len(length as u64) as usize - length == offset && !run.is_empty() {
            placed.row(row, out.len() + offset - run.start);
            run.end = offset + length;
            continue;
        }
        out.extend_from_slice(&body[run]);
        put_header(out, 2, length as u64);
        placed.row(row, out.len());
        run = offset..offset + length;
    }
    out.extend_from_slice(&body[run]);
}

fn put_header(out: &mut Vec<u8>, number: u8, mut length: u64) {
    out.push(number << 3 | 2);
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}
