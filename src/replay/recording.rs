//! Recorded requests in the order in which they will arrive, and facts about each trace that
//! every run and every report needs.
//!
//! A request arrives when its last span has ended. One whose spans end far apart is no request
//! that ever was on a wire, but a collection: its traces arrive one by one.

use std::sync::Arc;

use hashbrown::HashMap;

use super::ReplayError;
use crate::model::{Batch, Part, Request, Rows, Signal, SpanColumns, SpanView, TraceId, UnixNanos};
use crate::wire;

/// A request whose spans end further apart is taken for a collection of traces. SDKs and batch
/// processors send within seconds.
const APART_MAX: u64 = 10_000_000_000;
/// `Status.code` of an error.
const ERROR: u8 = 2;

/// A request and when it comes.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Wall time: the latest end of its spans.
    pub at: UnixNanos,
    /// The request.
    pub request: Arc<Request>,
}

/// What the spans of a trace say, whatever a sampler makes of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Its id.
    pub id: TraceId,
    /// Spans, those that came twice counted twice.
    pub spans: u32,
    /// Bytes of their messages.
    pub bytes: u64,
    /// Whether some span has status `ERROR`.
    pub has_error: bool,
    /// Earliest start.
    pub start: UnixNanos,
    /// Latest end.
    pub end: UnixNanos,
    /// The root: of the spans without a parent the one that starts first.
    pub root: Option<Root>,
}

/// The root of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    /// Its start.
    pub start: UnixNanos,
    /// Its length in nanoseconds; 0 for one that ends before it starts.
    pub duration_nanos: u64,
    /// Place in [`Recording::operations`].
    pub operation: u32,
}

impl Trace {
    /// How long it took, in nanoseconds: its root, or from the first start to the last end when
    /// the root is not there.
    pub fn duration_nanos(&self) -> u64 {
        self.root.map_or(self.end.0.saturating_sub(self.start.0), |root| root.duration_nanos)
    }
}

/// Everything that was read.
#[derive(Debug, Default)]
pub struct Recording {
    /// In order of time; equal ones in the order in which they were read.
    pub arrivals: Vec<Arrival>,
    /// In the order of their first arrival.
    pub traces: Vec<Trace>,
    /// Service and name of root spans.
    pub operations: Vec<(String, String)>,
    /// All spans.
    pub spans: u64,
    /// Bytes of all spans' messages.
    pub bytes: u64,
    /// Files that were read.
    pub files: usize,
    /// Records that were left out because they are broken.
    pub invalid: u64,
    /// The first of them, in words.
    pub invalid_named: Vec<String>,
    /// Spans that were left out because they stood in a table twice.
    pub duplicates: u64,
    places: HashMap<TraceId, u32, rapidhash::fast::RandomState>,
    operation_places: HashMap<Vec<u8>, u32, rapidhash::fast::RandomState>,
    key: Vec<u8>,
}

impl Recording {
    /// Orders requests by time.
    ///
    /// # Errors
    /// When there is no span.
    pub fn of(requests: Vec<Arc<Request>>) -> Result<Self, ReplayError> {
        let mut recording = Self { arrivals: Vec::with_capacity(requests.len()), ..Self::default() };
        for request in requests {
            recording.arrive(request);
        }
        recording.arrivals.sort_by_key(|arrival| arrival.at);
        for place in 0..recording.arrivals.len() {
            let request = recording.arrivals[place].request.clone();
            recording.learn(&request);
        }
        if recording.spans == 0 { Err(ReplayError::Empty) } else { Ok(recording) }
    }

    /// Where a trace stands in [`Recording::traces`].
    pub fn place(&self, id: TraceId) -> Option<usize> {
        self.places.get(&id).map(|place| *place as usize)
    }

    /// From the first arrival to the last, in seconds.
    pub fn seconds(&self) -> f64 {
        match (self.arrivals.first(), self.arrivals.last()) {
            (Some(first), Some(last)) => (last.at.0 - first.at.0) as f64 / 1e9,
            _ => 0.0,
        }
    }

    fn arrive(&mut self, request: Arc<Request>) {
        let Some(columns) = &request.index().spans else { return };
        let ends = columns.end.iter().copied();
        let (Some(first), Some(last)) = (ends.clone().min(), ends.max()) else { return };
        let is_one_trace = columns.trace_id.iter().all(|id| *id == columns.trace_id[0]);
        if last - first <= APART_MAX || is_one_trace {
            return self.arrivals.push(Arrival { at: UnixNanos(last), request });
        }
        for rows in rows_by_trace(columns) {
            let at = rows.iter().map(|row| columns.end[*row as usize]).max().unwrap_or(last);
            let mut batch = Batch::new(Signal::Traces);
            batch.push(Part { request: request.clone(), rows: Rows::from_sorted(&rows) });
            let parts = wire::compact(batch).into_parts();
            self.arrivals.extend(parts.into_iter().map(|part| Arrival { at: UnixNanos(at), request: part.request }));
        }
    }

    /// Adds what a request says of its traces.
    fn learn(&mut self, request: &Request) {
        let index = request.index();
        let Some(columns) = &index.spans else { return };
        let mut row = 0;
        while row < columns.len() {
            let id = columns.trace_id[row];
            let run = columns.trace_id[row..].iter().take_while(|other| **other == id).count();
            let place = self.trace_place(columns.trace_id(row as u32));
            for row in row..row + run {
                let length = u64::from(index.items.length[row]);
                self.bytes += length;
                let (start, end) = (columns.start[row], columns.end[row]);
                let trace = &mut self.traces[place];
                trace.spans += 1;
                trace.bytes += length;
                trace.has_error |= columns.status_code[row] == ERROR;
                trace.start = trace.start.min(UnixNanos(start));
                trace.end = trace.end.max(UnixNanos(end));
                let is_root = columns.parent_span_id[row] == 0;
                if is_root && trace.root.is_none_or(|root| start < root.start.0) {
                    let operation = self.operation_place(request, row as u32);
                    let duration_nanos = end.saturating_sub(start);
                    self.traces[place].root = Some(Root { start: UnixNanos(start), duration_nanos, operation });
                }
            }
            self.spans += run as u64;
            row += run;
        }
    }

    fn trace_place(&mut self, id: TraceId) -> usize {
        let traces = &mut self.traces;
        let place = *self.places.entry(id).or_insert_with(|| {
            traces.push(Trace { id, start: UnixNanos(u64::MAX), ..Trace::default() });
            traces.len() as u32 - 1
        });
        place as usize
    }

    fn operation_place(&mut self, request: &Request, row: u32) -> u32 {
        let Some(span) = SpanView::new(request, row) else { return 0 };
        let service = span.resource().attributes().find_key("service.name").and_then(|value| value.as_text());
        let (service, name) = (service.unwrap_or_default(), span.name());
        self.key.clear();
        self.key.extend_from_slice(service.as_bytes());
        self.key.push(0);
        self.key.extend_from_slice(name.as_bytes());
        if let Some(place) = self.operation_places.get(&self.key) {
            return *place;
        }
        let place = self.operations.len() as u32;
        self.operations.push((service.into_owned(), name.into_owned()));
        self.operation_places.insert(self.key.clone(), place);
        place
    }
}

/// Rows of each trace, rising; traces in the order of their first rows.
fn rows_by_trace(columns: &SpanColumns) -> Vec<Vec<u32>> {
    let mut places = HashMap::<i128, usize, rapidhash::fast::RandomState>::default();
    let mut rows: Vec<Vec<u32>> = Vec::new();
    for (row, id) in columns.trace_id.iter().enumerate() {
        let place = *places.entry(*id).or_insert_with(|| {
            rows.push(Vec::new());
            rows.len() - 1
        });
        rows[place].push(row as u32);
    }
    rows
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
    use prost::Message;

    use super::*;
    use crate::model::MemoryAccount;
    use crate::wire::Limits;

    const SECOND: u64 = 1_000_000_000;

    /// Trace, parent, start, end and status code of spans of a shop.
    fn request(spans: &[(u8, u8, u64, u64, i32)]) -> Arc<Request> {
        let spans = spans.iter().map(|(trace, parent, start, end, code)| Span {
            trace_id: vec![*trace; 16],
            span_id: vec![7; 8],
            parent_span_id: if *parent == 0 { Vec::new() } else { vec![*parent; 8] },
            name: format!("op-{parent}"),
            start_time_unix_nano: *start,
            end_time_unix_nano: *end,
            status: Some(Status { code: *code, ..Status::default() }),
            ..Span::default()
        });
        let value = Some(AnyValue { value: Some(Value::StringValue("shop".to_owned())) });
        let attributes = vec![KeyValue { key: "service.name".to_owned(), value, ..KeyValue::default() }];
        let resource_spans = vec![ResourceSpans {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_spans: vec![ScopeSpans { spans: spans.collect(), ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        }];
        let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        wire::scan(Signal::Traces, body.into(), &Limits::default(), &MemoryAccount::default()).unwrap()
    }

    #[test]
    fn requests_arrive_when_their_last_span_has_ended() {
        let late = request(&[(1, 0, 5, 90, 0)]);
        let early = request(&[(2, 0, 1, 20, 0), (3, 0, 1, 80, 0)]);
        let recording = Recording::of(vec![late, early]).unwrap();
        let times: Vec<u64> = recording.arrivals.iter().map(|arrival| arrival.at.0).collect();
        assert_eq!(times, [80, 90]);
        let ids: Vec<u8> = recording.traces.iter().map(|trace| trace.id.0[0]).collect();
        assert_eq!((ids, recording.place(TraceId([1; 16]))), (vec![2, 3, 1], Some(2)));
    }

    #[test]
    fn a_collection_is_taken_apart_by_traces() {
        let spans = [(1, 0, 0, SECOND, 0), (2, 0, 0, 40 * SECOND, 0), (1, 3, 0, 2 * SECOND, 2)];
        let recording = Recording::of(vec![request(&spans)]).unwrap();
        let found: Vec<_> =
            recording.arrivals.iter().map(|arrival| (arrival.at.0 / SECOND, arrival.request.index().rows())).collect();
        assert_eq!(found, [(2, 2), (40, 1)]);
        assert_eq!((recording.spans, recording.traces.len()), (3, 2));
        let one_long_trace = [(1, 0, 0, SECOND, 0), (1, 3, 0, 99 * SECOND, 0)];
        assert_eq!(Recording::of(vec![request(&one_long_trace)]).unwrap().arrivals.len(), 1);
    }

    #[test]
    fn facts_of_a_trace_come_from_all_its_requests() {
        let first = request(&[(1, 3, 50, 60, 0), (1, 0, 20, 70, 0)]);
        let second = request(&[(1, 0, 10, 5, 1), (1, 4, 30, 95, 2)]);
        let bytes: u64 = [&first, &second]
            .iter()
            .flat_map(|request| request.index().items.length.iter())
            .map(|length| u64::from(*length))
            .sum();
        let recording = Recording::of(vec![first, second]).unwrap();
        let trace = &recording.traces[0];
        assert_eq!((trace.spans, trace.bytes, trace.has_error), (4, bytes, true));
        assert_eq!((trace.start.0, trace.end.0), (10, 95));
        assert_eq!(trace.root, Some(Root { start: UnixNanos(10), duration_nanos: 0, operation: 0 }));
        assert_eq!(recording.operations, [("shop".to_owned(), "op-0".to_owned())]);
        let rootless = Recording::of(vec![request(&[(9, 1, 10, 30, 0)])]).unwrap();
        assert_eq!((rootless.traces[0].root, rootless.traces[0].duration_nanos()), (None, 20));
        assert!(matches!(Recording::of(Vec::new()), Err(ReplayError::Empty)));
    }
}
