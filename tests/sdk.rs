//! Real OpenTelemetry SDKs deliver through a running binary: into its file, and through it into
//! a second instance.
//!
//! Python's and Node's are installed by `tests/sdk/install`; where they are missing, their test
//! says so and passes, unless `TAILWATER_SDKS=required`.
#![expect(clippy::print_stderr, reason = "a skipped SDK is reported")]

#[path = "sdk/relay.rs"]
mod relay;

use std::path::{Path, PathBuf};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use relay::{Relay, Sent, Traces};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Where `tests/sdk/install` puts SDKs.
fn installed() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    target.join("sdk")
}

/// Runs an SDK's program against a relay; what it says it sent, a line a trace: service and id.
async fn smoke(program: &Path, script: &Path, folder: &Path) -> Result<Option<(Vec<Sent>, [Traces; 2])>, String> {
    if !program.exists() || !script.exists() {
        let missing = if program.exists() { script } else { program };
        let message = format!("{} is missing; run tests/sdk/install", missing.display());
        if std::env::var("TAILWATER_SDKS").is_ok_and(|value| value == "required") {
            return Err(message);
        }
        eprintln!("skipped: {message}");
        return Ok(None);
    }
    let relay = Relay::start().await?;
    let mut command = tokio::process::Command::new(program);
    command.arg(script).current_dir(folder).env("OTLP_HTTP", relay.http_url()).kill_on_drop(true);
    let is_node = script.extension().is_some_and(|ending| ending == "mjs");
    command.env("OTLP_GRPC", if is_node { format!("http://{}", relay.grpc_address()) } else { relay.grpc_address() });
    let output = tokio::time::timeout(Duration::from_secs(60), command.output())
        .await
        .map_err(|_| "the SDK's program did not end within 60 s".to_owned())?
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        return Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    let sent = said.lines().filter_map(Sent::from_line).collect();
    Ok(Some((sent, relay.stop().await?)))
}

#[tokio::test]
async fn pythons_sdk_delivers_over_grpc_and_http() -> Outcome {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/python/smoke.py");
    let python = installed().join("python/bin/python");
    let Some((sent, places)) = smoke(&python, &script, Path::new(env!("CARGO_MANIFEST_DIR"))).await? else {
        return Ok(());
    };
    assert_eq!(sent.iter().map(|sent| sent.service.as_str()).collect::<Vec<_>>(), ["py-grpc", "py-http"]);
    for traces in &places {
        for sent in &sent {
            let spans = traces.of(sent);
            assert_eq!(spans.len(), 2, "{sent:?} in {traces:?}");
            let select = spans.iter().find(|span| span["name"] == "select").ok_or("no span select")?;
            assert_eq!((&select["status"]["code"], &select["status"]["message"]), (&2.into(), &"boom".into()));
            assert_eq!(select["events"][0]["name"], "row");
            assert_eq!(select["links"][0]["traceId"].as_str(), Some(sent.trace_id.as_str()));
        }
    }
    Ok(())
}

#[tokio::test]
async fn nodes_sdk_delivers_over_grpc_protobuf_and_json() -> Outcome {
    let folder = installed().join("node");
    let ready = folder.join("node_modules/@opentelemetry/sdk-trace");
    let script = if ready.exists() { folder.join("smoke.mjs") } else { ready };
    let node = in_path("node").unwrap_or_else(|| PathBuf::from("node"));
    let Some((sent, places)) = smoke(&node, &script, &folder).await? else { return Ok(()) };
    let services: Vec<_> = sent.iter().map(|sent| sent.service.as_str()).collect();
    assert_eq!(services, ["node-grpc", "node-proto", "node-json"]);
    for traces in &places {
        for sent in &sent {
            let spans = traces.of(sent);
            assert_eq!(spans.len(), 1, "{sent:?} in {traces:?}");
            assert_eq!((&spans[0]["name"], &spans[0]["events"][0]["name"]), (&"GET /a".into(), &"row".into()));
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn rusts_sdk_delivers_over_grpc() -> Outcome {
    let relay = Relay::start().await?;
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(format!("http://{}", relay.grpc_address()))
        .build()?;
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder_empty().with_service_name("rust-grpc").build())
        .build();
    let tracer = provider.tracer("smoke");
    let root = tracer.span_builder("GET /a").with_kind(SpanKind::Server).start(&tracer);
    let trace_id = root.span_context().trace_id().to_string();
    let context = opentelemetry::Context::new().with_span(root);
    let mut child = tracer.start_with_context("select", &context);
    child.add_event("row", vec![KeyValue::new("n", 3)]);
    child.set_status(Status::error("boom"));
    child.end();
    context.span().end();
    tokio::task::spawn_blocking(move || provider.shutdown()).await??;
    let sent = Sent { service: "rust-grpc".to_owned(), trace_id };
    for traces in relay.stop().await? {
        let spans = traces.of(&sent);
        assert_eq!(spans.len(), 2, "{sent:?} in {traces:?}");
        let select = spans.iter().find(|span| span["name"] == "select").ok_or("no span select")?;
        assert_eq!((&select["status"]["message"], &select["events"][0]["name"]), (&"boom".into(), &"row".into()));
    }
    Ok(())
}

fn in_path(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| path.exists())
}
