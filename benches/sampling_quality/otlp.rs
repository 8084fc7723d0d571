//! Traces as OTLP requests, one a trace, whose trace ids are drawn anew for every seed.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as OtlpSpan, Status};
use prost::Message;
use tailwater::model::{MemoryAccount, Request, Signal, TraceId};
use tailwater::wire::{Limits, scan};

use crate::random::Random;
use crate::stream::{Span, Stream, Trace};

const ERROR: i32 = 2;
/// Stands where a trace id will be; no other field of the streams looks like it.
const PLACEHOLDER: [u8; 16] = *b"\xfe\xed\xfa\xce\xde\xad\xbe\xef\xfe\xed\xfa\xce\xde\xad\xbe\xef";

/// One encoded trace.
struct Template {
    body: Vec<u8>,
    /// Where the trace id stands.
    places: Vec<usize>,
}

/// Encoded traces of a stream.
pub(crate) struct Templates(Vec<Template>);

/// The requests of one seed.
pub(crate) struct Requests {
    pub(crate) ids: Vec<TraceId>,
    pub(crate) requests: Vec<Arc<Request>>,
}

impl Templates {
    pub(crate) fn of(stream: &Stream) -> Self {
        Self(stream.traces.iter().map(|trace| Template::of(stream, trace)).collect())
    }

    /// Bytes of each trace.
    pub(crate) fn bytes(&self) -> Vec<u64> {
        self.0.iter().map(|template| template.body.len() as u64).collect()
    }

    /// Ids by `seed`, and the requests with them.
    pub(crate) fn draw(&self, seed: u64, account: &MemoryAccount) -> Requests {
        let mut random = Random::new(seed ^ 0x5eed);
        let mut drawn = Requests { ids: Vec::new(), requests: Vec::new() };
        for template in &self.0 {
            let id = (u128::from(random.next()) << 64 | u128::from(random.next())).to_be_bytes();
            let mut body = template.body.clone();
            template.places.iter().for_each(|place| body[*place..*place + 16].copy_from_slice(&id));
            let request = scan(Signal::Traces, Bytes::from(body), &Limits::default(), account);
            drawn.requests.push(request.unwrap_or_else(|error| panic!("{error}")));
            drawn.ids.push(TraceId(id));
        }
        drawn
    }
}

impl Template {
    fn of(stream: &Stream, trace: &Trace) -> Self {
        let mut services: BTreeMap<(&str, u32), Vec<&Span>> = BTreeMap::new();
        for span in &trace.spans {
            let service = stream.operations[span.operation as usize].service.as_str();
            services.entry((service, span.version)).or_default().push(span);
        }
        let groups = services.into_iter().map(|((service, version), spans)| ResourceSpans {
            resource: Some(resource(service, version)),
            scope_spans: vec![ScopeSpans {
                spans: spans.into_iter().map(|span| encode(stream, span)).collect(),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        });
        let body = ExportTraceServiceRequest { resource_spans: groups.collect() }.encode_to_vec();
        let windows = body.windows(PLACEHOLDER.len()).enumerate();
        let places = windows.filter(|(_, bytes)| *bytes == PLACEHOLDER).map(|(place, _)| place).collect();
        Self { body, places }
    }
}

fn text(key: &str, value: String) -> KeyValue {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue(value)) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn resource(service: &str, version: u32) -> Resource {
    let attributes = vec![text("service.name", service.to_owned()), text("service.version", format!("1.{version}.0"))];
    Resource { attributes, ..Resource::default() }
}

fn encode(stream: &Stream, span: &Span) -> OtlpSpan {
    let parent = if span.parent == 0 { Vec::new() } else { span.parent.to_be_bytes().to_vec() };
    OtlpSpan {
        trace_id: PLACEHOLDER.to_vec(),
        span_id: span.id.to_be_bytes().to_vec(),
        parent_span_id: parent,
        name: stream.operations[span.operation as usize].name.clone(),
        kind: span.kind,
        start_time_unix_nano: span.start,
        end_time_unix_nano: span.end,
        status: span.error.then(|| Status { code: ERROR, ..Status::default() }),
        attributes: if span.error { vec![text("error.type", "internal".to_owned())] } else { Vec::new() },
        ..OtlpSpan::default()
    }
}
