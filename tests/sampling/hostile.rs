//! Requests that nobody means well with, through a sampler that learns: they end, nothing is lost
//! or doubled, and the memory that they took comes back.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prop::collection::vec;
use proptest::prelude::*;
use prost::Message as _;
use tailwater::pipeline::{DecisionLog, Settings};
use tailwater::processors::tail_sampling::{Config, TailSampler};

use crate::driver::{Driver, settings};
use crate::spans::{adaptive, config};

/// Keeps all that its budget allows, and remembers its decisions.
fn learner() -> Driver {
    let config = Config { num_traces: 100, sampled_cache_size: 50, ..config(vec![adaptive(1_000.0)]) };
    let settings = Settings { decisions: Some(Arc::new(DecisionLog::new(100))), ..settings() };
    Driver::new(Box::new(TailSampler::new(&config, &settings, NonZeroUsize::MIN)), settings)
}

fn request(spans: Vec<Span>) -> Vec<u8> {
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }] }
        .encode_to_vec()
}

/// Sends each request twice, waits for the decision, sends late spans, and stops.
fn survives(bodies: &[Vec<u8>]) {
    let mut driver = learner();
    for _ in 0..2 {
        for body in bodies {
            driver.send(body, None).unwrap();
        }
        driver.sleep(Duration::from_secs(4));
    }
    driver.stop();
    driver.out.clear();
    assert_eq!(driver.settings.account.held_bytes(), 0);
}

fn id(number: u64) -> Vec<u8> {
    [[0; 8], number.to_be_bytes()].concat()
}

#[test]
fn empty_spans_are_one_trace() {
    survives(&[request(vec![Span::default(); 20_000])]);
}

#[test]
fn spans_of_one_id_that_are_their_own_parents_end() {
    let span = Span { trace_id: id(1), span_id: vec![7; 8], parent_span_id: vec![7; 8], ..Span::default() };
    survives(&[request(vec![span; 20_000])]);
}

#[test]
fn a_ring_of_parents_ends() {
    let count = 20_000_u64;
    let span = |number: u64| Span {
        trace_id: id(1),
        span_id: (number + 1).to_be_bytes().to_vec(),
        parent_span_id: ((number + 1) % count + 1).to_be_bytes().to_vec(),
        ..Span::default()
    };
    survives(&[request((0..count).map(span).collect())]);
}

#[test]
fn a_chain_of_parents_that_is_as_deep_as_it_has_spans_ends() {
    let span = |number: u64| Span {
        trace_id: id(1),
        span_id: (number + 1).to_be_bytes().to_vec(),
        parent_span_id: if number == 0 { Vec::new() } else { number.to_be_bytes().to_vec() },
        start_time_unix_nano: number,
        end_time_unix_nano: 100_000 - number,
        ..Span::default()
    };
    survives(&[request((0..20_000).map(span).collect())]);
    survives(&[request((0..20_000).rev().map(span).collect())]);
}

#[test]
fn children_of_one_parent_that_overlap_end() {
    let span = |number: u64| Span {
        trace_id: id(1),
        span_id: (number + 1).to_be_bytes().to_vec(),
        parent_span_id: if number == 0 { Vec::new() } else { 1_u64.to_be_bytes().to_vec() },
        start_time_unix_nano: number.wrapping_mul(7_919) % 20_000,
        end_time_unix_nano: 40_000 - number,
        status: Some(Status { code: 2, ..Status::default() }),
        ..Span::default()
    };
    survives(&[request((0..20_000).map(span).collect())]);
}

#[test]
fn traces_that_take_turns_within_a_request_end() {
    let span = |number: u64| Span { trace_id: id(number % 90), span_id: vec![1; 8], ..Span::default() };
    survives(&[request((0..20_000).map(span).collect())]);
}

#[test]
fn a_name_of_its_own_for_every_span_and_trace_is_borne() {
    let span = |number: u64| Span {
        trace_id: id(number),
        span_id: vec![1; 8],
        name: format!("GET /{number}"),
        ..Span::default()
    };
    survives(&[request((0..20_000).map(span).collect())]);
}

fn any_id() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![3 => (0..6_u64).prop_map(|number| number.to_be_bytes().to_vec()), 1 => Just(Vec::new())]
}

fn any_time() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(u64::MAX), Just(1 << 63), Just(i64::MAX as u64), any::<u64>(), 0..1_000_u64]
}

fn any_span() -> impl Strategy<Value = Span> {
    let ids = (0..5_u64, any_id(), any_id());
    let texts = (
        prop::sample::select(vec!["", "a", "\u{1b}[2J"]),
        prop::sample::select(vec!["", "ot=th:8", "ot=th:0;rv:1", "=", "a=b,,"]),
    );
    (ids, (any_time(), any_time()), texts, any::<i32>(), -1..4_i32).prop_map(
        |((trace, span_id, parent_span_id), (start, end), (name, trace_state), kind, code)| Span {
            trace_id: id(trace),
            span_id,
            parent_span_id,
            name: name.to_owned(),
            trace_state: trace_state.to_owned(),
            kind,
            start_time_unix_nano: start,
            end_time_unix_nano: end,
            status: Some(Status { code, ..Status::default() }),
            ..Span::default()
        },
    )
}

proptest! {
    #[test]
    fn any_times_ids_and_kinds_are_borne(bodies in vec(vec(any_span(), 0..30).prop_map(request), 1..8)) {
        survives(&bodies);
    }
}
