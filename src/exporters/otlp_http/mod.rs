//! `otlp_http` (alias `otlphttp`): OTLP over HTTP/1.1.
//!
//! ```yaml
//! exporters:
//!   otlp_http:
//!     endpoint: http://tempo.example:4318
//!     compression: zstd
//!     encoding: proto
//! ```
//!
//! `compression_params::level` sets the level of gzip, zlib and deflate (1 to 9; 1) or zstd (-7 to
//! 11; -1).

mod config;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

pub use config::Config;
use config::Encoding;

use super::delivery::partial_success::PartialSuccessWarning;
use crate::model::{Batch, Instant, Signal};
use crate::net::compress::{Compressor, decompress};
use crate::net::http_client::{HttpClient, Reply, UrlError};
use crate::pipeline::{BoxFuture, Clock, Code, Component, ConsumeError, Exporter, Settings};
use crate::wire::status::{Status, decode_response_json, decode_response_proto};
use crate::wire::{self, json};

const USER_AGENT: &str = concat!("tailwater/", env!("CARGO_PKG_VERSION"));
const REPLY_BYTES_MAX: usize = 64 * 1024;

/// Posts batches, each signal to its URL.
struct OtlpHttp {
    clients: [Option<HttpClient>; 3],
    encoding: Encoding,
    compressor: Option<Compressor>,
    partial: PartialSuccessWarning,
    clock: Arc<dyn Clock>,
}

impl OtlpHttp {
    fn new(config: &Config, settings: &Settings) -> Result<Self, UrlError> {
        let mut headers = HeaderMap::new();
        let content_type = match config.encoding {
            Encoding::Proto => "application/x-protobuf",
            Encoding::Json => "application/json",
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        if let Some(Compressor { name, .. }) = config.client.compressor {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
        }
        let mut clients = [None, None, None];
        for signal in Signal::ALL {
            let Some(url) = config.url(signal) else { continue };
            let client = HttpClient::new(&config.client, &url, headers.clone(), settings.clock.clone())?;
            clients[signal as usize] = Some(client);
        }
        Ok(Self {
            clients,
            encoding: config.encoding,
            compressor: config.client.compressor,
            partial: PartialSuccessWarning::new(settings),
            clock: settings.clock.clone(),
        })
    }

    fn encode(&self, batch: &Batch) -> Result<Vec<Bytes>, ConsumeError> {
        let chunks = match self.encoding {
            Encoding::Proto => wire::encode(batch).chunks().to_vec(),
            Encoding::Json => vec![Bytes::from(json::write(batch))],
        };
        let Some(compressor) = &self.compressor else { return Ok(chunks) };
        let packed = compressor.compress(&chunks).map_err(|error| {
            ConsumeError::permanent(format!("compression with {} failed: {error}", compressor.name))
        })?;
        Ok(vec![packed])
    }

    async fn send(&self, batch: &Batch, encoded: &OnceLock<Vec<Bytes>>) -> Result<(), ConsumeError> {
        let signal = batch.signal();
        let Some(client) = &self.clients[signal as usize] else {
            return Err(ConsumeError::permanent(format!("no endpoint is configured for {signal}")));
        };
        let body = match encoded.get() {
            Some(body) => body.clone(),
            None => {
                let body = self.encode(batch)?;
                encoded.get_or_init(|| body).clone()
            }
        };
        let reply = client.post(body).await.map_err(|error| ConsumeError::retryable(error.to_string(), None))?;
        if reply.status.is_success() { self.accepted(signal, &reply) } else { Err(self.refused(&reply)) }
    }

    /// Reads a 2xx reply; one that cannot be read is a permanent error, as in the Collector.
    fn accepted(&self, signal: Signal, reply: &Reply) -> Result<(), ConsumeError> {
        let unreadable = |why: String| ConsumeError::permanent(format!("the reply cannot be read: {why}"));
        if reply.is_cut {
            return Err(unreadable(format!("it is longer than {REPLY_BYTES_MAX} bytes")));
        }
        let body = body_of(reply).map_err(unreadable)?;
        if body.is_empty() {
            return Ok(());
        }
        let partial = match media_type(reply) {
            "application/x-protobuf" => decode_response_proto(&body, signal),
            "application/json" => decode_response_json(&body, signal),
            // Another server's page: an answer of 2xx is all there is to know.
            _ => return Ok(()),
        };
        let partial = partial.map_err(|error| unreadable(error.to_string()))?;
        self.partial.note(signal, &partial);
        Ok(())
    }

    fn refused(&self, reply: &Reply) -> ConsumeError {
        let number = reply.status.as_u16();
        let body = body_of(reply).unwrap_or_default();
        let status = match media_type(reply) {
            "application/x-protobuf" => Status::decode_proto(&body),
            "application/json" => Status::decode_json(&body),
            _ => None,
        };
        let mut text = format!("error exporting items, request answered with HTTP status code {number}");
        if let Some(status) = status.filter(|status| !status.message.is_empty()) {
            text = format!("{text}, message {:?}", status.message);
        }
        let code = Code::from_http_status(number);
        match number {
            429 | 502..=504 => ConsumeError::retryable(text, self.retry_after(reply)).with_code(code),
            _ => ConsumeError::permanent(text).with_code(code),
        }
    }

    /// `Retry-After`: seconds or an HTTP date.
    fn retry_after(&self, reply: &Reply) -> Option<Duration> {
        let text = reply.headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
        let now = i128::from(self.clock.now().wall.0);
        u64::try_from(date.as_nanosecond() - now).ok().map(Duration::from_nanos)
    }
}

fn media_type(reply: &Reply) -> &str {
    let text = reply.headers.get(header::CONTENT_TYPE).and_then(|text| text.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim()
}

/// The reply's body, decompressed; empty when there is none.
fn body_of(reply: &Reply) -> Result<Bytes, String> {
    match reply.headers.get(header::CONTENT_ENCODING).and_then(|name| name.to_str().ok()) {
        Some(name) if !name.is_empty() && name != "identity" && !reply.body.is_empty() => {
            decompress(name, &reply.body, REPLY_BYTES_MAX).map_err(|error| error.to_string())
        }
        _ => Ok(reply.body.clone()),
    }
}

impl Component for OtlpHttp {
    fn shutdown(&self, _deadline: Instant) -> BoxFuture<'_, ()> {
        Box::pin(async {
            for client in self.clients.iter().flatten() {
                client.shutdown().await;
            }
        })
    }
}

impl Exporter for OtlpHttp {
    fn export(&self, batch: Batch) -> BoxFuture<'_, Result<(), ConsumeError>> {
        Box::pin(async move { self.send(&batch, &OnceLock::new()).await })
    }

    fn attempt<'a>(
        &'a self,
        batch: &'a Batch,
        encoded: &'a OnceLock<Vec<Bytes>>,
    ) -> BoxFuture<'a, Result<(), ConsumeError>> {
        Box::pin(self.send(batch, encoded))
    }
}
