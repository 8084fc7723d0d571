//! What a condition costs on a span of eight attributes, in nanoseconds: the best of many runs, one
//! thread. Run `cargo bench --bench ottl` on an otherwise idle core.

use std::hint::black_box;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use tailwater::model::{MemoryAccount, Signal, SpanView, UnixNanos};
use tailwater::ottl::{Condition, Context, Target};
use tailwater::wire::{Limits, scan};

/// Evaluations in a run, and runs of which the best counts.
const EVALUATIONS: u32 = 10_000;
const RUNS: usize = 50;

const CONDITIONS: [&str; 8] = [
    "attributes[\"http.status_code\"] >= 500",
    "attributes[\"missing\"] == nil",
    "attributes[\"http.method\"] == \"POST\" and kind == SPAN_KIND_SERVER",
    "resource.attributes[\"service.name\"] == \"checkout\"",
    "name == \"GET /cart\"",
    "end_time_unix_nano - start_time_unix_nano > 100000000",
    "IsMatch(name, \"^GET /c\")",
    "HasPrefix(name, \"POST\") or HasSuffix(name, \"Call\")",
];

fn pair(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn text(value: &str) -> any_value::Value {
    any_value::Value::StringValue(value.to_owned())
}

fn body() -> Vec<u8> {
    let span = Span {
        trace_id: vec![7; 16],
        span_id: vec![7; 8],
        name: "GET /cart".to_owned(),
        kind: 2,
        start_time_unix_nano: 1_700_000_000_000_000_000,
        end_time_unix_nano: 1_700_000_000_200_000_000,
        attributes: vec![
            pair("http.method", text("GET")),
            pair("http.route", text("/cart")),
            pair("http.target", text("/cart?user=17")),
            pair("net.peer.name", text("frontend.shop.svc.cluster.local")),
            pair("net.peer.port", any_value::Value::IntValue(43_210)),
            pair("user.id", text("7e8a40b1-77e2-4f4c-8f6a-2b9f4d6e5c11")),
            pair("thread.name", text("worker-3")),
            pair("http.status_code", any_value::Value::IntValue(503)),
        ],
        ..Span::default()
    };
    let resource = opentelemetry_proto::tonic::resource::v1::Resource {
        attributes: vec![pair("service.version", text("1.2.3")), pair("service.name", text("checkout"))],
        ..Default::default()
    };
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn best(mut run: impl FnMut()) -> u128 {
    let times = (0..RUNS).map(|_| {
        let start = std::time::Instant::now();
        run();
        start.elapsed().as_nanos()
    });
    times.min().unwrap_or_default()
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its result")]
#[expect(clippy::expect_used, reason = "the request and the conditions are our own")]
fn main() {
    let request =
        scan(Signal::Traces, body().into(), &Limits::default(), &MemoryAccount::default()).expect("a valid request");
    let waiting = request.without_columns();
    for (request, what) in [(&*request, "with columns"), (&waiting, "without columns, as in tail_sampling")] {
        println!("{what}");
        let target = Target::Span(SpanView::new(request, 0).expect("a span"));
        for text in CONDITIONS {
            let condition = Condition::parse(text, Context::Span).expect("a condition");
            let nanos = best(|| {
                for _ in 0..EVALUATIONS {
                    let _ = black_box(condition.evaluate(black_box(&target), UnixNanos(0)));
                }
            });
            println!("  {:>6.1} ns  {text}", nanos as f64 / f64::from(EVALUATIONS));
        }
    }
}
