//! One connection to an OTLP port, and what its answers mean: an HTTP status of 200 is not yet
//! an acceptance under gRPC, nor under partial success.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::{Compression, Protocol};
use crate::model::{Cursor, Field};
use crate::pipeline::Code;

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const TRACES: &str = "/v1/traces";
/// Room for the answers of all requests in flight.
const WINDOW_BYTES: u32 = 1 << 20;
/// An answer is a few bytes, or an error text.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Where to send, and how.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) address: String,
    pub(super) protocol: Protocol,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
}

/// What the server did with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Took it, all but so many spans.
    Accepted { rejected: u64 },
    /// Took nothing, and said why.
    Refused(String),
}

/// A connection that is opened at its first use and again after it broke.
pub(super) struct Connection {
    target: Target,
    open: tokio::sync::Mutex<Option<Open>>,
}

struct Open {
    sender: Sender,
    _driver: Driver,
}

enum Sender {
    Grpc(http2::SendRequest<Full<Bytes>>),
    Http(http1::SendRequest<Full<Bytes>>),
}

/// The task that moves a connection's bytes; ends with its owner.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Target {
    /// `endpoint` is `host:port`, with or without `http://`; a path replaces `/v1/traces`.
    pub(super) fn new(endpoint: &str, protocol: Protocol, compression: Compression) -> Result<Self, String> {
        let with_scheme = if endpoint.contains("://") { endpoint.to_owned() } else { format!("http://{endpoint}") };
        let bad = |why: String| format!("endpoint {endpoint:?}: {why}; write host:port");
        let given: Uri = with_scheme.parse().map_err(|error| bad(format!("{error}")))?;
        if given.scheme_str() != Some("http") {
            return Err(bad("only http is spoken here".to_owned()));
        }
        let host = given.host().ok_or_else(|| bad("it has no host".to_owned()))?;
        let address = format!("{host}:{}", given.port_u16().unwrap_or(protocol.default_port()));
        let path = match (protocol, given.path()) {
            (Protocol::Grpc, _) => EXPORT,
            (Protocol::Http, "/" | "") => TRACES,
            (Protocol::Http, path) => path,
        };
        let uri = format!("http://{address}{path}").parse().map_err(|error| bad(format!("{error}")))?;
        let headers = headers(&address, protocol, compression).map_err(|error| bad(error.to_string()))?;
        Ok(Self { address, protocol, uri, headers })
    }
}

fn headers(
    address: &str,
    protocol: Protocol,
    compression: Compression,
) -> Result<HeaderMap, header::InvalidHeaderValue> {
    let mut headers = HeaderMap::new();
    let agent = concat!("tailwater-generate/", env!("CARGO_PKG_VERSION"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
    let encoding = compression.encoding().map(HeaderValue::from_static);
    match protocol {
        Protocol::Grpc => {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
            encoding.map(|name| headers.insert("grpc-encoding", name));
        }
        Protocol::Http => {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
            headers.insert(header::HOST, HeaderValue::from_str(address)?);
            encoding.map(|name| headers.insert(header::CONTENT_ENCODING, name));
        }
    }
    Ok(headers)
}

impl Connection {
    pub(super) fn new(target: Target) -> Self {
        Self { target, open: tokio::sync::Mutex::new(None) }
    }

    /// Sends one body. An error is one of the connection, which is then opened anew by the next
    /// call; whether the server took the request is not known.
    pub(super) async fn send(&self, body: Bytes) -> Result<Answer, String> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = match self.target.protocol {
            Protocol::Grpc => self.target.uri.clone(),
            Protocol::Http => Uri::from_static(TRACES),
        };
        if let (Protocol::Http, Some(path)) = (self.target.protocol, self.target.uri.path_and_query()) {
            *request.uri_mut() = path.clone().into();
        }
        *request.headers_mut() = self.target.headers.clone();
        let answer = self.exchange(request).await;
        if answer.is_err() {
            *self.open.lock().await = None;
        }
        answer
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let mut open = self.open.lock().await;
        let connected = match open.take() {
            Some(connected) if connected.is_open() => connected,
            _ => Open::connect(&self.target).await?,
        };
        match &mut open.insert(connected).sender {
            // HTTP/2 carries the others' requests meanwhile.
            Sender::Grpc(sender) => {
                let mut sender = sender.clone();
                drop(open);
                grpc_answer(sender.send_request(request).await.map_err(told)?).await
            }
            Sender::Http(sender) => {
                sender.ready().await.map_err(told)?;
                http_answer(sender.send_request(request).await.map_err(told)?).await
            }
        }
    }
}

impl Open {
    async fn connect(target: &Target) -> Result<Self, String> {
        let stream = TcpStream::connect(&target.address).await.map_err(|error| format!("connect: {}", error.kind()))?;
        stream.set_nodelay(true).map_err(|error| format!("connect: {}", error.kind()))?;
        let io = TokioIo::new(stream);
        match target.protocol {
            Protocol::Grpc => {
                let (sender, connection) = http2::Builder::new(TokioExecutor::new())
                    .initial_stream_window_size(WINDOW_BYTES)
                    .initial_connection_window_size(WINDOW_BYTES)
                    .max_send_buf_size(4 << 20)
                    .handshake(io)
                    .await
                    .map_err(told)?;
                Ok(Self { sender: Sender::Grpc(sender), _driver: Driver::of(connection) })
            }
            Protocol::Http => {
                let (sender, connection) = http1::handshake(io).await.map_err(told)?;
                Ok(Self { sender: Sender::Http(sender), _driver: Driver::of(connection) })
            }
        }
    }

    fn is_open(&self) -> bool {
        match &self.sender {
            Sender::Grpc(sender) => !sender.is_closed(),
            Sender::Http(sender) => !sender.is_closed(),
        }
    }
}

impl Driver {
    fn of<E: Send + 'static>(connection: impl Future<Output = Result<(), E>> + Send + 'static) -> Self {
        // What ends a connection is told to the request that was on it.
        Self(tokio::spawn(async move { drop(connection.await) }))
    }
}

fn told(error: hyper::Error) -> String {
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return "connection: closed by the server".to_owned();
    }
    match std::error::Error::source(&error) {
        Some(source) => format!("connection: {error}: {source}"),
        None => format!("connection: {error}"),
    }
}

async fn grpc_answer(response: Response<Incoming>) -> Result<Answer, String> {
    let (head, body) = response.into_parts();
    let collected =
        http_body_util::Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| error.to_string())?;
    let trailers = collected.trailers().cloned().unwrap_or_default();
    let status = trailers.get("grpc-status").or_else(|| head.headers.get("grpc-status"));
    let Some(number) = status.and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<u32>().ok()) else {
        return Ok(Answer::Refused(format!("HTTP {} without grpc-status", head.status.as_u16())));
    };
    if number != 0 {
        return Ok(Answer::Refused(format!("gRPC {number} {:?}", Code::from_number(number))));
    }
    let message = collected.to_bytes();
    Ok(Answer::Accepted { rejected: rejected_spans(message.get(5..).unwrap_or_default()) })
}

async fn http_answer(response: Response<Incoming>) -> Result<Answer, String> {
    let status = response.status();
    let body = http_body_util::Limited::new(response.into_body(), ANSWER_BYTES_MAX);
    let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
    if status.is_success() {
        return Ok(Answer::Accepted { rejected: rejected_spans(&body) });
    }
    Ok(Answer::Refused(format!("HTTP {status}")))
}

/// `partial_success.rejected_spans` of an `ExportTraceServiceResponse`.
fn rejected_spans(message: &[u8]) -> u64 {
    let mut response = Cursor::new(message);
    while let Some((number, field)) = response.next_field() {
        if let (1, Field::Length(partial)) = (number, field) {
            let mut partial = Cursor::new(partial);
            while let Some((number, field)) = partial.next_field() {
                if let (1, Field::Varint(rejected)) = (number, field) {
                    return rejected;
                }
            }
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_many_spellings() {
        let uri = |endpoint, protocol| {
            Target::new(endpoint, protocol, Compression::None).map(|target| target.uri.to_string())
        };
        assert_eq!(uri("localhost:4317", Protocol::Grpc).unwrap(), format!("http://localhost:4317{EXPORT}"));
        assert_eq!(uri("http://localhost", Protocol::Http).unwrap(), "http://localhost:4318/v1/traces");
        assert_eq!(uri("http://h:1/x/traces", Protocol::Http).unwrap(), "http://h:1/x/traces");
        assert!(uri("https://h:1", Protocol::Http).unwrap_err().contains("only http is spoken here"));
        assert!(uri("a b", Protocol::Grpc).unwrap_err().contains("write host:port"));
    }

    #[test]
    fn partial_success_is_read() {
        assert_eq!(rejected_spans(&[]), 0);
        assert_eq!(rejected_spans(&[0x0a, 2, 0x08, 7]), 7);
        assert_eq!(rejected_spans(&[0x0a, 0]), 0);
    }
}
