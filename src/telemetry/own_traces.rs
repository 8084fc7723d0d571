//! Our own spans, sent by the OpenTelemetry SDK to any OTLP endpoint. Off unless configured.

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

/// The SDK's tracer provider, and the layer that feeds it.
pub struct OwnTraces {
    provider: SdkTracerProvider,
}

/// The endpoint cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("service::telemetry::traces: cannot send own spans to {endpoint:?}: {reason}")]
pub struct OwnTracesError {
    endpoint: String,
    reason: String,
}

impl OwnTraces {
    /// Sends to an OTLP/gRPC endpoint (`http://host:port`). Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the endpoint is not a URL.
    pub fn to(endpoint: &str) -> Result<Self, OwnTracesError> {
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .build()
            .map_err(|error| OwnTracesError { endpoint: endpoint.to_owned(), reason: error.to_string() })?;
        let resource = Resource::builder()
            .with_service_name("tailwater")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
        Ok(Self { provider })
    }

    pub(super) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        let tracer = self.provider.tracer("tailwater");
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_filter(filter_fn(|metadata| metadata.target() == "tailwater::spans"))
    }

    /// Sends what is held and stops.
    pub fn shutdown(&self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!(%error, "some of our own spans were not sent");
        }
    }
}
