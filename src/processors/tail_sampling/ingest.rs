//! `sampling_strategy: span-ingest`: which traces a request brought spans of, and those spans as
//! policies are asked of them: by trace and resource, in the order of the request.

use std::ops::Range;

use super::trace::Summary;
use crate::model::{Index, SpanColumns, TraceId};

/// A run of rows of one trace.
#[derive(Clone)]
struct Touched {
    place: u32,
    id: TraceId,
    rows: Range<u32>,
}

/// The traces of a request, while it is taken in.
#[derive(Default)]
pub(super) struct Ingest {
    touched: Vec<Touched>,
}

/// The spans of one trace in one request, cut where the resource changes.
pub(super) struct Arrived<'a> {
    index: &'a Index,
    columns: &'a SpanColumns,
    runs: Vec<Range<u32>>,
    /// Runs that were told.
    told: usize,
    /// Spans of the trace so far.
    spans: u32,
}

impl Ingest {
    /// A run was added to the trace in a place.
    pub(super) fn touch(&mut self, place: u32, id: TraceId, rows: Range<u32>) {
        self.touched.push(Touched { place, id, rows });
    }

    /// Puts the runs of each trace side by side; before [`Ingest::next`].
    pub(super) fn sort(&mut self) {
        self.touched.sort_by_key(|touched| std::cmp::Reverse((touched.place, touched.id, touched.rows.start)));
    }

    /// The next trace: its place, id and rows; each once.
    pub(super) fn next(&mut self) -> Option<(u32, TraceId, Vec<Range<u32>>)> {
        let Touched { place, id, .. } = *self.touched.last()?;
        let mut runs = Vec::new();
        while let Some(touched) = self.touched.pop_if(|touched| (touched.place, touched.id) == (place, id)) {
            runs.push(touched.rows);
        }
        Some((place, id, runs))
    }
}

impl<'a> Arrived<'a> {
    /// The spans in `rows`, of a trace that had `spans` before them.
    pub(super) fn new(index: &'a Index, columns: &'a SpanColumns, rows: &[Range<u32>], spans: u32) -> Self {
        let resource = |row: u32| index.scopes[index.items.scope[row as usize] as usize].resource;
        let mut runs: Vec<Range<u32>> = Vec::new();
        for row in rows.iter().cloned().flatten() {
            match runs.last_mut() {
                Some(run) if run.end == row && resource(run.start) == resource(row) => run.end += 1,
                _ => runs.push(row..row + 1),
            }
        }
        Self { index, columns, runs, told: 0, spans }
    }

    /// The rows of the next resource, and what is to be known of them. The count of spans is that
    /// of the whole trace so far, as in the Collector.
    pub(super) fn next(&mut self) -> Option<(&[Range<u32>], Summary)> {
        let resource =
            |run: &Range<u32>| self.index.scopes[self.index.items.scope[run.start as usize] as usize].resource;
        let rest = &self.runs[self.told..];
        let first = resource(rest.first()?);
        let runs = &rest[..rest.iter().take_while(|run| resource(run) == first).count()];
        let mut summary = Summary::default();
        for run in runs {
            summary.add(self.columns, &self.index.items.length, run.clone());
        }
        self.told += runs.len();
        self.spans = self.spans.saturating_add(summary.spans);
        summary.spans = self.spans;
        Some((runs, summary))
    }
}
