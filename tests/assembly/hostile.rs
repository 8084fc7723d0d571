//! Random traces with clashing ids, cycles, any times and any kinds, against the twin and by law.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tailwater::assembly::{Assembler, SpanFacts};

use super::twin::Twin;
use super::{CLIENT, SERVER};

/// Few ids, so that they clash; parents that are there, missing, or the span itself.
fn spans(times: impl Strategy<Value = (u64, u64)>) -> impl Strategy<Value = Vec<SpanFacts>> {
    let kind = prop_oneof![4 => 2_u8..=3, 3 => 0_u8..=5, 1 => Just(255)];
    let span = (0_u64..14, 0_u64..16, kind, times, 0_u32..4).prop_map(|(span_id, parent_span_id, kind, times, op)| {
        SpanFacts { span_id, parent_span_id, start: times.0, end: times.1, op, kind, status: 0 }
    });
    prop::collection::vec(span, 0..24)
}

fn short_times() -> impl Strategy<Value = (u64, u64)> {
    (0_u64..60, 0_u64..60).prop_map(|(start, length)| (start, start + length))
}

fn any_times() -> impl Strategy<Value = (u64, u64)> {
    let any = || prop_oneof![2 => any::<u64>(), 3 => 0_u64..2_000, 1 => u64::MAX - 50..=u64::MAX];
    (any(), any())
}

/// Drops what another row's id makes a duplicate, whatever the order of the rows.
fn without_duplicates(spans: Vec<SpanFacts>) -> Vec<SpanFacts> {
    let mut kept: Vec<SpanFacts> = Vec::new();
    for span in spans {
        let same: Vec<u8> = kept.iter().filter(|other| other.span_id == span.span_id).map(|other| other.kind).collect();
        let is_pair = matches!((same.as_slice(), span.kind), ([CLIENT], SERVER) | ([SERVER], CLIENT));
        if span.span_id == 0 || same.is_empty() || is_pair {
            kept.push(span);
        }
    }
    kept
}

fn check_against_twin(assembler: &mut Assembler, spans: &[SpanFacts]) -> Result<(), TestCaseError> {
    let twin = Twin::new(spans);
    let mut trace = assembler.assemble(spans);
    prop_assert_eq!(trace.len(), spans.len());
    for row in 0..spans.len() {
        let at = row as u32;
        prop_assert_eq!(trace.is_duplicate(at), twin.duplicates.contains(&row), "row {}", row);
        prop_assert_eq!(trace.is_orphan(at), twin.orphans.contains(&row), "row {}", row);
        prop_assert_eq!(trace.parent(at), twin.parent.get(&row).map(|parent| *parent as u32), "row {}", row);
        prop_assert_eq!((trace.start(at), trace.end(at)), twin.times[row], "times of row {}", row);
        prop_assert_eq!(trace.self_nanos(at), twin.self_nanos[row], "self time of row {}", row);
        let children: Vec<u32> = trace.children(at).to_vec();
        let mut expected: Vec<u32> =
            twin.parent.iter().filter(|(_, parent)| **parent == row).map(|(child, _)| *child as u32).collect();
        expected.sort_by_key(|child| twin.times[*child as usize].0);
        prop_assert_eq!(children, expected, "children of row {}", row);
    }
    prop_assert_eq!(trace.main_root(), twin.main_root.map(|row| row as u32));
    prop_assert_eq!(trace.duplicates() as usize, twin.duplicates.len());
    prop_assert_eq!(trace.orphans() as usize, twin.orphans.len());
    prop_assert_eq!(trace.cycles_broken() as usize, twin.heads.len());
    prop_assert_eq!(trace.roots().len() + twin.parent.len() + twin.duplicates.len(), spans.len());
    trace.shape(u64::from);
    let edges: BTreeSet<(u32, u32)> = trace.edges().iter().copied().collect();
    prop_assert_eq!(trace.edges().len(), edges.len(), "an edge stands once");
    prop_assert_eq!(edges, twin.edges);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn short_traces_are_as_the_twin_has_them(spans in spans(short_times()), seed: u64) {
        check_against_twin(&mut Assembler::with_seed(seed), &spans)?;
    }

    #[test]
    fn any_number_is_taken(spans in spans(any_times())) {
        check_against_twin(&mut Assembler::new(), &spans)?;
    }

    #[test]
    fn the_trace_before_leaves_no_mark(one in spans(short_times()), other in spans(any_times())) {
        let mut assembler = Assembler::new();
        for spans in [&one, &other, &one] {
            check_against_twin(&mut assembler, spans)?;
        }
    }

    #[test]
    fn the_critical_path_covers_the_root_without_gap_or_overlap(
        spans in prop_oneof![spans(short_times()), spans(any_times())],
    ) {
        let mut assembler = Assembler::new();
        let mut trace = assembler.assemble(&spans);
        let mut segments = Vec::new();
        trace.critical_path(&mut segments);
        if let Some(root) = trace.main_root() {
            let mut at = trace.start(root);
            for segment in &segments {
                prop_assert_eq!(segment.from, at);
                prop_assert!(segment.from < segment.to);
                at = segment.to;
            }
            prop_assert_eq!(at, trace.end(root));
            let total: u64 = (0..spans.len() as u32).map(|row| trace.path_nanos(row)).sum();
            prop_assert_eq!(total, trace.end(root) - trace.start(root));
        } else {
            prop_assert!(segments.is_empty());
        }
    }

    /// No parent is long enough for a tolerance of 1 %, which the twin does not have.
    #[test]
    fn the_critical_path_is_as_the_twin_has_it(spans in spans(short_times())) {
        let twin = Twin::new(&spans);
        let mut expected = BTreeMap::new();
        if let Some(root) = twin.main_root {
            twin.critical_path(&spans, root, twin.times[root], &mut expected);
        }
        let mut assembler = Assembler::new();
        let mut trace = assembler.assemble(&spans);
        trace.critical_path(&mut Vec::new());
        for row in 0..spans.len() {
            let expected = expected.get(&row).copied().unwrap_or_default();
            prop_assert_eq!(trace.path_nanos(row as u32), expected, "row {}", row);
        }
    }

    #[test]
    fn the_order_of_the_rows_changes_nothing(spans in spans(any_times()).prop_map(without_duplicates), turn: prop::sample::Index) {
        let mut turned: Vec<SpanFacts> = spans.iter().rev().copied().collect();
        let by = turn.index(spans.len().max(1));
        turned.rotate_left(by);
        let (mut one, mut other) = (Assembler::new(), Assembler::with_seed(99));
        let (mut trace, mut turned_trace) = (one.assemble(&spans), other.assemble(&turned));
        prop_assert_eq!(trace.shape(u64::from), turned_trace.shape(u64::from));
        for row in 0..spans.len() {
            let at = ((spans.len() - 1 - row) + spans.len() - by) % spans.len();
            prop_assert_eq!(turned[at], spans[row]);
            prop_assert_eq!(trace.self_nanos(row as u32), turned_trace.self_nanos(at as u32));
        }
    }
}

/// Each span lies within its parent, on one clock.
fn nested() -> impl Strategy<Value = Vec<SpanFacts>> {
    prop::collection::vec((any::<prop::sample::Index>(), 0_u64..=100, 0_u64..=100), 0..30).prop_map(|calls| {
        let mut spans = vec![super::span(1, 0, SERVER, 1_000, 1_001_000)];
        for (parent, from, to) in calls {
            let parent = spans[parent.index(spans.len())];
            let length = parent.end - parent.start;
            let at = |percent: u64| parent.start + length * percent / 100;
            let id = spans.len() as u64 + 1;
            spans.push(super::span(id, parent.span_id, 1, at(from.min(to)), at(from.max(to))));
        }
        spans
    })
}

proptest! {
    #[test]
    fn self_times_on_the_path_do_not_exceed_the_trace(spans in nested()) {
        let mut assembler = Assembler::new();
        let mut trace = assembler.assemble(&spans);
        trace.critical_path(&mut Vec::new());
        let rows = || 0..spans.len() as u32;
        let on_path: u64 = rows().filter(|row| trace.path_nanos(*row) > 0).map(|row| trace.self_nanos(row)).sum();
        let all: u64 = rows().map(|row| trace.self_nanos(row)).sum();
        prop_assert_eq!(trace.duration_nanos(), 1_000_000);
        prop_assert!(on_path <= trace.duration_nanos() + slack(&spans), "{} on the path", on_path);
        prop_assert!(all >= trace.duration_nanos(), "some span is always at work");
    }
}

/// What the tolerance for overlap may add: each moved span keeps its self time where it overlaps.
fn slack(spans: &[SpanFacts]) -> u64 {
    spans.iter().map(|span| (span.end - span.start) / 100).sum()
}
