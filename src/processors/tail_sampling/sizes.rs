//! OTLP sizes of traces, for `maximum_trace_size_bytes`: what the spans that a request brings
//! would take if their trace were sent alone, resource and scope headers included.

use std::ops::Range;

use super::trace::Run;
use crate::model::{Index, Piece, TraceId, varint_len};

/// The runs that a request brought, until their sizes are asked for.
pub(super) struct Sizes {
    /// 0: nothing is counted.
    max: u32,
    touched: Vec<(u32, TraceId, Run)>,
    is_sorted: bool,
}

impl Sizes {
    /// Counts sizes up to `max` bytes; nothing for 0.
    pub(super) fn new(max: u64) -> Self {
        Self { max: u32::try_from(max).unwrap_or(u32::MAX), touched: Vec::new(), is_sorted: false }
    }

    /// Largest size that a trace may have.
    pub(super) fn max(&self) -> u32 {
        self.max
    }

    /// A run was added to the trace in a place.
    pub(super) fn touch(&mut self, place: u32, id: TraceId, run: Run) {
        if self.max > 0 {
            self.touched.push((place, id, run));
            self.is_sorted = false;
        }
    }

    /// A trace that a request made larger, its id, and by how many bytes; each once. Rows before
    /// the one that `first_row` tells for a place were of the same trace, and went with it when it
    /// was evicted within the request.
    pub(super) fn next_grown(&mut self, index: &Index, first_row: impl Fn(u32) -> u32) -> Option<(u32, TraceId, u32)> {
        if !self.is_sorted {
            self.touched.sort_by_key(|(place, id, run)| std::cmp::Reverse((*place, *id, run.start)));
            self.is_sorted = true;
        }
        let &(place, id, _) = self.touched.last()?;
        let (mut growth, first) = (Growth::new(index), first_row(place));
        while let Some((_, _, run)) = self.touched.pop_if(|touched| (touched.0, touched.1) == (place, id)) {
            (run.start.max(first)..run.end).for_each(|row| growth.add(row));
        }
        Some((place, id, u32::try_from(growth.finish()).unwrap_or(u32::MAX)))
    }
}

/// OTLP size of a trace whose rows are told request by request, each rising.
pub(super) fn bytes_alone<'a>(parts: impl Iterator<Item = (&'a Index, Range<u32>)>) -> u64 {
    let (mut bytes, mut current): (u64, Option<Growth<'a>>) = (0, None);
    for (index, rows) in parts {
        if !current.as_ref().is_some_and(|growth| std::ptr::eq(growth.index, index)) {
            bytes += current.replace(Growth::new(index)).map_or(0, Growth::finish);
        }
        if let Some(growth) = &mut current {
            rows.for_each(|row| growth.add(row));
        }
    }
    bytes + current.map_or(0, Growth::finish)
}

/// Adds up rising rows of one trace in one request.
struct Growth<'a> {
    index: &'a Index,
    scope: Option<u32>,
    resource: Option<u32>,
    scope_bytes: u64,
    resource_bytes: u64,
    bytes: u64,
}

impl<'a> Growth<'a> {
    fn new(index: &'a Index) -> Self {
        Self { index, scope: None, resource: None, scope_bytes: 0, resource_bytes: 0, bytes: 0 }
    }

    fn add(&mut self, row: u32) {
        let scope = self.index.items.scope[row as usize];
        if self.scope != Some(scope) {
            self.end_scope();
            let resource = self.index.scopes[scope as usize].resource;
            if self.resource != Some(resource) {
                self.end_resource();
                self.resource = Some(resource);
                self.resource_bytes = total(self.index.resource_pieces(resource));
            }
            self.scope = Some(scope);
            self.scope_bytes = total(self.index.scope_pieces(scope));
        }
        self.scope_bytes += framed(u64::from(self.index.items.length[row as usize]));
    }

    fn end_scope(&mut self) {
        if self.scope.take().is_some() {
            self.resource_bytes += framed(self.scope_bytes);
        }
    }

    fn end_resource(&mut self) {
        if self.resource.take().is_some() {
            self.bytes += framed(self.resource_bytes);
        }
    }

    fn finish(mut self) -> u64 {
        self.end_scope();
        self.end_resource();
        self.bytes
    }
}

fn total(pieces: &[Piece]) -> u64 {
    pieces.iter().map(|piece| u64::from(piece.length)).sum()
}

/// A message with its tag and length.
fn framed(length: u64) -> u64 {
    1 + varint_len(length) as u64 + length
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use prost::Message;

    use super::*;
    use crate::model::{MemoryAccount, Signal};
    use crate::wire::{Limits, scan};

    fn span(trace: u8, length: usize) -> Span {
        Span { trace_id: vec![trace; 16], name: "n".repeat(length), ..Span::default() }
    }

    fn scope(name: &str, spans: Vec<Span>) -> ScopeSpans {
        let scope = InstrumentationScope { name: name.to_owned(), ..InstrumentationScope::default() };
        ScopeSpans { scope: Some(scope), spans, schema_url: "u".repeat(130) }
    }

    /// Spans of trace 1 and 2 under two resources, the first with two scopes.
    fn message(keep: impl Fn(u8) -> bool) -> ExportTraceServiceRequest {
        let filter = |spans: Vec<(u8, usize)>| {
            let kept = spans.into_iter().filter(|(trace, _)| keep(*trace));
            kept.map(|(trace, length)| span(trace, length)).collect::<Vec<_>>()
        };
        let group = |scopes: Vec<ScopeSpans>| ResourceSpans {
            scope_spans: scopes.into_iter().filter(|scope| !scope.spans.is_empty()).collect(),
            schema_url: "s".to_owned(),
            ..ResourceSpans::default()
        };
        let groups = [
            group(vec![scope("a", filter(vec![(1, 5), (2, 9), (1, 200)])), scope("b", filter(vec![(1, 3)]))]),
            group(vec![scope("c", filter(vec![(2, 70), (2, 71), (1, 1)]))]),
        ];
        let groups = groups.into_iter().filter(|group| !group.scope_spans.is_empty());
        ExportTraceServiceRequest { resource_spans: groups.collect() }
    }

    #[test]
    fn a_trace_grows_by_what_its_spans_would_take_alone() {
        let body = Bytes::from(message(|_| true).encode_to_vec());
        let request = scan(Signal::Traces, body, &Limits::default(), &MemoryAccount::default()).unwrap();
        let mut sizes = Sizes::new(1_000_000);
        let rows = [1, 2, 1, 1, 2, 2, 1].into_iter().zip(0..);
        rows.for_each(|(trace, row)| {
            sizes.touch(trace.into(), TraceId([trace; 16]), Run { request: 0, start: row, end: row + 1 });
        });
        let grown: Vec<_> = std::iter::from_fn(|| sizes.next_grown(request.index(), |_| 0)).collect();
        let wanted = [1, 2].map(|trace| {
            let alone = message(|kept| kept == trace).encoded_len() as u32;
            (u32::from(trace), TraceId([trace; 16]), alone)
        });
        assert_eq!(grown, wanted);
        let parts = [0..1, 2..4, 6..7].map(|rows| (request.index(), rows));
        let alone = message(|kept| kept == 1).encoded_len() as u64;
        assert_eq!(bytes_alone(parts.into_iter()), alone, "runs of one request are one message");
    }

    #[test]
    fn rows_that_went_with_an_evicted_trace_do_not_count() {
        let body = Bytes::from(message(|_| true).encode_to_vec());
        let request = scan(Signal::Traces, body, &Limits::default(), &MemoryAccount::default()).unwrap();
        let mut sizes = Sizes::new(1_000_000);
        for row in [0, 2, 3, 6] {
            sizes.touch(1, TraceId([1; 16]), Run { request: 0, start: row, end: row + 1 });
        }
        let (_, _, bytes) = sizes.next_grown(request.index(), |_| 3).unwrap();
        let rest = bytes_alone([(request.index(), 3..4), (request.index(), 6..7)].into_iter());
        assert_eq!(u64::from(bytes), rest);
        assert!(sizes.next_grown(request.index(), |_| 0).is_none());
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let mut sizes = Sizes::new(0);
        sizes.touch(1, TraceId([1; 16]), Run { request: 0, start: 0, end: 1 });
        assert!(sizes.touched.is_empty());
    }
}
