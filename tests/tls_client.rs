//! TLS of the gRPC and HTTP clients against a server with a certificate of its own (for
//! `localhost` and `127.0.0.1`, made for these tests and valid nowhere else).

#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

use http::Response;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use support::{Built, batch_of};
use tailwater::exporters::{otlp_grpc, otlp_http};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name)
}

/// Serves HTTP/2 or HTTP/1.1, as ALPN says, until the set is dropped.
async fn serve() -> (u16, JoinSet<()>) {
    let certificate = CertificateDer::from_pem_file(fixture("localhost.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(fixture("localhost.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            tokio::spawn(async move {
                let service = service_fn(async |_| {
                    let reply = Response::builder().header("grpc-status", "0");
                    Ok::<_, Infallible>(reply.body(Full::new(bytes::Bytes::new())).unwrap())
                });
                let io = TokioIo::new(stream);
                if is_h2 {
                    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection(io, service).await;
                } else {
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
                }
            });
        }
    });
    (port, tasks)
}

const DIRECT: &str = "sending_queue: {enabled: false}\nretry_on_failure: {enabled: false}\n";

async fn send(port: u16, tls: &str) -> [Result<(), String>; 2] {
    let grpc = format!("endpoint: 127.0.0.1:{port}\n{DIRECT}tls: {tls}");
    let http = format!("endpoint: https://127.0.0.1:{port}\n{DIRECT}tls: {tls}");
    let grpc = Built::start(&grpc, otlp_grpc::Config::decode).await;
    let http = Built::start(&http, otlp_http::Config::decode).await;
    [
        grpc.send(batch_of(100)).await.map_err(|error| error.to_string()),
        http.send(batch_of(100)).await.map_err(|error| error.to_string()),
    ]
}

#[tokio::test]
async fn a_server_is_trusted_by_its_own_certificate_from_a_file_or_from_the_config() {
    let (port, _server) = serve().await;
    let file = format!("{{ca_file: '{}'}}", fixture("localhost.pem").display());
    assert_eq!(send(port, &file).await, [Ok(()), Ok(())]);
    let text = std::fs::read_to_string(fixture("localhost.pem")).unwrap();
    assert_eq!(send(port, &format!("{{ca_pem: {text:?}, min_version: '1.3'}}")).await, [Ok(()), Ok(())]);
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_not_spoken_to() {
    let (port, _server) = serve().await;
    for error in send(port, "{}").await {
        let error = error.unwrap_err();
        assert!(error.contains("certificate") || error.contains("certificates"), "{error}");
    }
    assert_eq!(send(port, "{insecure_skip_verify: true}").await, [Ok(()), Ok(())]);
}

#[tokio::test]
async fn the_name_to_verify_can_be_another() {
    let (port, _server) = serve().await;
    let pem = fixture("localhost.pem").display().to_string();
    let right = format!("{{ca_file: '{pem}', server_name_override: localhost, max_version: '1.2'}}");
    assert_eq!(send(port, &right).await, [Ok(()), Ok(())]);
    for error in send(port, &format!("{{ca_file: '{pem}', server_name_override: elsewhere}}")).await {
        assert!(error.unwrap_err().contains("certificate"));
    }
}

#[test]
fn a_missing_file_stops_the_build_and_names_the_key() {
    let text = "endpoint: localhost:4317\ntls: {ca_file: /nowhere.pem}";
    let (config, problems) = support::decode(text, otlp_grpc::Config::decode);
    assert_eq!(problems, Vec::<String>::new());
    let built = tailwater::pipeline::ExporterConfig::build(&config, &support::settings("otlp"), &[]);
    let error = built.err().unwrap().to_string();
    assert!(error.starts_with("tls::ca_file: "), "{error}");
}
