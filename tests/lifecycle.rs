//! The life of every component and of the whole service: what an empty section lacks, stopping
//! what never started, starting again, failing to start, and readiness when a part has died.
#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

#[expect(dead_code, reason = "no header of an answer is looked at here")]
#[path = "support/http.rs"]
mod web;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use tailwater::config::{Node, Report, Section, parse_yaml};
use tailwater::model::{Batch, Now, Signal};
use tailwater::pipeline::{
    BuildError, BuiltProcessor, Clock, Component, ComponentId, ConsumeError, Consumers, Detached, DropReason,
    ExtensionContext, Health, Inline, Kind, Output, PipelineId, PipelineView, Processor, ProcessorConfig, Settings,
    Shape, SystemClock,
};
use tailwater::service::registry::{self, COMPONENTS, Decode, Entry};
use tailwater::service::{Running, Service, ServiceConfig, ServiceError, load_text};

/// Every component: the keys that an empty section lacks, and the smallest section that starts
/// here. `FOLDER` stands for a folder of the test's own.
const SECTIONS: &[(Kind, &str, &[&str], &str)] = &[
    (Kind::Receiver, "nop", &[], ""),
    (
        Kind::Receiver,
        "otlp",
        &["at least one protocol"],
        "protocols: {grpc: {endpoint: '127.0.0.1:0'}, http: {endpoint: '127.0.0.1:0'}}",
    ),
    (Kind::Processor, "batch", &[], ""),
    (Kind::Processor, "groupbytrace", &[], ""),
    (Kind::Processor, "memory_limiter", &["check_interval", "limit_mib"], "check_interval: 1s\nlimit_mib: 100"),
    (Kind::Processor, "probabilistic_sampler", &[], ""),
    (Kind::Processor, "tail_sampling", &["policies"], "policies: [{name: all, type: always_sample}]"),
    (Kind::Connector, "forward", &[], ""),
    (Kind::Exporter, "debug", &[], ""),
    (Kind::Exporter, "file", &["path"], "path: FOLDER/spans.jsonl"),
    (Kind::Exporter, "logging", &[], ""),
    (Kind::Exporter, "nop", &[], ""),
    (Kind::Exporter, "otlp_grpc", &["endpoint"], "endpoint: 127.0.0.1:1\ntls: {insecure: true}"),
    (Kind::Exporter, "otlp_http", &["endpoint"], "endpoint: http://127.0.0.1:1"),
    (Kind::Extension, "health_check", &[], "endpoint: '127.0.0.1:0'"),
    (Kind::Extension, "admin", &[], "endpoint: '127.0.0.1:0'"),
    (Kind::Extension, "pprof", &[], ""),
    (Kind::Extension, "zpages", &[], "endpoint: '127.0.0.1:0'"),
];

struct Nothing;

impl PipelineView for Nothing {
    fn is_ready(&self) -> bool {
        false
    }

    fn components(&self) -> Vec<(Kind, ComponentId, Health)> {
        Vec::new()
    }

    fn pipelines(&self) -> Vec<(PipelineId, [Vec<ComponentId>; 3])> {
        Vec::new()
    }
}

fn settings(entry: &Entry) -> Settings {
    Settings {
        shards: NonZeroUsize::new(2).unwrap(),
        ..Settings::lone(entry.kind(), ComponentId::parse(entry.type_name).unwrap(), Arc::new(SystemClock::new()))
    }
}

/// Consumers of every signal that keep nothing.
fn nowhere(settings: &Settings) -> Consumers {
    let nop = registry::find(Kind::Exporter, &ComponentId::parse("nop").unwrap()).unwrap();
    let Decode::Exporter(decode) = nop.decode else { panic!("{nop:?} is no exporter") };
    let (root, mut report) = (Node::default(), Report::default());
    let config = decode(&mut Section::new("nop", &root, &mut report));
    config.build(settings, &Signal::ALL).unwrap().consumers
}

/// Decodes a section and builds the component; connectors have no life of their own.
fn build(entry: &Entry, section: &mut Section<'_>) -> Option<Result<Arc<dyn Component>, BuildError>> {
    let settings = settings(entry);
    let pipeline = PipelineId { signal: Signal::Traces, name: String::new() };
    let next = nowhere(&settings);
    let traces = next.get(Signal::Traces).unwrap().clone();
    let built = match entry.decode {
        Decode::Receiver(decode) => decode(section).build(&settings, next),
        Decode::Processor(decode) => decode(section).build(&settings, &pipeline).map(|built| match built.shape {
            Shape::Inline(processor) => Inline::drive(processor, traces, &settings, Signal::Traces).1,
            Shape::Detached(processors) => Detached::drive(processors, traces, &settings, Signal::Traces).1,
        }),
        Decode::Exporter(decode) => decode(section).build(&settings, &Signal::ALL).map(|built| built.component),
        Decode::Extension(decode) => {
            decode(section).build(&settings, ExtensionContext { view: Arc::new(Nothing), decisions: None })
        }
        Decode::Connector(decode) => {
            decode(section).build(&settings, Signal::Traces, next).map(drop).unwrap();
            return None;
        }
    };
    Some(built)
}

/// Builds from the text of a section; panics on anything wrong with it.
fn built(entry: &Entry, text: &str) -> Option<Arc<dyn Component>> {
    let mut report = Report::default();
    let root = parse_yaml(text, 0, &mut report).unwrap_or_default();
    let mut section = Section::new(entry.type_name, &root, &mut report);
    let component = build(entry, &mut section);
    section.finish();
    assert!(!report.has_errors(), "{entry:?}: {:?}", report.problems());
    component.map(|component| component.unwrap_or_else(|error| panic!("{entry:?}: {error}")))
}

/// An entry, what its empty section lacks, and a section that starts.
type Line = (&'static Entry, &'static [&'static str], String);

/// Every entry of the registry with its line of [`SECTIONS`], `FOLDER` filled in.
fn all_components() -> (tempfile::TempDir, Vec<Line>) {
    let folder = tempfile::tempdir().unwrap();
    let line = |entry: &'static Entry| {
        let is_it = |line: &&(Kind, &str, &[&str], &str)| line.0 == entry.kind() && line.1 == entry.type_name;
        let (.., lacks, text) = SECTIONS.iter().find(is_it).unwrap_or_else(|| panic!("{entry:?} has no section here"));
        (entry, *lacks, text.replace("FOLDER", folder.path().to_str().unwrap()))
    };
    let lines = COMPONENTS.iter().map(line).collect();
    (folder, lines)
}

fn in_a_moment() -> tailwater::model::Instant {
    SystemClock::new().now().mono + Duration::from_secs(5)
}

#[test]
fn an_empty_section_is_enough_or_is_told_what_it_lacks() {
    for (entry, lacks, _) in all_components().1 {
        let mut report = Report::default();
        let root = Node::default();
        let mut section = Section::new(entry.type_name, &root, &mut report);
        match entry.decode {
            Decode::Receiver(decode) => drop(decode(&mut section)),
            Decode::Processor(decode) => drop(decode(&mut section)),
            Decode::Connector(decode) => drop(decode(&mut section)),
            Decode::Exporter(decode) => drop(decode(&mut section)),
            Decode::Extension(decode) => drop(decode(&mut section)),
        }
        section.finish();
        let errors = report.problems().iter().filter(|problem| problem.severity == tailwater::config::Severity::Error);
        let said: Vec<String> = errors.map(|problem| format!("{}: {}", problem.path, problem.message)).collect();
        assert_eq!(said.is_empty(), lacks.is_empty(), "{entry:?}: {said:?}");
        for key in lacks {
            assert!(said.iter().any(|said| said.contains(key)), "{entry:?} does not say {key}: {said:?}");
        }
    }
}

#[tokio::test]
async fn a_component_that_never_started_can_be_stopped_and_stopped_again() {
    let (_folder, components) = all_components();
    for (entry, _, text) in components {
        if let Some(component) = built(entry, &text) {
            component.shutdown(in_a_moment()).await;
            component.shutdown(in_a_moment()).await;
        }
    }
}

#[tokio::test]
async fn a_component_starts_and_stops_and_another_one_like_it_too() {
    let (_folder, components) = all_components();
    for (entry, _, text) in components {
        for _ in 0..2 {
            let Some(component) = built(entry, &text) else { continue };
            component.start().await.unwrap_or_else(|error| panic!("{entry:?}: {error}"));
            assert_eq!(component.health(), Health::Ok, "{entry:?}");
            component.shutdown(in_a_moment()).await;
            component.shutdown(in_a_moment()).await;
        }
    }
}

/// A free address of this machine.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// A checked config: HTTP in at one address, health at another, a processor `batch`, nothing out.
fn config(otlp: &str, health: &str) -> ServiceConfig {
    let loaded = load_text(&format!(
        "extensions: {{health_check: {{endpoint: \"{health}\"}}}}\n\
         receivers: {{otlp: {{protocols: {{http: {{endpoint: \"{otlp}\"}}}}}}}}\n\
         processors: {{batch: }}\n\
         exporters: {{nop: }}\n\
         service: {{extensions: [health_check], telemetry: {{metrics: {{level: none}}}}, pipelines: \
         {{traces: {{receivers: [otlp], processors: [batch], exporters: [nop]}}}}}}\n"
    ));
    loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.report.problems()))
}

async fn started(config: &ServiceConfig) -> Running {
    Service::build(config).unwrap().start().await.unwrap()
}

/// Posts a request of so many spans.
async fn send(otlp: &str, spans: usize) -> u16 {
    let spans = (1..=spans as u64).map(|number| Span {
        trace_id: number.to_be_bytes().repeat(2),
        span_id: number.to_be_bytes().to_vec(),
        ..Span::default()
    });
    let scope_spans = vec![ScopeSpans { spans: spans.collect(), ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
    web::post(otlp, "/v1/traces", "application/x-protobuf", body).await.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_starts_works_stops_and_starts_again() {
    let (otlp, health) = (free_address(), free_address());
    let config = config(&otlp, &health);
    for _ in 0..2 {
        let mut running = started(&config).await;
        assert_eq!(web::fetch(&health, "/", "*/*").await.status, 200);
        assert_eq!(send(&otlp, 10).await, 200);
        let outcome = running.shutdown(Duration::from_secs(5)).await;
        let traces = &outcome.readings[Signal::Traces as usize];
        assert_eq!((traces.received, traces.sent, traces.waiting, traces.residual()), (10, 10, 0, 0), "{traces:?}");
        let again = running.shutdown(Duration::ZERO).await;
        assert_eq!(again.readings[Signal::Traces as usize], *traces);
        for address in [&otlp, &health] {
            TcpListener::bind(address).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named_and_what_was_started_is_stopped() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let (taken, health) = (holder.local_addr().unwrap().to_string(), free_address());
    let service = Service::build(&config(&taken, &health)).unwrap();
    let error = service.start().await.map(drop).unwrap_err();
    assert!(matches!(error, ServiceError::Start { kind: "receiver", .. }), "{error}");
    let text = error.to_string();
    assert!(text.starts_with("cannot start pipelines: failed to start \"otlp\" receiver: "), "{text}");
    assert!(text.contains(&taken), "{text}");
    // The extension had started before.
    TcpListener::bind(&health).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_of_the_own_metrics_is_named_too() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let (otlp, health) = (free_address(), free_address());
    let mut config = config(&otlp, &health);
    let taken = holder.local_addr().unwrap();
    config.telemetry.metrics_address = Some(("127.0.0.1".to_owned(), taken.port()));
    let error = Service::build(&config).unwrap().start().await.map(drop).unwrap_err().to_string();
    assert!(error.starts_with("service::telemetry::metrics: ") && error.contains(&taken.to_string()), "{error}");
    TcpListener::bind(&otlp).unwrap();
}

/// Dies of the second batch.
#[derive(Default)]
struct Fragile {
    held: Vec<Batch>,
}

impl Processor for Fragile {
    fn process(&mut self, batch: Batch, _: Now) -> Result<Output, ConsumeError> {
        assert!(self.held.is_empty(), "a second batch is too much for it");
        self.held.push(batch);
        Ok(Output::new())
    }

    fn held_items(&self) -> u64 {
        self.held.iter().map(Batch::item_count).sum()
    }
}

impl ProcessorConfig for Fragile {
    fn build(&self, _: &Settings, _: &PipelineId) -> Result<BuiltProcessor, BuildError> {
        Ok(BuiltProcessor { shape: Shape::Detached(vec![Box::<Self>::default()]), state: None })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_shard_turns_readiness_off_and_its_items_are_counted() {
    let (otlp, health) = (free_address(), free_address());
    let mut config = config(&otlp, &health);
    config.processors.insert(ComponentId::parse("batch").unwrap(), Box::<Fragile>::default());
    let mut running = started(&config).await;
    assert_eq!((send(&otlp, 3).await, web::fetch(&health, "/", "*/*").await.status.as_u16()), (200, 200));
    // It was acknowledged when it was in the shard's channel.
    assert_eq!(send(&otlp, 4).await, 200);
    let failing = async {
        loop {
            let answer = web::fetch(&health, "/", "*/*").await;
            if answer.status == 503 {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let answer = tokio::time::timeout(Duration::from_secs(10), failing).await.unwrap();
    assert!(answer.text().contains("processor batch: shard 0 has died"), "{}", answer.text());
    assert_eq!(send(&otlp, 5).await, 503);
    let traces = &running.shutdown(Duration::from_secs(5)).await.readings[Signal::Traces as usize];
    assert_eq!((traces.received, traces.refused, traces.waiting, traces.residual()), (12, 5, 0, 0), "{traces:?}");
    assert_eq!(traces.dropped, BTreeMap::from([(DropReason::TaskDied, 7)]));
}
