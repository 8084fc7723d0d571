//! The `otlp` receiver over TLS, and with the OpenTelemetry SDK's own exporter. The certificates
//! in `fixtures/tls` are for localhost, signed by `ca.pem`, and good for a hundred years.
#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

#[path = "support/sink.rs"]
mod sink;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry::trace::{Tracer, TracerProvider};
use opentelemetry_otlp::WithExportConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sink::{Sink, request};
use tailwater::config::{Report, Section, parse_yaml};
use tailwater::model::Signal;
use tailwater::pipeline::{Component, StartError};
use tailwater::receivers::otlp::{self, Config, Receiver};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name)
}

/// Both protocols with this `tls` section.
fn config(tls: &str) -> Config {
    let server = format!("{{endpoint: '127.0.0.1:0', tls: {{{tls}}}}}");
    let mut report = Report::default();
    let root = parse_yaml(&format!("protocols: {{grpc: {server}, http: {server}}}"), 0, &mut report).unwrap();
    let mut section = Section::new("receivers::otlp", &root, &mut report);
    let config = otlp::decode(&mut section);
    section.finish();
    assert!(!report.has_errors(), "{report:?}");
    config
}

fn identity(directory: &Path) -> String {
    let file = |name| directory.join(name).display().to_string();
    format!("cert_file: '{}', key_file: '{}'", file("server_cert.pem"), file("server_key.pem"))
}

async fn start(config: Config) -> Result<(Arc<Receiver>, Arc<Sink>), StartError> {
    let sink = Arc::<Sink>::default();
    let receiver = config.receiver(&sink::settings(), sink.consumers(&[Signal::Traces]));
    receiver.start().await?;
    Ok((receiver, sink))
}

/// A client that trusts the fixtures' CA, and shows a certificate where it has one.
async fn connect(
    address: std::net::SocketAddr,
    alpn: &str,
    shows_certificate: bool,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(fixture("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = if shows_certificate {
        let certificate = CertificateDer::from_pem_file(fixture("client_cert.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(fixture("client_key.pem")).unwrap();
        builder.with_client_auth_cert(vec![certificate], key).unwrap()
    } else {
        builder.with_no_client_auth()
    };
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

fn post(target: &str, content_type: &str, body: Vec<u8>) -> Request<Full<Bytes>> {
    Request::post(target).header("content-type", content_type).body(Full::new(body.into())).unwrap()
}

/// The status of a request over HTTP/2, in headers or trailers.
async fn over_http2(stream: TlsStream<TcpStream>, request: Request<Full<Bytes>>) -> (u16, Option<String>) {
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap();
    let code = body.trailers().and_then(|trailers| trailers.get("grpc-status"));
    (parts.status.as_u16(), code.map(|code| code.to_str().unwrap().to_owned()))
}

async fn over_http1(stream: TlsStream<TcpStream>, request: Request<Full<Bytes>>) -> Result<u16, hyper::Error> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?.status().as_u16())
}

fn grpc_call() -> Request<Full<Bytes>> {
    let message = request(1);
    let framed = [&[0][..], &(message.len() as u32).to_be_bytes(), &message].concat();
    let target = "https://localhost/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    post(target, "application/grpc", framed)
}

#[tokio::test]
async fn both_protocols_are_spoken_over_tls() {
    let (receiver, sink) = start(config(&identity(&fixture("")))).await.unwrap();
    let (grpc, http) = (receiver.grpc_address().unwrap(), receiver.http_address().unwrap());
    assert_eq!(over_http2(connect(grpc, "h2", false).await.unwrap(), grpc_call()).await, (200, Some("0".to_owned())));
    let traces = || post("https://localhost/v1/traces", "application/x-protobuf", request(1));
    assert_eq!(over_http2(connect(http, "h2", false).await.unwrap(), traces()).await, (200, None));
    assert_eq!(over_http1(connect(http, "http/1.1", false).await.unwrap(), traces()).await.unwrap(), 200);
    assert_eq!(sink.items(), 3);
}

#[tokio::test]
async fn with_a_client_ca_only_its_clients_are_served() {
    let tls = format!("{}, client_ca_file: '{}'", identity(&fixture("")), fixture("ca.pem").display());
    let (receiver, sink) = start(config(&tls)).await.unwrap();
    let http = receiver.http_address().unwrap();
    let traces = || post("https://localhost/v1/traces", "application/x-protobuf", request(1));
    assert_eq!(over_http1(connect(http, "http/1.1", true).await.unwrap(), traces()).await.unwrap(), 200);
    // With TLS 1.3 the client learns of the refusal with its first read.
    let refused = match connect(http, "http/1.1", false).await {
        Err(_) => true,
        Ok(stream) => over_http1(stream, traces()).await.is_err(),
    };
    assert!(refused);
    assert_eq!(sink.items(), 1);
}

#[tokio::test]
async fn a_handshake_that_does_not_come_loses_its_connection() {
    let mut config = config(&identity(&fixture("")));
    config.http.as_mut().unwrap().server.limits.handshake_timeout = Duration::from_millis(20);
    let (receiver, _) = start(config).await.unwrap();
    let mut stream = TcpStream::connect(receiver.http_address().unwrap()).await.unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn an_exchanged_certificate_is_shown_without_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let exchange = |from: &str| {
        for kind in ["cert", "key"] {
            std::fs::copy(fixture(&format!("{from}_{kind}.pem")), directory.path().join(format!("server_{kind}.pem")))
                .unwrap();
        }
    };
    exchange("server");
    let (receiver, _) = start(config(&format!("{}, reload_interval: 10ms", identity(directory.path())))).await.unwrap();
    let shown = || async {
        let stream = connect(receiver.grpc_address().unwrap(), "h2", false).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone()
    };
    let first = shown().await;
    exchange("client");
    let exchanged = async { while shown().await == first {} };
    tokio::time::timeout(Duration::from_secs(20), exchanged).await.unwrap();
}

#[tokio::test]
async fn a_certificate_that_cannot_be_read_is_named() {
    let tls = format!("cert_file: /nowhere.pem, key_file: '{}'", fixture("server_key.pem").display());
    let error = start(config(&tls)).await.err().unwrap().to_string();
    assert!(error.contains("cannot read a certificate from \"/nowhere.pem\""), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_delivers_over_grpc() {
    let mut report = Report::default();
    let root = parse_yaml("protocols: {grpc: {endpoint: '127.0.0.1:0'}}", 0, &mut report).unwrap();
    let (receiver, sink) = start(otlp::decode(&mut Section::new("", &root, &mut report))).await.unwrap();
    let endpoint = format!("http://{}", receiver.grpc_address().unwrap());
    let exporter = opentelemetry_otlp::SpanExporter::builder().with_tonic().with_endpoint(endpoint).build().unwrap();
    let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder().with_batch_exporter(exporter).build();
    let tracer = provider.tracer("shop");
    for _ in 0..100 {
        tracer.in_span("checkout", |_| {});
    }
    tokio::task::spawn_blocking(move || provider.shutdown()).await.unwrap().unwrap();
    assert_eq!(sink.items(), 100);
}
