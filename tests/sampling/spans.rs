//! Spans for tests, requests of them, and samplers to send them to.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as ProtoSpan, Status};
use proptest::prelude::*;
use prost::Message;
use tailwater::model::{Batch, TraceId};
use tailwater::processors::tail_sampling::policy::{PolicyConfig, PolicyKind, adaptive};
use tailwater::processors::tail_sampling::{Config, TailSampler};
use tailwater::wire::encode;

use crate::driver::{Driver, settings, trace_ids};

#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) trace: u8,
    pub(crate) number: u64,
    pub(crate) is_root: bool,
    pub(crate) status: i32,
    pub(crate) start: u64,
    pub(crate) millis: u64,
    pub(crate) service: u8,
    pub(crate) padding: usize,
}

/// Any span of one of so many traces.
pub(crate) fn any_span(traces: u8) -> impl Strategy<Value = Span> {
    let times = (prop_oneof![Just(0_u64), 1..400_u64], 0..300_u64);
    (0..traces, any::<bool>(), 0..4_i32, times, 0..3_u8, 0..60_usize).prop_map(
        |(trace, is_root, status, (start, millis), service, padding)| Span {
            trace,
            number: 0,
            is_root,
            status,
            start: start * 1_000_000,
            millis,
            service,
            padding,
        },
    )
}

/// Each span gets a number, so that none is like another.
pub(crate) fn numbered(mut spans: Vec<Span>) -> Vec<Span> {
    for (number, span) in (1..).zip(&mut spans) {
        span.number = number;
    }
    spans
}

pub(crate) fn id_of(trace: u8) -> TraceId {
    TraceId([trace.wrapping_mul(37) ^ 0x5a; 16])
}

/// A request of these spans; neighbours of one service share a resource.
pub(crate) fn request(spans: &[Span]) -> Vec<u8> {
    let value = |text: String| Some(AnyValue { value: Some(any_value::Value::StringValue(text)) });
    let groups = spans.chunk_by(|left, right| left.service == right.service).map(|spans| {
        let key = KeyValue {
            key: "service.name".to_owned(),
            value: value(format!("service-{}", spans[0].service)),
            ..KeyValue::default()
        };
        let spans = spans.iter().map(|span| ProtoSpan {
            trace_id: id_of(span.trace).0.to_vec(),
            span_id: span.number.to_be_bytes().to_vec(),
            parent_span_id: if span.is_root { Vec::new() } else { vec![9; 8] },
            name: "x".repeat(span.padding),
            start_time_unix_nano: span.start,
            end_time_unix_nano: span.start + span.millis * 1_000_000,
            status: Some(Status { code: span.status, ..Status::default() }),
            ..ProtoSpan::default()
        });
        ResourceSpans {
            resource: Some(Resource { attributes: vec![key], ..Resource::default() }),
            scope_spans: vec![ScopeSpans { spans: spans.collect(), ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        }
    });
    ExportTraceServiceRequest { resource_spans: groups.collect() }.encode_to_vec()
}

/// Service and span of each row that came out.
pub(crate) fn spans_out(out: &[Batch]) -> Vec<(String, Vec<u8>)> {
    let mut spans = Vec::new();
    for batch in out {
        let body = encode(batch).into_bytes();
        for group in ExportTraceServiceRequest::decode(body).unwrap().resource_spans {
            let resource = format!("{:?}", group.resource);
            for scope in &group.scope_spans {
                spans.extend(scope.spans.iter().map(|span| (resource.clone(), span.encode_to_vec())));
            }
        }
    }
    spans.sort();
    spans
}

pub(crate) fn policy(name: &str, kind: PolicyKind) -> PolicyConfig {
    PolicyConfig { name: name.to_owned(), kind }
}

/// Keeps so many traces a second, with a budget of its own.
pub(crate) fn adaptive(traces_per_second: f64) -> PolicyKind {
    let mut config = adaptive::Config::default().with_own_budget();
    config.rate = adaptive::Rate::Traces(traces_per_second);
    PolicyKind::Adaptive(config)
}

pub(crate) fn config(kinds: Vec<PolicyKind>) -> Config {
    let policies = (0..).zip(kinds).map(|(number, kind): (u32, _)| policy(&number.to_string(), kind)).collect();
    Config { decision_wait: Duration::from_secs(2), policies, ..Config::default() }
}

pub(crate) fn sampler(config: &Config) -> Driver {
    let settings = settings();
    Driver::new(Box::new(TailSampler::new(config, &settings, NonZeroUsize::MIN)), settings)
}

pub(crate) fn kept_traces(driver: &Driver) -> BTreeSet<TraceId> {
    driver.out.iter().flat_map(trace_ids).collect()
}

/// A span of a trace that lasts a millisecond and has no error.
pub(crate) fn plain(trace: u8) -> Span {
    Span { trace, number: 1, is_root: false, status: 0, start: 5, millis: 1, service: 0, padding: 9 }
}
