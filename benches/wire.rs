//! What a span costs on its way through `wire`, in nanoseconds: the best of many runs, one thread.
//! Run `cargo bench --bench wire` on an otherwise idle core.

mod request;

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use request::SPANS;
use tailwater::model::{Batch, MemoryAccount, Part, Rows, Signal};
use tailwater::wire::{self, Limits};

/// Runs of which the best counts.
const RUNS: usize = 300;

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn best(mut run: impl FnMut()) -> Duration {
    (0..RUNS)
        .map(|_| {
            let start = std::time::Instant::now();
            run();
            start.elapsed()
        })
        .min()
        .unwrap_or_default()
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its result")]
fn report(what: &str, spans: usize, run: impl FnMut()) {
    println!("{what:<28} {:>8.1} ns/span", best(run).as_nanos() as f64 / spans as f64);
}

#[expect(clippy::expect_used, reason = "the request is our own")]
fn main() {
    let body = Bytes::from(request::body());
    let account = MemoryAccount::default();
    let limits = Limits::default();
    let scan = |body: &Bytes| wire::scan(Signal::Traces, body.clone(), &limits, &account).expect("valid");
    let request = scan(&body);
    let whole = Batch::from_request(request.clone());
    let batch_of = |rows: &[u32]| {
        let mut batch = Batch::new(Signal::Traces);
        batch.push(Part { request: request.clone(), rows: Rows::from_sorted(rows) });
        batch
    };
    let spread: Vec<u32> = (0..SPANS as u32).filter(|row| row.wrapping_mul(2_654_435_761) >> 31 == 0).collect();
    let (spread, run) = (batch_of(&spread), batch_of(&(10..SPANS as u32 - 10).collect::<Vec<_>>()));
    let text = wire::json::write(&whole);

    report("scan", SPANS, || drop(black_box(scan(black_box(&body)))));
    report("reframe, half of the spans", spread.item_count() as usize, || drop(black_box(wire::encode(&spread))));
    report("reframe, one run", run.item_count() as usize, || drop(black_box(wire::encode(&run))));
    report("compact, half of the spans", spread.item_count() as usize, || {
        drop(black_box(wire::compact(spread.clone())));
    });
    report("json write", SPANS, || drop(black_box(wire::json::write(&whole))));
    report("json read", SPANS, || drop(black_box(wire::json::read(Signal::Traces, &text, &limits, &account))));
    report("prost decode", SPANS, || drop(black_box(ExportTraceServiceRequest::decode(&body[..]))));
}
