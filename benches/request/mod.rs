//! The request that every measure uses: spans of 400 bytes with 8 attributes, 100 to a resource,
//! ids that look random and are the same in every run.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

/// Spans in the request.
pub(crate) const SPANS: usize = 1_000;

fn text(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn int(key: &str, value: i64) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::IntValue(value)) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

/// One step of splitmix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn span(number: usize, random: &mut u64) -> Span {
    let trace = [next(random).to_le_bytes(), next(random).to_le_bytes()].concat();
    let start = 1_700_000_000_000_000_000 + number as u64 * 1_000_000;
    Span {
        trace_id: trace,
        span_id: next(random).to_le_bytes().to_vec(),
        parent_span_id: if number.is_multiple_of(8) { Vec::new() } else { next(random).to_le_bytes().to_vec() },
        flags: 0x101,
        name: "GET /api/v1/orders/{id}".to_owned(),
        kind: 2,
        start_time_unix_nano: start,
        end_time_unix_nano: start + 12_345_678,
        attributes: vec![
            text("http.request.method", "GET"),
            text("url.path", "/api/v1/orders/12345678"),
            text("server.address", "orders.shop.internal"),
            int("http.response.status_code", 200),
            text("network.protocol.version", "1.1"),
            text("user_agent.original", "okhttp/4.12.0 (linux)"),
            int("server.port", 8443),
            text("k8s.pod.name", "orders-7d9f8b6c5d-x2x7k"),
        ],
        status: Some(Status { code: i32::from(number.is_multiple_of(16)) * 2, message: String::new() }),
        ..Span::default()
    }
}

/// The request.
pub(crate) fn request() -> ExportTraceServiceRequest {
    let mut random = 7;
    let resource_spans = (0..SPANS / 100)
        .map(|resource| ResourceSpans {
            resource: Some(Resource {
                attributes: vec![text("service.name", &format!("service-{resource}")), text("host.name", "node-17")],
                ..Resource::default()
            }),
            scope_spans: vec![ScopeSpans {
                scope: Some(InstrumentationScope {
                    name: "io.opentelemetry.okhttp-3.0".to_owned(),
                    version: "2.10.0".to_owned(),
                    ..InstrumentationScope::default()
                }),
                spans: (0..100).map(|number| span(resource * 100 + number, &mut random)).collect(),
                schema_url: String::new(),
            }],
            schema_url: String::new(),
        })
        .collect();
    ExportTraceServiceRequest { resource_spans }
}

/// The request in protobuf.
pub(crate) fn body() -> Vec<u8> {
    request().encode_to_vec()
}
