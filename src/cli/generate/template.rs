//! A request of `Export…` made once, whose ids, times and statuses are written over for each
//! send: a fresh request costs a few stores a span, not an encoding. Knows no sockets.

use super::Identity;
use crate::model::put_varint;

/// What a generated request looks like.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Spans of one request; of the two requests of a pair together twice as many.
    pub spans_per_request: u32,
    /// Spans of one trace.
    pub spans_per_trace: u32,
    /// Services that a trace passes through; each is one `ResourceSpans` of the request.
    pub services: u32,
    /// Attributes of a span; eight make about 400 bytes.
    pub attributes: u32,
    /// Share of traces that have one span with status ERROR.
    pub error_share: f64,
    /// Share of traces that take 600 ms and more, where others take 5 to 133 ms.
    pub anomaly_share: f64,
    /// Whether the spans of a trace come in two requests, one after the other.
    pub split: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            spans_per_request: 1000,
            spans_per_trace: 10,
            services: 5,
            attributes: 8,
            error_share: 0.01,
            anomaly_share: 0.02,
            split: false,
        }
    }
}

/// A request body with the places to write over.
#[derive(Debug)]
pub struct Template {
    body: Vec<u8>,
    marks: Vec<Mark>,
    traces: u32,
    spans_per_trace: u32,
    error_below: u64,
    anomaly_below: u64,
}

/// Where one span's fields are, as offsets into the body.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// The 16 bytes of the trace id; the span id's are 18 bytes on, the parent's 28.
    ids: u32,
    /// The 8 bytes of the start; the end's are 9 bytes on.
    times: u32,
    /// The byte of the status code.
    status: u32,
    /// Which trace of the request, and which span of the trace; span 0 is the root.
    trace: u32,
    position: u32,
    /// How far the span is inside of its root at both ends, in 1024ths of the root's duration.
    inset: u32,
}

/// What the spans of one trace have in common.
struct TraceFacts {
    id: [u64; 2],
    duration_ns: u64,
    error_at: u32,
}

const MILLISECOND: u64 = 1_000_000;

impl Template {
    /// One template, or with `split` the two halves of a pair. Both have the same traces.
    pub fn build(shape: &Shape) -> Vec<Self> {
        let spans = shape.spans_per_trace.max(1);
        let half = spans.div_ceil(2);
        let whole = std::iter::once(0..spans).collect::<Vec<_>>();
        let halves = if shape.split && spans > 1 { [0..half, half..spans].to_vec() } else { whole };
        let traces = (shape.spans_per_request.max(1)).div_ceil(halves[0].len() as u32);
        halves.into_iter().map(|positions| Self::encode(shape, traces, positions)).collect()
    }

    fn encode(shape: &Shape, traces: u32, positions: std::ops::Range<u32>) -> Self {
        let mut template = Self {
            body: Vec::new(),
            marks: Vec::new(),
            traces,
            spans_per_trace: shape.spans_per_trace.max(1),
            error_below: threshold(shape.error_share),
            anomaly_below: threshold(shape.anomaly_share),
        };
        // With whole traces a request has exactly the spans that were asked for: the last trace
        // is cut short. The halves of a pair hold whole halves.
        let limit = if shape.split { u32::MAX } else { shape.spans_per_request.max(1) };
        let services = shape.services.max(1);
        for service in 0..services {
            let mut spans = Spans { shape, template: &mut template, bytes: Vec::new(), base: 0 };
            for trace in 0..traces {
                for position in positions.clone().filter(|position| position % services == service) {
                    if trace * spans.shape.spans_per_trace.max(1) + position < limit || shape.split {
                        spans.push(trace, position);
                    }
                }
            }
            spans.finish(service);
        }
        template
    }

    /// The body with all ids and times at zero; a buffer to `fill` starts as its copy.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Spans of the request.
    pub fn spans(&self) -> u64 {
        self.marks.len() as u64
    }

    /// Running numbers that one request, or one pair, takes.
    pub fn sequence_stride(&self) -> u64 {
        u64::from(self.traces) * u64::from(self.spans_per_trace)
    }

    /// Running numbers of the spans of request `number` (of pair `number`).
    pub fn sequences(&self, number: u64) -> impl Iterator<Item = u64> + '_ {
        let base = number * self.sequence_stride();
        self.marks.iter().map(move |mark| base + self.sequence_in_request(mark))
    }

    fn sequence_in_request(&self, mark: &Mark) -> u64 {
        u64::from(mark.trace) * u64::from(self.spans_per_trace) + u64::from(mark.position)
    }

    /// Writes the ids, times and statuses of request `number` over those in `body`, which must
    /// be a copy of [`Template::body`] that may have been filled before.
    pub fn fill(&self, body: &mut [u8], number: u64, identity: Identity, now_ns: u64) {
        let first_trace = number * u64::from(self.traces);
        let facts: Vec<TraceFacts> =
            (0..u64::from(self.traces)).map(|trace| self.facts(first_trace + trace, identity)).collect();
        let base = number * self.sequence_stride();
        for mark in &self.marks {
            let trace = &facts[mark.trace as usize];
            let at = mark.ids as usize;
            put(body, at, &trace.id[0].to_le_bytes());
            put(body, at + 8, &trace.id[1].to_le_bytes());
            put(body, at + 18, &identity.span_id(base + self.sequence_in_request(mark)));
            if mark.position > 0 {
                let parent =
                    u64::from(mark.trace) * u64::from(self.spans_per_trace) + u64::from((mark.position - 1) / 2);
                put(body, at + 28, &identity.span_id(base + parent));
            }
            let inset = (trace.duration_ns * u64::from(mark.inset)) >> 10;
            put(body, mark.times as usize, &(now_ns - trace.duration_ns + inset).to_le_bytes());
            put(body, mark.times as usize + 9, &(now_ns - inset).to_le_bytes());
            put(body, mark.status as usize, &[if trace.error_at == mark.position { 2 } else { 0 }]);
        }
    }

    fn facts(&self, trace: u64, identity: Identity) -> TraceFacts {
        let id = identity.trace_id(trace);
        let random = id[0] ^ id[1].rotate_left(17);
        let has_error = random & 0xffff < self.error_below;
        let is_slow = random >> 16 & 0xffff < self.anomaly_below;
        let (least, spread) = if is_slow { (600, 1023) } else { (5, 127) };
        TraceFacts {
            id,
            duration_ns: (least + (random >> 32 & spread)) * MILLISECOND + (random >> 44),
            error_at: if has_error { (random >> 24) as u32 % self.spans_per_trace } else { u32::MAX },
        }
    }
}

/// A share as a bound for 16 random bits.
fn threshold(share: f64) -> u64 {
    (share.clamp(0.0, 1.0) * 65_536.0) as u64
}

fn put(body: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = body.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// The spans of one service, encoded one behind the other; marks are relative until `finish`.
struct Spans<'a> {
    shape: &'a Shape,
    template: &'a mut Template,
    bytes: Vec<u8>,
    base: usize,
}

impl Spans<'_> {
    fn push(&mut self, trace: u32, position: u32) {
        if self.bytes.is_empty() {
            self.base = self.template.marks.len();
        }
        let mut span = Vec::new();
        put_bytes(&mut span, 1, &[0; 16]);
        put_bytes(&mut span, 2, &[0; 8]);
        if position > 0 {
            put_bytes(&mut span, 4, &[0; 8]);
        }
        let operation = OPERATIONS[position as usize % OPERATIONS.len()];
        put_bytes(&mut span, 5, operation.as_bytes());
        put_varint_field(&mut span, 6, if position == 0 { 2 } else { 1 + u64::from(position % 3) });
        put_tag(&mut span, 7, 1);
        let times = span.len();
        span.extend_from_slice(&[0; 8]);
        put_tag(&mut span, 8, 1);
        span.extend_from_slice(&[0; 8]);
        for attribute in 0..self.shape.attributes {
            put_attribute(&mut span, attribute, trace * 131 + position);
        }
        put_bytes(&mut span, 15, &[0x18, 0]);
        let status = span.len() - 1;
        put_tag(&mut self.bytes, 2, 2);
        put_varint(&mut self.bytes, span.len() as u64);
        let start = self.bytes.len() as u32;
        self.template.marks.push(Mark {
            ids: start + 2,
            times: start + times as u32,
            status: start + status as u32,
            trace,
            position,
            inset: position * 512 / self.shape.spans_per_trace.max(1),
        });
        self.bytes.extend_from_slice(&span);
    }

    /// Frames the spans as `ResourceSpans` and moves their marks to where they are in the body.
    fn finish(self, service: u32) {
        if self.bytes.is_empty() {
            return;
        }
        let mut scope = Vec::new();
        put_text(&mut scope, 1, "tailwater.generate");
        put_text(&mut scope, 2, env!("CARGO_PKG_VERSION"));
        let mut scope_spans = Vec::new();
        put_bytes(&mut scope_spans, 1, &scope);
        let scope_head = scope_spans.len();
        scope_spans.extend_from_slice(&self.bytes);
        let mut resource_spans = Vec::new();
        put_bytes(&mut resource_spans, 1, &resource(service));
        put_tag(&mut resource_spans, 2, 2);
        put_varint(&mut resource_spans, scope_spans.len() as u64);
        let resource_head = resource_spans.len();
        resource_spans.extend_from_slice(&scope_spans);
        let template = self.template;
        put_tag(&mut template.body, 1, 2);
        put_varint(&mut template.body, resource_spans.len() as u64);
        let moved = (template.body.len() + resource_head + scope_head) as u32;
        template.body.extend_from_slice(&resource_spans);
        for mark in &mut template.marks[self.base..] {
            mark.ids += moved;
            mark.times += moved;
            mark.status += moved;
        }
    }
}

const OPERATIONS: [&str; 6] = [
    "POST /api/checkout",
    "reserve inventory",
    "charge payment card",
    "SELECT shop.orders",
    "GET /api/cart/{id}",
    "publish order.placed",
];

const SERVICES: [&str; 6] = ["frontend", "checkout", "inventory", "payment", "orders", "shipping"];

/// Keys and the start of their values; `#` becomes digits that differ from span to span.
const ATTRIBUTES: [(&str, &str); 8] = [
    ("http.request.method", "POST"),
    ("url.path", "/api/v1/orders/#"),
    ("http.response.status_code", "200"),
    ("server.address", "shop-#.example.internal"),
    ("network.protocol.version", "1.1"),
    ("user_agent.original", "shop-client/4.2 (#)"),
    ("session.id", "session-#"),
    ("client.address", "10.4.#"),
];

fn resource(service: u32) -> Vec<u8> {
    let mut resource = Vec::new();
    let name = match SERVICES.get(service as usize) {
        Some(name) => (*name).to_owned(),
        None => format!("service-{service}"),
    };
    let attributes = [
        ("service.name", name.clone()),
        ("service.namespace", "shop".to_owned()),
        ("service.version", "2.7.1".to_owned()),
        ("service.instance.id", format!("{name}-7c9d8b5f4-{:05}", service * 7919 % 99_991)),
        ("deployment.environment.name", "load".to_owned()),
        ("telemetry.sdk.language", "rust".to_owned()),
    ];
    for (key, value) in attributes {
        put_bytes(&mut resource, 1, &key_value(key, &string_value(&value)));
    }
    resource
}

fn put_attribute(span: &mut Vec<u8>, attribute: u32, salt: u32) {
    let (key, pattern) = ATTRIBUTES[attribute as usize % ATTRIBUTES.len()];
    let round = attribute as usize / ATTRIBUTES.len();
    let key = if round == 0 { key.to_owned() } else { format!("{key}.{round}") };
    let digits = format!("{:08}", (salt.wrapping_add(attribute)).wrapping_mul(2_654_435_761) % 100_000_000);
    let value = match pattern.parse::<u64>() {
        Ok(number) => {
            let mut value = Vec::new();
            put_varint_field(&mut value, 3, number);
            value
        }
        Err(_) => string_value(&pattern.replace('#', &digits)),
    };
    put_bytes(span, 9, &key_value(&key, &value));
}

fn key_value(key: &str, value: &[u8]) -> Vec<u8> {
    let mut pair = Vec::new();
    put_text(&mut pair, 1, key);
    put_bytes(&mut pair, 2, value);
    pair
}

fn string_value(text: &str) -> Vec<u8> {
    let mut value = Vec::new();
    put_text(&mut value, 1, text);
    value
}

fn put_text(out: &mut Vec<u8>, number: u32, text: &str) {
    put_bytes(out, number, text.as_bytes());
}

fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_tag(out, number, 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_varint_field(out: &mut Vec<u8>, number: u32, value: u64) {
    put_tag(out, number, 0);
    put_varint(out, value);
}

fn put_tag(out: &mut Vec<u8>, number: u32, wire_type: u32) {
    put_varint(out, u64::from(number << 3 | wire_type));
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::Span;
    use prost::Message;

    use super::*;

    const NOW: u64 = 1_700_000_000_000_000_000;

    fn spans_of(template: &Template, number: u64) -> Vec<Span> {
        let mut body = template.body().to_vec();
        template.fill(&mut body, number, Identity::new(1), NOW);
        let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
        request
            .resource_spans
            .into_iter()
            .flat_map(|resource| resource.scope_spans)
            .flat_map(|scope| scope.spans)
            .collect()
    }

    fn by_trace(spans: Vec<Span>) -> BTreeMap<Vec<u8>, Vec<Span>> {
        let mut traces = BTreeMap::<_, Vec<_>>::new();
        for span in spans {
            traces.entry(span.trace_id.clone()).or_default().push(span);
        }
        traces
    }

    #[test]
    fn a_filled_template_is_a_request_of_whole_traces() {
        let [template] = &Template::build(&Shape::default())[..] else { panic!("one template") };
        let traces = by_trace(spans_of(template, 3));
        assert_eq!(traces.len(), 100);
        for spans in traces.values() {
            let ids: BTreeSet<_> = spans.iter().map(|span| span.span_id.clone()).collect();
            assert_eq!(ids.len(), 10);
            assert_eq!(spans.iter().filter(|span| span.parent_span_id.is_empty()).count(), 1);
            assert!(spans.iter().all(|span| span.parent_span_id.is_empty() || ids.contains(&span.parent_span_id)));
            let root = spans.iter().find(|span| span.parent_span_id.is_empty()).unwrap();
            assert_eq!(root.end_time_unix_nano, NOW);
            assert!(spans.iter().all(|span| span.start_time_unix_nano >= root.start_time_unix_nano
                && span.start_time_unix_nano < span.end_time_unix_nano));
        }
    }

    #[test]
    fn a_span_of_eight_attributes_has_about_400_bytes() {
        let [template] = &Template::build(&Shape::default())[..] else { panic!("one template") };
        let bytes = template.body().len() as f64 / template.spans() as f64;
        assert!((390.0..410.0).contains(&bytes), "{bytes} bytes a span");
    }

    #[test]
    fn two_requests_share_no_trace() {
        let [template] = &Template::build(&Shape::default())[..] else { panic!("one template") };
        let (first, second) = (by_trace(spans_of(template, 0)), by_trace(spans_of(template, 1)));
        assert!(first.keys().all(|trace| !second.contains_key(trace)));
    }

    #[test]
    fn the_halves_of_a_pair_make_whole_traces() {
        let shape = Shape { split: true, spans_per_trace: 7, ..Shape::default() };
        let [first, second] = &Template::build(&shape)[..] else { panic!("two templates") };
        let mut spans = spans_of(first, 5);
        spans.extend(spans_of(second, 5));
        let traces = by_trace(spans);
        assert_eq!(traces.len(), 250);
        assert!(traces.values().all(|spans| spans.len() == 7));
    }

    #[test]
    fn shares_of_errors_and_anomalies_are_kept() {
        let shape = Shape { error_share: 0.1, anomaly_share: 0.2, ..Shape::default() };
        let [template] = &Template::build(&shape)[..] else { panic!("one template") };
        let (mut errors, mut slow) = (0, 0);
        for number in 0..50 {
            for spans in by_trace(spans_of(template, number)).values() {
                errors += usize::from(spans.iter().any(|span| span.status.as_ref().unwrap().code == 2));
                slow += usize::from(spans.iter().any(|span| NOW - span.start_time_unix_nano >= 600_000_000));
            }
        }
        assert!((400..600).contains(&errors), "{errors} of 5,000 traces with an error");
        assert!((850..1150).contains(&slow), "{slow} of 5,000 traces slow");
    }

    #[test]
    fn running_numbers_are_found_in_the_span_ids() {
        let shape = Shape { split: true, ..Shape::default() };
        for template in Template::build(&shape) {
            let expected: BTreeSet<_> = template.sequences(9).collect();
            let found = spans_of(&template, 9)
                .into_iter()
                .map(|span| Identity::new(1).sequence_of(span.span_id.try_into().unwrap()))
                .collect();
            assert_eq!(expected, found);
        }
    }

    #[test]
    fn a_request_has_exactly_the_spans_that_were_asked_for() {
        for (spans, each) in [(1000, 7), (1, 10), (3, 1)] {
            let shape = Shape { spans_per_request: spans, spans_per_trace: each, ..Shape::default() };
            let [template] = &Template::build(&shape)[..] else { panic!("one template") };
            assert_eq!(template.spans(), u64::from(spans));
        }
    }
}
