//! Writing a batch: whole requests go out as they came; selected rows are copied under re-framed
//! resource and scope headers. A span's bytes are never changed.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::{Limits, scan};
use crate::model::{Batch, Index, Part, varint_len};

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
        } else {
            encoded.push(reframe(part));
        }
    }
    encoded
}

/// Copies the selected rows out into a request of their own, so that the large ones can go. The
/// result has one part and the same metadata.
pub fn compact(batch: Batch) -> Batch {
    let Some(first) = batch.parts().first() else { return batch };
    let account = first.request.account().clone();
    let limits = Limits {
        items_max: u32::MAX,
        groups_max: u32::MAX,
        attributes_max: u32::MAX,
        events_max: u32::MAX,
        links_max: u32::MAX,
    };
    match scan(batch.signal(), encode(&batch).into_bytes(), &limits, &account) {
        Ok(request) => Batch::from_request(Arc::clone(&request)).with_metadata(batch.metadata().cloned()),
        Err(_) => batch,
    }
}

fn reframe(part: &Part) -> Bytes {
    let (index, body) = (part.request.index(), part.request.body());
    let rows: Vec<u32> = part.rows().collect();
    let mut out = BytesMut::new();
    let same = |left: u32, right: u32, of: &dyn Fn(u32) -> u32| of(left) == of(right);
    let scope_of = |row: u32| index.items.scope[row as usize];
    let resource_of = |row: u32| index.scopes[scope_of(row) as usize].resource;
    for resource_rows in rows.chunk_by(|left, right| same(*left, *right, &resource_of)) {
        let mut resource = BytesMut::new();
        for piece in index.resource_pieces(resource_of(resource_rows[0])) {
            resource.put_slice(piece.of(body));
        }
        for scope_rows in resource_rows.chunk_by(|left, right| same(*left, *right, &scope_of)) {
            let mut scope = BytesMut::new();
            for piece in index.scope_pieces(scope_of(scope_rows[0])) {
                scope.put_slice(piece.of(body));
            }
            scope_rows.iter().for_each(|row| put_message(&mut scope, 2, index_item(index, *row, body)));
            put_message(&mut resource, 2, &scope);
        }
        put_message(&mut out, 1, &resource);
    }
    out.freeze()
}

fn index_item<'a>(index: &Index, row: u32, body: &'a [u8]) -> &'a [u8] {
    index.item(row).of(body)
}

fn put_message(out: &mut BytesMut, number: u8, message: &[u8]) {
    out.reserve(1 + varint_len(message.len() as u64) + message.len());
    out.put_u8(number << 3 | 2);
    let mut left = message.len() as u64;
    while left >= 0x80 {
        out.put_u8(left as u8 | 0x80);
        left >>= 7;
    }
    out.put_u8(left as u8);
    out.put_slice(message);
}
