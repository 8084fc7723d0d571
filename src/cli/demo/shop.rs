//! The shop at work: shoppers who make requests, and services that report them with the real
//! SDK, each service with an exporter of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::trace::{SpanBuilder, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider};
use tokio::task::JoinSet;

use super::plan::{JOURNEYS, Role, SERVICES, Step};
use crate::pipeline::BoxFuture;

/// Spans leave the services so soon after they end that traces are whole when they are decided.
const EXPORT_EVERY: Duration = Duration::from_millis(200);
/// Spans that wait for an exporter; more are dropped by the SDK.
const QUEUE_SPANS: usize = 16_384;

/// An open shop.
pub(super) struct Shop {
    services: Vec<(&'static str, SdkTracerProvider, SdkTracer)>,
    dice: Dice,
}

/// Shoppers in the shop.
pub(super) struct Customers {
    tasks: JoinSet<()>,
    is_closing: Arc<AtomicBool>,
}

/// Numbers that differ; splitmix64, which needs no lock.
struct Dice(AtomicU64);

/// A step that failed, in the words of who failed first.
type Failure = &'static str;

impl Dice {
    fn roll(&self, sides: u64) -> u64 {
        let mut x = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ x >> 31) % sides.max(1)
    }
}

impl Shop {
    /// Makes the services' exporters to `endpoint`, a `host:port`. Call it on a runtime.
    pub(super) fn open(endpoint: &str, seed: u64) -> Result<Self, String> {
        let mut services = Vec::new();
        for service in SERVICES {
            let provider = provider(service, endpoint)?;
            let tracer = provider.tracer("shop");
            services.push((service, provider, tracer));
        }
        Ok(Self { services, dice: Dice(AtomicU64::new(seed)) })
    }

    /// Lets shoppers in.
    pub(super) fn admit(self: &Arc<Self>, shoppers: u32) -> Customers {
        let is_closing = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for _ in 0..shoppers {
            let (shop, is_closing) = (Arc::clone(self), Arc::clone(&is_closing));
            tasks.spawn(async move {
                while !is_closing.load(Ordering::Relaxed) {
                    tokio::time::sleep(Duration::from_millis(100 + shop.dice.roll(600))).await;
                    shop.visit().await;
                }
            });
        }
        Customers { tasks, is_closing }
    }

    /// Sends what the services still hold. Blocks.
    pub(super) fn close(&self) {
        for (_, provider, _) in &self.services {
            // A service that cannot hand on its last spans has said so to the SDK's log.
            let _ = provider.shutdown();
        }
    }

    /// One request of one shopper.
    async fn visit(&self) {
        let mut ticket = self.dice.roll(100);
        for journey in JOURNEYS {
            if ticket < journey.share {
                let _ = self.run(&journey.root, Context::new()).await;
                return;
            }
            ticket -= journey.share;
        }
    }

    /// Does a step and what it waits for, as a span under `caller`.
    fn run<'a>(&'a self, step: &'a Step, caller: Context) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let Some((_, _, tracer)) = self.services.iter().find(|(name, _, _)| *name == step.service) else {
                return Ok(());
            };
            let span = tracer.build_with_context(self.describe(step), &caller);
            let context = caller.with_span(span);
            let outcome = self.work(step, &context).await;
            if let Err(failure) = outcome {
                context.span().set_status(Status::error(failure));
            }
            if let Role::Http = step.role {
                let status = if outcome.is_ok() { 200 } else { 500 };
                context.span().set_attribute(KeyValue::new("http.response.status_code", status));
            }
            context.span().end();
            outcome
        })
    }

    async fn work(&self, step: &Step, context: &Context) -> Result<(), Failure> {
        let usual_us = step.work_ms * (600 + self.dice.roll(1200));
        tokio::time::sleep(Duration::from_micros(usual_us)).await;
        for call in step.calls {
            self.run(call, context.clone()).await?;
        }
        let Some(trouble) = step.trouble else { return Ok(()) };
        if self.dice.roll(1000) < trouble.slow_per_mille {
            tokio::time::sleep(Duration::from_millis(trouble.slow_ms + self.dice.roll(trouble.slow_ms))).await;
        }
        if self.dice.roll(1000) < trouble.fails_per_mille {
            let exception =
                [KeyValue::new("exception.type", "ShopError"), KeyValue::new("exception.message", trouble.error)];
            context.span().add_event("exception", exception.to_vec());
            return Err(trouble.error);
        }
        Ok(())
    }

    fn describe(&self, step: &Step) -> SpanBuilder {
        let (kind, attributes) = match step.role {
            Role::Http => {
                let (method, route) = step.name.split_once(' ').unwrap_or(("GET", step.name));
                let user = format!("user-{:05}", self.dice.roll(100_000));
                let request = [
                    KeyValue::new("http.request.method", method),
                    KeyValue::new("http.route", route),
                    KeyValue::new("enduser.id", user),
                ];
                (SpanKind::Server, request.to_vec())
            }
            Role::Rpc => {
                (SpanKind::Server, vec![KeyValue::new("rpc.system", "grpc"), KeyValue::new("rpc.method", step.name)])
            }
            Role::Database => {
                let operation = step.name.split(' ').next().unwrap_or_default();
                (
                    SpanKind::Client,
                    vec![KeyValue::new("db.system.name", "postgresql"), KeyValue::new("db.operation.name", operation)],
                )
            }
            Role::Outside => (SpanKind::Client, vec![KeyValue::new("server.address", "partner.example")]),
        };
        SpanBuilder::from_name(step.name).with_kind(kind).with_attributes(attributes)
    }
}

impl Customers {
    /// Waits until everybody has finished their request and left.
    pub(super) async fn close(mut self) {
        self.is_closing.store(true, Ordering::Relaxed);
        while self.tasks.join_next().await.is_some() {}
    }
}

fn provider(service: &'static str, endpoint: &str) -> Result<SdkTracerProvider, String> {
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(format!("http://{endpoint}"))
        .build()
        .map_err(|error| format!("cannot make an exporter for {service}: {error}"))?;
    let batches =
        BatchConfigBuilder::default().with_scheduled_delay(EXPORT_EVERY).with_max_queue_size(QUEUE_SPANS).build();
    let attributes = [KeyValue::new("service.namespace", "shop"), KeyValue::new("service.version", "1.4.2")];
    Ok(SdkTracerProvider::builder()
        .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
        .with_resource(Resource::builder_empty().with_service_name(service).with_attributes(attributes).build())
        .build())
}
