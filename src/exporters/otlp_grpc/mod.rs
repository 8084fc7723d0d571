//! `otlp_grpc` (alias `otlp`): OTLP over gRPC.
//!
//! ```yaml
//! exporters:
//!   otlp_grpc:
//!     endpoint: tempo.example:4317
//!     compression: zstd
//!     headers: {x-tenant: shop}
//! ```
//!
//! Two keys are ours: `connections` (1) spreads calls over several connections, and
//! `compression_params::level` sets the level of gzip (1 to 9; 1) or zstd (-7 to 11; -3).

mod config;

use std::sync::OnceLock;

use bytes::Bytes;
use http::Uri;

pub use config::Config;

use super::delivery::partial_success::PartialSuccessWarning;
use crate::model::{Batch, Instant, Signal};
use crate::net::compress::Compressor;
use crate::net::grpc_client::{ClientError, GrpcClient, GrpcError, frame};
use crate::pipeline::{BoxFuture, Component, ConsumeError, Exporter, Settings};
use crate::wire;

const USER_AGENT: &str = concat!("tailwater/", env!("CARGO_PKG_VERSION"));

/// Sends batches to one OTLP/gRPC endpoint.
pub(crate) struct OtlpGrpc {
    client: GrpcClient,
    compressor: Option<Compressor>,
    methods: [Uri; 3],
    partial: PartialSuccessWarning,
}

impl OtlpGrpc {
    /// Reads certificates; connects at the first batch.
    ///
    /// # Errors
    /// When the config names what cannot be used.
    pub(crate) fn new(config: &Config, settings: &Settings) -> Result<Self, ClientError> {
        let clock = settings.clock.clone();
        let client = GrpcClient::new(&config.client, config.delivery.timeout, USER_AGENT, clock)?;
        let methods = Signal::ALL.map(|signal| client.method(path(signal)));
        let partial = PartialSuccessWarning::new(settings);
        Ok(Self { client, compressor: config.client.compressor, methods, partial })
    }

    fn encode(&self, batch: &Batch) -> Result<Vec<Bytes>, ConsumeError> {
        let encoded = wire::encode(batch);
        let Some(compressor) = &self.compressor else { return Ok(frame(encoded.chunks().to_vec(), false)) };
        let packed = compressor.compress(encoded.chunks()).map_err(|error| {
            ConsumeError::permanent(format!("compression with {} failed: {error}", compressor.name))
        })?;
        Ok(frame(vec![packed], true))
    }

    async fn send(&self, batch: &Batch, encoded: &OnceLock<Vec<Bytes>>) -> Result<(), ConsumeError> {
        let message = match encoded.get() {
            Some(message) => message.clone(),
            None => {
                let message = self.encode(batch)?;
                encoded.get_or_init(|| message).clone()
            }
        };
        let signal = batch.signal();
        let reply = self.client.unary(&self.methods[signal as usize], message).await.map_err(consume_error)?;
        // A reply that cannot be read is still an OK of the backend.
        if let Ok(partial) = wire::status::decode_response_proto(&reply, signal) {
            self.partial.note(signal, &partial);
        }
        Ok(())
    }
}

fn path(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    }
}

fn consume_error(error: GrpcError) -> ConsumeError {
    let text = error.to_string();
    let class = match error.is_retryable() {
        true => ConsumeError::retryable(text, error.retry_delay),
        false => ConsumeError::permanent(text),
    };
    class.with_code(error.code)
}

impl Component for OtlpGrpc {
    fn shutdown(&self, _deadline: Instant) -> BoxFuture<'_, ()> {
        Box::pin(self.client.shutdown())
    }
}

impl Exporter for OtlpGrpc {
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
