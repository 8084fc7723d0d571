//! A backend that takes everything and counts cheaply, over gRPC or HTTP.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tailwater::cli::generate::{Identity, Protocol};
use tailwater::model::{Cursor, Field};
use tokio::net::TcpListener;

/// How a backend treats requests.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    /// Time from a request to its answer.
    pub(crate) delay: Duration,
    /// Whether spans are counted by a walk through the body, which costs 10 ns a span; else only
    /// requests and bytes are counted.
    pub(crate) counts_spans: bool,
    /// Whose ids are looked for; implies the walk.
    pub(crate) remembers: Option<Identity>,
}

/// What has arrived.
#[derive(Debug, Default)]
pub(crate) struct Arrived {
    pub(crate) requests: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) spans: AtomicU64,
    /// A bit for each running number.
    seen: Mutex<Vec<u64>>,
}

/// A running backend; ends with the runtime.
pub(crate) struct Sink {
    pub(crate) address: String,
    pub(crate) arrived: Arc<Arrived>,
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

impl Arrived {
    /// How many of these running numbers have not arrived.
    pub(crate) fn missing(&self, numbers: impl Iterator<Item = u64>) -> u64 {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let has = |number: u64| seen.get((number / 64) as usize).is_some_and(|word| word >> (number % 64) & 1 == 1);
        numbers.filter(|number| !has(*number)).count() as u64
    }

    fn walk(&self, body: &[u8], remembers: Option<Identity>) {
        let mut spans = 0;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for resource in messages(body, 1) {
            for scope in messages(resource, 2) {
                for span in messages(scope, 2) {
                    spans += 1;
                    if let Some(identity) = remembers {
                        remember(&mut seen, identity, span);
                    }
                }
            }
        }
        self.spans.fetch_add(spans, Ordering::Relaxed);
    }
}

fn remember(seen: &mut Vec<u64>, identity: Identity, span: &[u8]) {
    let Some(id) = messages(span, 2).next().and_then(|id| <[u8; 8]>::try_from(id).ok()) else { return };
    let number = identity.sequence_of(id);
    let word = (number / 64) as usize;
    // A number of another run would ask for 2^58 words.
    if word < 1 << 24 {
        if seen.len() <= word {
            seen.resize(word + 1024, 0);
        }
        seen[word] |= 1 << (number % 64);
    }
}

fn messages(message: &[u8], wanted: u32) -> impl Iterator<Item = &[u8]> {
    let mut cursor = Cursor::new(message);
    std::iter::from_fn(move || {
        loop {
            match cursor.next_field()? {
                (number, Field::Length(bytes)) if number == wanted => return Some(bytes),
                _ => {}
            }
        }
    })
}

impl Sink {
    /// Listens on a free port of loopback.
    pub(crate) async fn start(protocol: Protocol, manner: Manner) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let arrived = Arc::new(Arrived::default());
        let counted = Arc::clone(&arrived);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::spawn(serve(TokioIo::new(stream), protocol, manner, Arc::clone(&counted)));
            }
        });
        Ok(Self { address, arrived })
    }
}

async fn serve(io: TokioIo<tokio::net::TcpStream>, protocol: Protocol, manner: Manner, arrived: Arc<Arrived>) {
    let service = service_fn(move |request| take(request, protocol, manner, Arc::clone(&arrived)));
    // The client ends connections; how is its business.
    match protocol {
        Protocol::Grpc => {
            // Frames of 16 KiB are what grpc-go offers; the environment tries others.
            let frame = std::env::var("TAILWATER_BENCH_SINK_FRAME").ok().and_then(|text| text.parse().ok());
            let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .initial_stream_window_size(8 << 20)
                .initial_connection_window_size(64 << 20)
                .max_frame_size(frame.unwrap_or(16_384))
                .max_concurrent_streams(1000)
                .serve_connection(io, service)
                .await;
        }
        Protocol::Http => {
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
        }
    }
}

async fn take(
    request: Request<Incoming>,
    protocol: Protocol,
    manner: Manner,
    arrived: Arc<Arrived>,
) -> Result<Response<Body>, Infallible> {
    let mut incoming = request.into_body();
    let walks = manner.counts_spans || manner.remembers.is_some();
    let mut kept = BytesMut::new();
    let mut bytes = 0;
    while let Some(Ok(frame)) = incoming.frame().await {
        if let Some(data) = frame.data_ref() {
            bytes += data.len() as u64;
            if walks {
                kept.extend_from_slice(data);
            }
        }
    }
    if !manner.delay.is_zero() {
        tokio::time::sleep(manner.delay).await;
    }
    if walks {
        let prefix = if protocol == Protocol::Grpc { 5 } else { 0 };
        arrived.walk(kept.get(prefix..).unwrap_or_default(), manner.remembers);
    }
    arrived.bytes.fetch_add(bytes, Ordering::Relaxed);
    arrived.requests.fetch_add(1, Ordering::Relaxed);
    Ok(answer(protocol))
}

fn answer(protocol: Protocol) -> Response<Body> {
    match protocol {
        Protocol::Grpc => {
            let mut trailers = HeaderMap::with_capacity(1);
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            let body = Full::new(Bytes::from_static(&[0; 5])).with_trailers(std::future::ready(Some(Ok(trailers))));
            let mut response = Response::new(body.boxed_unsync());
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            response
        }
        Protocol::Http => {
            let mut response = Response::new(Empty::new().boxed_unsync());
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
            response
        }
    }
}
