//! Unary gRPC calls over hyper's HTTP/2, raw bytes in and out: one prefix, then the message's
//! pieces as they are. Connections are opened when they are first needed and again when they
//! are lost.
//!
//! Knows no protobuf but the status of a failed call, and no telemetry.

use std::error::Error as _;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::{BufMut, Bytes, BytesMut};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Version, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::task::JoinSet;

use super::chunks::Chunks;
use super::client_config::{GrpcClientConfig, Keepalive};
use super::client_tls::{Tls, TlsError};
use super::compress::{Compressor, decompress};
use super::connect::Connector;
use crate::model::Instant;
use crate::pipeline::{Clock, Code};
use crate::wire::status::Status;

/// Longest reply that is read.
const REPLY_BYTES_MAX: usize = 4 << 20;
/// Pause after the first failed connection attempt, doubled with each further one.
const RECONNECT_MIN: Duration = Duration::from_millis(100);
const RECONNECT_MAX: Duration = Duration::from_secs(5);

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Calls one endpoint.
pub(crate) struct GrpcClient {
    connector: Connector,
    keepalive: Option<Keepalive>,
    wait_for_ready: bool,
    headers: HeaderMap,
    authority: Authority,
    slots: Box<[Slot]>,
    turn: AtomicUsize,
    tasks: Mutex<JoinSet<()>>,
    clock: Arc<dyn Clock>,
}

/// Place of one connection.
#[derive(Default)]
struct Slot {
    state: Mutex<SlotState>,
    /// Held while connecting, so that one attempt serves all who wait.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct SlotState {
    sender: Option<SendRequest<Chunks>>,
    /// Connections that the slot has had.
    opened: u64,
    /// How many addresses further than the slot's own the next try begins.
    shift: usize,
    failures: u32,
    not_before: Instant,
    last_error: String,
}

/// Why a call did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GrpcError {
    /// The call's status.
    pub(crate) code: Code,
    /// The server's words, or ours.
    pub(crate) message: String,
    /// When the server wants to be called again.
    pub(crate) retry_delay: Option<Duration>,
}

/// Why a client cannot be made of its config.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The `tls` block.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The `authority` key, or a host that is none.
    #[error("{0:?} is not an authority; write host or host:port")]
    Authority(String),
    /// The `user_agent` key.
    #[error("user_agent has characters that no header has")]
    UserAgent,
    /// The endpoint was not given.
    #[error("requires a non-empty \"endpoint\"")]
    Endpoint,
}

impl fmt::Display for GrpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rpc error: code = {:?} desc = {}", self.code, self.message)
    }
}

impl GrpcError {
    fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_delay: None }
    }

    /// Whether the same call may be made again.
    pub(crate) fn is_retryable(&self) -> bool {
        self.code.is_retryable(self.retry_delay.is_some())
    }
}

impl GrpcClient {
    /// Reads certificates; opens no connection. `timeout` is told to the server.
    ///
    /// # Errors
    /// When the config names what cannot be used.
    pub(crate) fn new(
        config: &GrpcClientConfig,
        timeout: Duration,
        user_agent: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ClientError> {
        let endpoint = config.endpoint.clone().ok_or(ClientError::Endpoint)?;
        let tls = match config.tls.insecure {
            true => None,
            false => Some(Tls::open(&config.tls, &endpoint.host, &["h2"])?),
        };
        let authority = config.authority.clone().unwrap_or_else(|| endpoint.to_string());
        let authority = Authority::try_from(authority.as_str()).map_err(|_| ClientError::Authority(authority))?;
        let mut headers = HeaderMap::new();
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        let user_agent = config.user_agent.as_deref().unwrap_or(user_agent);
        let user_agent = HeaderValue::try_from(user_agent).map_err(|_| ClientError::UserAgent)?;
        headers.insert(header::USER_AGENT, user_agent);
        if let Some(Compressor { name, .. }) = config.compressor {
            headers.insert(HeaderName::from_static("grpc-encoding"), HeaderValue::from_static(name));
            headers
                .insert(HeaderName::from_static("grpc-accept-encoding"), HeaderValue::from_static("gzip,zstd,snappy"));
        }
        if !timeout.is_zero() {
            headers.insert(HeaderName::from_static("grpc-timeout"), grpc_timeout(timeout));
        }
        headers.extend(config.headers.clone());
        Ok(Self {
            connector: Connector::new(endpoint, tls),
            keepalive: config.keepalive,
            wait_for_ready: config.wait_for_ready,
            headers,
            authority,
            slots: (0..config.connections.max(1)).map(|_| Slot::default()).collect(),
            turn: AtomicUsize::new(0),
            tasks: Mutex::default(),
            clock,
        })
    }

    /// The address of a method such as `/package.Service/Method`.
    pub(crate) fn method(&self, path: &'static str) -> Uri {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(if self.connector.is_tls() { Scheme::HTTPS } else { Scheme::HTTP });
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(PathAndQuery::from_static(path));
        Uri::from_parts(parts).unwrap_or_default()
    }

    /// Makes one call with a message from [`frame`]; returns the reply's message.
    ///
    /// # Errors
    /// The status of the server, or `Unavailable` when none came.
    pub(crate) async fn unary(&self, method: &Uri, message: Vec<Bytes>) -> Result<Bytes, GrpcError> {
        let number = self.turn.fetch_add(1, Ordering::Relaxed) % self.slots.len();
        let (mut sender, opened) = self.sender(number).await?;
        let mut error = match sender.try_send_request(self.request(method, message.clone())).await {
            Ok(response) => return read_reply(response).await,
            Err(error) => error,
        };
        let is_unsent = error.take_message().is_some();
        if !is_unsent && !is_unprocessed(error.error()) {
            return Err(lost(error.error()));
        }
        // The connection went away before the server looked at the call: once more on a new one.
        tracing::debug!(target: "exporter", "calling again on a new connection: {}", error.error());
        self.slots[number].discard(opened);
        let (mut sender, _) = self.sender(number).await?;
        let response = sender.send_request(self.request(method, message)).await.map_err(|error| lost(&error))?;
        read_reply(response).await
    }

    fn request(&self, method: &Uri, message: Vec<Bytes>) -> Request<Chunks> {
        let mut request = Request::new(Chunks::new(message));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = method.clone();
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = self.headers.clone();
        request
    }

    /// Closes every connection and waits for their tasks.
    pub(crate) async fn shutdown(&self) {
        for slot in &self.slots {
            slot.state().sender = None;
        }
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.shutdown().await;
    }

    /// The connection of a slot, and which one of the slot's it is.
    async fn sender(&self, number: usize) -> Result<(SendRequest<Chunks>, u64), GrpcError> {
        let slot = &self.slots[number];
        if let Some(sender) = slot.living() {
            return Ok(sender);
        }
        let _connecting = slot.connecting.lock().await;
        loop {
            if let Some(sender) = slot.living() {
                return Ok(sender);
            }
            if let Some(wait) = slot.pause(self.clock.now().mono) {
                if !self.wait_for_ready {
                    return Err(GrpcError::new(Code::Unavailable, slot.state().last_error.clone()));
                }
                tokio::time::sleep(wait).await;
            }
            match self.connect(number).await {
                Ok(sender) => slot.opened(sender),
                Err(error) => {
                    let message = format!("connection to {} failed: {error}", self.connector.endpoint());
                    slot.failed(self.clock.now().mono, &message);
                    if !self.wait_for_ready {
                        return Err(GrpcError::new(Code::Unavailable, message));
                    }
                }
            }
        }
    }

    async fn connect(&self, number: usize) -> Result<SendRequest<Chunks>, String> {
        let turn = self.slots[number].next_turn(number);
        let stream = self.connector.open(turn).await.map_err(|error| error.to_string())?;
        let mut builder = Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).max_header_list_size(16 * 1024);
        if let Some(keepalive) = self.keepalive {
            builder
                .keep_alive_interval(keepalive.time)
                .keep_alive_timeout(keepalive.timeout)
                .keep_alive_while_idle(keepalive.permit_without_stream);
        }
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        // How a connection ends is seen by the calls on it.
        tasks.spawn(async move { drop(connection.await) });
        Ok(sender)
    }
}

impl Slot {
    fn state(&self) -> std::sync::MutexGuard<'_, SlotState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn living(&self) -> Option<(SendRequest<Chunks>, u64)> {
        let state = self.state();
        state.sender.as_ref().filter(|sender| !sender.is_closed()).map(|sender| (sender.clone(), state.opened))
    }

    /// Where a try begins. The one after it begins at the next address: this one may be given up
    /// while its address does not answer.
    fn next_turn(&self, number: usize) -> usize {
        let mut state = self.state();
        let turn = number.wrapping_add(state.shift);
        state.shift = state.shift.wrapping_add(1);
        turn
    }

    fn opened(&self, sender: SendRequest<Chunks>) {
        let mut state = self.state();
        // The address that answered is the first to be tried again.
        let (opened, shift) = (state.opened + 1, state.shift.wrapping_sub(1));
        *state = SlotState { sender: Some(sender), opened, shift, ..SlotState::default() };
    }

    /// Makes no more calls on a connection, unless it was replaced already.
    fn discard(&self, opened: u64) {
        let mut state = self.state();
        if state.opened == opened {
            state.sender = None;
        }
    }

    fn pause(&self, now: Instant) -> Option<Duration> {
        Some(self.state().not_before.since(now)).filter(|wait| !wait.is_zero())
    }

    fn failed(&self, now: Instant, message: &str) {
        let mut state = self.state();
        let pause = RECONNECT_MIN.saturating_mul(1 << state.failures.min(10)).min(RECONNECT_MAX);
        state.failures += 1;
        state.not_before = now + pause;
        message.clone_into(&mut state.last_error);
        state.sender = None;
    }
}

/// A message as gRPC frames it: a flag, the length, then the pieces.
pub(crate) fn frame(pieces: Vec<Bytes>, is_compressed: bool) -> Vec<Bytes> {
    let length: usize = pieces.iter().map(Bytes::len).sum();
    let mut prefix = BytesMut::with_capacity(5);
    prefix.put_u8(u8::from(is_compressed));
    prefix.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    let mut framed = Vec::with_capacity(pieces.len() + 1);
    framed.push(prefix.freeze());
    framed.extend(pieces);
    framed
}

/// `grpc-timeout`: at most eight digits and a unit.
fn grpc_timeout(timeout: Duration) -> HeaderValue {
    let text = match timeout.as_millis() {
        millis if millis < 100_000_000 => format!("{}m", millis.max(1)),
        millis => format!("{}S", (millis / 1000).min(99_999_999)),
    };
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("99999999S"))
}

/// Whether the server has said that it did not look at the call: it was refused, or came after
/// the last that a closing connection takes.
fn is_unprocessed(error: &hyper::Error) -> bool {
    let Some(error) = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>()) else { return false };
    match error.reason() {
        Some(h2::Reason::REFUSED_STREAM) => error.is_remote(),
        Some(h2::Reason::NO_ERROR) => error.is_remote() && error.is_go_away(),
        _ => false,
    }
}

fn lost(error: &hyper::Error) -> GrpcError {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    GrpcError::new(Code::Unavailable, format!("the connection was lost: {error}{cause}"))
}

async fn read_reply(response: Response<Incoming>) -> Result<Bytes, GrpcError> {
    let (head, mut body) = response.into_parts();
    if head.status != http::StatusCode::OK {
        let code = match head.status.as_u16() {
            400 => Code::Internal,
            401 => Code::Unauthenticated,
            403 => Code::PermissionDenied,
            404 => Code::Unimplemented,
            429 | 502 | 503 | 504 => Code::Unavailable,
            _ => Code::Unknown,
        };
        return Err(GrpcError::new(code, format!("the server answered with HTTP status {}", head.status)));
    }
    if let Some(outcome) = outcome(&head.headers) {
        return outcome.map(|()| Bytes::new());
    }
    let mut reply = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| lost(&error))?;
        match frame.into_data() {
            Ok(data) if reply.len() + data.len() > REPLY_BYTES_MAX => {
                return Err(GrpcError::new(Code::ResourceExhausted, "the server's reply is too large"));
            }
            Ok(data) => reply.extend_from_slice(&data),
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                let Some(outcome) = outcome(&trailers) else { continue };
                outcome?;
                return unframe(reply.freeze(), &head.headers);
            }
        }
    }
    Err(GrpcError::new(Code::Internal, "the server closed the stream without sending trailers"))
}

/// The message of a reply's body; an empty body is an empty message.
fn unframe(reply: Bytes, headers: &HeaderMap) -> Result<Bytes, GrpcError> {
    let bad = |message: String| GrpcError::new(Code::Internal, message);
    let Some((prefix, _)) = reply.split_first_chunk::<5>() else { return Ok(Bytes::new()) };
    let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
    if reply.len() < 5 + length {
        return Err(bad("the server's reply is cut off".to_owned()));
    }
    let message = reply.slice(5..5 + length);
    if prefix[0] & 1 == 0 {
        return Ok(message);
    }
    let encoding = headers.get("grpc-encoding").and_then(|name| name.to_str().ok()).unwrap_or("identity");
    decompress(encoding, &message, REPLY_BYTES_MAX).map_err(|error| bad(error.to_string()))
}

/// The call's status, if these headers or trailers carry one.
fn outcome(headers: &HeaderMap) -> Option<Result<(), GrpcError>> {
    let status = headers.get("grpc-status")?;
    let number = status.to_str().ok().and_then(|text| text.parse().ok()).unwrap_or(u32::from(Code::Unknown as u8));
    let code = Code::from_number(number);
    if code == Code::Ok {
        return Some(Ok(()));
    }
    let message = headers.get("grpc-message").map(|text| percent_decode(text.as_bytes())).unwrap_or_default();
    let details = headers.get("grpc-status-details-bin").and_then(|text| BASE64.decode(text.as_bytes()).ok());
    let retry_delay = details.and_then(|bytes| Status::decode_proto(&bytes)?.retry_delay);
    Some(Err(GrpcError { code, message, retry_delay }))
}

fn percent_decode(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let digits = tail.first_chunk::<2>().and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                out.push(byte);
                rest = &tail[2..];
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_message_is_framed_without_a_copy() {
        let piece = Bytes::from_static(b"abc");
        let framed = frame(vec![piece.clone(), piece.clone()], true);
        assert_eq!(&framed[0][..], [1, 0, 0, 0, 6]);
        assert_eq!(framed[1].as_ptr(), piece.as_ptr());
    }

    #[test]
    fn a_timeout_has_at_most_eight_digits() {
        assert_eq!(grpc_timeout(Duration::from_secs(5)), "5000m");
        assert_eq!(grpc_timeout(Duration::from_nanos(1)), "1m");
        assert_eq!(grpc_timeout(Duration::from_secs(1 << 40)), "99999999S");
    }

    #[test]
    fn a_status_carries_its_message_and_delay() {
        let details = Status { code: 14, message: String::new(), retry_delay: Some(Duration::from_millis(1500)) };
        let details = BASE64.encode(details.encode_proto());
        let found = outcome(&headers(&[
            ("grpc-status", "14"),
            ("grpc-message", "try%20later%E2%80%A6 100%"),
            ("grpc-status-details-bin", details.trim_end_matches('=')),
        ]));
        let error = found.unwrap().unwrap_err();
        assert_eq!((error.code, error.message.as_str()), (Code::Unavailable, "try later… 100%"));
        assert_eq!(error.retry_delay, Some(Duration::from_millis(1500)));
    }

    #[test]
    fn a_status_that_is_no_number_is_unknown_and_none_is_none() {
        assert_eq!(outcome(&headers(&[("grpc-status", "x")])).unwrap().unwrap_err().code, Code::Unknown);
        assert!(outcome(&headers(&[])).is_none());
        assert_eq!(outcome(&headers(&[("grpc-status", "0")])), Some(Ok(())));
    }

    #[test]
    fn a_cut_reply_is_an_error_and_an_empty_one_an_empty_message() {
        assert_eq!(unframe(Bytes::new(), &headers(&[])), Ok(Bytes::new()));
        assert_eq!(unframe(Bytes::from_static(&[0, 0, 0, 0, 1, 7]), &headers(&[])), Ok(Bytes::from_static(&[7])));
        assert!(unframe(Bytes::from_static(&[0, 0, 0, 0, 2, 7]), &headers(&[])).is_err());
    }

    #[test]
    fn a_try_that_was_given_up_is_followed_by_one_at_the_next_address() {
        let slot = Slot::default();
        assert_eq!([slot.next_turn(3), slot.next_turn(3), slot.next_turn(3)], [3, 4, 5]);
    }
}
