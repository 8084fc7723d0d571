//! What the detector costs: nanoseconds a span for numbering operations at arrival and for
//! examining a trace at its decision, beside assembly and shape alone. Traces have a fixed tree a shape,
//! times are drawn anew; names are as long as real ones.
//!
//! `cargo bench --bench detector`

#![expect(clippy::print_stdout, reason = "a benchmark prints its numbers")]

use std::hint::black_box;
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use tailwater::assembly::{Assembler, SpanFacts};
use tailwater::model::{MemoryAccount, Now, Request, Rows, Signal, UnixNanos};
use tailwater::pipeline::{Clock, SystemClock};
use tailwater::processors::tail_sampling::detector::{Baselines, Detector, Options};
use tailwater::wire::{Limits, scan};

/// Spans that are measured in one run.
const SPANS: usize = 4_000_000;
const SERVICES: usize = 12;
/// Spans of one service that stand together in a request, as a batching SDK sends them.
const SPANS_PER_RESOURCE: usize = 50;
const START: u64 = 1_700_000_000_000_000_000;

/// A fixed generator.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    let value = any_value::Value::StringValue(value.to_owned());
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// A request of 1,000 spans of `ops` operations.
fn request(ops: usize, random: &mut Random) -> Arc<Request> {
    let group = |service: usize, random: &mut Random| {
        let attributes = vec![
            text("telemetry.sdk.language", "java"),
            text("service.namespace", "shop"),
            text("service.name", &format!("ts-service-{service}")),
            text("service.version", "1.4.2"),
            text("host.name", "node-17.eu-central-1.compute.internal"),
        ];
        let spans = (0..SPANS_PER_RESOURCE).map(|_| {
            let operation = random.next() as usize % ops.div_ceil(SERVICES);
            Span {
                trace_id: random.next().to_be_bytes().repeat(2),
                span_id: random.next().to_be_bytes().to_vec(),
                name: format!("POST /api/v1/orders/{{id}}/items/{operation}"),
                kind: (operation % 5 + 1) as i32,
                start_time_unix_nano: START,
                end_time_unix_nano: START + 1_000_000,
                ..Span::default()
            }
        });
        let scope_spans = vec![ScopeSpans { spans: spans.collect(), ..ScopeSpans::default() }];
        ResourceSpans {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_spans,
            ..ResourceSpans::default()
        }
    };
    let resource_spans = (0..1_000 / SPANS_PER_RESOURCE).map(|number| group(number % SERVICES, random)).collect();
    let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
    scan(Signal::Traces, body.into(), &Limits::default(), &MemoryAccount::default())
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Traces of `size` spans whose operations are among the given ones; each of 40 shapes has its
/// own tree.
fn traces(size: usize, ops: &[u32], random: &mut Random) -> Vec<Vec<SpanFacts>> {
    let count = 200_000 / size;
    let shapes: Vec<Vec<(usize, u32)>> = (0..40)
        .map(|_| {
            let mut tree = vec![(0, ops[random.next() as usize % ops.len()])];
            tree.extend((1..size).map(|row| (random.next() as usize % row, ops[random.next() as usize % ops.len()])));
            tree
        })
        .collect();
    (0..count)
        .map(|number| {
            let tree = &shapes[number % shapes.len()];
            let mut spans: Vec<SpanFacts> = Vec::with_capacity(size);
            for (row, (parent, op)) in tree.iter().enumerate() {
                let length = 1_000_000 + random.next() % 1_000_000;
                let (start, end) = match row {
                    0 => (START, START + 100_000_000),
                    _ => {
                        let above = spans[*parent];
                        let start = above.start + random.next() % (above.end - above.start).max(1) / 2;
                        (start, (start + length).min(above.end))
                    }
                };
                let parent_span_id = if row == 0 { 0 } else { spans[*parent].span_id };
                spans.push(SpanFacts {
                    span_id: random.next() | 1,
                    parent_span_id,
                    start,
                    end,
                    op: *op,
                    kind: (op % 5 + 1) as u8,
                    status: 0,
                });
            }
            spans
        })
        .collect()
}

/// Nanoseconds a span of the fastest of five runs; a machine that is shared only ever adds.
fn best(clock: &SystemClock, spans: usize, mut work: impl FnMut()) -> f64 {
    (0..5)
        .map(|_| {
            let start = clock.now().mono;
            work();
            clock.now().mono.since(start).as_nanos() as f64 / spans as f64
        })
        .fold(f64::INFINITY, f64::min)
}

fn main() {
    let clock = SystemClock::new();
    println!("{:>5} {:>7} {:>12} {:>12} {:>12}", "ops", "a trace", "intern", "assembly", "examine");
    for ops in [55, 250] {
        for size in [10, 73] {
            let mut random = Random(0x9e37_79b9_7f4a_7c15);
            let request = request(ops, &mut random);
            let mut detector = Detector::new(Arc::new(Baselines::new(Options::default(), 1)));
            let mut wall = START;
            let mut now = || {
                // A thousand traces a second, so that ticks and rotations have their share.
                wall += 1_000_000;
                Now { wall: UnixNanos(wall), ..Now::default() }
            };
            let mut numbers = Vec::new();
            detector.intern(&request, &Rows::All, now(), &mut numbers);
            let (rounds, moment) = (SPANS / 1_000 / 5, now());
            let intern = best(&clock, rounds * 1_000, || {
                for _ in 0..rounds {
                    numbers.clear();
                    detector.intern(black_box(&request), &Rows::All, moment, &mut numbers);
                }
            });
            let traces = traces(size, &numbers, &mut random);
            let rounds = (SPANS / 5 / (traces.len() * size)).max(1);
            let spans = rounds * traces.len() * size;
            let mut assembler = Assembler::new();
            let assembly = best(&clock, spans, || {
                for _ in 0..rounds {
                    for trace in &traces {
                        let mut assembled = assembler.assemble(trace);
                        black_box((assembled.duration_nanos(), assembled.shape(u64::from)));
                    }
                }
            });
            let examine = best(&clock, spans, || {
                for _ in 0..rounds {
                    for trace in &traces {
                        let finding = detector.examine(trace, |_| 0, now());
                        detector.decided(black_box(&finding), false);
                    }
                }
            });
            println!("{ops:>5} {size:>7} {intern:>9.1} ns {assembly:>9.1} ns {:>9.1} ns more", examine - assembly);
        }
    }
}
