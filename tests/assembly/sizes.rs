//! Traces that would end a recursion or a quadratic step.

use tailwater::assembly::{Assembler, SpanFacts};

use super::{INTERNAL, SERVER, span};

const MANY: u64 = 1_000_000;

fn path_of(spans: &[SpanFacts]) -> (u32, usize) {
    let mut assembler = Assembler::with_seed(3);
    let mut trace = assembler.assemble(spans);
    let mut segments = Vec::new();
    trace.critical_path(&mut segments);
    let cycles = trace.cycles_broken();
    trace.shape(u64::from);
    (cycles, segments.len())
}

#[test]
fn a_million_spans_deep() {
    let spans: Vec<SpanFacts> =
        (1..=MANY).map(|id| span(id, id - 1, [SERVER, INTERNAL][(id % 2) as usize], id, 3 * MANY - id)).collect();
    assert_eq!(path_of(&spans), (0, 2 * MANY as usize - 1));
}

#[test]
fn a_million_spans_side_by_side_in_the_worst_order() {
    let calls = (2..=MANY).rev().map(|id| span(id, 1, INTERNAL, 10 * id, 10 * id + 5));
    let spans: Vec<SpanFacts> = calls.chain([span(1, 0, SERVER, 0, 20 * MANY)]).collect();
    assert_eq!(path_of(&spans), (0, 2 * MANY as usize - 1));
}

#[test]
fn a_cycle_of_a_million_and_a_million_cycles() {
    let ring: Vec<SpanFacts> = (1..=MANY).map(|id| span(id, id % MANY + 1, INTERNAL, id, 3 * MANY)).collect();
    assert_eq!(path_of(&ring).0, 1);
    let own: Vec<SpanFacts> = (1..=MANY).map(|id| span(id, id, INTERNAL, id, 3 * MANY)).collect();
    assert_eq!(path_of(&own).0, MANY as u32);
}

#[test]
fn a_million_of_one_id() {
    let spans: Vec<SpanFacts> = (1..=MANY).map(|_| span(7, 7, SERVER, 5, 9)).collect();
    let mut assembler = Assembler::new();
    let trace = assembler.assemble(&spans);
    assert_eq!((trace.duplicates(), trace.cycles_broken()), (MANY as u32 - 1, 1));
}
