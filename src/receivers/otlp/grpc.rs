//! OTLP/gRPC: three unary methods on HTTP/2, without a gRPC library. What a call answers follows
//! the OTLP specification ("OTLP/gRPC Response"), and the Collector where that leaves a choice.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use super::intake::{Intake, Refusal, metadata};
use crate::model::Signal;
use crate::net::grpc_frame::{EMPTY_MESSAGE, MessageError, read_message};
use crate::net::{Decompression, Reply, Service, decompress};
use crate::pipeline::Code;
use crate::wire::status::Status;

/// The gRPC side of a receiver.
pub(super) struct Grpc {
    pub(super) intake: Intake,
    pub(super) message_bytes_max: usize,
    pub(super) include_metadata: bool,
}

const METHODS: [(&str, Signal); 3] = [
    ("/opentelemetry.proto.collector.trace.v1.TraceService/Export", Signal::Traces),
    ("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", Signal::Metrics),
    ("/opentelemetry.proto.collector.logs.v1.LogsService/Export", Signal::Logs),
];
const ACCEPT_ENCODING: HeaderValue = HeaderValue::from_static("identity,gzip,zstd,snappy");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// A status that is not OK.
struct Failure {
    code: Code,
    message: String,
    retry_after: Option<Duration>,
}

impl Service for Grpc {
    async fn answer(self: Arc<Self>, mut request: Request<Incoming>) -> Response<Reply> {
        if let Some(answer) = not_grpc(&request) {
            return answer;
        }
        let signal = match self.method(request.uri().path()) {
            Ok(signal) => signal,
            Err(failure) => return failed(&failure),
        };
        match self.export(signal, &mut request).await {
            Ok(()) => {
                self.intake.observed.request_taken();
                taken()
            }
            Err(refusal) => {
                self.intake.observed.request_refused(refusal.reason());
                failed(&Failure::from(refusal))
            }
        }
    }

    fn connection_refused(&self) {
        self.intake.observed.connection_refused();
    }
}

/// The answer to what is no gRPC call at all.
fn not_grpc(request: &Request<Incoming>) -> Option<Response<Reply>> {
    let refuse = |status: StatusCode, text: &'static str| {
        let mut answer = Response::new(Reply::new(text));
        *answer.status_mut() = status;
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        Some(answer)
    };
    if request.method() != Method::POST {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "405 method not allowed, supported: [POST]");
    }
    let is_grpc =
        request.headers().get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    if is_grpc { None } else { refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "415 this port speaks gRPC") }
}

impl Grpc {
    /// The signal that a path names, if a pipeline takes it.
    fn method(&self, path: &str) -> Result<Signal, Failure> {
        let unimplemented = |message| Failure { code: Code::Unimplemented, message, retry_after: None };
        let Some((_, signal)) = METHODS.iter().find(|(known, _)| *known == path) else {
            return Err(unimplemented(format!(
                "unknown method {path:?}; OTLP has Export for traces, metrics and logs"
            )));
        };
        if self.intake.is_taken(*signal) {
            return Ok(*signal);
        }
        Err(unimplemented(format!("no pipeline takes {signal} from this receiver; add one under service::pipelines")))
    }

    async fn export(&self, signal: Signal, request: &mut Request<Incoming>) -> Result<(), Refusal> {
        let encoding = encoding(request.headers())?;
        let (max, idle) = (self.message_bytes_max, self.intake.limits.body_idle_max);
        let mut hold = self.intake.budget.hold();
        let message = read_message(request.body_mut(), max, idle, &mut hold).await?;
        let body = match encoding {
            Some(encoding) if message.is_compressed => {
                let body = decompress(encoding, &message.bytes, max)?;
                if !hold.take(body.len() as u64) {
                    return Err(Refusal::Overload("no room for the decompressed request; try again".to_owned()));
                }
                drop(message);
                hold.shrink_to(body.len() as u64);
                body
            }
            None if message.is_compressed => {
                let text = "the message is compressed, but grpc-encoding names no compression";
                return Err(Refusal::Undecodable(text.to_owned()));
            }
            _ => message.bytes,
        };
        let authority = request.uri().authority().map(http::uri::Authority::as_str);
        let metadata = self.include_metadata.then(|| metadata(request.headers(), authority));
        let scanned = self.intake.read_protobuf(signal, body)?;
        self.intake.take(scanned, metadata).await
    }
}

/// The compression of the call's messages.
fn encoding(headers: &HeaderMap) -> Result<Option<Decompression>, Refusal> {
    let Some(name) = headers.get("grpc-encoding") else { return Ok(None) };
    match name.as_bytes() {
        b"" | b"identity" => Ok(None),
        b"gzip" => Ok(Some(Decompression::Gzip)),
        b"zstd" => Ok(Some(Decompression::Zstd)),
        b"snappy" => Ok(Some(Decompression::SnappyFramed)),
        other => {
            let other = String::from_utf8_lossy(other);
            Err(Refusal::Encoding(format!("grpc-encoding {other:?} is not supported; use gzip, zstd or snappy")))
        }
    }
}

impl From<MessageError> for Refusal {
    fn from(error: MessageError) -> Self {
        match error {
            MessageError::Body(error) => error.into(),
            other => Self::Undecodable(other.to_string()),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let code = match &refusal {
            Refusal::Undecodable(_) => Code::Internal,
            Refusal::Encoding(_) => Code::Unimplemented,
            Refusal::TooLarge(_) => Code::ResourceExhausted,
            Refusal::Overload(_) => Code::Unavailable,
            Refusal::Stalled(_) => Code::Cancelled,
            Refusal::Pipeline(error) => error.code(),
        };
        Self { code, message: refusal.message().to_owned(), retry_after: refusal.retry_after() }
    }
}

/// An empty `Export…ServiceResponse`, and status OK.
fn taken() -> Response<Reply> {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let mut answer = Response::new(Reply::with_trailers(Bytes::from_static(EMPTY_MESSAGE), trailers));
    answer.headers_mut().insert(CONTENT_TYPE, GRPC);
    answer
}

/// A status without a message ("Trailers-Only").
fn failed(failure: &Failure) -> Response<Reply> {
    let mut answer = Response::new(Reply::default());
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, GRPC);
    headers.insert("grpc-accept-encoding", ACCEPT_ENCODING);
    headers.insert("grpc-status", HeaderValue::from(failure.code as u16));
    if let Ok(message) = HeaderValue::from_str(&percent_encoded(&failure.message)) {
        headers.insert("grpc-message", message);
    }
    if failure.retry_after.is_some() {
        let status = Status {
            code: u32::from(failure.code as u8),
            message: failure.message.chars().take(MESSAGE_CHARS_MAX).collect(),
            retry_delay: failure.retry_after,
        };
        if let Ok(details) = HeaderValue::from_str(&STANDARD_NO_PAD.encode(status.encode_proto())) {
            headers.insert("grpc-status-details-bin", details);
        }
    }
    answer
}

/// The longest message that is sent; a client's header limit must not hide the status.
const MESSAGE_CHARS_MAX: usize = 512;

/// `grpc-message` is percent-encoded: all but printable ASCII, and the percent sign itself.
fn percent_encoded(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    for letter in message.chars().take(MESSAGE_CHARS_MAX) {
        if (' '..='~').contains(&letter) && letter != '%' {
            text.push(letter);
            continue;
        }
        for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
            // Writing into a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_message_survives_as_a_header() {
        assert_eq!(percent_encoded("100 % ü\n"), "100 %25 %C3%BC%0A");
        assert!(percent_encoded(&"x".repeat(9999)).len() <= MESSAGE_CHARS_MAX);
    }

    #[test]
    fn a_wait_is_told_in_the_details_and_only_then() {
        let failure = |retry_after| Failure { code: Code::Unavailable, message: "later".to_owned(), retry_after };
        assert!(!failed(&failure(None)).headers().contains_key("grpc-status-details-bin"));
        let answer = failed(&failure(Some(Duration::from_millis(1500))));
        let details = STANDARD_NO_PAD.decode(answer.headers()["grpc-status-details-bin"].as_bytes()).unwrap();
        let status = Status::decode_proto(&details).unwrap();
        assert_eq!((status.code, status.retry_delay), (14, Some(Duration::from_millis(1500))));
    }

    #[test]
    fn a_long_message_does_not_outgrow_the_header_limit_of_clients() {
        let (code, message) = (Code::Unavailable, "x".repeat(100_000));
        let answer = failed(&Failure { code, message, retry_after: Some(Duration::from_secs(1)) });
        assert!(answer.headers().values().map(HeaderValue::len).sum::<usize>() < 4096);
    }
}
