//! A backend on a loopback socket that records what it is sent and answers as it was told.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What the backend answers to one request.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub trailers: Option<Vec<(&'static str, String)>>,
    pub body: Vec<u8>,
    pub after: Duration,
}

impl Reply {
    /// HTTP with this status and nothing else.
    pub fn http(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// gRPC: an OK with this message.
    pub fn message(message: &[u8]) -> Self {
        let mut body = vec![0];
        body.extend_from_slice(&(message.len() as u32).to_be_bytes());
        body.extend_from_slice(message);
        Self { status: 200, body, trailers: Some(vec![("grpc-status", "0".to_owned())]), ..Self::default() }
    }

    /// gRPC: a status without a message, in the headers alone.
    pub fn code(code: u32) -> Self {
        let headers = vec![("content-type", "application/grpc".to_owned()), ("grpc-status", code.to_string())];
        Self { status: 200, headers, ..Self::default() }
    }

    /// The same with one more header.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The same with another body.
    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// The same after a wait.
    pub fn late(mut self, after: Duration) -> Self {
        self.after = after;
        self
    }
}

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    /// A header's value; empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The one message of a gRPC body.
    pub fn message(&self) -> Bytes {
        let length = u32::from_be_bytes(self.body[1..5].try_into().unwrap()) as usize;
        assert_eq!(self.body.len(), 5 + length);
        self.body.slice(5..)
    }
}

#[derive(Default)]
struct Script {
    replies: Mutex<VecDeque<Reply>>,
    usual: Mutex<Reply>,
    seen: Mutex<Vec<Seen>>,
    connections: Mutex<usize>,
    /// Closes every HTTP/2 connection, in good order, after so many milliseconds.
    age_max: Mutex<Option<Duration>>,
}

/// A listening backend; closes when dropped.
pub struct Backend {
    script: Arc<Script>,
    port: u16,
    tasks: JoinSet<()>,
}

impl Backend {
    /// Speaks HTTP/2 and answers every call with an empty OK.
    pub async fn grpc() -> Self {
        Self::on(0, true).await
    }

    /// Speaks HTTP/1.1 and answers every request with an empty 200.
    pub async fn http() -> Self {
        Self::on(0, false).await
    }

    /// Listens on a port.
    pub async fn on(port: u16, is_grpc: bool) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let usual = if is_grpc { Reply::message(b"") } else { Reply::http(200) };
        let script = Arc::new(Script { usual: Mutex::new(usual), ..Script::default() });
        let mut tasks = JoinSet::new();
        let served = script.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                *served.connections.lock().unwrap() += 1;
                let (script, aged) = (served.clone(), served.clone());
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(script.clone(), request));
                    let io = TokioIo::new(stream);
                    if is_grpc {
                        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                        let serving = builder.serve_connection(io, service);
                        tokio::pin!(serving);
                        let age_max = *aged.age_max.lock().unwrap();
                        tokio::select! {
                            _ = &mut serving => return,
                            () = tokio::time::sleep(age_max.unwrap_or(Duration::MAX)) => {}
                        }
                        serving.as_mut().graceful_shutdown();
                        let _ = serving.await;
                    } else {
                        let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
                    }
                });
            }
        });
        Self { script, port, tasks }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The next requests are answered with these, in order; then all with the usual OK.
    pub fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        self.script.replies.lock().unwrap().extend(replies);
    }

    /// What is not scripted is answered with this from now on.
    pub fn usually(&self, reply: Reply) {
        *self.script.usual.lock().unwrap() = reply;
    }

    /// Whether something came since the last [`Backend::take`].
    pub fn has_seen(&self) -> bool {
        !self.script.seen.lock().unwrap().is_empty()
    }

    /// From now on new HTTP/2 connections are closed at this age.
    pub fn close_at(&self, age: Duration) {
        *self.script.age_max.lock().unwrap() = Some(age);
    }

    /// What came since the last call.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.script.seen.lock().unwrap())
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        *self.script.connections.lock().unwrap()
    }

    /// Closes the listener and every connection.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn answer(script: Arc<Script>, request: Request<Incoming>) -> Result<Response<ReplyBody>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return Ok(Response::new(ReplyBody::default())) };
    let seen = Seen { path: head.uri.path().to_owned(), headers: head.headers, body: body.to_bytes() };
    script.seen.lock().unwrap().push(seen);
    let reply = script.replies.lock().unwrap().pop_front().unwrap_or_else(|| script.usual.lock().unwrap().clone());
    tokio::time::sleep(reply.after).await;
    let mut response = Response::builder().status(StatusCode::from_u16(reply.status).unwrap());
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    let trailers = reply.trailers.map(|trailers| {
        trailers.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap())).collect()
    });
    let data = (!reply.body.is_empty()).then(|| Bytes::from(reply.body));
    Ok(response.body(ReplyBody { data, trailers }).unwrap())
}

#[derive(Default)]
struct ReplyBody {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = self.data.take().map(Frame::data);
        std::task::Poll::Ready(data.or_else(|| self.trailers.take().map(Frame::trailers)).map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.data, &self.trailers) {
            (Some(data), None) => SizeHint::with_exact(data.len() as u64),
            (None, None) => SizeHint::with_exact(0),
            _ => SizeHint::default(),
        }
    }
}
