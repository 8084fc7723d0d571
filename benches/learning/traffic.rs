//! Requests of 1,000 spans for the measure of learning: 40 trees of calls, 12 services, 8
//! attributes a span, times drawn anew for each trace, spans by service as a collector batches
//! them. Trace ids hold a marker that is overwritten for each use.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

pub(super) const SPANS_PER_REQUEST: usize = 1_000;
const SERVICES: usize = 12;
const SHAPES: usize = 40;
const TEMPLATES: usize = 12;
const START: u64 = 1_700_000_000_000_000_000;
const MARKER: &[u8] = b"\xfe\xed\xfa\xce";

/// What traces look like.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) spans_per_trace: usize,
    pub(super) operations: usize,
    pub(super) layout: Layout,
}

/// How the spans of a trace come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Side by side, of one service, as its SDK sends them.
    Together,
    /// Half of them side by side in one request, half in the next, each of one service.
    Halves,
    /// By service, as a collector batches them: mostly alone among spans of other traces.
    Scattered,
    /// The same in two requests.
    ScatteredHalves,
}

impl Layout {
    fn requests(self) -> usize {
        if matches!(self, Self::Halves | Self::ScatteredHalves) { 2 } else { 1 }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Together => "side by side in one request",
            Self::Halves => "side by side in two requests",
            Self::Scattered => "scattered over one request",
            Self::ScatteredHalves => "scattered over two requests",
        }
    }
}

/// Requests with free ids.
pub(super) struct Traffic {
    templates: Vec<(Vec<u8>, Vec<usize>)>,
    requests: u64,
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

impl Traffic {
    pub(super) fn new(kind: Kind) -> Self {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let shapes: Vec<Vec<(usize, usize)>> = (0..SHAPES).map(|_| shape(kind, &mut random)).collect();
        let mut templates = Vec::new();
        while templates.len() < TEMPLATES {
            let requests = kind.layout.requests();
            let traces = requests * SPANS_PER_REQUEST / kind.spans_per_trace;
            let mut spans: Vec<(usize, Span)> = (0..traces)
                .flat_map(|number| {
                    let shape = &shapes[random.below(SHAPES as u64) as usize];
                    let mut spans = trace(number, shape, &mut random);
                    settle(&mut spans, kind.layout);
                    spans
                })
                .collect();
            // By service, and within it trace by trace, spans as they end.
            spans.sort_by_key(|(service, span)| (*service, span.trace_id.clone(), span.end_time_unix_nano));
            let half = spans.len() / requests;
            for spans in spans.chunks(half) {
                let body = request(spans).encode_to_vec();
                let windows = body.windows(MARKER.len()).enumerate();
                let places = windows.filter(|(_, bytes)| *bytes == MARKER).map(|(place, _)| place + 8).collect();
                templates.push((body, places));
            }
        }
        Self { templates, requests: kind.layout.requests() as u64 }
    }

    /// A request with ids of its own; where traces are split, of its own and its twin's.
    pub(super) fn request(&self, number: u64) -> Bytes {
        let (template, places) = &self.templates[number as usize % self.templates.len()];
        let id = number / self.requests;
        let id = id.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        let mut body = template.clone();
        places.iter().for_each(|place| body[*place..*place + 8].copy_from_slice(&id));
        body.into()
    }

    pub(super) fn bytes_per_span(&self) -> usize {
        self.templates[0].0.len() / SPANS_PER_REQUEST
    }
}

/// Parent and operation of every span of a tree; the first is the root. A call goes to the
/// caller's own service more often than not.
fn shape(kind: Kind, random: &mut Random) -> Vec<(usize, usize)> {
    let operations = kind.operations as u64;
    let mut tree = vec![(0, random.below(operations) as usize)];
    for row in 1..kind.spans_per_trace {
        let parent = random.below(row.min(8) as u64) as usize + row.saturating_sub(8);
        let operation = random.below(operations) as usize;
        let home = tree[parent].1 % SERVICES;
        let operation = if random.below(3) > 0 { operation / SERVICES * SERVICES + home } else { operation };
        tree.push((parent, operation % kind.operations));
    }
    tree
}

/// Spans of a trace and their services: children follow each other within their parent, one in
/// ten beside the one before. One trace in a hundred fails, and one in 200 is slow.
fn trace(number: usize, shape: &[(usize, usize)], random: &mut Random) -> Vec<(usize, Span)> {
    let is_slow = random.below(200) == 0;
    let has_error = random.below(100) == 0;
    let mut id = [MARKER, &(number as u32).to_be_bytes(), &[0; 8]].concat();
    id.truncate(16);
    // Start, end, where the next child starts, span id.
    let mut known: Vec<(u64, u64, u64, u64)> = Vec::with_capacity(shape.len());
    let mut spans = Vec::with_capacity(shape.len());
    for (row, (parent, operation)) in shape.iter().enumerate() {
        let own = random.below(u64::MAX) | 1;
        let (start, end, above) = if row == 0 {
            let length = if is_slow { 600_000_000 } else { 50_000_000 + random.below(50_000_000) };
            (START, START + length, 0)
        } else {
            let (_, to, next, id) = known[*parent];
            // Calls take a part of what is left.
            let start = next.min(to);
            let length = (to - start) / 5 + random.below((to - start) / 2 + 1);
            let end = (start + length).min(to);
            known[*parent].2 = if random.below(10) == 0 { start + 1 } else { end + 1 };
            (start, end, id)
        };
        known.push((start, end, start + 1, own));
        let span = Span {
            trace_id: id.clone(),
            span_id: own.to_le_bytes().to_vec(),
            parent_span_id: if row == 0 { Vec::new() } else { above.to_le_bytes().to_vec() },
            flags: 0x101,
            name: format!("POST /api/v1/orders/{{id}}/items/{operation}"),
            kind: [2, 1, 1, 3, 3][operation % 5],
            start_time_unix_nano: start,
            end_time_unix_nano: end,
            attributes: attributes(),
            status: Some(Status { code: i32::from(has_error && row + 1 == shape.len()) * 2, ..Status::default() }),
            ..Span::default()
        };
        spans.push((operation % SERVICES, span));
    }
    spans
}

/// Gives the spans of a trace to other services, where few take part in it.
fn settle(spans: &mut [(usize, Span)], layout: Layout) {
    let (home, half) = (spans[0].0, spans.len() / 2);
    for (place, (service, _)) in spans.iter_mut().enumerate() {
        match layout {
            Layout::Together => *service = home,
            Layout::Halves => *service = home / 2 + if place < half { 0 } else { SERVICES / 2 },
            Layout::Scattered | Layout::ScatteredHalves => {}
        }
    }
}

fn attributes() -> Vec<KeyValue> {
    let attribute = |key: &str, value| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    };
    let text = |key, value: &str| attribute(key, Value::StringValue(value.to_owned()));
    vec![
        text("http.request.method", "GET"),
        text("url.path", "/api/v1/orders/12345678"),
        text("server.address", "orders.shop.internal"),
        attribute("http.response.status_code", Value::IntValue(200)),
        text("network.protocol.version", "1.1"),
        text("user_agent.original", "okhttp/4.12.0 (linux)"),
        attribute("server.port", Value::IntValue(8_443)),
        text("k8s.pod.name", "orders-7d9f8b6c5d-x2x7k"),
    ]
}

fn request(spans: &[(usize, Span)]) -> ExportTraceServiceRequest {
    let resource_spans = spans
        .chunk_by(|left, right| left.0 == right.0)
        .map(|spans| {
            let name = Value::StringValue(format!("service-{}", spans[0].0));
            let name = KeyValue {
                key: "service.name".to_owned(),
                value: Some(AnyValue { value: Some(name) }),
                ..KeyValue::default()
            };
            let spans = spans.iter().map(|(_, span)| span.clone()).collect();
            ResourceSpans {
                resource: Some(Resource { attributes: vec![name], ..Resource::default() }),
                scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
                ..ResourceSpans::default()
            }
        })
        .collect();
    ExportTraceServiceRequest { resource_spans }
}
