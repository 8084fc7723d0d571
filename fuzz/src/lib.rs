//! What the fuzz targets do, one function each. `tests/corpus.rs` runs the same functions over
//! `fuzz/corpus/<name>/`, so that every find stays found.
//!
//! To add a target: a function here, a line in [`TARGETS`], `fuzz_targets/<name>.rs` and a `[[bin]]`
//! as for the others, and a few small files under `corpus/<name>/`.

use std::sync::Arc;

use bytes::Bytes;
use tailwater::model::{Batch, Instant, MemoryAccount, Now, Part, Rows, Signal, SpanView, UnixNanos};
use tailwater::net::{self, Decompression};
use tailwater::ottl::{self, Condition, Context, EventView, normalize};
use tailwater::pipeline::{
    BuiltProcessor, ComponentId, Kind, Learned, Ledger, ManualClock, PipelineId, Processor, ProcessorConfig, Settings,
    Shape,
};
use tailwater::processors::tail_sampling::Config;
use tailwater::processors::tail_sampling::policy::{PolicyConfig, PolicyKind};
use tailwater::wire::foreign::span_table::SpanTable;
use tailwater::wire::foreign::{Converted, jaeger_json, zipkin_json};
use tailwater::wire::{self, Limits, json, status};

/// A target: its name and what it does with bytes. It panics on a find.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("otlp_proto_traces", otlp_proto_traces),
    ("otlp_proto_metrics", otlp_proto_metrics),
    ("otlp_proto_logs", otlp_proto_logs),
    ("otlp_json", otlp_json),
    ("status", self::status),
    ("config", config),
    ("decompress", decompress),
    ("ottl", ottl),
    ("jaeger_json", self::jaeger_json),
    ("zipkin_json", self::zipkin_json),
    ("span_table", span_table),
    ("learned_state", learned_state),
];

/// A protobuf request of traces.
pub fn otlp_proto_traces(data: &[u8]) {
    proto(Signal::Traces, data);
}

/// A protobuf request of metrics.
pub fn otlp_proto_metrics(data: &[u8]) {
    proto(Signal::Metrics, data);
}

/// A protobuf request of logs.
pub fn otlp_proto_logs(data: &[u8]) {
    proto(Signal::Logs, data);
}

/// A JSON request of any signal; what is accepted is written and read again.
pub fn otlp_json(data: &[u8]) {
    for signal in Signal::ALL {
        let Ok(request) = json::read(signal, data, &Limits::default(), &MemoryAccount::default()) else { continue };
        let rows = request.index().rows();
        let text = json::write(&Batch::from_request(request));
        match json::read(signal, &text, &Limits::default(), &MemoryAccount::default()) {
            Ok(again) => assert_eq!(again.index().rows(), rows),
            Err(error) => panic!("what we write is refused: {error}"),
        }
    }
}

/// The small messages of the protocol.
pub fn status(data: &[u8]) {
    for read in [status::Status::decode_proto(data), status::Status::decode_json(data)].into_iter().flatten() {
        assert_eq!(status::Status::decode_proto(&read.encode_proto()).as_ref(), Some(&read));
        assert_eq!(status::Status::decode_json(&read.encode_json()), Some(read));
    }
    for signal in Signal::ALL {
        let proto = status::decode_response_proto(data, signal);
        let json = status::decode_response_json(data, signal);
        for read in [proto, json].into_iter().flatten() {
            let proto = status::encode_response_proto(&read, signal);
            assert_eq!(status::decode_response_proto(&proto, signal).as_ref(), Ok(&read));
            let json = status::encode_response_json(&read, signal);
            assert_eq!(status::decode_response_json(&json, signal), Ok(read));
        }
    }
}

/// A config file: read, expanded, decoded and explained; never a panic, and an error where nothing
/// comes of it.
pub fn config(data: &[u8]) {
    let loaded = tailwater::service::load_text(&String::from_utf8_lossy(data));
    assert_eq!(loaded.config.is_none(), loaded.report.has_errors());
    let _ = tailwater::config::render(&loaded.report, &loaded.sources, true);
}

/// A compressed body: the first byte chooses the format; what comes out stays under the cap.
pub fn decompress(data: &[u8]) {
    const CAP: usize = 1 << 20;
    let Some((format, body)) = data.split_first() else { return };
    let format = match format % 5 {
        0 => Decompression::Gzip,
        1 => Decompression::Zlib,
        2 => Decompression::Zstd,
        3 => Decompression::SnappyBlock,
        _ => Decompression::SnappyFramed,
    };
    if let Ok(text) = net::decompress(format, body, CAP) {
        assert!(text.len() <= CAP);
    }
}

/// A condition, and behind the first line break the span that it is asked of: neither breaks it,
/// and what is printed of it is read as the same.
pub fn ottl(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (text, rest) = data.split_at(end);
    let text = String::from_utf8_lossy(text);
    if let Ok(printed) = normalize(&text) {
        assert_eq!(normalize(&printed).as_ref(), Ok(&printed));
    }
    let body = Bytes::copy_from_slice(rest.get(1..).unwrap_or_default());
    let request = wire::scan(Signal::Traces, body, &Limits::default(), &MemoryAccount::default());
    for context in [Context::Span, Context::SpanEvent, Context::Resource, Context::Scope] {
        let (Ok(condition), Ok(request)) = (Condition::parse(&text, context), &request) else { continue };
        for span in (0..request.index().rows()).filter_map(|row| SpanView::new(request, row)) {
            let targets = match context {
                Context::Span => vec![ottl::Target::Span(span)],
                Context::SpanEvent => EventView::of(&span).map(|event| ottl::Target::SpanEvent(span, event)).collect(),
                Context::Resource => vec![ottl::Target::Resource(span.resource())],
                Context::Scope => vec![ottl::Target::Scope(span.scope(), span.resource())],
            };
            for target in targets {
                let _ = condition.evaluate(&target, UnixNanos(1));
            }
        }
    }
}

/// Jaeger's JSON.
pub fn jaeger_json(data: &[u8]) {
    if let Ok(converted) = jaeger_json::read(data) {
        readable(converted);
    }
}

/// Zipkin's v2 JSON.
pub fn zipkin_json(data: &[u8]) {
    if let Ok(converted) = zipkin_json::read(data) {
        readable(converted);
    }
}

/// A table of spans, twice: the second time every row is a duplicate.
pub fn span_table(data: &[u8]) {
    let mut table = SpanTable::default();
    if table.add(data).is_err() {
        return;
    }
    let duplicates = table.duplicates();
    let _ = table.take_invalid();
    let _ = table.add(data);
    let again = table.duplicates() - duplicates;
    let spans = readable(table.finish());
    assert_eq!(again, spans + duplicates);
}

/// What a sampler learned: refused or taken; what was taken is saved, and what is saved is taken
/// again. A sampler that took it samples: whatever was in it, nothing is lost.
pub fn learned_state(data: &[u8]) {
    let now = |seconds: u64| Now { mono: Instant(seconds * 1_000_000_000), wall: UnixNanos(seconds * 1_000_000_000) };
    let (mut sampler, learned, ledger) = sampler();
    if learned.load(data, now(1_000)).is_ok() {
        let saved = learned.save(now(1_001));
        if let Err(reason) = self::sampler().1.load(&saved, now(1_001)) {
            panic!("what we save is refused: {reason}");
        }
    }
    let mut out = 0;
    for second in 1_000..1_004 {
        let body = Bytes::from_static(TRACE);
        let request = match wire::scan(Signal::Traces, body, &Limits::default(), &MemoryAccount::default()) {
            Ok(request) => request,
            Err(error) => panic!("the trace is refused: {error}"),
        };
        let Ok(batches) = sampler.process(Batch::from_request(request), now(second)) else {
            panic!("a batch is refused")
        };
        out += batches.iter().chain(&sampler.on_deadline(now(second))).map(Batch::item_count).sum::<u64>();
    }
    out += sampler.drain(now(1_005)).iter().map(Batch::item_count).sum::<u64>();
    let dropped: u64 = ledger.read(Signal::Traces).dropped.values().sum();
    assert_eq!((out + dropped, sampler.held_items()), (4, 0));
}

/// A request of one root span of the service `s`, which took 2^30 ns, about a second.
const TRACE: &[u8] = b"\x0aN\x0a\x15\x0a\x13\x0a\x0cservice.name\x12\x03\x0a\x01s\x125\x123\x0a\x100123456789abcdef\
    \x12\x0801234567*\x01r0\x029\x00\x00\x00\x00\x01\x00\x00\x00A\x00\x00\x00@\x01\x00\x00\x00";

/// A sampler with an adaptive policy, what it learns, and where it counts what it drops.
fn sampler() -> (Box<dyn Processor>, Arc<dyn Learned>, Arc<Ledger>) {
    let policy = PolicyConfig { name: "learn".to_owned(), kind: PolicyKind::Adaptive(Default::default()) };
    // Nobody writes the file: that is up to who drives the sampler.
    let config = Config { policies: vec![policy], state_file: Some("state".into()), ..Config::default() };
    let Ok(id) = ComponentId::parse("tail_sampling") else { panic!("the id is sound") };
    let settings = Settings::lone(Kind::Processor, id, Arc::new(ManualClock::default()));
    let Ok(pipeline) = PipelineId::parse("traces") else { panic!("the id is sound") };
    match config.build(&settings, &pipeline) {
        Ok(BuiltProcessor { shape: Shape::Detached(mut shards), state: Some(state) }) => {
            (shards.remove(0), state.learned, settings.ledger)
        }
        _ => panic!("a sampler is built"),
    }
}

/// What was converted must be OTLP; returns its spans.
fn readable(converted: Converted) -> u64 {
    let rows = converted.requests.into_iter().map(|body| {
        match wire::scan(Signal::Traces, body, &Limits::default(), &MemoryAccount::default()) {
            Ok(request) => u64::from(request.index().rows()),
            Err(error) => panic!("what we convert is refused: {error}"),
        }
    });
    rows.sum()
}

fn proto(signal: Signal, data: &[u8]) {
    let scan = |body: Bytes| wire::scan(signal, body, &Limits::default(), &MemoryAccount::default());
    let Ok(request) = scan(Bytes::copy_from_slice(data)) else { return };
    let rows = request.index().rows();
    for span in (0..rows).filter_map(|row| SpanView::new(&request, row)) {
        let attributes = span.attributes().chain(span.resource().attributes()).chain(span.scope().attributes());
        let _ = (attributes.count(), span.name(), span.trace_state(), span.scope().name());
    }
    let _ = json::write(&Batch::from_request(request.clone()));
    let picked: Vec<u32> = (0..rows).filter(|row| row % 3 != 1).collect();
    let mut batch = Batch::new(signal);
    batch.push(Part { request, rows: Rows::from_sorted(&picked) });
    let encoded = wire::encode(&batch).into_bytes();
    assert_eq!(encoded.len() as u64, wire::encoded_len(&batch));
    match scan(encoded) {
        Ok(again) => assert_eq!(again.index().item_count, batch.item_count()),
        Err(error) => panic!("what we write is refused: {error}"),
    }
    assert_eq!(wire::compact(batch.clone()).item_count(), batch.item_count());
}
