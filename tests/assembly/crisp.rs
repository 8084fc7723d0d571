//! CRISP's 25 test cases: exclusive time on the critical path, by operation, to the microsecond.

use std::collections::BTreeMap;

use serde_json::Value;
use tailwater::assembly::{Assembler, Segment, SpanFacts};

use super::{Names, fixture};

/// The one trace of a Jaeger file, with `[service] operation` for each `op`.
fn jaeger(file: &Value) -> (Vec<SpanFacts>, Names) {
    let trace = &file["data"][0];
    let (mut ids, mut ops) = (Names::default(), Names::default());
    let spans = trace["spans"].as_array().unwrap().iter().map(|span| {
        let service = &trace["processes"][span["processID"].as_str().unwrap()]["serviceName"];
        let op = format!("[{}] {}", service.as_str().unwrap(), span["operationName"].as_str().unwrap());
        let parent = span["references"].as_array().unwrap().iter().find(|reference| reference["refType"] == "CHILD_OF");
        let start = span["startTime"].as_u64().unwrap() * 1_000;
        SpanFacts {
            span_id: ids.number(span["spanID"].as_str().unwrap()) as u64 + 1,
            parent_span_id: parent.map_or(0, |parent| ids.number(parent["spanID"].as_str().unwrap()) as u64 + 1),
            start,
            end: start + span["duration"].as_u64().unwrap() * 1_000,
            op: ops.number(&op) as u32,
            ..SpanFacts::default()
        }
    });
    (spans.collect(), ops)
}

/// Microseconds by operation that the file expects.
fn expected(file: &Value) -> BTreeMap<String, u64> {
    let testing = &file["testing"];
    let by_op = if testing.is_array() { &testing[0] } else { &testing["opTimeExclusive"] };
    by_op.as_object().unwrap().iter().map(|(op, time)| (op.clone(), time.as_u64().unwrap())).collect()
}

fn path(case: u32) -> (Value, BTreeMap<String, u64>, Vec<Segment>) {
    let file = fixture(&format!("crisp/{case}.json"));
    let (spans, ops) = jaeger(&file);
    let mut assembler = Assembler::new();
    let mut trace = assembler.assemble(&spans);
    let mut segments = Vec::new();
    trace.critical_path(&mut segments);
    let mut by_op = BTreeMap::new();
    for row in 0..trace.len() as u32 {
        *by_op.entry(ops.0[spans[row as usize].op as usize].clone()).or_default() += trace.path_nanos(row) / 1_000;
    }
    (file, by_op, segments)
}

#[test]
fn every_case_has_the_critical_path_that_crisp_expects() {
    for case in 1..=25 {
        let (file, mut found, _) = path(case);
        let mut expected = expected(&file);
        for by_op in [&mut found, &mut expected] {
            by_op.retain(|_, time| *time > 0);
        }
        assert_eq!(found, expected, "case {case}");
    }
}

#[test]
fn segments_tell_when_each_span_is_at_work() {
    let micros = |case| -> Vec<(u32, u64, u64)> {
        path(case).2.iter().map(|segment| (segment.span, segment.from / 1_000, segment.to / 1_000)).collect()
    };
    assert_eq!(micros(4), [(0, 0, 10), (1, 10, 20), (2, 20, 30), (1, 30, 60), (0, 60, 100)]);
    assert_eq!(micros(8), [(0, 0, 10), (1, 10, 20), (2, 20, 70), (0, 70, 100)], "c outlives b and is clipped");
    assert_eq!(micros(9), [(0, 0, 60), (3, 60, 90), (0, 90, 100)], "b starts after its parent's end");
    assert_eq!(
        micros(10),
        [(0, 0, 8), (1, 8, 208), (2, 208, 308), (3, 308, 608), (0, 608, 1_000)],
        "siblings that overlap slightly are moved apart"
    );
}

#[test]
fn self_time_of_overlapping_children_counts_the_overlap_once() {
    let (spans, _) = jaeger(&fixture("crisp/13.json"));
    let mut assembler = Assembler::new();
    let trace = assembler.assemble(&spans);
    let found: Vec<u64> = (0..4).map(|row| trace.self_nanos(row) / 1_000).collect();
    assert_eq!(found, [40, 35, 20, 20]);
}
