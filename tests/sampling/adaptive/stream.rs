//! Made-up traffic of a small shop: `POST /checkout` asks its cart and its stock side by side,
//! `GET /` asks the catalogue. What a trace looks like depends on its number alone, its id is
//! given: the same traffic can be drawn with any randomness.

use std::ops::Range;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;
use tailwater::model::TraceId;

const SERVER: i32 = 2;
const CLIENT: i32 = 3;
/// Every trace starts at this time; only differences count.
const START: u64 = 1_700_000_000_000_000_000;

#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) service: &'static str,
    pub(super) name: &'static str,
    pub(super) kind: i32,
    pub(super) parent: Option<usize>,
    pub(super) start_ms: f64,
    pub(super) millis: f64,
    pub(super) has_failed: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Trace {
    pub(super) id: TraceId,
    pub(super) calls: Vec<Call>,
    pub(super) trace_state: &'static str,
    /// An attribute `env` of the root.
    pub(super) env: Option<&'static str>,
    /// Which of the calls are sent.
    pub(super) sent: Range<usize>,
}

/// SplitMix64.
pub(super) fn hash(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// The id with this number in front and this randomness behind.
pub(super) fn id_of(number: u64, randomness: u64) -> TraceId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    id[8..].copy_from_slice(&(randomness & ((1 << 56) - 1)).to_be_bytes());
    id[8] = 0xab;
    TraceId(id)
}

/// Nothing samples it away.
pub(super) fn lucky(number: u64) -> TraceId {
    id_of(number, u64::MAX)
}

/// The next best thing to a random id.
pub(super) fn any_id(number: u64) -> TraceId {
    id_of(number, hash(number ^ 0x5eed << 40))
}

/// 0.9 to 1.1, by trace and call.
fn jitter(number: u64, call: u64) -> f64 {
    0.9 + 0.2 * (hash(number * 16 + call) >> 11) as f64 / (1_u64 << 53) as f64
}

fn call(service: &'static str, name: &'static str, kind: i32, parent: Option<usize>, times: [f64; 2]) -> Call {
    Call { service, name, kind, parent, start_ms: times[0], millis: times[1], has_failed: false }
}

impl Trace {
    fn of(id: TraceId, calls: Vec<Call>) -> Self {
        let sent = 0..calls.len();
        Self { id, calls, trace_state: "", env: None, sent }
    }

    /// 100 ms; 60 of them in the cart, beside which the stock takes 20.
    pub(super) fn checkout(number: u64, id: TraceId) -> Self {
        let took = |call, millis: f64| millis * jitter(number, call);
        let calls = vec![
            call("frontend", "POST /checkout", SERVER, None, [0.0, took(0, 100.0)]),
            call("cart", "POST /cart", SERVER, Some(0), [5.0, took(1, 60.0)]),
            call("stock", "GET /stock", SERVER, Some(0), [5.0, took(2, 20.0)]),
            call("cart", "SELECT", CLIENT, Some(1), [10.0, took(3, 10.0)]),
        ];
        Self::of(id, calls)
    }

    /// 30 ms; half of them in the catalogue.
    pub(super) fn browse(number: u64, id: TraceId) -> Self {
        let took = |call, millis: f64| millis * jitter(number, call);
        let calls = vec![
            call("frontend", "GET /", SERVER, None, [0.0, took(0, 30.0)]),
            call("catalogue", "list", SERVER, Some(0), [5.0, took(1, 15.0)]),
        ];
        Self::of(id, calls)
    }

    /// Every third is a checkout.
    pub(super) fn everyday(number: u64, id: TraceId) -> Self {
        if number.is_multiple_of(3) { Self::checkout(number, id) } else { Self::browse(number, id) }
    }

    /// The stock is slow, but still done before the cart: nobody outside sees it.
    pub(super) fn hidden(number: u64, id: TraceId) -> Self {
        let mut trace = Self::checkout(number, id);
        trace.calls[2].millis = 52.0;
        trace
    }

    pub(super) fn failed(number: u64, id: TraceId) -> Self {
        let mut trace = Self::browse(number, id);
        trace.calls[1].has_failed = true;
        trace
    }

    /// A checkout that asks the catalogue, which is known, but not from there.
    pub(super) fn reshaped(number: u64, id: TraceId) -> Self {
        let mut trace = Self::checkout(number, id);
        trace.calls.push(call("catalogue", "list", SERVER, Some(0), [66.0, 15.0]));
        trace.sent = 0..trace.calls.len();
        trace
    }

    /// All times multiplied.
    pub(super) fn stretched(mut self, factor: f64) -> Self {
        for call in &mut self.calls {
            call.start_ms *= factor;
            call.millis *= factor;
        }
        self
    }

    pub(super) fn with_state(self, trace_state: &'static str) -> Self {
        Self { trace_state, ..self }
    }

    pub(super) fn with_env(self, env: &'static str) -> Self {
        Self { env: Some(env), ..self }
    }

    /// Only these of its calls.
    pub(super) fn only(self, sent: Range<usize>) -> Self {
        Self { sent, ..self }
    }

    pub(super) fn spans(&self) -> Vec<Span> {
        self.sent.clone().map(|place| self.span(place)).collect()
    }

    pub(super) fn span(&self, place: usize) -> Span {
        let call = &self.calls[place];
        let nanos = |millis: f64| (millis * 1e6) as u64;
        let number = |place: usize| (place as u64 + 1).to_be_bytes().to_vec();
        let env = self.env.filter(|_| call.parent.is_none());
        Span {
            trace_id: self.id.0.to_vec(),
            span_id: number(place),
            parent_span_id: call.parent.map(number).unwrap_or_default(),
            name: call.name.to_owned(),
            kind: call.kind,
            start_time_unix_nano: START + nanos(call.start_ms),
            end_time_unix_nano: START + nanos(call.start_ms + call.millis),
            trace_state: self.trace_state.to_owned(),
            status: call.has_failed.then(|| Status { code: 2, message: "out of order".to_owned() }),
            attributes: env.map(|env| text("env", env)).into_iter().collect(),
            ..Span::default()
        }
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

/// The traces as one request, a resource for each call.
pub(super) fn request(traces: &[Trace]) -> Vec<u8> {
    let calls = traces.iter().flat_map(|trace| trace.sent.clone().map(move |place| (trace, place)));
    let resources = calls.map(|(trace, place)| ResourceSpans {
        resource: Some(Resource {
            attributes: vec![text("service.name", trace.calls[place].service)],
            ..Resource::default()
        }),
        scope_spans: vec![ScopeSpans { spans: vec![trace.span(place)], ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    });
    ExportTraceServiceRequest { resource_spans: resources.collect() }.encode_to_vec()
}
