//! Exporters against real sockets: statuses, delays, compression, lost and late backends.

#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use support::backend::{Backend, Reply};
use support::{Built, batch_of, decode, rich_batch, select};
use tailwater::exporters::{debug, file, otlp_grpc, otlp_http};
use tailwater::model::{Signal, SpanView};
use tailwater::pipeline::Code;
use tailwater::wire::status::{PartialSuccess, Status, encode_response_proto};
use tailwater::wire::{Limits, scan};

async fn grpc(port: u16, more: &str) -> Built {
    Built::start(&format!("endpoint: 127.0.0.1:{port}\ntls: {{insecure: true}}\n{more}"), otlp_grpc::Config::decode)
        .await
}

async fn http(port: u16, more: &str) -> Built {
    Built::start(&format!("endpoint: http://127.0.0.1:{port}\n{more}"), otlp_http::Config::decode).await
}

const DIRECT: &str = "sending_queue: {enabled: false}\nretry_on_failure: {enabled: false}\n";

#[tokio::test]
async fn a_batch_arrives_over_grpc_as_it_was() {
    let backend = Backend::grpc().await;
    let exporter = grpc(backend.port(), &format!("{DIRECT}compression: none\nheaders: {{x-tenant: shop}}")).await;
    let batch = batch_of(3);
    exporter.send(batch.clone()).await.unwrap();
    let seen = backend.take();
    assert_eq!(seen[0].path, "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
    let headers = ["te", "content-type", "grpc-timeout", "x-tenant", "grpc-encoding"].map(|name| seen[0].header(name));
    assert_eq!(headers, ["trailers", "application/grpc", "5000m", "shop", ""]);
    assert!(seen[0].header("user-agent").starts_with("tailwater/"));
    assert_eq!(&seen[0].message(), batch.parts()[0].request.body());
    assert_eq!((exporter.reading().sent, exporter.reading().residual()), (3, 0));
    assert_eq!(exporter.metric("otelcol_exporter_sent_spans_total"), 3);
    exporter.stop(5).await;
}

#[tokio::test]
async fn every_grpc_status_comes_back_with_its_code_and_class() {
    let backend = Backend::grpc().await;
    let exporter = grpc(backend.port(), DIRECT).await;
    for number in 1..=16 {
        backend.script([Reply::code(number).with("grpc-message", "no%21")]);
        let error = exporter.send(batch_of(1)).await.unwrap_err();
        assert_eq!(error.code(), Code::from_number(number));
        assert_eq!(error.is_retryable(), [1, 4, 10, 11, 14, 15].contains(&number), "code {number}");
        assert!(error.message().ends_with("desc = no!"), "{}", error.message());
    }
    assert_eq!(exporter.reading().residual(), 0);
    assert_eq!(exporter.metric("otelcol_exporter_send_failed_spans_total"), 16);
}

#[tokio::test]
async fn a_dead_grpc_backend_is_a_retryable_error_and_its_return_is_noticed() {
    let backend = Backend::grpc().await;
    let port = backend.port();
    let exporter = grpc(port, DIRECT).await;
    exporter.send(batch_of(1)).await.unwrap();
    backend.stop().await;
    let error = exporter.send(batch_of(1)).await.unwrap_err();
    assert!(error.is_retryable() && error.code() == Code::Unavailable, "{error}");
    let backend = Backend::on(port, true).await;
    let mut left = 100;
    while exporter.send(batch_of(1)).await.is_err() {
        left -= 1;
        assert!(left > 0, "the exporter never came back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(backend.take().len(), 1);
    assert_eq!(exporter.reading().residual(), 0);
}

#[tokio::test]
async fn resource_exhausted_with_retry_info_is_tried_again_when_the_server_says() {
    let backend = Backend::grpc().await;
    let exporter = grpc(backend.port(), "sending_queue: {enabled: false}").await;
    let status = Status { code: 8, message: String::new(), retry_delay: Some(Duration::from_millis(20)) };
    let details = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, status.encode_proto());
    backend.script([Reply::code(8).with("grpc-status-details-bin", &details)]);
    let short = "sending_queue: {enabled: false}\nretry_on_failure: {initial_interval: 1ms, max_interval: 1ms}";
    let quick = grpc(backend.port(), short).await;
    quick.send(batch_of(2)).await.unwrap();
    assert_eq!((backend.take().len(), quick.reading().sent), (2, 2));
    exporter.stop(1).await;
}

#[tokio::test]
async fn a_partial_success_counts_as_sent() {
    let backend = Backend::grpc().await;
    let exporter = grpc(backend.port(), DIRECT).await;
    let partial = PartialSuccess { rejected: 1, message: "one is bad".to_owned() };
    backend.script([Reply::message(&encode_response_proto(&partial, Signal::Traces))]);
    exporter.send(batch_of(2)).await.unwrap();
    assert_eq!((exporter.reading().sent, exporter.reading().residual()), (2, 0));
}

#[tokio::test]
async fn each_grpc_compression_reads_back_and_is_named() {
    let backend = Backend::grpc().await;
    for name in ["gzip", "zstd", "snappy"] {
        let exporter = grpc(backend.port(), &format!("{DIRECT}compression: {name}")).await;
        let batch = batch_of(50);
        exporter.send(batch.clone()).await.unwrap();
        let seen = backend.take().remove(0);
        assert_eq!((seen.header("grpc-encoding"), seen.body[0]), (name, 1));
        let packed = seen.message();
        assert!(packed.len() < batch.selected_bytes() as usize / 2);
        assert_eq!(
            unpack(if name == "snappy" { "x-snappy-framed" } else { name }, &packed),
            batch.parts()[0].request.body()
        );
    }
}

#[tokio::test]
async fn each_http_compression_reads_back_and_is_named() {
    let backend = Backend::http().await;
    for name in ["gzip", "zstd", "zlib", "deflate", "snappy", "x-snappy-framed", "none"] {
        let exporter = http(backend.port(), &format!("{DIRECT}compression: {name}")).await;
        let batch = batch_of(50);
        exporter.send(batch.clone()).await.unwrap();
        let seen = backend.take().remove(0);
        let expected = if name == "none" { "" } else { name };
        assert_eq!(seen.header("content-encoding"), expected);
        assert_eq!(seen.header("content-length"), seen.body.len().to_string());
        assert_eq!(unpack(name, &seen.body), batch.parts()[0].request.body());
    }
}

fn unpack(name: &str, bytes: &[u8]) -> Bytes {
    use std::io::Write;
    let written = |result: std::io::Result<Vec<u8>>| Bytes::from(result.unwrap());
    match name {
        "gzip" => {
            let mut decoder = flate2::write::GzDecoder::new(Vec::new());
            decoder.write_all(bytes).unwrap();
            written(decoder.finish())
        }
        "zlib" | "deflate" => {
            let mut decoder = flate2::write::ZlibDecoder::new(Vec::new());
            decoder.write_all(bytes).unwrap();
            written(decoder.finish())
        }
        "zstd" => written(zstd::bulk::decompress(bytes, 1 << 20)),
        "snappy" => snap::raw::Decoder::new().decompress_vec(bytes).unwrap().into(),
        "x-snappy-framed" => {
            let mut out = Vec::new();
            std::io::copy(&mut snap::read::FrameDecoder::new(bytes), &mut out).unwrap();
            out.into()
        }
        _ => Bytes::copy_from_slice(bytes),
    }
}

#[tokio::test]
async fn calls_are_spread_over_the_connections() {
    let backend = Backend::grpc().await;
    let exporter = grpc(backend.port(), &format!("{DIRECT}connections: 3")).await;
    for _ in 0..9 {
        exporter.send(batch_of(1)).await.unwrap();
    }
    assert_eq!((backend.connections(), backend.take().len()), (3, 9));
}

#[tokio::test]
async fn a_selection_arrives_with_its_resource_and_scope() {
    let backend = Backend::grpc().await;
    let exporter = grpc(backend.port(), &format!("{DIRECT}compression: none")).await;
    exporter.send(select(&batch_of(5), &[1, 4])).await.unwrap();
    let message = backend.take().remove(0).message();
    let request = scan(Signal::Traces, message, &Limits::default(), &Default::default()).unwrap();
    let names: Vec<_> = (0..2).map(|row| SpanView::new(&request, row).unwrap().name().into_owned()).collect();
    assert_eq!((names, request.index().rows()), (vec!["span 1".to_owned(), "span 4".to_owned()], 2));
    let resource = SpanView::new(&request, 0).unwrap().resource();
    assert_eq!(resource.attributes().find_key("service.name").unwrap().as_text().unwrap(), "shop");
}

#[tokio::test]
async fn with_wait_for_ready_a_call_waits_for_the_backend() {
    let backend = Backend::grpc().await;
    let port = backend.port();
    backend.stop().await;
    let exporter = grpc(port, &format!("{DIRECT}wait_for_ready: true")).await;
    let sent = exporter.send(batch_of(1));
    tokio::pin!(sent);
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut sent).await.is_err());
    let backend = Backend::on(port, true).await;
    sent.await.unwrap();
    assert_eq!(backend.take().len(), 1);
}

#[tokio::test]
async fn a_batch_arrives_over_http_as_it_was_and_the_connection_is_kept() {
    let backend = Backend::http().await;
    let exporter = http(backend.port(), &format!("{DIRECT}compression: none\nheaders: {{x-tenant: shop}}")).await;
    let batch = batch_of(3);
    for _ in 0..3 {
        exporter.send(batch.clone()).await.unwrap();
    }
    let seen = backend.take();
    assert_eq!((seen.len(), backend.connections()), (3, 1));
    assert_eq!(seen[2].path, "/v1/traces");
    let headers = ["content-type", "content-encoding", "x-tenant", "host"].map(|name| seen[2].header(name));
    assert_eq!(headers, ["application/x-protobuf", "", "shop", &format!("127.0.0.1:{}", backend.port())]);
    assert_eq!(&seen[2].body, batch.parts()[0].request.body());
    assert_eq!((exporter.reading().sent, exporter.reading().residual()), (9, 0));
    exporter.stop(5).await;
}

#[tokio::test]
async fn every_http_status_has_the_code_and_class_of_the_collector() {
    let backend = Backend::http().await;
    let exporter = http(backend.port(), DIRECT).await;
    for (status, code) in [
        (301, 2),
        (400, 3),
        (401, 16),
        (403, 7),
        (404, 12),
        (405, 2),
        (408, 2),
        (409, 2),
        (413, 2),
        (418, 2),
        (429, 8),
        (500, 2),
        (501, 2),
        (502, 14),
        (503, 14),
        (504, 14),
    ] {
        let body = Status { code: 3, message: "bad luck".to_owned(), retry_delay: None }.encode_proto();
        let reply = Reply::http(status).with("content-type", "application/x-protobuf").with("location", "/elsewhere");
        backend.script([reply.body(&body)]);
        let error = exporter.send(batch_of(1)).await.unwrap_err();
        assert_eq!(error.code(), Code::from_number(code), "status {status}");
        assert_eq!(error.is_retryable(), [429, 502, 503, 504].contains(&status), "status {status}");
        assert!(error.message().contains(&status.to_string()) && error.message().contains("bad luck"), "{error}");
    }
    assert_eq!(backend.take().len(), 16);
    assert_eq!(exporter.reading().residual(), 0);
}

#[tokio::test]
async fn retry_after_is_read_as_seconds_and_as_a_date() {
    let backend = Backend::http().await;
    let exporter = http(backend.port(), DIRECT).await;
    backend.script([
        Reply::http(503).with("retry-after", "7"),
        Reply::http(429).with("retry-after", "Wed, 21 Oct 2235 07:28:00 GMT"),
        Reply::http(503).with("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"),
        Reply::http(503).with("retry-after", "soon"),
    ]);
    let mut waits = Vec::new();
    for _ in 0..4 {
        waits.push(exporter.send(batch_of(1)).await.unwrap_err().retry_after());
    }
    assert_eq!(waits[0], Some(Duration::from_secs(7)));
    assert!(waits[1].unwrap() > Duration::from_secs(100 * 365 * 86_400));
    assert_eq!(waits[2..], [None, None]);
}

#[tokio::test]
async fn a_reply_of_200_that_is_no_reply_is_a_permanent_error() {
    let backend = Backend::http().await;
    let exporter = http(backend.port(), DIRECT).await;
    backend.script([
        Reply::http(200).with("content-type", "application/x-protobuf").body(&[0xff, 0xff]),
        Reply::http(200).with("content-type", "application/json").body(b"{"),
        Reply::http(200)
            .with("content-type", "application/json")
            .body(b"{\"partialSuccess\":{\"rejectedSpans\":\"1\"}}"),
        Reply::http(200).with("content-type", "text/html").body(b"<p>fine</p>"),
    ]);
    let mut taken = Vec::new();
    for _ in 0..4 {
        taken.push(exporter.send(batch_of(1)).await.map_err(|error| error.is_retryable()));
    }
    assert_eq!(taken, [Err(false), Err(false), Ok(()), Ok(())]);
}

#[tokio::test]
async fn a_dead_http_backend_is_a_retryable_error_and_its_return_is_noticed() {
    let backend = Backend::http().await;
    let port = backend.port();
    let exporter = http(port, DIRECT).await;
    exporter.send(batch_of(1)).await.unwrap();
    backend.stop().await;
    let error = exporter.send(batch_of(1)).await.unwrap_err();
    assert!(error.is_retryable() && error.code() == Code::Unavailable, "{error}");
    let backend = Backend::on(port, false).await;
    exporter.send(batch_of(1)).await.unwrap();
    assert_eq!((backend.take().len(), exporter.reading().residual()), (1, 0));
}

#[tokio::test]
async fn a_body_is_compressed_once_for_all_attempts() {
    let backend = Backend::http().await;
    let retry = "sending_queue: {enabled: false}\nretry_on_failure: {initial_interval: 1ms, max_interval: 1ms}";
    let exporter = http(backend.port(), retry).await;
    backend.script([Reply::http(503), Reply::http(503)]);
    exporter.send(batch_of(20)).await.unwrap();
    let seen = backend.take();
    assert_eq!(seen.len(), 3);
    assert!(seen[0].body == seen[1].body && seen[1].body == seen[2].body);
}

#[tokio::test]
async fn a_slow_backend_runs_into_the_timeout() {
    let backend = Backend::http().await;
    let exporter = http(backend.port(), &format!("{DIRECT}timeout: 50ms")).await;
    backend.script([Reply::http(200).late(Duration::from_secs(60))]);
    let error = exporter.send(batch_of(1)).await.unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), (Code::DeadlineExceeded, true));
}

#[tokio::test]
async fn own_endpoints_of_signals_are_used_as_they_are() {
    let backend = Backend::http().await;
    let text = format!("traces_endpoint: http://127.0.0.1:{}/intake?x=1\n{DIRECT}", backend.port());
    let (config, problems) = decode(&text, otlp_http::Config::decode);
    assert_eq!(problems, Vec::<String>::new());
    let settings = support::settings("otlp_http");
    let error = tailwater::pipeline::ExporterConfig::build(&config, &settings, &Signal::ALL).err().unwrap();
    assert_eq!(error.to_string(), "has no endpoint for metrics; give endpoint or metrics_endpoint");
    let built = tailwater::pipeline::ExporterConfig::build(&config, &settings, &[Signal::Traces]).unwrap();
    built.consumers.get(Signal::Traces).unwrap().consume(batch_of(1)).await.unwrap();
    assert_eq!(backend.take()[0].path, "/intake");
}

#[tokio::test]
async fn the_file_exporter_writes_whole_messages_before_it_acknowledges() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("traces.bin");
    for compression in ["none", "zstd"] {
        let text = format!("path: {}\nformat: proto\ncompression: {compression}", path.display());
        let exporter = Built::start(&text, file::Config::decode).await;
        let batch = batch_of(2);
        for count in 1..=3 {
            exporter.send(batch.clone()).await.unwrap();
            let bytes = Bytes::from(std::fs::read(&path).unwrap());
            let messages = split(bytes);
            assert_eq!(messages.len(), count);
            assert_eq!(unpack(compression, &messages[count - 1]), batch.parts()[0].request.body());
        }
        exporter.stop(1).await;
        assert_eq!((exporter.reading().sent, exporter.reading().residual()), (6, 0));
    }
}

fn split(mut bytes: Bytes) -> Vec<Bytes> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let length = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
        let _ = bytes.split_to(4);
        messages.push(bytes.split_to(length));
    }
    messages
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_a_retryable_error_that_names_the_file() {
    let exporter = Built::start("path: /dev/full", file::Config::decode).await;
    let error = exporter.send(batch_of(1)).await.unwrap_err();
    assert!(error.is_retryable() && error.message().starts_with("writing /dev/full failed"), "{error}");
    assert_eq!(exporter.reading().residual(), 0);
}

#[test]
fn what_is_wrong_in_a_config_is_said_at_its_key() {
    let (_, grpc) = decode(
        "compression: rar\nauth: {authenticator: x}\nconnections: 0\ntls: {cert_file: a, reload_interval: 1h}",
        otlp_grpc::Config::decode,
    );
    let (_, http) = decode("encoding: xml\nproxy_url: http://p\ncompression: lz4", otlp_http::Config::decode);
    let (_, file) = decode("append: true\ncompression: zstd\ngroup_by: {enabled: true}", file::Config::decode);
    let all = [grpc, http, file].concat();
    for part in [
        "exporters::x::endpoint: requires a non-empty \"endpoint\"",
        "exporters::x::compression: unknown value \"rar\"",
        "exporters::x::auth: not supported yet",
        "exporters::x::connections: must be 1 to 64",
        "exporters::x::tls: for a client certificate give both",
        "exporters::x::tls::reload_interval: not supported yet",
        "exporters::x::endpoint: at least one endpoint must be specified",
        "exporters::x::encoding: unknown value \"xml\"",
        "exporters::x::proxy_url: not supported yet",
        "exporters::x::compression: lz4 is not supported yet",
        "exporters::x::path: path must be non-empty",
        "exporters::x::append: append and compression",
        "exporters::x::group_by: not supported yet",
    ] {
        assert!(all.iter().any(|problem| problem.starts_with(part)), "{part} is missing in {all:#?}");
    }
}

#[test]
fn endpoints_are_read_in_each_of_their_forms() {
    for (text, ok) in [
        ("localhost:4317", true),
        ("http://localhost:4317", true),
        ("https://localhost:4317/", true),
        ("dns:///tempo:4317", true),
        ("'[::1]:4317'", true),
        (":4317", true),
        ("localhost", false),
        ("'::1:4317'", false),
        ("host:port", false),
        ("unix:///tmp/x.sock", false),
    ] {
        let (_, problems) = decode(&format!("endpoint: {text}"), otlp_grpc::Config::decode);
        assert_eq!(problems.is_empty(), ok, "{text}: {problems:?}");
    }
}

#[tokio::test]
async fn debug_writes_spans_in_the_layout_of_the_collector() {
    let folder = tempfile::tempdir().unwrap();
    for (verbosity, expected) in [("basic", BASIC), ("normal", NORMAL), ("detailed", DETAILED)] {
        let path = folder.path().join(verbosity);
        let text = format!(
            "verbosity: {verbosity}\nuse_internal_logger: false\noutput_paths: ['{}']\nsampling_initial: 1\nsampling_thereafter: 3",
            path.display()
        );
        let exporter = Built::start(&text, debug::Config::decode).await;
        for _ in 0..3 {
            exporter.send(rich_batch()).await.unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), expected);
        assert_eq!((exporter.reading().sent, exporter.reading().residual()), (3, 0));
    }
}

const BASIC: &str = "Traces\t{\"resource spans\": 1, \"spans\": 1}\n";

const NORMAL: &str = "Traces\t{\"resource spans\": 1, \"spans\": 1}
ResourceTraces #0 service.name=shop
ScopeTraces #0 lib@1
pay 01010101010101010101010101010101 0000000000000001 n=7 list=[\"a\",true]
";

const DETAILED: &str = "Traces\t{\"resource spans\": 1, \"spans\": 1}
ResourceSpans #0
Resource SchemaURL: https://schema
Resource attributes:
     -> service.name: Str(shop)
ScopeSpans #0
ScopeSpans SchemaURL: 
InstrumentationScope lib 1
Span #0
    Trace ID       : 01010101010101010101010101010101
    Parent ID      : 
    ID             : 0000000000000001
    Name           : pay
    Kind           : Server
    TraceState     : a=b
    Start time     : 2023-11-14 22:13:20 +0000 UTC
    End time       : 2023-11-14 22:13:20.0000005 +0000 UTC
    Status code    : Error
    Status message : broke
Attributes:
     -> n: Int(7)
     -> list: Slice([\"a\",true])
Events:
SpanEvent #0
     -> Name: oops
     -> Timestamp: 2023-11-14 22:13:20 +0000 UTC
     -> DroppedAttributesCount: 2
     -> Attributes::
          -> n: Int(7)
Links:
SpanLink #0
     -> Trace ID: 02020202020202020202020202020202
     -> ID: 0303030303030303
     -> TraceState: 
     -> DroppedAttributesCount: 0
";

#[tokio::test]
async fn the_file_exporter_writes_one_line_of_json_a_batch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/traces.jsonl");
    let text = format!("path: {}\ncreate_directory: true", path.display());
    let exporter = Built::start(&text, file::Config::decode).await;
    exporter.send(batch_of(2)).await.unwrap();
    exporter.send(select(&batch_of(5), &[4])).await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let spans = |line: usize| lines[line]["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone();
    assert_eq!((lines.len(), spans(0).len(), spans(1).len()), (2, 2, 1));
    assert_eq!(spans(1)[0]["name"], "span 4");
    assert!(text.ends_with('\n'));
}

#[tokio::test]
async fn with_encoding_json_a_batch_is_posted_as_json() {
    let backend = Backend::http().await;
    let exporter = http(backend.port(), &format!("{DIRECT}encoding: json\ncompression: none")).await;
    exporter.send(batch_of(2)).await.unwrap();
    let seen = backend.take().remove(0);
    assert_eq!(seen.header("content-type"), "application/json");
    let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(body["resourceSpans"][0]["scopeSpans"][0]["spans"][1]["name"], "span 1");
}

#[tokio::test]
async fn secrets_in_headers_are_not_shown() {
    let text = "endpoint: localhost:1\nheaders: {authorization: canary}";
    let (config, problems) = decode(text, otlp_grpc::Config::decode);
    assert!(!format!("{config:?} {problems:?}").contains("canary"));
}

#[tokio::test]
async fn a_limit_of_connections_holds_and_requests_wait_for_their_turn() {
    let backend = Backend::http().await;
    let exporter = http(backend.port(), &format!("{DIRECT}max_conns_per_host: 2")).await;
    let sends = (0..6).map(|_| exporter.send(batch_of(1)));
    let results = futures_util::future::join_all(sends).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert!(backend.connections() <= 2, "{} connections", backend.connections());
}

#[tokio::test]
async fn a_backend_that_closes_its_connections_in_good_order_costs_no_call() {
    let backend = Backend::grpc().await;
    backend.close_at(Duration::from_millis(5));
    let exporter = grpc(backend.port(), &format!("{DIRECT}compression: none\nconnections: 2")).await;
    let batch = batch_of(400);
    let until = tokio::time::sleep(Duration::from_millis(300));
    let calls = async {
        let mut count = 0;
        loop {
            let sends = (0..8).map(|_| exporter.send(batch.clone()));
            let results = futures_util::future::join_all(sends).await;
            assert!(results.iter().all(Result::is_ok), "after {count}: {results:?}");
            count += results.len();
        }
    };
    tokio::select! {
        never = calls => never,
        () = until => {}
    }
    assert!(backend.connections() > 5, "{} connections", backend.connections());
}
