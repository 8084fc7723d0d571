//! What a span costs on its way through `wire`, in nanoseconds: the best of many runs, one thread.
//! Run `cargo bench --bench wire` on an otherwise idle core.

mod request;

use std::borrow::Cow;
use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use request::SPANS;
use tailwater::model::{Batch, MemoryAccount, Part, Request, Rows, Signal, SpanView, ValueView};
use tailwater::sampling::{Threshold, TraceState};
use tailwater::wire::{self, ItemPatch, Limits};

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

/// Writes a threshold as a sampler does: what the span has is read, raised and written back.
#[expect(clippy::expect_used, reason = "the request is our own")]
fn put_threshold(request: &Request, row: u32, patch: &mut ItemPatch) {
    let has_state = request.index().spans.as_ref().is_some_and(|spans| spans.has_trace_state[row as usize] == 1);
    let span = SpanView::new(request, row).filter(|_| has_state);
    let text = span.map_or(Cow::default(), |span| span.trace_state());
    let mut state = TraceState::parse(text.as_bytes()).expect("our own text");
    state.set_threshold(Threshold::from_rejected(0xc0 << 48));
    state.write(patch.trace_state_mut()).expect("short");
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
    report("rewrite, one span in 100", SPANS, || {
        let patch = |_: &Request, row: u32, patch: &mut ItemPatch| {
            if row.is_multiple_of(100) {
                patch.set_trace_state(b"ot=th:8");
            }
        };
        drop(black_box(wire::rewrite(&whole, patch)));
    });
    let stated = wire::rewrite(&whole, put_threshold);
    report("rewrite, th on each span", SPANS, || drop(black_box(wire::rewrite(&whole, put_threshold))));
    report("rewrite, th for another th", SPANS, || drop(black_box(wire::rewrite(&stated, put_threshold))));
    report("rewrite, th and attributes", SPANS, || {
        let patch = |_: &Request, _: u32, patch: &mut ItemPatch| {
            patch.set_trace_state(b"ot=th:8");
            patch.push_attribute("tailwater.policy", ValueView::String(b"adaptive"));
            patch.push_attribute("tailwater.score", ValueView::Double(0.5));
        };
        drop(black_box(wire::rewrite(&whole, patch)));
    });
    report("json write", SPANS, || drop(black_box(wire::json::write(&whole))));
    report("json read", SPANS, || drop(black_box(wire::json::read(Signal::Traces, &text, &limits, &account))));
    report("prost decode", SPANS, || drop(black_box(ExportTraceServiceRequest::decode(&body[..]))));
}
