//! HTTP/1.1 requests over kept connections: POST with a body of known length, and a short reply.
//! Redirects are never followed.
//!
//! Knows nothing of OTLP and of telemetry.

use std::collections::VecDeque;
use std::error::Error as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::BodyExt;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

use super::chunks::Chunks;
use super::client_config::{Endpoint, HttpClientConfig};
use super::client_tls::{Tls, TlsError};
use super::connect::Connector;
use crate::model::Instant;
use crate::pipeline::Clock;

/// Longest reply that is kept; what is beyond is cut off.
const REPLY_BYTES_MAX: usize = 64 * 1024;
/// After a whole reply, for the rest of the request to be sent; then the connection is closed.
const REST_WAIT: Duration = Duration::from_millis(50);

/// Posts to one URL.
pub(crate) struct HttpClient {
    connector: Connector,
    target: Uri,
    headers: HeaderMap,
    idle: Mutex<VecDeque<Idle>>,
    idle_max: usize,
    idle_timeout: Duration,
    /// `max_conns_per_host`: requests under way. A connection is opened only when none is idle,
    /// so there are never more connections than this.
    limit: Option<Semaphore>,
    turn: AtomicUsize,
    tasks: Mutex<JoinSet<()>>,
    clock: Arc<dyn Clock>,
}

/// A connection that nobody uses.
struct Idle {
    connection: Connection,
    since: Instant,
}

struct Connection {
    sender: SendRequest<Chunks>,
    task: AbortHandle,
}

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The status line's code.
    pub(crate) status: StatusCode,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// The body; at most 64 KiB of it.
    pub(crate) body: Bytes,
    /// Whether the body was longer.
    pub(crate) is_cut: bool,
}

/// No answer came.
#[derive(Clone, Debug, thiserror::Error)]
#[error("failed to make an HTTP request: {0}")]
pub(crate) struct HttpError(String);

/// Why a client cannot be made for a URL.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UrlError {
    /// Not a URL of HTTP.
    #[error("{0:?} is not an http or https URL; write http://host:port")]
    Url(String),
    /// The `tls` block.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Splits a URL into where to connect, whether by TLS, and what to ask for.
///
/// # Errors
/// When it is not an absolute URL of HTTP.
pub(crate) fn parse_url(url: &str) -> Result<(Endpoint, bool, Uri), UrlError> {
    let bad = || UrlError::Url(without_password(url));
    let uri: Uri = url.parse().map_err(|_| bad())?;
    let is_tls = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(bad()),
    };
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(bad)?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    Ok((Endpoint { host, port }, is_tls, uri))
}

/// The URL as messages may show it: `user:password@` is masked.
fn without_password(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    match url[start..end].rfind('@') {
        Some(at) => format!("{}[REDACTED]{}", &url[..start], &url[start + at..]),
        None => url.to_owned(),
    }
}

impl HttpClient {
    /// Reads certificates; opens no connection. `headers` go out with every request, beside
    /// those of the config.
    ///
    /// # Errors
    /// When the URL or the `tls` block cannot be used.
    pub(crate) fn new(
        config: &HttpClientConfig,
        url: &str,
        mut headers: HeaderMap,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, UrlError> {
        let (endpoint, is_tls, uri) = parse_url(url)?;
        let tls = if is_tls { Some(Tls::open(&config.tls, &endpoint.host, &["http/1.1"])?) } else { None };
        let host = uri.authority().map_or("", |authority| authority.as_str());
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        headers.insert(header::HOST, HeaderValue::try_from(host).map_err(|_| UrlError::Url(without_password(url)))?);
        headers.extend(config.headers.clone());
        if config.disable_keep_alives {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let target = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            connector: Connector::new(endpoint, tls),
            target: target.parse().map_err(|_| UrlError::Url(without_password(url)))?,
            headers,
            idle: Mutex::default(),
            idle_max: if config.disable_keep_alives { 0 } else { config.max_idle_conns },
            idle_timeout: config.idle_conn_timeout,
            limit: Some(config.max_conns_per_host)
                .filter(|most| *most > 0)
                .map(|most| Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            turn: AtomicUsize::new(0),
            tasks: Mutex::default(),
            clock,
        })
    }

    /// Posts a body.
    ///
    /// # Errors
    /// When no answer came.
    pub(crate) async fn post(&self, body: Vec<Bytes>) -> Result<Reply, HttpError> {
        let _turn = match &self.limit {
            Some(limit) => limit.acquire().await.ok(),
            None => None,
        };
        let mut request = Request::new(Chunks::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.clone();
        *request.headers_mut() = self.headers.clone();
        // A kept connection may have been closed by the server a moment ago: then the request
        // comes back unsent, and the next connection is tried.
        loop {
            let (mut connection, is_new) = match self.kept() {
                Some(connection) => (connection, false),
                None => (self.open().await?, true),
            };
            match connection.sender.try_send_request(request).await {
                Ok(response) => return self.read(response, connection).await,
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !is_new => request = unsent,
                    _ => return Err(lost(error.error())),
                },
            }
        }
    }

    /// Closes every connection and waits for their tasks.
    pub(crate) async fn shutdown(&self) {
        self.idle().clear();
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.shutdown().await;
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, VecDeque<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that was used last, as its buffers are warm; old ones are closed.
    fn kept(&self) -> Option<Connection> {
        let now = self.clock.now().mono;
        let mut idle = self.idle();
        if !self.idle_timeout.is_zero() {
            while idle.front().is_some_and(|oldest| now.since(oldest.since) > self.idle_timeout) {
                idle.pop_front();
            }
        }
        while let Some(Idle { connection, .. }) = idle.pop_back() {
            if connection.sender.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    fn keep(&self, connection: Connection) {
        let now = self.clock.now().mono;
        let mut idle = self.idle();
        if idle.len() < self.idle_max {
            idle.push_back(Idle { connection, since: now });
        }
    }

    async fn open(&self) -> Result<Connection, HttpError> {
        let failed = |error: String| HttpError(format!("connecting to {}: {error}", self.connector.endpoint()));
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let stream = self.connector.open(turn).await.map_err(|error| failed(error.to_string()))?;
        let handshake = Builder::new().handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|error| failed(error.to_string()))?;
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        // How a connection ends is seen by the request on it.
        let task = tasks.spawn(async move { drop(connection.await) });
        Ok(Connection { sender, task })
    }

    async fn read(
        &self,
        response: http::Response<hyper::body::Incoming>,
        mut connection: Connection,
    ) -> Result<Reply, HttpError> {
        let (head, mut body) = response.into_parts();
        let mut reply = BytesMut::new();
        let mut is_cut = false;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|error| lost(&error))?.into_data() else { continue };
            let room = REPLY_BYTES_MAX - reply.len();
            is_cut = data.len() > room;
            reply.extend_from_slice(&data[..data.len().min(room)]);
            if is_cut {
                break;
            }
        }
        // A connection with a rest of a reply on it is closed.
        if !is_cut {
            match tokio::time::timeout(REST_WAIT, connection.sender.ready()).await {
                Ok(Ok(())) => self.keep(connection),
                Ok(Err(_)) => {}
                // The server has said all it has to say and reads no further.
                Err(_) => connection.task.abort(),
            }
        }
        Ok(Reply { status: head.status, headers: head.headers, body: reply.freeze(), is_cut })
    }
}

fn lost(error: &hyper::Error) -> HttpError {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    HttpError(format!("{error}{cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_in_a_message_has_no_password() {
        let message = parse_url("ftp://user:canary@host/path?x=a@b").unwrap_err().to_string();
        assert!(!message.contains("canary") && message.contains("host/path?x=a@b"), "{message}");
        assert_eq!(without_password("no url"), "no url");
    }

    #[test]
    fn a_url_says_where_to_connect_and_how() {
        let (endpoint, is_tls, uri) = parse_url("https://[::1]/otlp?x=1").unwrap();
        assert_eq!((endpoint.to_string().as_str(), is_tls), ("[::1]:443", true));
        assert_eq!(uri.path_and_query().unwrap(), "/otlp?x=1");
        let (endpoint, is_tls, _) = parse_url("http://shop:4318").unwrap();
        assert_eq!((endpoint.to_string().as_str(), is_tls), ("shop:4318", false));
    }

    #[test]
    fn what_is_no_http_url_is_refused() {
        for text in ["", "shop:4318", "ftp://shop", "http://", "/v1/traces"] {
            assert!(parse_url(text).is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn an_answer_before_the_body_was_read_is_not_waited_on() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 64];
            stream.read_exact(&mut head).await.unwrap();
            stream.write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            std::future::pending::<()>().await;
        });
        let mut report = crate::config::Report::default();
        let root = crate::config::Node::default();
        let defaults = super::super::client_config::ClientDefaults { timeout: Duration::ZERO, gzip: false };
        let config = HttpClientConfig::decode(&mut crate::config::Section::new("x", &root, &mut report), defaults);
        let clock = Arc::new(crate::pipeline::SystemClock::new());
        let client = HttpClient::new(&config, &url, HeaderMap::new(), clock).unwrap();
        let body = vec![Bytes::from(vec![0; 32 << 20])];
        let reply = tokio::time::timeout(Duration::from_secs(5), client.post(body)).await;
        server.abort();
        assert_eq!(reply.expect("the answer was there").unwrap().status, StatusCode::PAYLOAD_TOO_LARGE);
    }
}
