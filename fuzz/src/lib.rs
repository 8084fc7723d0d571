//! What the fuzz targets do, one function each. `tests/corpus.rs` runs the same functions over
//! `fuzz/corpus/<name>/`, so that every find stays found.
//!
//! To add a target: a function here, a line in [`TARGETS`], `fuzz_targets/<name>.rs` and a `[[bin]]`
//! as for the others, and a few small files under `corpus/<name>/`.

use bytes::Bytes;
use tailwater::model::{Batch, MemoryAccount, Part, Rows, Signal, SpanView};
use tailwater::net::{self, Decompression};
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
