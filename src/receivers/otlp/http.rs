//! OTLP/HTTP: three paths, protobuf and JSON. What a request answers follows the OTLP
//! specification ("OTLP/HTTP Response"), and the Collector where that leaves a choice.

use std::sync::Arc;
use std::time::Duration;

use ::http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, EXPECT, RETRY_AFTER};
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use bytes::Bytes;
use hyper::body::Incoming;

use super::HttpConfig;
use super::cors::Cors;
use super::intake::{Intake, Refusal, metadata};
use crate::model::Signal;
use crate::net::{Decompression, Reply, Service, decompress, drain_body, read_body};
use crate::pipeline::Code;
use crate::wire::status::{self, PartialSuccess, Status};

/// The HTTP side of a receiver.
pub(super) struct Http {
    intake: Intake,
    paths: [(String, Signal); 3],
    body_bytes_max: usize,
    include_metadata: bool,
    compressions: Option<Vec<String>>,
    cors: Option<Cors>,
    response_headers: HeaderMap,
}

/// How a request and its answer are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Protobuf,
    Json,
}

/// What is read on and thrown away after an early refusal, so that the client reads its answer.
const DRAIN_BYTES_MAX: u64 = 64 << 20;
const DRAIN_WITHIN: Duration = Duration::from_secs(5);

impl Http {
    pub(super) fn new(config: &HttpConfig, intake: Intake) -> Self {
        let server = &config.server;
        let mut response_headers = HeaderMap::new();
        for (name, value) in &server.response_headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value.expose())) {
                response_headers.append(name, value);
            }
        }
        if !server.keep_alives {
            response_headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Self {
            intake,
            paths: [
                (config.traces_url_path.clone(), Signal::Traces),
                (config.metrics_url_path.clone(), Signal::Metrics),
                (config.logs_url_path.clone(), Signal::Logs),
            ],
            body_bytes_max: server.body_bytes_max,
            include_metadata: server.include_metadata,
            compressions: server.compressions.clone(),
            cors: server.cors.as_ref().and_then(Cors::new),
            response_headers,
        }
    }

    async fn route(&self, request: &mut Request<Incoming>) -> Response<Reply> {
        let path = request.uri().path();
        let Some((_, signal)) = self.paths.iter().find(|(known, _)| known == path) else {
            return text(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "404 page not found\n".to_owned());
        };
        let signal = *signal;
        if !self.intake.is_taken(signal) {
            let message = format!("404 no pipeline takes {signal} from this receiver\n");
            return text(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", message);
        }
        if request.method() != Method::POST {
            let message = "405 method not allowed, supported: [POST]".to_owned();
            return text(StatusCode::METHOD_NOT_ALLOWED, "text/plain", message);
        }
        let Some(format) = format(request.headers()) else {
            let message =
                "415 unsupported media type, supported: [application/json, application/x-protobuf]".to_owned();
            return text(StatusCode::UNSUPPORTED_MEDIA_TYPE, "text/plain", message);
        };
        match self.export(signal, format, request).await {
            Ok(()) => {
                self.intake.observed.request_taken();
                taken(signal, format)
            }
            Err(refusal) => {
                self.intake.observed.request_refused(refusal.reason());
                failed(&refusal, format)
            }
        }
    }

    async fn export(&self, signal: Signal, format: Format, request: &mut Request<Incoming>) -> Result<(), Refusal> {
        let compression = self.compression(request.headers())?;
        let (max, idle) = (self.body_bytes_max, self.intake.limits.body_idle_max);
        let mut hold = self.intake.budget.hold();
        let mut body = read_body(request.body_mut(), max, idle, &mut hold).await?;
        if let Some(compression) = compression {
            let unpacked = decompress(compression, &body, max)?;
            if !hold.take(unpacked.len() as u64) {
                return Err(Refusal::Overload("no room for the decompressed request; try again".to_owned()));
            }
            body = unpacked;
            hold.shrink_to(body.len() as u64);
        }
        let metadata = self.include_metadata.then(|| metadata(request.headers(), None));
        let scanned = match format {
            Format::Protobuf => self.intake.read_protobuf(signal, body)?,
            Format::Json => self.intake.read_json(signal, &body)?,
        };
        self.intake.take(scanned, metadata).await
    }

    /// How the body is compressed; names are matched in any case, as RFC 9110 has it.
    fn compression(&self, headers: &HeaderMap) -> Result<Option<Decompression>, Refusal> {
        let Some(listed) = &self.compressions else { return Ok(None) };
        let name = headers.get(CONTENT_ENCODING).map_or(&b""[..], HeaderValue::as_bytes).to_ascii_lowercase();
        let name: &[u8] = if name == b"identity" { b"" } else { &name };
        let is_listed = listed.iter().any(|listed| listed.as_bytes() == name);
        match name {
            b"" if is_listed => Ok(None),
            b"gzip" if is_listed => Ok(Some(Decompression::Gzip)),
            b"zstd" if is_listed => Ok(Some(Decompression::Zstd)),
            b"zlib" | b"deflate" if is_listed => Ok(Some(Decompression::Zlib)),
            b"snappy" if is_listed => Ok(Some(Decompression::SnappyBlock)),
            b"x-snappy-framed" if is_listed => Ok(Some(Decompression::SnappyFramed)),
            _ => {
                let (name, known) = (String::from_utf8_lossy(name), listed.join(", "));
                Err(Refusal::Encoding(format!("unsupported Content-Encoding {name:?}; this server reads: {known}")))
            }
        }
    }
}

impl Service for Http {
    async fn answer(self: Arc<Self>, mut request: Request<Incoming>) -> Response<Reply> {
        let (headers, method) = (request.headers(), request.method());
        if let Some(mut answer) = self.cors.as_ref().and_then(|cors| cors.preflight(method, headers)) {
            answer.headers_mut().extend(self.response_headers.clone());
            return answer;
        }
        let mut answer = self.route(&mut request).await;
        // Who waits for permission sends nothing until it has it, and who has stalled sends nothing.
        let may_be_sending = !request.headers().contains_key(EXPECT) && answer.status() != StatusCode::REQUEST_TIMEOUT;
        if !answer.status().is_success() && may_be_sending {
            drain_body(request.body_mut(), DRAIN_BYTES_MAX, DRAIN_WITHIN).await;
        }
        if let Some(cors) = &self.cors {
            cors.decorate(request.headers(), answer.headers_mut());
        }
        for (name, value) in &self.response_headers {
            answer.headers_mut().append(name, value.clone());
        }
        answer
    }

    fn connection_refused(&self) {
        self.intake.observed.connection_refused();
    }
}

/// What the content type names, parameters aside.
fn format(headers: &HeaderMap) -> Option<Format> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let essence = value.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/x-protobuf") {
        Some(Format::Protobuf)
    } else if essence.eq_ignore_ascii_case("application/json") {
        Some(Format::Json)
    } else {
        None
    }
}

fn text(status: StatusCode, content_type: &'static str, message: String) -> Response<Reply> {
    answer(status, HeaderValue::from_static(content_type), message.into())
}

fn answer(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response<Reply> {
    let mut answer = Response::new(Reply::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}

fn taken(signal: Signal, format: Format) -> Response<Reply> {
    let all = PartialSuccess::default();
    let body = match format {
        Format::Protobuf => status::encode_response_proto(&all, signal),
        Format::Json => status::encode_response_json(&all, signal),
    };
    answer(StatusCode::OK, format.content_type(), body.into())
}

/// A `google.rpc.Status` in the request's own format.
fn failed(refusal: &Refusal, format: Format) -> Response<Reply> {
    let (http_status, code) = codes(refusal);
    let says_when = matches!(http_status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let retry_delay = refusal.retry_after();
    let status = Status { code: u32::from(code as u8), message: refusal.message().to_owned(), retry_delay };
    let body = match format {
        Format::Protobuf => status.encode_proto(),
        Format::Json => status.encode_json(),
    };
    let mut answer = answer(http_status, format.content_type(), body.into());
    if let Some(delay) = retry_delay.filter(|_| says_when) {
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

/// Over the limit is 413, as the OTLP specification demands; the Collector answers 400.
fn codes(refusal: &Refusal) -> (StatusCode, Code) {
    match refusal {
        Refusal::Undecodable(_) | Refusal::Encoding(_) => (StatusCode::BAD_REQUEST, Code::InvalidArgument),
        Refusal::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, Code::ResourceExhausted),
        Refusal::Overload(_) => (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable),
        Refusal::Stalled(_) => (StatusCode::REQUEST_TIMEOUT, Code::Cancelled),
        Refusal::Pipeline(error) => {
            let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, error.code())
        }
    }
}

impl Format {
    const fn content_type(self) -> HeaderValue {
        match self {
            Self::Protobuf => HeaderValue::from_static("application/x-protobuf"),
            Self::Json => HeaderValue::from_static("application/json"),
        }
    }
}
