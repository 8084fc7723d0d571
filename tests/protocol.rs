//! The `otlp` receiver against real sockets: every status of the OTLP specification and of the
//! Collector, over gRPC and over HTTP.
#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

#[path = "support/sink.rs"]
mod sink;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use sink::{Sink, request};
use tailwater::config::{Report, Section, parse_yaml};
use tailwater::model::Signal;
use tailwater::pipeline::{Code, Component, ConsumeError, Health, Settings};
use tailwater::receivers::otlp::{self, Config, Receiver};
use tailwater::wire::status::Status;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

fn config(text: &str) -> (Config, Vec<String>) {
    let mut report = Report::default();
    let root = parse_yaml(text, 0, &mut report).unwrap();
    let mut section = Section::new("receivers::otlp", &root, &mut report);
    let config = otlp::decode(&mut section);
    section.finish();
    (config, report.problems().iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect())
}

/// A running receiver that feeds a sink with traces.
struct Running {
    receiver: Arc<Receiver>,
    sink: Arc<Sink>,
    settings: Settings,
}

impl Running {
    async fn with(config: Config) -> Self {
        let (sink, settings) = (Arc::<Sink>::default(), sink::settings());
        let receiver = config.receiver(&settings, sink.consumers(&[Signal::Traces]));
        receiver.start().await.unwrap();
        Self { receiver, sink, settings }
    }

    /// Both protocols on free ports, with more keys for each.
    async fn start(grpc: &str, http: &str) -> Self {
        Self::with(both(grpc, http)).await
    }

    fn fail(&self, error: ConsumeError) {
        *self.sink.error.lock().unwrap() = Some(error);
    }

    fn http(&self) -> SocketAddr {
        self.receiver.http_address().unwrap()
    }

    fn grpc(&self) -> SocketAddr {
        self.receiver.grpc_address().unwrap()
    }

    async fn post(&self, content_type: &str, body: impl Into<Bytes>) -> Answer {
        self.post_with(content_type, &[], body).await
    }

    async fn post_with(&self, content_type: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let mut builder = Request::post("/v1/traces").header("content-type", content_type);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        send_http(self.http(), builder.body(Full::new(body.into())).unwrap()).await
    }

    async fn call(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> GrpcAnswer {
        let mut builder =
            Request::post(format!("http://{}{path}", self.grpc())).header("content-type", "application/grpc");
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        send_grpc(self.grpc(), builder.body(Full::new(body.into())).unwrap()).await
    }

    fn metric(&self, line_start: &str) -> f64 {
        let text = self.settings.metrics.encode();
        let line = text.lines().find(|line| line.starts_with(line_start));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0.0)
    }

    async fn stop(&self, within: Duration) {
        self.receiver.shutdown(self.settings.clock.now().mono + within).await;
        assert_eq!(self.settings.ledger.read(Signal::Traces).residual(), self.sink.items().into());
    }
}

fn both(grpc: &str, http: &str) -> Config {
    let text = format!(
        "protocols:\n  grpc: {{endpoint: '127.0.0.1:0', {grpc}}}\n  http: {{endpoint: '127.0.0.1:0', {http}}}\n"
    );
    let (config, problems) = config(&text);
    assert_eq!(problems, Vec::<String>::new());
    config
}

/// What HTTP answered.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn content_type(&self) -> &str {
        self.headers.get("content-type").map_or("", |value| value.to_str().unwrap())
    }

    fn retry_after(&self) -> Option<&str> {
        self.headers.get("retry-after").map(|value| value.to_str().unwrap())
    }

    fn rpc(&self) -> Status {
        match self.content_type() {
            PROTOBUF => Status::decode_proto(&self.body).unwrap(),
            _ => Status::decode_json(&self.body).unwrap(),
        }
    }
}

async fn send_http(address: SocketAddr, request: Request<Full<Bytes>>) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
    Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
}

/// What gRPC answered.
#[derive(Debug)]
struct GrpcAnswer {
    http: StatusCode,
    code: Option<u32>,
    message: String,
    details: Option<Status>,
    body: Bytes,
}

async fn send_grpc(address: SocketAddr, request: Request<Full<Bytes>>) -> GrpcAnswer {
    let stream = TcpStream::connect(address).await.unwrap();
    let io = TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned().unwrap_or_else(|| parts.headers.clone());
    let text = |name: &str| trailers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let engine = base64::engine::general_purpose::STANDARD_NO_PAD;
    GrpcAnswer {
        http: parts.status,
        code: text("grpc-status").map(|code| code.parse().unwrap()),
        message: text("grpc-message").unwrap_or_default(),
        details: text("grpc-status-details-bin")
            .map(|details| Status::decode_proto(&engine.decode(details).unwrap()).unwrap()),
        body: body.to_bytes(),
    }
}

fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    [&[flag][..], &(message.len() as u32).to_be_bytes(), message].concat()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, body).unwrap();
    encoder.finish().unwrap()
}

fn code(answer: &GrpcAnswer) -> u32 {
    answer.code.unwrap()
}

#[tokio::test]
async fn a_grpc_request_is_one_batch_of_its_very_bytes() {
    let running = Running::start("", "").await;
    for count in [1, 2_000, 30_000] {
        let body = request(count);
        let answer = running.call(TRACES, &[], framed(0, &body)).await;
        assert_eq!((answer.http, code(&answer), &answer.body[..]), (StatusCode::OK, 0, &[0_u8; 5][..]));
        let batch = running.sink.batches.lock().unwrap().pop().unwrap();
        assert_eq!(
            (batch.item_count(), batch.parts().len(), &batch.parts()[0].request.body()[..]),
            (count as u64, 1, &body[..])
        );
    }
    assert_eq!(running.metric("otelcol_receiver_accepted_spans_total{receiver=\"otlp\",transport=\"grpc\"}"), 32_001.0);
}

#[tokio::test]
async fn an_http_request_is_one_batch_of_its_very_bytes() {
    let running = Running::start("", "").await;
    for count in [1, 2_000, 200_000] {
        let body = request(count);
        let answer = running.post(PROTOBUF, body.clone()).await;
        assert_eq!((answer.status, answer.content_type(), answer.body.len()), (StatusCode::OK, PROTOBUF, 0));
        let batch = running.sink.batches.lock().unwrap().pop().unwrap();
        assert_eq!((batch.item_count(), &batch.parts()[0].request.body()[..]), (count as u64, &body[..]));
    }
    let answer = running
        .post("application/json; charset=utf-8", r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"x"}]}]}]}"#)
        .await;
    assert_eq!((answer.status, answer.content_type()), (StatusCode::OK, JSON));
    assert_eq!((&answer.body[..], running.sink.items()), (&br#"{"partialSuccess":{}}"#[..], 1));
}

#[tokio::test]
async fn an_empty_request_is_a_success_without_the_pipeline() {
    let running = Running::start("", "").await;
    running.fail(ConsumeError::permanent("must not be asked"));
    assert_eq!(code(&running.call(TRACES, &[], framed(0, b"")).await), 0);
    assert_eq!(running.post(PROTOBUF, "").await.status, StatusCode::OK);
    assert_eq!(running.post(JSON, "{}").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_chunked_body_is_read() {
    let running = Running::start("", "").await;
    let body = request(3);
    let mut stream = TcpStream::connect(running.http()).await.unwrap();
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: {PROTOBUF}\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    for chunk in body.chunks(7) {
        stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await.unwrap();
        stream.write_all(&[chunk, b"\r\n"].concat()).await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    assert_eq!(running.sink.items(), 3);
}

#[tokio::test]
async fn grpc_statuses_are_those_of_the_collector() {
    let running = Running::start("", "").await;
    let body = request(1);
    let metrics = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
    for (what, path, headers, bytes, expected) in [
        ("garbage", TRACES, &[][..], framed(0, b"\xff\xfe"), 13),
        ("a message cut off", TRACES, &[], framed(0, &body[..body.len() - 3]), 13),
        ("a body cut off", TRACES, &[], framed(0, &body)[..9].to_vec(), 13),
        ("no message", TRACES, &[], Vec::new(), 13),
        ("two messages", TRACES, &[], [framed(0, b""), framed(0, b"")].concat(), 13),
        ("a flag of 7", TRACES, &[], framed(7, b""), 13),
        ("compressed without a name", TRACES, &[], framed(1, &gzip(&body)), 13),
        ("bad gzip", TRACES, &[("grpc-encoding", "gzip")], framed(1, &body), 13),
        ("deflate", TRACES, &[("grpc-encoding", "deflate")], framed(1, &body), 12),
        ("an unknown method", "/opentelemetry.proto.collector.trace.v1.TraceService/Nope", &[], framed(0, &body), 12),
        ("an unknown service", "/x.Y/Z", &[], framed(0, &body), 12),
        ("a signal without pipeline", metrics, &[], framed(0, b""), 12),
    ] {
        let answer = running.call(path, headers, bytes).await;
        assert_eq!((what, answer.http, code(&answer)), (what, StatusCode::OK, expected), "{answer:?}");
        assert!(!answer.message.is_empty() && answer.details.is_none(), "{answer:?}");
    }
    assert_eq!(running.sink.items(), 0);
    assert_eq!(
        running.metric(
            "tailwater_receiver_refused_requests_total{receiver=\"otlp\",transport=\"grpc\",reason=\"undecodable\"}"
        ),
        8.0
    );
}

#[tokio::test]
async fn http_statuses_are_those_of_the_collector() {
    let running = Running::start("", "compression_algorithms: ['', gzip, zlib]").await;
    let body = request(1);
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "BREW"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let builder = Request::builder().method(method).uri("/v1/traces").header("content-type", PROTOBUF);
        let answer = send_http(running.http(), builder.body(Full::new(body.clone().into())).unwrap()).await;
        assert_eq!((answer.status, answer.content_type()), (StatusCode::METHOD_NOT_ALLOWED, "text/plain"));
    }
    for path in ["/v1/metrics", "/v1/trace", "/"] {
        let builder = Request::post(path).header("content-type", PROTOBUF);
        let answer = send_http(running.http(), builder.body(Full::new(body.clone().into())).unwrap()).await;
        assert_eq!((answer.status, answer.content_type()), (StatusCode::NOT_FOUND, "text/plain; charset=utf-8"));
    }
    for content_type in ["text/plain", "application/grpc", ""] {
        let answer = running.post(content_type, body.clone()).await;
        assert_eq!((answer.status, answer.content_type()), (StatusCode::UNSUPPORTED_MEDIA_TYPE, "text/plain"));
    }
    for (what, content_type, encoding, bytes) in [
        ("garbage", PROTOBUF, "", b"\xff\xfe".to_vec()),
        ("bad JSON", JSON, "", b"{".to_vec()),
        ("an empty JSON body", JSON, "", Vec::new()),
        ("bad gzip", PROTOBUF, "gzip", body.clone()),
        ("gzip cut off", PROTOBUF, "gzip", gzip(&body)[..20].to_vec()),
        ("an unknown encoding", JSON, "br", body.clone()),
        ("a list of encodings", PROTOBUF, "gzip, gzip", body.clone()),
        ("an encoding that is not listed", PROTOBUF, "zstd", zstd::encode_all(&body[..], 1).unwrap()),
    ] {
        let answer = running.post_with(content_type, &[("content-encoding", encoding)], bytes).await;
        assert_eq!((what, answer.status, answer.content_type()), (what, StatusCode::BAD_REQUEST, content_type));
        assert_eq!((what, answer.rpc().code), (what, 3));
        assert!(!answer.rpc().message.is_empty());
    }
    assert_eq!(running.sink.items(), 0);
}

#[tokio::test]
async fn every_compression_is_read_by_its_name() {
    let running = Running::start("", "").await;
    let body = request(100);
    let zlib = {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, &body).unwrap();
        encoder.finish().unwrap()
    };
    let framed_snappy = {
        let mut encoder = snap::write::FrameEncoder::new(Vec::new());
        std::io::Write::write_all(&mut encoder, &body).unwrap();
        encoder.into_inner().unwrap()
    };
    let zstd = zstd::encode_all(&body[..], 1).unwrap();
    let snappy = snap::raw::Encoder::new().compress_vec(&body).unwrap();
    for (name, bytes) in [
        ("gzip", gzip(&body)),
        ("zstd", zstd.clone()),
        ("zlib", zlib.clone()),
        ("deflate", zlib),
        ("snappy", snappy),
        ("", body.clone()),
    ] {
        let answer = running.post_with(PROTOBUF, &[("content-encoding", name)], bytes).await;
        assert_eq!((name, answer.status), (name, StatusCode::OK));
    }
    for (name, bytes) in [("gzip", gzip(&body)), ("zstd", zstd), ("snappy", framed_snappy)] {
        assert_eq!((name, code(&running.call(TRACES, &[("grpc-encoding", name)], framed(1, &bytes)).await)), (name, 0));
    }
    assert_eq!(code(&running.call(TRACES, &[("grpc-encoding", "gzip")], framed(0, &body)).await), 0);
    assert_eq!(running.sink.items(), 1_000);
    assert!(running.sink.batches.lock().unwrap().iter().all(|batch| batch.parts()[0].request.body()[..] == body));
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_before_and_after_decompression() {
    let running = Running::start("", "max_request_body_size: 1000").await;
    for (encoding, bytes) in [("", vec![0; 1001]), ("", vec![0; 3 << 20]), ("gzip", gzip(&vec![0; 1 << 20]))] {
        for content_type in [PROTOBUF, JSON] {
            let answer = running.post_with(content_type, &[("content-encoding", encoding)], bytes.clone()).await;
            assert_eq!((answer.status, answer.content_type()), (StatusCode::PAYLOAD_TOO_LARGE, content_type));
            assert_eq!((answer.rpc().code, answer.retry_after()), (8, None));
        }
    }
}

#[tokio::test]
async fn a_grpc_message_over_the_limit_is_exhausted_before_and_after_decompression() {
    let running = Running::start("max_recv_msg_size_mib: 1", "").await;
    let large = vec![0; (1 << 20) + 1];
    for (encoding, bytes) in [("identity", framed(0, &large)), ("gzip", framed(1, &gzip(&large)))] {
        let answer = running.call(TRACES, &[("grpc-encoding", encoding)], bytes).await;
        assert_eq!((encoding, code(&answer), answer.details), (encoding, 8, None));
    }
}

#[tokio::test]
async fn a_request_of_too_many_spans_is_too_large() {
    let mut config = both("", "");
    config.limits.request.items_max = 10;
    let running = Running::with(config).await;
    let body = request(11);
    assert_eq!(code(&running.call(TRACES, &[], framed(0, &body)).await), 8);
    let answer = running.post(PROTOBUF, body).await;
    assert_eq!((answer.status, answer.rpc().code), (StatusCode::PAYLOAD_TOO_LARGE, 8));
    assert_eq!(code(&running.call(TRACES, &[], framed(0, &request(10))).await), 0);
}

#[tokio::test]
async fn what_the_pipeline_answers_is_what_the_client_sees() {
    let running = Running::start("", "").await;
    let body = request(2);
    let overload = ConsumeError::retryable("data refused due to high memory usage", Some(Duration::from_millis(1500)));
    for (error, grpc, http, waits) in [
        (ConsumeError::permanent("bad"), 13, 500, None),
        (ConsumeError::retryable("sending queue is full", None), 14, 503, None),
        (overload.clone(), 14, 503, Some("2")),
        (overload.with_code(Code::ResourceExhausted), 8, 429, Some("2")),
        (ConsumeError::permanent("no").with_code(Code::InvalidArgument), 3, 400, None),
        (ConsumeError::permanent("no").with_code(Code::Unauthenticated), 16, 401, None),
        (ConsumeError::permanent("no").with_code(Code::PermissionDenied), 7, 403, None),
        (ConsumeError::permanent("no").with_code(Code::Unimplemented), 12, 404, None),
        (ConsumeError::permanent("no").with_code(Code::NotFound), 5, 500, None),
        (ConsumeError::retryable("late", None).with_code(Code::DeadlineExceeded), 4, 503, None),
    ] {
        running.fail(error.clone());
        let answer = running.call(TRACES, &[], framed(0, &body)).await;
        assert_eq!((code(&answer), answer.message.as_str()), (grpc, error.message()));
        assert_eq!(answer.details.and_then(|status| status.retry_delay), error.retry_after());
        for content_type in [PROTOBUF, JSON] {
            let bytes = if content_type == JSON {
                br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{}]}]}]}"#.to_vec()
            } else {
                body.clone()
            };
            let answer = running.post(content_type, bytes).await;
            assert_eq!(
                (answer.status.as_u16(), answer.content_type(), answer.retry_after()),
                (http, content_type, waits)
            );
            assert_eq!((answer.rpc().code, answer.rpc().message.as_str()), (grpc, error.message()));
        }
    }
    let reading = running.settings.ledger.read(Signal::Traces);
    assert_eq!((reading.received, reading.refused, reading.residual()), (50, 50, 0));
    assert_eq!(running.metric("otelcol_receiver_refused_spans_total{receiver=\"otlp\",transport=\"grpc\"}"), 20.0);
}

#[tokio::test]
async fn bytes_beyond_the_limit_in_flight_are_overload() {
    let mut config = both("", "");
    config.limits.bytes_in_flight_max = 100;
    let running = Running::with(config).await;
    let answer = running.call(TRACES, &[], framed(0, &request(100))).await;
    assert_eq!((code(&answer), answer.details.unwrap().retry_delay), (14, Some(Duration::from_secs(1))));
    let answer = running.post(PROTOBUF, request(100)).await;
    assert_eq!(
        (answer.status, answer.retry_after(), answer.rpc().code),
        (StatusCode::SERVICE_UNAVAILABLE, Some("1"), 14)
    );
    assert_eq!(code(&running.call(TRACES, &[], framed(0, &request(1))).await), 0);
}

#[tokio::test]
async fn a_body_that_stops_coming_is_given_up() {
    let mut config = both("", "");
    config.limits.body_idle_max = Duration::from_millis(20);
    let running = Running::with(config).await;
    let mut stream = TcpStream::connect(running.http()).await.unwrap();
    let head =
        format!("POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: {PROTOBUF}\r\ncontent-length: 9\r\n\r\nabc");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn who_asks_before_sending_too_much_is_refused_at_once() {
    let running = Running::start("", "max_request_body_size: 10").await;
    let mut stream = TcpStream::connect(running.http()).await.unwrap();
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: {PROTOBUF}\r\ncontent-length: 99999999\r\nexpect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&answer));
    let outcome = "otelcol_receiver_requests_total{receiver=\"otlp\",transport=\"http\",outcome=\"failure\"}";
    assert_eq!(running.metric(outcome), 1.0);
}

#[tokio::test]
async fn headers_are_kept_only_when_asked_for() {
    for (keys, expected) in [("include_metadata: true", &["shop".to_owned()][..]), ("", &[][..])] {
        let running = Running::start(keys, keys).await;
        running.call(TRACES, &[("x-tenant", "shop")], framed(0, &request(1))).await;
        running.post_with(PROTOBUF, &[("X-Tenant", "shop")], request(1)).await;
        let batches = running.sink.batches.lock().unwrap();
        assert_eq!(batches.len(), 2);
        for batch in batches.iter() {
            assert_eq!(batch.metadata().map_or(&[][..], |metadata| metadata.values("x-tenant")), expected);
        }
    }
}

#[tokio::test]
async fn a_browser_may_send_from_an_allowed_page() {
    let http =
        "cors: {allowed_origins: ['https://*.shop'], allowed_headers: [x-tenant]}, response_headers: {x-served-by: us}";
    let running = Running::start("", http).await;
    let preflight = Request::options("/v1/traces")
        .header("origin", "https://a.shop")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "x-tenant");
    let answer = send_http(running.http(), preflight.body(Full::default()).unwrap()).await;
    assert_eq!(
        (answer.status, &answer.headers["access-control-allow-origin"]),
        (StatusCode::NO_CONTENT, &"https://a.shop".parse().unwrap())
    );
    let answer = running.post_with(PROTOBUF, &[("origin", "https://a.shop")], request(1)).await;
    assert_eq!((answer.status, &answer.headers["x-served-by"]), (StatusCode::OK, &"us".parse().unwrap()));
    assert_eq!(answer.headers["access-control-allow-origin"], "https://a.shop");
    let answer = running.post_with(PROTOBUF, &[("origin", "https://evil")], request(1)).await;
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn a_flood_of_resets_ends_its_connection() {
    let running = Running::start("", "").await;
    let mut stream = TcpStream::connect(running.grpc()).await.unwrap();
    let mut flood = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    for stream_id in (1_u32..4_001).step_by(2) {
        // `:method POST`, `:scheme http`, `:path /` from the static table, `:authority x`.
        let block = b"\x83\x86\x84\x01\x01x";
        flood.extend([0, 0, block.len() as u8, 1, 4]);
        flood.extend(stream_id.to_be_bytes());
        flood.extend(block);
        flood.extend(b"\0\0\x04\x03\0");
        flood.extend(stream_id.to_be_bytes());
        flood.extend(8_u32.to_be_bytes());
    }
    let _ = stream.write_all(&flood).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.unwrap();
    let calm = answer.windows(17).any(|frame| frame[3] == 7 && frame[13..17] == 11_u32.to_be_bytes());
    assert!(calm, "no GOAWAY with ENHANCE_YOUR_CALM in {answer:?}");
    assert_eq!(code(&running.call(TRACES, &[], framed(0, &request(1))).await), 0);
}

#[tokio::test]
async fn a_silent_connection_to_the_grpc_port_is_closed() {
    let mut config = both("", "");
    config.grpc.as_mut().unwrap().limits.head_timeout = Duration::from_millis(20);
    let running = Running::with(config).await;
    let mut stream = TcpStream::connect(running.grpc()).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
}

#[tokio::test]
async fn connections_over_the_cap_are_closed_and_counted() {
    let mut config = both("", "");
    config.http.as_mut().unwrap().server.limits.connections_max = 1;
    let running = Running::with(config).await;
    let first = TcpStream::connect(running.http()).await.unwrap();
    let mut second = TcpStream::connect(running.http()).await.unwrap();
    assert_eq!(second.read(&mut [0]).await.unwrap_or(0), 0);
    assert_eq!(
        running.metric("tailwater_receiver_refused_connections_total{receiver=\"otlp\",transport=\"http\"}"),
        1.0
    );
    drop(first);
}

#[tokio::test]
async fn a_stop_lets_requests_under_way_finish_and_takes_no_more() {
    let running = Running::start("", "").await;
    *running.sink.pause.lock().unwrap() = Duration::from_millis(100);
    let requests =
        async { tokio::join!(running.call(TRACES, &[], framed(0, &request(1))), running.post(PROTOBUF, request(1))) };
    let stop = async {
        while running.settings.ledger.read(Signal::Traces).received < 2 {
            tokio::task::yield_now().await;
        }
        running.stop(Duration::from_secs(10)).await;
    };
    let ((grpc, http), ()) = tokio::join!(requests, stop);
    assert_eq!((code(&grpc), http.status, running.sink.items()), (0, StatusCode::OK, 2));
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_no_item_uncounted() {
    let running = Running::start("", "").await;
    *running.sink.pause.lock().unwrap() = Duration::from_secs(3600);
    let ledger = running.settings.ledger.clone();
    let under_way = async {
        tokio::select! {
            _ = running.call(TRACES, &[], framed(0, &request(3))) => {}
            () = async { while ledger.read(Signal::Traces).received < 3 { tokio::task::yield_now().await; } } => {}
        }
    };
    under_way.await;
    running.receiver.shutdown(running.settings.clock.now().mono).await;
    let reading = ledger.read(Signal::Traces);
    assert_eq!((reading.received, reading.refused, reading.residual()), (3, 3, 0));
}

#[tokio::test]
async fn a_port_in_use_is_named_and_leaves_nothing_open() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = both("", "");
    config.http.as_mut().unwrap().server.endpoint = taken.local_addr().unwrap().to_string();
    let receiver = config.receiver(&sink::settings(), Arc::<Sink>::default().consumers(&[]));
    let error = receiver.start().await.unwrap_err().to_string();
    assert!(error.contains(&taken.local_addr().unwrap().to_string()), "{error}");
    assert_eq!((receiver.grpc_address(), receiver.health()), (None, Health::Ok));
}

#[test]
fn a_receiver_without_protocol_and_an_endpoint_without_port_are_named() {
    let problem = |text: &str| config(text).1.join("\n");
    assert!(problem("protocols:").contains("must specify at least one protocol when using the OTLP receiver"));
    assert!(problem("protocols: {http: {endpoint: nonsense}}").contains("\"nonsense\" has no port"));
    assert!(problem("protocols: {htttp: }").contains("did you mean \"http\"?"));
    assert!(
        problem("protocols: {grpc: {auth: {authenticator: x}}}")
            .contains("receivers::otlp::protocols::grpc::auth: not supported yet")
    );
    let (config, problems) = config("protocols: {grpc: , http: {traces_url_path: in/traces}}");
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(config.grpc.as_ref().unwrap().endpoint, "localhost:4317");
    let http = config.http.unwrap();
    assert_eq!(
        (http.server.endpoint.as_str(), http.traces_url_path.as_str(), http.logs_url_path.as_str()),
        ("localhost:4318", "/in/traces", "/v1/logs")
    );
}
