//! The load against a server that counts and answers as it is told.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

use super::*;

/// What the server answers to every request.
#[derive(Clone)]
struct Reply {
    http_status: u16,
    grpc_status: Option<&'static str>,
    body: &'static [u8],
}

const OK: Reply = Reply { http_status: 200, grpc_status: Some("0"), body: &[0; 5] };

async fn serve(protocol: Protocol, reply: Reply) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let bytes = Arc::new(AtomicU64::new(0));
    let counted = bytes.clone();
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { return };
            let (reply, counted) = (reply.clone(), counted.clone());
            let service = service_fn(move |request: Request<Incoming>| answer(request, reply.clone(), counted.clone()));
            tokio::spawn(async move {
                let io = TokioIo::new(stream);
                match protocol {
                    Protocol::Grpc => {
                        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                            .serve_connection(io, service)
                            .await;
                    }
                    Protocol::Http => {
                        let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
                    }
                }
            });
        }
    });
    (address, bytes)
}

async fn answer(
    request: Request<Incoming>,
    reply: Reply,
    counted: Arc<AtomicU64>,
) -> Result<Response<http_body_util::combinators::BoxBody<Bytes, Infallible>>, Infallible> {
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    counted.fetch_add(body.len() as u64, Ordering::Relaxed);
    let mut trailers = HeaderMap::new();
    if let Some(status) = reply.grpc_status {
        trailers.insert("grpc-status", status.parse().unwrap());
    }
    let body = Full::new(Bytes::from_static(reply.body)).with_trailers(async move { Some(Ok(trailers)) });
    Ok(Response::builder().status(reply.http_status).body(body.boxed()).unwrap())
}

fn plan(endpoint: String, protocol: Protocol) -> Plan {
    Plan {
        endpoint,
        protocol,
        compression: Compression::None,
        shape: Shape { spans_per_request: 100, ..Shape::default() },
        rate: 0,
        duration: None,
        spans_max: Some(2000),
        connections: 2,
        in_flight: 2,
        seed: 1,
        remembers_accepted: true,
    }
}

async fn progress_with(protocol: Protocol, reply: Reply) -> (Progress, u64) {
    let (address, bytes) = serve(protocol, reply).await;
    let load = Arc::new(Load::new(plan(address, protocol)).unwrap());
    load.run().await;
    let body_bytes = load.body_bytes();
    let progress = load.take();
    assert_eq!(progress.sent, 2000);
    (progress, bytes.load(Ordering::Relaxed) / body_bytes)
}

#[tokio::test]
async fn what_a_grpc_server_takes_is_accepted() {
    let (progress, arrived) = progress_with(Protocol::Grpc, OK).await;
    assert_eq!((progress.accepted, progress.requests, arrived), (2000, 20, 20));
    assert_eq!(progress.accepted_requests.len(), 20);
    assert!(progress.refused.is_empty());
}

#[tokio::test]
async fn a_grpc_status_counts_and_not_the_http_status() {
    let (progress, _) = progress_with(Protocol::Grpc, Reply { grpc_status: Some("14"), ..OK }).await;
    assert_eq!((progress.accepted, progress.refused["gRPC 14 Unavailable"]), (0, 2000));
    let (progress, _) = progress_with(Protocol::Grpc, Reply { grpc_status: None, ..OK }).await;
    assert_eq!(progress.refused["HTTP 200 without grpc-status"], 2000);
}

#[tokio::test]
async fn rejected_spans_of_a_partial_success_are_refused() {
    let reply = Reply { grpc_status: None, body: &[0x0a, 2, 0x08, 7], ..OK };
    let (progress, _) = progress_with(Protocol::Http, reply).await;
    assert_eq!((progress.accepted, progress.refused["partial success"]), (1860, 140));
}

#[tokio::test]
async fn an_http_status_is_named() {
    let reply = Reply { http_status: 503, grpc_status: None, body: b"" };
    let (progress, arrived) = progress_with(Protocol::Http, reply).await;
    assert_eq!((progress.refused["HTTP 503 Service Unavailable"], arrived), (2000, 20));
}

#[tokio::test]
async fn nobody_at_the_port_is_a_refusal() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let load = Arc::new(Load::new(Plan { spans_max: Some(100), ..plan(address, Protocol::Grpc) }).unwrap());
    load.run().await;
    assert_eq!(load.take().refused.into_keys().collect::<Vec<_>>(), ["connect: connection refused"]);
}

#[test]
fn shares_and_durations_are_checked() {
    use clap::Parser;
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }
    let parse = |line: &[&str]| Line::try_parse_from([&["generate"], line].concat()).map(|line| line.arguments);
    assert!(parse(&["--errors", "1.5"]).is_err());
    assert!(parse(&["--duration", "5 parsecs"]).is_err());
    let plan = parse(&["--protocol", "http", "--duration", "2m", "--split"]).unwrap().plan(1);
    assert_eq!((plan.endpoint.as_str(), plan.duration), ("127.0.0.1:4318", Some(Duration::from_secs(120))));
    assert!(plan.shape.split);
}
