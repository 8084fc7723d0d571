//! The real binary under load is told to stop: what it has acknowledged arrives, once, and the
//! books are even. With a backend that is gone it stops in time and says what was lost.
#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;
#[path = "support/tailwater.rs"]
mod tailwater_process;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use serde_json::Value;
use support::backend::{Backend, Reply};
use tailwater::cli::generate::{Compression, Load, Plan, Progress, Protocol, Shape};
use tailwater_process::{Tailwater, free_address, until};
use tokio::task::JoinHandle;

const SAMPLING: &str = "tail_sampling: {decision_wait: 1s, policies: [{name: all, type: always_sample}]}, batch: ";

const QUEUE: &str = "{enabled: true}";

/// One gRPC port in, processors, one gRPC exporter out.
fn config(from: &str, processors: &str, names: &str, to: &str, queue: &str) -> String {
    format!(
        "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: \"{from}\"}}}}}}}}\n\
         processors: {{{processors}}}\n\
         exporters: {{otlp_grpc: {{endpoint: \"{to}\", tls: {{insecure: true}}, compression: none, \
         sending_queue: {queue}}}}}\n\
         service: {{telemetry: {{metrics: {{level: none}}}}, pipelines: {{traces: \
         {{receivers: [otlp], processors: [{names}], exporters: [otlp_grpc]}}}}}}\n"
    )
}

/// Clients that send until they are stopped, and remember what was acknowledged.
struct Clients {
    load: Arc<Load>,
    running: JoinHandle<()>,
    requests: Vec<u64>,
    spans: u64,
}

impl Clients {
    /// Several clients, without an end.
    fn start(endpoint: &str) -> Self {
        Self::with(endpoint, 4, None)
    }

    fn with(endpoint: &str, in_flight: u32, spans_max: Option<u64>) -> Self {
        let plan = Plan {
            endpoint: endpoint.to_owned(),
            protocol: Protocol::Grpc,
            compression: Compression::None,
            shape: Shape { spans_per_request: 50, spans_per_trace: 5, services: 2, ..Shape::default() },
            rate: 20_000,
            duration: None,
            spans_max,
            connections: in_flight.min(3),
            in_flight,
            seed: 7,
            remembers_accepted: true,
        };
        let load = Arc::new(Load::new(plan).unwrap());
        let sending = load.clone();
        Self { load, running: tokio::spawn(async move { sending.run().await }), requests: Vec::new(), spans: 0 }
    }

    /// Spans acknowledged so far.
    fn acknowledged(&mut self) -> u64 {
        let Progress { accepted, accepted_requests, .. } = self.load.take();
        self.requests.extend(accepted_requests);
        self.spans += accepted;
        self.spans
    }

    /// Stops, and returns the running numbers of all acknowledged spans.
    async fn stop(mut self) -> BTreeSet<u64> {
        self.load.stop();
        (&mut self.running).await.unwrap();
        self.acknowledged();
        let numbers = self.requests.iter().flat_map(|request| self.load.sequences(*request)).collect::<BTreeSet<_>>();
        assert_eq!(numbers.len() as u64, self.spans);
        numbers
    }
}

/// Running numbers of the spans that have arrived.
fn arrived(backend: &Backend, load: &Load) -> Vec<u64> {
    let requests = backend.take().into_iter().map(|seen| ExportTraceServiceRequest::decode(seen.message()).unwrap());
    let spans = requests
        .flat_map(|request| request.resource_spans)
        .flat_map(|resource| resource.scope_spans)
        .flat_map(|scope| scope.spans);
    spans.map(|span| load.identity().sequence_of(span.span_id.try_into().unwrap())).collect()
}

/// The last line of a process that was told to stop: even books in any case.
async fn last_words(tailwater: &mut Tailwater) -> Value {
    let said = tailwater.says("stopped; received").await;
    assert_eq!(
        (&said["signal"], &said["residual"], &said["waiting"]),
        (&"traces".into(), &"0".into(), &0.into()),
        "{said}"
    );
    said
}

/// A run under load is stopped in the middle.
async fn nothing_acknowledged_is_lost(processors: &str, names: &str, queue: &str) {
    let backend = Backend::grpc().await;
    backend.usually(Reply::message(b"").late(Duration::from_millis(50)));
    let from = free_address();
    let to = format!("127.0.0.1:{}", backend.port());
    let mut tailwater = Tailwater::start(&config(&from, processors, names, &to, queue), &[]).await;
    let mut clients = Clients::start(&from);
    until("traffic", || clients.acknowledged() >= 2_000 && backend.has_seen()).await;
    tailwater.signal("TERM").await;
    let said = last_words(&mut tailwater).await;
    assert_eq!(tailwater.ended().await.code(), Some(0));

    let load = clients.load.clone();
    let acknowledged = clients.stop().await;
    let numbers = arrived(&backend, &load);
    let once: BTreeSet<u64> = numbers.iter().copied().collect();
    assert_eq!(once.len(), numbers.len(), "some spans arrived twice");
    let lost = acknowledged.difference(&once).count();
    assert_eq!(lost, 0, "of {} acknowledged spans; {said}", acknowledged.len());
    assert_eq!((said["sent"].as_u64(), &said["dropped"]), (Some(once.len() as u64), &0.into()), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sampling_pipeline_hands_on_all_that_it_acknowledged() {
    nothing_acknowledged_is_lost(SAMPLING, "tail_sampling, batch", "{enabled: true}").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_pipeline_hands_on_all_that_it_acknowledged() {
    nothing_acknowledged_is_lost("", "", "{enabled: false}").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_hands_on_all_that_it_acknowledged() {
    nothing_acknowledged_is_lost("", "", "{enabled: true, num_consumers: 2}").await;
}

/// A process that has acknowledged 500 spans for a backend at `to`.
async fn holding(processors: &str, names: &str, to: &str, queue: &str, arguments: &[&str]) -> Tailwater {
    let from = free_address();
    let tailwater = Tailwater::start(&config(&from, processors, names, to, queue), arguments).await;
    let mut clients = Clients::with(&from, 1, Some(500));
    until("acknowledgements", || clients.acknowledged() == 500).await;
    clients.stop().await;
    tailwater
}

/// A backend that takes calls and answers none.
async fn silent() -> (Backend, String) {
    let backend = Backend::grpc().await;
    backend.usually(Reply::message(b"").late(Duration::from_secs(3600)));
    let to = format!("127.0.0.1:{}", backend.port());
    (backend, to)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_stops_at_once() {
    let (_backend, to) = silent().await;
    for second in ["TERM", "INT"] {
        let mut tailwater = holding("", "", &to, QUEUE, &[]).await;
        tailwater.signal("TERM").await;
        tailwater.says("stopping").await;
        tailwater.signal(second).await;
        let ended = tokio::time::timeout(Duration::from_secs(2), tailwater.ended()).await;
        assert_eq!(ended.unwrap().code(), Some(130), "SIG{second}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_backend_holds_the_stop_up_no_longer_than_the_drain() {
    let (_backend, to) = silent().await;
    let waiting = "{enabled: true, wait_for_result: true}";
    let cases =
        [("", "", QUEUE), (SAMPLING, "tail_sampling, batch", QUEUE), (SAMPLING, "tail_sampling, batch", waiting)];
    for (processors, names, queue) in cases {
        let mut tailwater = holding(processors, names, &to, queue, &["--drain", "500ms"]).await;
        tailwater.signal("INT").await;
        let said = tokio::time::timeout(Duration::from_secs(5), last_words(&mut tailwater)).await.unwrap();
        assert_eq!(said["reasons"], "shutdown_deadline=500", "{said}");
        assert_eq!(tailwater.ended().await.code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_backend_does_not_hold_the_stop_up() {
    let mut tailwater = holding("", "", &free_address(), QUEUE, &[]).await;
    tailwater.signal("TERM").await;
    let said = last_words(&mut tailwater).await;
    assert_eq!(said["reasons"], "shutdown_deadline=500", "{said}");
    assert_eq!(tailwater.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_wait_for_a_silent_backend_are_refused_at_the_end() {
    let (backend, to) = silent().await;
    let from = free_address();
    let config = config(&from, "", "", &to, "{enabled: false}");
    let mut tailwater = Tailwater::start(&config, &["--drain", "500ms"]).await;
    let clients = Clients::start(&from);
    until("a call", || backend.has_seen()).await;
    tailwater.signal("TERM").await;
    let said = last_words(&mut tailwater).await;
    assert_eq!((&said["received"], &said["sent"]), (&said["refused"], &0.into()), "{said}");
    assert_eq!(tailwater.ended().await.code(), Some(0));
    assert!(clients.stop().await.is_empty());
}
