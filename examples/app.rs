//! An application instrumented with the OpenTelemetry SDK that sends its spans to Tailwater.
//!
//! ```text
//! cargo run --release                    # one terminal: the default pipeline
//! cargo run --release --example app      # another one
//! ```
//! Nothing here is Tailwater's: any OpenTelemetry SDK in any language does the same, with
//! `OTEL_EXPORTER_OTLP_ENDPOINT` set where Tailwater does not run on this machine.

use std::error::Error;
use std::time::Duration;

use opentelemetry::trace::{Span, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let endpoint = std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT").unwrap_or_else(|_| "http://127.0.0.1:4317".to_owned());
    serve_requests(&endpoint, 20).await
}

/// Handles so many requests and hands their spans to the OTLP/gRPC endpoint, two each.
pub(crate) async fn serve_requests(endpoint: &str, requests: u32) -> Result<(), Box<dyn Error>> {
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder().with_service_name("example-app").build())
        .build();
    let tracer = provider.tracer("example");
    for request in 0..requests {
        let root = tracer.span_builder("GET /orders/{id}").with_kind(SpanKind::Server).start(&tracer);
        let context = Context::new().with_span(root);
        let mut query = tracer.start_with_context("SELECT orders", &context);
        query.set_attribute(KeyValue::new("db.system.name", "postgresql"));
        tokio::time::sleep(Duration::from_millis(5)).await;
        // Every tenth request fails: a sampler that keeps errors keeps these.
        if request % 10 == 9 {
            query.set_status(Status::error("connection reset by peer"));
            context.span().set_status(Status::error("no order"));
        }
        query.end();
        context.span().end();
    }
    // Hands on what is batched; it blocks, so it is kept off the runtime's threads.
    tokio::task::spawn_blocking(move || provider.shutdown()).await??;
    Ok(())
}
