//! Assembly of traces of 1, 10, 73 and 10,000 spans, many different ones of each. Prints
//! nanoseconds a span for the tree with self times, for the shape on top, and for the critical
//! path on top of both; the best of several rounds, on one core.
//!
//! `cargo bench --bench assembly`

#![expect(clippy::print_stdout, reason = "a benchmark prints its numbers")]

use std::hint::black_box;

use tailwater::assembly::{Assembler, SpanFacts};
use tailwater::pipeline::{Clock, SystemClock};

/// Spans of all traces of a round together.
const SPANS: usize = 200_000;
const ROUNDS: usize = 15;
const OPS: u64 = 250;

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

/// A tree of server, internal and client spans of which a tenth overlap a sibling, each called in
/// its parent's interval, in the order in which they end, as exporters send them.
fn trace(size: usize, random: &mut Random) -> Vec<SpanFacts> {
    let mut spans: Vec<SpanFacts> = Vec::with_capacity(size);
    // Where the next child of a span starts.
    let mut free: Vec<u64> = Vec::with_capacity(size);
    for row in 0..size {
        let mut span = SpanFacts {
            span_id: random.next(),
            start: 1_700_000_000_000_000_000 + random.below(1_000_000_000),
            op: random.below(OPS) as u32,
            ..SpanFacts::default()
        };
        span.end = span.start + 1_000_000_000;
        if row > 0 {
            let parent = random.below(row.min(12) as u64) as usize + row.saturating_sub(12);
            let length = (spans[parent].end - spans[parent].start) / 4;
            span.parent_span_id = spans[parent].span_id;
            // An operation calls a few others, again and again.
            span.op = ((u64::from(spans[parent].op) * 31 + random.below(4) * 7 + 1) % OPS) as u32;
            span.start = free[parent].min(spans[parent].end);
            span.end = span.start + random.below(length);
            free[parent] = if random.below(10) == 0 { span.start + 1 } else { span.end + 1 };
        }
        // An operation has one kind.
        span.kind = [2, 1, 1, 3][span.op as usize % 4];
        free.push(span.start + 1);
        spans.push(span);
    }
    spans.sort_by_key(|span| span.end);
    spans
}

/// Nanoseconds a span of the best round.
fn best(clock: &SystemClock, traces: &[Vec<SpanFacts>], mut work: impl FnMut(&[SpanFacts])) -> f64 {
    let spans: usize = traces.iter().map(Vec::len).sum();
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = clock.now().mono;
            traces.iter().for_each(|trace| work(trace));
            clock.now().mono.since(start).as_nanos() as f64 / spans as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[0]
}

/// A hash for an operation that costs a load, as a table of them does.
fn hashes() -> Vec<u64> {
    let mut random = Random(0x0b5e_55ed);
    (0..OPS).map(|_| random.next()).collect()
}

fn main() {
    let clock = SystemClock::new();
    let hashes = hashes();
    println!("{:<14}{:>16}{:>12}{:>18}", "spans a trace", "tree and self", "and shape", "and critical path");
    for size in [1, 10, 73, 10_000] {
        let mut random = Random(0x5eed ^ size as u64);
        let traces: Vec<_> = (0..SPANS / size).map(|_| trace(size, &mut random)).collect();
        let mut assembler = Assembler::with_seed(0x1234_5678_9abc_def1);
        let mut segments = Vec::new();
        let self_sum = |trace: &tailwater::assembly::Assembled<'_>| {
            (0..trace.len() as u32).fold(0_u64, |sum, row| sum.wrapping_add(trace.self_nanos(row)))
        };
        let tree = best(&clock, &traces, |spans| {
            black_box(self_sum(&assembler.assemble(spans)));
        });
        let shape = best(&clock, &traces, |spans| {
            let mut trace = assembler.assemble(spans);
            black_box((self_sum(&trace), trace.shape(|op| hashes[op as usize])));
        });
        let path = best(&clock, &traces, |spans| {
            let mut trace = assembler.assemble(spans);
            black_box((self_sum(&trace), trace.shape(|op| hashes[op as usize])));
            segments.clear();
            trace.critical_path(&mut segments);
            black_box(&segments);
        });
        println!("{size:<14}{tree:>13.1} ns{shape:>9.1} ns{path:>15.1} ns");
    }
}
