//! What is one shape and what is another, and the small cases of duplicates and cycles.

use tailwater::assembly::{Assembler, Shape, SpanFacts};

use super::{CLIENT, INTERNAL, SERVER, span};

fn shape(spans: &[SpanFacts]) -> Shape {
    Assembler::new().assemble(spans).shape(|op| u64::from(op).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn op(op: u32, span: SpanFacts) -> SpanFacts {
    SpanFacts { op, ..span }
}

#[test]
fn a_loop_does_not_change_the_shape_and_a_new_edge_does() {
    let root = op(1, span(1, 0, SERVER, 0, 100));
    let call = |id: u64, kind: u32| op(kind, span(id, 1, CLIENT, 10, 20));
    let one = shape(&[root, call(2, 7)]);
    assert_eq!(shape(&[root, call(2, 7), call(3, 7), call(4, 7)]), one);
    let two = shape(&[root, call(2, 7), call(3, 8)]);
    assert_eq!(two.root_op, one.root_op);
    assert_ne!(two.edges, one.edges);
    assert_ne!(two.hash, one.hash);
    assert_eq!(shape(&[root, call(3, 8), call(2, 7), call(9, 8)]), two);
}

#[test]
fn the_root_counts_even_without_an_edge() {
    let [one, two] = [1, 2].map(|number| shape(&[op(number, span(1, 0, SERVER, 0, 100))]));
    assert_eq!((one.edges, two.edges), (0, 0));
    assert_ne!(one.hash, two.hash);
    assert_eq!(shape(&[]), Shape { root_op: Shape::NO_ROOT, edges: 0, hash: 0 });
}

#[test]
fn nothing_at_all_is_a_trace() {
    let mut assembler = Assembler::new();
    let mut trace = assembler.assemble(&[]);
    let mut segments = Vec::new();
    trace.critical_path(&mut segments);
    assert!(trace.is_empty() && trace.roots().is_empty() && segments.is_empty());
    assert_eq!((trace.main_root(), trace.duration_nanos()), (None, 0));
}

#[test]
fn a_real_root_comes_before_an_earlier_orphan() {
    let spans = [span(1, 77, SERVER, 0, 10), span(2, 0, SERVER, 50, 60), span(3, 0, SERVER, 40, 45)];
    let mut assembler = Assembler::new();
    let trace = assembler.assemble(&spans);
    assert_eq!(trace.roots(), [2, 1, 0]);
    assert!(trace.is_orphan(0) && trace.is_root(1) && !trace.is_orphan(2));
}

#[test]
fn a_cycle_is_cut_above_its_earliest_span() {
    // 1 → 3 → 2 → 1, with 4 below 2, and 5 its own parent.
    let spans = [
        span(1, 3, INTERNAL, 30, 40),
        span(2, 1, INTERNAL, 10, 40),
        span(3, 2, INTERNAL, 20, 40),
        span(4, 2, INTERNAL, 15, 18),
        span(5, 5, INTERNAL, 5, 6),
    ];
    let mut assembler = Assembler::new();
    let mut trace = assembler.assemble(&spans);
    assert_eq!(trace.cycles_broken(), 2);
    assert_eq!(trace.roots(), [4, 1]);
    assert_eq!(trace.children(1), [3, 2]);
    assert_eq!(trace.children(0), [0_u32; 0], "the link from 2 back to 1 is gone");
    assert!(!trace.is_orphan(1) && !trace.is_root(1));
}

#[test]
fn the_first_of_an_id_wins_unless_both_ends_of_a_call_come() {
    let mut assembler = Assembler::new();
    let spans = [span(1, 0, INTERNAL, 0, 9), span(1, 0, INTERNAL, 0, 5), span(1, 0, SERVER, 0, 5)];
    let trace = assembler.assemble(&spans);
    assert_eq!((trace.is_duplicate(0), trace.is_duplicate(1), trace.is_duplicate(2)), (false, true, true));
    assert_eq!((trace.duplicates(), trace.self_nanos(1), trace.self_nanos(0)), (2, 0, 9));
    let spans = [
        span(2, 1, INTERNAL, 0, 0),
        span(2, 1, SERVER, 11, 15),
        span(2, 1, SERVER, 12, 13),
        span(2, 1, CLIENT, 10, 20),
        span(1, 0, SERVER, 0, 30),
        span(3, 2, INTERNAL, 12, 14),
    ];
    let trace = assembler.assemble(&spans);
    assert_eq!((trace.duplicates(), trace.is_duplicate(0), trace.is_duplicate(2)), (2, true, true));
    assert_eq!((trace.parent(1), trace.parent(3), trace.parent(5)), (Some(3), Some(4), Some(1)));
}

#[test]
fn a_span_without_an_id_is_neither_a_duplicate_nor_a_parent() {
    let spans = [span(0, 0, INTERNAL, 0, 9), span(0, 0, INTERNAL, 0, 9), span(0, 4, INTERNAL, 0, 9)];
    let mut assembler = Assembler::new();
    let trace = assembler.assemble(&spans);
    assert_eq!((trace.duplicates(), trace.orphans(), trace.roots().len()), (0, 1, 3));
}
