//! The index of a request: where every item, scope and resource is. The three signals share one
//! shape (`Resource* > Scope* > item`), so one index serves them all; spans have columns beside.

use arrow_buffer::ScalarBuffer;

use super::{Signal, SpanColumns};

/// A byte range of the request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Piece {
    /// First byte.
    pub offset: u32,
    /// Number of bytes.
    pub length: u32,
}

impl Piece {
    /// The bytes of this piece.
    ///
    /// # Panics
    /// When the piece is not of this body.
    pub fn of<'a>(&self, body: &'a [u8]) -> &'a [u8] {
        &body[self.offset as usize..][..self.length as usize]
    }

    /// The piece as seen from `base` bytes before.
    #[must_use]
    pub fn moved(self, base: usize) -> Self {
        Self { offset: self.offset + base as u32, ..self }
    }
}

/// Where each row's message is: its content, without tag and length. One entry a row.
#[derive(Clone, Debug, Default)]
pub struct Items {
    /// First byte of the message.
    pub offset: ScalarBuffer<u32>,
    /// Bytes of the message.
    pub length: ScalarBuffer<u32>,
    /// Row of [`Index::scopes`] that the item belongs to; never falls from row to row.
    pub scope: ScalarBuffer<u32>,
}

/// A `ScopeSpans`, `ScopeMetrics` or `ScopeLogs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopeEntry {
    /// Row of [`Index::resources`].
    pub resource: u32,
    /// First row of [`Index::pieces`] that belongs to this entry.
    pub piece_first: u32,
    /// How many pieces: every field but the items, tag and length included, as it came.
    pub piece_count: u32,
}

/// A `ResourceSpans`, `ResourceMetrics` or `ResourceLogs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceEntry {
    /// First row of [`Index::pieces`] that belongs to this entry.
    pub piece_first: u32,
    /// How many pieces: every field but the scopes, tag and length included, as it came.
    pub piece_count: u32,
}

/// Everything known about a request without reading it again.
#[derive(Clone, Debug)]
pub struct Index {
    /// What the request carries.
    pub signal: Signal,
    /// One entry a row.
    pub items: Items,
    /// In the order of the body.
    pub scopes: Vec<ScopeEntry>,
    /// In the order of the body.
    pub resources: Vec<ResourceEntry>,
    /// Byte ranges of whole fields, for scopes and resources.
    pub pieces: Vec<Piece>,
    /// Fields of the request message itself that are not resources (unknown ones).
    pub rest: Vec<Piece>,
    /// For traces: the columns, as many rows as `items`; absent in a request that waits.
    pub spans: Option<SpanColumns>,
    /// For metrics: data points of each row.
    pub points: Option<ScalarBuffer<u32>>,
    /// Items in the request: spans, data points or log records.
    pub item_count: u64,
}

impl Index {
    /// The index without columns; rows are shared, the small lists are copied.
    pub(super) fn clone_rows(&self) -> Self {
        Self {
            signal: self.signal,
            items: self.items.clone(),
            scopes: self.scopes.clone(),
            resources: self.resources.clone(),
            pieces: self.pieces.clone(),
            rest: self.rest.clone(),
            spans: None,
            points: self.points.clone(),
            item_count: self.item_count,
        }
    }

    /// Whether a traces request has its columns; other signals have none to lack.
    pub fn has_columns(&self) -> bool {
        self.spans.is_some() || self.signal != Signal::Traces
    }

    /// How many rows there are: spans, metrics or log records.
    pub fn rows(&self) -> u32 {
        self.items.offset.len() as u32
    }

    /// Items that a row stands for: its data points for a metric, else one.
    pub fn items_of(&self, row: u32) -> u64 {
        self.points.as_ref().map_or(1, |points| u64::from(points[row as usize]))
    }

    /// The row's message.
    pub fn item(&self, row: u32) -> Piece {
        Piece { offset: self.items.offset[row as usize], length: self.items.length[row as usize] }
    }

    /// The fields of a scope entry, items aside.
    pub fn scope_pieces(&self, scope: u32) -> &[Piece] {
        let entry = self.scopes[scope as usize];
        &self.pieces[entry.piece_first as usize..][..entry.piece_count as usize]
    }

    /// The fields of a resource entry, scopes aside.
    pub fn resource_pieces(&self, resource: u32) -> &[Piece] {
        let entry = self.resources[resource as usize];
        &self.pieces[entry.piece_first as usize..][..entry.piece_count as usize]
    }

    /// Heap bytes of the index.
    pub fn heap_bytes(&self) -> u64 {
        let lists = self.scopes.capacity() * size_of::<ScopeEntry>()
            + self.resources.capacity() * size_of::<ResourceEntry>()
            + (self.pieces.capacity() + self.rest.capacity()) * size_of::<Piece>();
        lists as u64 + self.row_bytes() + self.spans.as_ref().map_or(0, SpanColumns::heap_bytes)
    }

    /// Those of them that [`Index::clone_rows`] shares.
    pub(super) fn row_bytes(&self) -> u64 {
        let rows = self.items.offset.inner().capacity()
            + self.items.length.inner().capacity()
            + self.items.scope.inner().capacity()
            + self.points.as_ref().map_or(0, |points| points.inner().capacity());
        rows as u64
    }
}
