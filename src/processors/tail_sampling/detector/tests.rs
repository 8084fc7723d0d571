//! The detector as a whole: from requests and facts to findings, over hours that are told.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use proptest::prelude::*;
use prost::Message;

use super::baseline::Baseline;
use super::*;
use crate::assembly::SpanFacts;
use crate::model::{MemoryAccount, Now, Request, Rows, Signal, UnixNanos};
use crate::sketch::Histogram;
use crate::wire::{Limits, scan};

const SECOND: u64 = 1_000_000_000;
const MILLI: u64 = 1_000_000;
const HOUR: u64 = 3_600 * SECOND;
/// On a boundary of windows.
const START: u64 = 1_700_000_100 / 900 * 900 * SECOND;

fn at(nanos: u64) -> Now {
    Now { wall: UnixNanos(START + nanos), ..Now::default() }
}

fn text(key: &str, value: &[u8]) -> KeyValue {
    let value = any_value::Value::StringValue(String::from_utf8_lossy(value).into_owned());
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn request(service: &str, version: &str, names: &[&str]) -> Arc<Request> {
    let attributes = vec![text("service.name", service.as_bytes()), text("service.version", version.as_bytes())];
    let span =
        |name: &&str| Span { trace_id: vec![1; 16], span_id: vec![1; 8], name: (*name).to_owned(), ..Span::default() };
    let scope_spans = vec![ScopeSpans { spans: names.iter().map(span).collect(), ..ScopeSpans::default() }];
    let resource = Some(Resource { attributes, ..Resource::default() });
    let resource_spans = vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }];
    let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
    scan(Signal::Traces, body.into(), &Limits::default(), &MemoryAccount::default()).unwrap()
}

fn detector(options: Options) -> Detector {
    Detector::new(Arc::new(Baselines::new(options, 1)))
}

fn intern(detector: &mut Detector, request: &Request, now: Now) -> Vec<u32> {
    let mut ops = Vec::new();
    detector.intern(request, &Rows::All, now, &mut ops);
    ops
}

/// A root and a child that takes `nanos` of its 10 ms longer.
fn trace(ops: &[u32], nanos: u64) -> [SpanFacts; 2] {
    let root = SpanFacts {
        span_id: 1,
        start: SECOND,
        end: SECOND + 20 * MILLI + nanos,
        op: ops[0],
        kind: 2,
        ..SpanFacts::default()
    };
    let child =
        SpanFacts { span_id: 2, parent_span_id: 1, end: SECOND + 10 * MILLI + nanos, op: ops[1], kind: 3, ..root };
    [root, child]
}

/// A span of an own trace.
fn root(op: u32, nanos: u64) -> [SpanFacts; 1] {
    [SpanFacts { span_id: 1, start: SECOND, end: SECOND + nanos, op, kind: 2, ..SpanFacts::default() }]
}

fn no_type(_: usize) -> u64 {
    0
}

#[test]
fn a_slow_span_is_found_with_its_caller_and_what_was_expected() {
    let mut detector = detector(Options::default());
    let ops = intern(&mut detector, &request("shop", "1", &["GET /", "query"]), at(0));
    for number in 0..200 {
        let finding = detector.examine(&trace(&ops, number % 10 * MILLI / 10), no_type, at(number * SECOND / 10));
        assert_eq!(finding.excess_nanos, 0);
    }
    let finding = detector.examine(&trace(&ops, 100 * MILLI), no_type, at(21 * SECOND));
    let top = finding.top.unwrap();
    assert_eq!((top.op, top.caller, top.observed_nanos), (ops[1], Some(ops[0]), 110 * MILLI));
    assert!((10 * MILLI..12 * MILLI).contains(&top.expected_nanos), "{}", top.expected_nanos);
    assert_eq!(finding.excess_nanos, top.observed_nanos - top.expected_nanos);
    assert!(finding.is_candidate && finding.is_warm && finding.is_complete && top.samples >= 50);
    assert!((0.9..0.93).contains(&top.share), "{}", top.share);
    let name = detector.operation(top.op).unwrap();
    assert_eq!((&*name.service, &*name.name), ("shop", "query"));
    let quantiles = detector.baselines().quantiles(top.op).unwrap();
    assert!(quantiles.p50 <= quantiles.p97_5 && quantiles.p99 <= quantiles.p99_9);
}

#[test]
fn excess_below_a_tenth_of_what_the_root_takes_is_no_candidate() {
    let mut detector = detector(Options::default());
    let ops = intern(&mut detector, &request("batch", "1", &["run", "step"]), at(0));
    let long = |nanos| {
        let mut spans = trace(&ops, nanos);
        spans[0].end += 10 * SECOND;
        spans
    };
    for number in 0..200 {
        detector.examine(&long(0), no_type, at(number * SECOND));
    }
    let finding = detector.examine(&long(100 * MILLI), no_type, at(201 * SECOND));
    assert!(finding.excess_nanos > 50 * MILLI && !finding.is_candidate);
    assert!(detector.examine(&long(3 * SECOND), no_type, at(202 * SECOND)).is_candidate);
}

#[test]
fn new_operations_and_shapes_are_new_until_they_are_not() {
    let mut detector = detector(Options::default());
    let ops = intern(&mut detector, &request("shop", "1", &["GET /", "query", "insert"]), at(0));
    let first = detector.examine(&trace(&ops, 0), no_type, at(0)).novelty.unwrap();
    assert_eq!((first.kind, first.count), (NoveltyKind::Operation, 1.0));
    for _ in 0..2_000 {
        detector.examine(&trace(&ops, 0), no_type, at(SECOND));
    }
    assert_eq!(detector.examine(&trace(&ops, 0), no_type, at(SECOND)).novelty, None);
    let other = detector.examine(&trace(&[ops[0], ops[2]], 0), no_type, at(SECOND)).novelty.unwrap();
    assert_eq!((other.kind, other.op, other.count), (NoveltyKind::Operation, ops[2], 1.0));
    let turned = detector.examine(&trace(&[ops[1], ops[0]], 0), no_type, at(SECOND)).novelty.unwrap();
    assert_eq!((turned.kind, turned.op, turned.count), (NoveltyKind::Shape, ops[1], 1.0));
    let orphan = [SpanFacts { parent_span_id: 99, ..root(ops[0], MILLI)[0] }];
    let incomplete = detector.examine(&orphan, no_type, at(SECOND));
    assert_eq!((incomplete.is_complete, incomplete.novelty), (false, None));
}

#[test]
fn the_error_nearest_to_the_cause_is_told_by_type() {
    let mut detector = detector(Options::default());
    let ops = intern(&mut detector, &request("shop", "1", &["GET /", "query"]), at(0));
    let mut spans = trace(&ops, 0);
    spans[1].status = 2;
    spans[1].start += MILLI;
    let handled = detector.examine(&spans, |span| span as u64, at(0)).error.unwrap();
    assert_eq!((handled.op, handled.on_exit_path, handled.recent), (ops[1], false, 1.0));
    spans[0].status = 2;
    let seen = detector.examine(&spans, no_type, at(0)).error.unwrap();
    assert_eq!((seen.op, seen.on_exit_path), (ops[0], true));
    let again = detector.examine(&spans, no_type, at(0)).error.unwrap();
    assert_eq!((again.key, again.recent), (seen.key, 2.0));
    assert_ne!(detector.examine(&spans, |_| 7, at(0)).error.unwrap().key, seen.key, "the type counts");
    assert_eq!(detector.examine(&trace(&ops, 0), |_| unreachable!(), at(0)).error, None);
}

#[test]
fn decisions_are_counted_by_shape() {
    let mut detector = detector(Options::default());
    let ops = intern(&mut detector, &request("shop", "1", &["GET /", "query"]), at(0));
    for number in 0..10 {
        let finding = detector.examine(&trace(&ops, 0), no_type, at(0));
        detector.decided(&finding, number == 3);
    }
    detector.hand_over(at(SECOND));
    let shapes = detector.baselines().shapes();
    assert_eq!(shapes.len(), 1);
    assert_eq!((shapes[0].root_op, shapes[0].kept, shapes[0].dropped), (ops[0], 1, 9));
}

#[test]
fn a_version_that_takes_over_learns_anew() {
    let mut detector = detector(Options::default());
    let mut quarter = |version: &str, nanos: u64, number: u64| {
        let start = number * HOUR / 4;
        let mut excess = 0;
        for step in 0..100 {
            let now = at(start + step * SECOND);
            let ops = intern(&mut detector, &request("shop", version, &["GET /"]), now);
            excess += detector.examine(&root(ops[0], nanos), no_type, now).excess_nanos;
        }
        let op = intern(&mut detector, &request("shop", version, &["GET /"]), at(start + 101 * SECOND))[0];
        (excess, detector.baselines().previous_quantiles(op))
    };
    for number in 0..4 {
        assert_eq!(quarter("1", 20 * MILLI, number).1, None);
    }
    assert!(quarter("2", 60 * MILLI, 4).0 > 0, "the new version is compared with the old one at first");
    let (excess, previous) = quarter("2", 60 * MILLI, 5);
    assert_eq!(excess, 0, "and is known after its first window");
    assert!((18 * MILLI..23 * MILLI).contains(&previous.unwrap().p50));
}

#[test]
fn a_flood_of_names_costs_little_and_room_comes_back() {
    let options = Options { services_max: 4, operations_per_service_max: 8, ..Options::default() };
    let mut detector = detector(options);
    let known = intern(&mut detector, &request("shop", "1", &["GET /"]), at(0))[0];
    for number in 0..2_000 {
        let name = format!("GET /{number}{}", "x".repeat(number % 400));
        let service = format!("service {}", number % 50);
        intern(&mut detector, &request(&service, "1", &[&name, "\u{0}"]), at(number as u64));
        let ops = intern(&mut detector, &request("shop", "1", &[&name, "GET /"]), at(number as u64));
        detector.examine(&root(ops[0], MILLI), no_type, at(number as u64));
        assert_eq!(ops[1], known);
    }
    assert!(detector.baselines().operation_count() <= 1 + 4 * 9);
    let other = intern(&mut detector, &request("shop", "1", &["one more"]), at(0))[0];
    assert_eq!(&*detector.operation(other).unwrap().name, "<other>");
    // After an hour the idle names are gone; a rotation later their numbers are free.
    for quarter in 1..11 {
        let now = at(quarter * HOUR / 4 + SECOND);
        detector.examine(&root(known, MILLI), no_type, now);
    }
    let fresh = intern(&mut detector, &request("shop", "1", &["one more"]), at(11 * HOUR / 4))[0];
    assert_eq!(&*detector.operation(fresh).unwrap().name, "one more");
}

#[test]
fn no_span_passes_for_a_whole_trace_by_its_kind() {
    let mut detector = detector(Options::default());
    let span = |kind| Span { trace_id: vec![1; 16], span_id: vec![1; 8], kind, ..Span::default() };
    let scope_spans = vec![ScopeSpans { spans: [253, 254, 255, -1].map(span).into(), ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
    let request = scan(Signal::Traces, body.into(), &Limits::default(), &MemoryAccount::default()).unwrap();
    for op in intern(&mut detector, &request, at(0)) {
        assert_eq!(detector.operation(op).unwrap().kind, 253);
    }
}

#[test]
fn a_clock_that_jumps_back_or_far_ahead_does_no_harm() {
    let mut detector = detector(Options::default());
    let op = intern(&mut detector, &request("shop", "1", &["GET /"]), at(0))[0];
    for number in 0..200 {
        detector.examine(&root(op, 20 * MILLI), no_type, at(number * SECOND));
    }
    detector.examine(&root(op, 20 * MILLI), no_type, at(HOUR));
    let before = detector.baselines().quantiles(op);
    assert!(before.is_some());
    for wall in [0, u64::MAX, START, 5, START + 30 * 24 * HOUR] {
        let now = Now { wall: UnixNanos(wall), ..Now::default() };
        assert!(detector.examine(&root(op, 20 * MILLI), no_type, now).excess_nanos < 5 * MILLI);
    }
    assert!(detector.examine(&root(op, SECOND), no_type, at(31 * 24 * HOUR)).excess_nanos > 900 * MILLI);
}

/// What a fleet of shards learns from the same spans, spread in turn.
fn learn(shards: usize, durations: &[u64]) -> (Option<Quantiles>, Vec<Finding>) {
    let baselines = Arc::new(Baselines::new(Options::default(), shards));
    let mut detectors: Vec<Detector> = (0..shards).map(|_| Detector::new(baselines.clone())).collect();
    let request = request("shop", "1", &["GET /"]);
    let mut op = 0;
    for (number, nanos) in durations.iter().enumerate() {
        let now = at(number as u64 * SECOND);
        let detector = &mut detectors[number % shards];
        op = intern(detector, &request, now)[0];
        detector.examine(&root(op, *nanos), no_type, now);
    }
    // Behind the boundary each shard hands over its window; a second later each takes the result.
    for seconds in [0, 1, 2] {
        let now = at(durations.len() as u64 / 900 * HOUR / 4 + HOUR / 4 + seconds * SECOND);
        detectors.iter_mut().for_each(|detector| drop(intern(detector, &request, now)));
    }
    let now = at(durations.len() as u64 * SECOND + HOUR);
    let probe = |detector: &mut Detector| detector.examine(&root(op, SECOND), no_type, now);
    (baselines.quantiles(op), detectors.iter_mut().map(probe).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn many_shards_know_what_one_would_know(durations in proptest::collection::vec(MILLI..100 * MILLI, 60..800), shards in 2_usize..5) {
        let (alone, findings) = learn(1, &durations);
        let (together, others) = learn(shards, &durations);
        prop_assert_eq!(alone, together);
        for other in others {
            prop_assert_eq!(other.excess_nanos, findings[0].excess_nanos);
        }
    }

    #[test]
    fn any_facts_give_a_finding(
        spans in proptest::collection::vec((0_u64..6, 0_u64..6, any::<u64>(), any::<u64>(), 0_u32..9, any::<u8>(), any::<u8>()), 0..40),
        walls in proptest::collection::vec(any::<u64>(), 1..6),
    ) {
        let mut detector = detector(Options::default());
        intern(&mut detector, &request("shop", "1", &["a", "b", "c"]), at(0));
        let facts = |&(span_id, parent_span_id, start, end, op, kind, status): &_| {
            SpanFacts { span_id, parent_span_id, start, end, op, kind, status }
        };
        let facts: Vec<SpanFacts> = spans.iter().map(facts).collect();
        for wall in walls {
            let now = Now { wall: UnixNanos(wall), ..Now::default() };
            let finding = detector.examine(&facts, no_type, now);
            prop_assert!(finding.top.is_none_or(|top| (0.0..=1.0).contains(&top.share)));
        }
    }
}

/// A detector that has seen three windows, with what was handed over.
fn learned() -> Detector {
    let mut detector = detector(Options::default());
    let ops = intern(&mut detector, &request("shop", "1", &["GET /", "query"]), at(0));
    for number in 0..2_000 {
        detector.examine(&trace(&ops, number % 7 * MILLI), no_type, at(number * SECOND));
    }
    detector.hand_over(at(2_000 * SECOND));
    detector
}

#[test]
fn what_was_learned_outlives_the_process() {
    let detector = learned();
    let bytes = detector.baselines().save(at(2_000 * SECOND).wall);
    let restored = Arc::new(Baselines::new(Options::default(), 1));
    restored.load(&bytes, at(10 * HOUR).wall).unwrap();
    let mut second = Detector::new(restored);
    let ops = intern(&mut second, &request("shop", "1", &["GET /", "query"]), at(10 * HOUR));
    assert_eq!(second.baselines().quantiles(ops[1]), detector.baselines().quantiles(2));
    let finding = second.examine(&trace(&ops, SECOND), no_type, at(10 * HOUR));
    assert!(finding.excess_nanos > 900 * MILLI && finding.is_warm);
    let novelty = finding.novelty.unwrap();
    assert!(novelty.count > 500.0, "{novelty:?}");
    assert!(bytes.len() < 4_000, "{} bytes", bytes.len());
    assert_eq!(bytes, detector.baselines().save(at(2_000 * SECOND).wall), "the same state is the same bytes");
}

#[test]
fn a_damaged_snapshot_is_refused_as_a_whole() {
    let bytes = learned().baselines().save(at(0).wall);
    let baselines = Baselines::new(Options::default(), 1);
    for end in 0..bytes.len() {
        assert!(baselines.load(&bytes[..end], at(0).wall).is_err());
    }
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 0x40;
        assert!(baselines.load(&changed, at(0).wall).is_err(), "byte {place}");
    }
    assert_eq!(baselines.load(b"TWBL\x02", at(0).wall), Err(SnapshotError::Unknown));
    assert_eq!(baselines.operation_count(), 1, "nothing was taken");
}

proptest! {
    #[test]
    fn a_snapshot_with_a_right_checksum_and_wrong_contents_does_no_harm(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut bytes = b"TWBL\x01".to_vec();
        bytes.extend_from_slice(&body);
        let checksum = interner::text_key(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        let baselines = Baselines::new(Options::default(), 1);
        if baselines.load(&bytes, at(0).wall).is_err() {
            prop_assert_eq!(baselines.operation_count(), 1);
        }
    }
}

#[test]
fn an_operation_takes_what_the_budget_says() {
    // A slot of the shard's table and one of the registry's, at seven eighths of their room.
    let slots = 2 * (16 * 8 / 7 + 1);
    let shard = operations::BYTES + slots;
    let shared = size_of::<Baseline>() + size_of::<registry::Entry>() + size_of::<Histogram>();
    assert!((shard + shared) as u64 <= OPERATION_BYTES, "{shard} + {shared} bytes");
    assert!(shard as u64 <= SHARD_OPERATION_BYTES, "{shard} bytes");
    assert_eq!(Options::default().freeze, Duration::from_secs(7_200));
}
