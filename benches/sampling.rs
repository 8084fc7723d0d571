//! What a span costs in `tail_sampling` and `batch` alone, without sockets: requests of 1,000
//! spans of about 400 bytes, 10 spans a trace, fresh ids, about a tenth kept, decided after 5 s.
//!
//! Then what learning adds, with traces as services send them: see `learning`.
//!
//! ```text
//! cargo bench --bench sampling                       everything
//! cargo bench --bench sampling -- learning           only what learning adds
//! ```

#![expect(clippy::print_stdout, reason = "a benchmark prints its numbers")]

mod learning;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;
use tailwater::model::{Batch, Instant, Now, Signal, UnixNanos};
use tailwater::pipeline::{
    Clock, ComponentId, Kind, ManualClock, PipelineId, Processor, ProcessorConfig, Settings, Shape, SystemClock,
};
use tailwater::processors::tail_sampling::policy::{
    PolicyConfig, PolicyKind, latency, probabilistic, status_code, string_attribute,
};
use tailwater::processors::{batch, tail_sampling};
use tailwater::wire::{Limits, scan};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const SPANS_PER_REQUEST: usize = 1_000;
const SPANS_PER_TRACE: usize = 10;
/// At 1.5 M spans a second.
const NANOS_PER_REQUEST: u64 = 1_000_000_000 * SPANS_PER_REQUEST as u64 / 1_500_000;
const REQUESTS: u64 = 12_000;

fn settings() -> Settings {
    Settings::lone(
        Kind::Processor,
        ComponentId::parse("tail_sampling").unwrap_or_else(|error| panic!("{error}")),
        Arc::new(ManualClock::default()),
    )
}

/// A request whose trace ids hold a marker that is overwritten for each use. `halves` puts five
/// spans of each trace into it instead of ten.
fn template(first: usize, interleaved: bool) -> Vec<u8> {
    let traces = SPANS_PER_REQUEST / SPANS_PER_TRACE;
    let spans = (0..SPANS_PER_REQUEST).map(|number| {
        let trace = if interleaved { number % traces } else { number / SPANS_PER_TRACE };
        let text = |key: &str, length: usize| KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(any_value::Value::StringValue("v".repeat(length))) }),
            ..KeyValue::default()
        };
        Span {
            trace_id: [&b"\xfe\xed\xfa\xce"[..], &(trace as u32).to_be_bytes(), &[0; 8]].concat(),
            span_id: (number as u64 + first as u64 + 1).to_be_bytes().to_vec(),
            parent_span_id: if number % SPANS_PER_TRACE == 0 { Vec::new() } else { vec![1; 8] },
            name: "GET /api/products".to_owned(),
            start_time_unix_nano: 1_700_000_000_000_000_000,
            end_time_unix_nano: 1_700_000_000_050_000_000,
            attributes: vec![text("http.request.method", 40), text("url.path", 90), text("server.address", 90)],
            status: Some(Status { code: i32::from(trace == 7 && number % 10 == 3) * 2, ..Status::default() }),
            ..Span::default()
        }
    });
    let scope = ScopeSpans { spans: spans.collect(), ..ScopeSpans::default() };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() }],
    }
    .encode_to_vec()
}

/// Where the eight free bytes of each trace id are.
fn id_places(body: &[u8]) -> Vec<usize> {
    let marker = b"\xfe\xed\xfa\xce";
    body.windows(4).enumerate().filter(|(_, bytes)| bytes == marker).map(|(place, _)| place + 8).collect()
}

fn with_ids(template: &[u8], places: &[usize], request: u64) -> Bytes {
    let mut body = template.to_vec();
    let id = request.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    places.iter().for_each(|place| body[*place..*place + 8].copy_from_slice(&id));
    body.into()
}

fn policies(base: f64) -> Vec<PolicyConfig> {
    let policy = |name: &str, kind| PolicyConfig { name: name.to_owned(), kind };
    vec![
        policy("errors", PolicyKind::StatusCode(status_code::Config { statuses: 4 })),
        policy("slow", PolicyKind::Latency(latency::Config { threshold_ms: 500, upper_threshold_ms: 0 })),
        policy(
            "base",
            PolicyKind::Probabilistic(probabilistic::Config { sampling_percentage: base, ..Default::default() }),
        ),
    ]
}

fn one(config: &dyn ProcessorConfig, settings: &Settings) -> Box<dyn Processor> {
    let pipeline = PipelineId { signal: Signal::Traces, name: String::new() };
    match config.build(settings, &pipeline).map(|built| built.shape) {
        Ok(Shape::Detached(mut processors)) => processors.remove(0),
        Ok(Shape::Inline(processor)) => processor,
        Err(error) => panic!("{error}"),
    }
}

/// Nanoseconds spent in each of the steps.
#[derive(Default)]
struct Spent {
    process: u64,
    decide: u64,
    batch: u64,
}

/// Policies that read attributes: every attribute of every span, and nothing matches.
fn attribute_policies(is_regex: bool) -> Vec<PolicyConfig> {
    let config = string_attribute::Config {
        key: "server.address".to_owned(),
        values: vec!["checkout".to_owned()],
        enabled_regex_matching: is_regex,
        cache_max_size: 128,
        invert_match: false,
    };
    let mut policies = policies(8.0);
    policies.push(PolicyConfig { name: "text".to_owned(), kind: PolicyKind::StringAttribute(config) });
    policies
}

fn run(name: &str, template: &[u8], split: bool, policies: Vec<PolicyConfig>) {
    let settings = settings();
    let clock = SystemClock::new();
    let config = tail_sampling::Config {
        decision_wait: Duration::from_secs(5),
        num_traces: 2_000_000,
        policies,
        ..tail_sampling::Config::default()
    };
    let mut sampler = one(&config, &settings);
    let mut batcher = one(&batch::Config::default(), &settings);
    let places = id_places(template);
    let (mut spent, mut kept, mut held_peak, mut spans_peak) = (Spent::default(), 0, 0, 0);
    let timed = |spent: &mut u64, work: &mut dyn FnMut()| {
        let start = clock.now().mono;
        work();
        *spent += clock.now().mono.since(start).as_nanos() as u64;
    };
    for number in 0..REQUESTS {
        let mono = Instant(number * NANOS_PER_REQUEST);
        let now = Now { mono, wall: UnixNanos(mono.0) };
        let id = if split { number / 2 } else { number };
        let body = with_ids(template, &places, id);
        let Ok(request) = scan(Signal::Traces, body, &Limits::default(), &settings.account) else { panic!("scan") };
        let mut batch = Some(Batch::from_request(request));
        let mut out = Vec::new();
        timed(&mut spent.process, &mut || {
            out.extend(batch.take().and_then(|batch| sampler.process(batch, now).ok()).unwrap_or_default());
        });
        timed(&mut spent.decide, &mut || {
            while sampler.deadline().is_some_and(|deadline| deadline <= mono) {
                out.extend(sampler.on_deadline(now));
            }
        });
        timed(&mut spent.batch, &mut || {
            for batch in out.drain(..) {
                kept += batcher.process(batch, now).map_or(0, |out| out.iter().map(Batch::item_count).sum());
            }
            if batcher.deadline().is_some_and(|deadline| deadline <= mono) {
                kept += batcher.on_deadline(now).iter().map(Batch::item_count).sum::<u64>();
            }
        });
        if settings.account.held_bytes() > held_peak {
            (held_peak, spans_peak) = (settings.account.held_bytes(), sampler.held_items());
        }
    }
    let spans = (REQUESTS * SPANS_PER_REQUEST as u64) as f64;
    println!(
        "{name:<28}{:>7.1} take in{:>7.1} decide{:>7.1} batch ns/span; {:.1} % kept; {:.0} B/span held of {:.0} B raw",
        spent.process as f64 / spans,
        spent.decide as f64 / spans,
        spent.batch as f64 / spans,
        kept as f64 * 100.0 / spans,
        held_peak as f64 / spans_peak as f64,
        template.len() as f64 / SPANS_PER_REQUEST as f64,
    );
}

fn main() {
    if std::env::args().any(|argument| argument == "learning") {
        return learning::run();
    }
    run("neighbouring spans", &template(0, false), false, policies(8.0));
    run("each trace in two requests", &template(0, false), true, policies(8.0));
    run("interleaved spans", &template(0, true), false, policies(8.0));
    run("with string_attribute", &template(0, false), false, attribute_policies(false));
    run("the same by regexp", &template(0, false), false, attribute_policies(true));
    learning::run();
}
