//! The batch: what every seam of the pipeline passes on. Selecting, splitting and merging copy
//! row numbers, never spans.

use std::sync::Arc;

use super::{ClientMetadata, Request, Signal};

/// Which rows of a request are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Every row.
    All,
    /// Rows `start..end`.
    Range {
        /// First row.
        start: u32,
        /// One past the last row.
        end: u32,
    },
    /// These rows, in rising order, none twice.
    List(Arc<[u32]>),
}

/// Selected rows of one shared request.
#[derive(Clone, Debug)]
pub struct Part {
    /// The request, alive as long as its last part.
    pub request: Arc<Request>,
    /// The rows of it that are in the batch.
    pub rows: Rows,
}

/// Telemetry of one signal on its way: zero or more parts, and what the client said beside them.
#[derive(Clone, Debug)]
pub struct Batch {
    signal: Signal,
    parts: Vec<Part>,
    metadata: Option<Arc<ClientMetadata>>,
}

impl Rows {
    /// Number of selected rows of a request that has `total`.
    pub fn len(&self, total: u32) -> u32 {
        match self {
            Self::All => total,
            Self::Range { start, end } => end - start,
            Self::List(rows) => rows.len() as u32,
        }
    }

    /// The selected rows of a request that has `total`, rising.
    pub fn iter(&self, total: u32) -> RowsIter<'_> {
        match self {
            Self::All => RowsIter::Range(0..total),
            Self::Range { start, end } => RowsIter::Range(*start..*end),
            Self::List(rows) => RowsIter::List(rows.iter()),
        }
    }

    /// Rows from a rising list, as a range where they are one.
    pub fn from_sorted(rows: &[u32]) -> Self {
        match (rows.first(), rows.last()) {
            (Some(&first), Some(&last)) if (last - first) as usize + 1 == rows.len() => {
                Self::Range { start: first, end: last + 1 }
            }
            (None, _) => Self::Range { start: 0, end: 0 },
            _ => Self::List(rows.into()),
        }
    }
}

/// Iterator over selected rows.
#[derive(Clone, Debug)]
pub enum RowsIter<'a> {
    /// A run of rows.
    Range(std::ops::Range<u32>),
    /// Listed rows.
    List(std::slice::Iter<'a, u32>),
}

impl Iterator for RowsIter<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        match self {
            Self::Range(range) => range.next(),
            Self::List(rows) => rows.next().copied(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Range(range) => range.size_hint(),
            Self::List(rows) => rows.size_hint(),
        }
    }
}

impl ExactSizeIterator for RowsIter<'_> {}

impl Part {
    /// Every row of a request.
    pub fn all(request: Arc<Request>) -> Self {
        Self { request, rows: Rows::All }
    }

    /// The selected rows, rising.
    pub fn rows(&self) -> RowsIter<'_> {
        self.rows.iter(self.request.index().rows())
    }

    /// Number of selected rows.
    pub fn row_count(&self) -> u32 {
        self.rows.len(self.request.index().rows())
    }

    /// Items in the selected rows: spans, data points or log records.
    pub fn item_count(&self) -> u64 {
        let index = self.request.index();
        match (&self.rows, &index.points) {
            (Rows::All, _) => index.item_count,
            (_, None) => u64::from(self.row_count()),
            (_, Some(_)) => self.rows().map(|row| index.items_of(row)).sum(),
        }
    }

    /// Whether the whole request is selected.
    pub fn is_whole(&self) -> bool {
        self.row_count() == self.request.index().rows()
    }

    /// Bytes of the selected messages; for a whole request, of its body.
    pub fn selected_bytes(&self) -> u64 {
        if self.is_whole() {
            return self.request.body().len() as u64;
        }
        self.rows().map(|row| u64::from(self.request.index().items.length[row as usize])).sum()
    }
}

impl Batch {
    /// An empty batch.
    pub fn new(signal: Signal) -> Self {
        Self { signal, parts: Vec::new(), metadata: None }
    }

    /// A batch of one whole request.
    pub fn from_request(request: Arc<Request>) -> Self {
        Self { signal: request.signal(), parts: vec![Part::all(request)], metadata: None }
    }

    /// The batch with what the client said beside it.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Option<Arc<ClientMetadata>>) -> Self {
        self.metadata = metadata;
        self
    }

    /// What the batch carries.
    pub fn signal(&self) -> Signal {
        self.signal
    }

    /// The parts, in order of arrival.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The parts, given away.
    pub fn into_parts(self) -> Vec<Part> {
        self.parts
    }

    /// What the client said beside its data, where a receiver kept it.
    pub fn metadata(&self) -> Option<&Arc<ClientMetadata>> {
        self.metadata.as_ref()
    }

    /// Adds a part; a part without rows is left out.
    pub fn push(&mut self, part: Part) {
        debug_assert_eq!(part.request.signal(), self.signal, "one batch carries one signal");
        if part.row_count() > 0 {
            self.parts.push(part);
        }
    }

    /// Adds every part of `other`; its metadata is not taken over.
    pub fn append(&mut self, other: Self) {
        other.parts.into_iter().for_each(|part| self.push(part));
    }

    /// Items: spans, data points or log records.
    pub fn item_count(&self) -> u64 {
        self.parts.iter().map(Part::item_count).sum()
    }

    /// Whether no row is selected.
    pub fn is_empty(&self) -> bool {
        self.parts.iter().all(|part| part.row_count() == 0)
    }

    /// Bytes of the selected messages.
    pub fn selected_bytes(&self) -> u64 {
        self.parts.iter().map(Part::selected_bytes).sum()
    }

    /// Bytes that the batch keeps alive. A request that is in two parts counts twice.
    pub fn held_bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.request.held_bytes()).sum()
    }

    /// Takes rows from the front until `items` are reached; the rest stays. A metric is not cut,
    /// so the taken half may hold up to one metric's data points more.
    #[must_use]
    pub fn split_off_front(&mut self, items: u64) -> Self {
        let mut front = Self { signal: self.signal, parts: Vec::new(), metadata: self.metadata.clone() };
        let mut left = items;
        let mut parts = std::mem::take(&mut self.parts).into_iter();
        for part in parts.by_ref() {
            let count = part.item_count();
            if count <= left {
                left -= count;
                front.parts.push(part);
                if left == 0 {
                    break;
                }
                continue;
            }
            let rows: Vec<u32> = part.rows().collect();
            let index = part.request.index();
            let mut taken = 0;
            while left > 0 && taken < rows.len() {
                left = left.saturating_sub(index.items_of(rows[taken]));
                taken += 1;
            }
            let (first, second) = rows.split_at(taken);
            front.push(Part { request: part.request.clone(), rows: Rows::from_sorted(first) });
            self.push(Part { request: part.request.clone(), rows: Rows::from_sorted(second) });
            break;
        }
        self.parts.extend(parts);
        front
    }
}
