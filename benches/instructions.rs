//! Counts the instructions of the hot path and compares them with limits: a guard that a noisy
//! machine cannot upset. Runs itself under valgrind; without valgrind it says so and passes.

mod request;

use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use bytes::Bytes;
use request::SPANS;
use tailwater::model::{Batch, MemoryAccount, Part, Request, Rows, Signal};
use tailwater::wire::{self, Limits};

/// Name of a step, its limit, and what it does with a body, its request and the shards of it.
type Step = (&'static str, u64, fn(&Bytes, &Arc<Request>, &[Batch]));

/// The steps of the hot path with the instructions that a span may cost in each, as measured when
/// the limit was set. More than a tenth above fails.
const STEPS: [Step; 4] = [
    ("scan", 1080, |body, _, _| drop(black_box(scan(body)))),
    ("shard", 25, |_, request, _| drop(black_box(shard(request)))),
    ("reframe", 245, |_, _, shards| drop(black_box(shards.iter().map(wire::encode).collect::<Vec<_>>()))),
    ("compact", 625, |_, _, shards| drop(black_box(shards.iter().cloned().map(wire::compact).collect::<Vec<_>>()))),
];

/// Rounds of a step in the longer of two runs; the shorter one has none.
const ROUNDS: u64 = 10;

/// Shards that a request is cut into.
const SHARDS: usize = 8;

/// Tells the run under valgrind from the one that starts it.
const CHILD: &str = "TAILWATER_INSTRUCTIONS_CHILD";

#[expect(clippy::expect_used, reason = "the request is our own")]
fn scan(body: &Bytes) -> Arc<Request> {
    wire::scan(Signal::Traces, body.clone(), &Limits::default(), &MemoryAccount::default()).expect("valid")
}

/// Cuts a request by trace id, as the pipeline does before it assembles traces.
fn shard(request: &Arc<Request>) -> Vec<Batch> {
    let mut rows: [Vec<u32>; SHARDS] = std::array::from_fn(|_| Vec::with_capacity(SPANS / SHARDS * 2));
    if let Some(columns) = &request.index().spans {
        for (row, trace_id) in (0..).zip(columns.trace_id.iter()) {
            let hash = (*trace_id as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            rows[(hash >> 61) as usize % SHARDS].push(row);
        }
    }
    let batch = |rows: &Vec<u32>| {
        let mut batch = Batch::new(Signal::Traces);
        batch.push(Part { request: request.clone(), rows: Rows::from_sorted(rows) });
        batch
    };
    rows.iter().map(batch).collect()
}

/// Does a step some times: what valgrind counts.
fn child(task: &str) {
    let mut words = task.split(' ');
    let (name, rounds) = (words.next(), words.next().and_then(|rounds| rounds.parse().ok()).unwrap_or(0));
    let body = Bytes::from(request::body());
    let request = scan(&body);
    let shards = shard(&request);
    for (_, _, step) in STEPS.iter().filter(|(step, ..)| Some(*step) == name) {
        (0..rounds).for_each(|_| step(&body, &request, &shards));
    }
}

/// Instructions of a whole run; `None` when valgrind cannot be started or says something else.
fn instructions(name: &str, rounds: u64) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(std::env::current_exe().ok()?)
        .env(CHILD, format!("{name} {rounds}"))
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find(|line| line.contains("I refs:") || line.contains("I   refs:"))?;
    line.rsplit(' ').next()?.replace(',', "").parse().ok()
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its result")]
fn main() -> ExitCode {
    if let Ok(task) = std::env::var(CHILD) {
        child(&task);
        return ExitCode::SUCCESS;
    }
    let mut is_good = true;
    for (name, limit, _) in STEPS {
        let (Some(none), Some(some)) = (instructions(name, 0), instructions(name, ROUNDS)) else {
            println!("skipped: install valgrind");
            return ExitCode::SUCCESS;
        };
        let per_span = some.saturating_sub(none) / ROUNDS / SPANS as u64;
        let verdict = if per_span * 10 > limit * 11 { "TOO MANY" } else { "ok" };
        is_good &= verdict == "ok";
        println!("{name:<10} {per_span:>6} instructions/span, limit {limit}: {verdict}");
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
