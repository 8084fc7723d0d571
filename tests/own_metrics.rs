//! The own metrics of the real binary, as Prometheus scrapes them: the families that dashboards
//! of the Collector ask for, the even books, and both formats.
#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;
#[expect(dead_code, reason = "no signal is sent here")]
#[path = "support/tailwater.rs"]
mod tailwater_process;
#[path = "support/http.rs"]
mod web;

use std::collections::BTreeMap;
use std::time::Duration;

use support::backend::{Backend, Reply};
use tailwater_process::{PATIENCE, Tailwater, free_address};
use web::Answer;

/// Lines of an exposition by family or sample: `name{labels}` to value.
fn samples(answer: &Answer) -> BTreeMap<String, f64> {
    let lines = answer.text().lines().filter(|line| !line.starts_with('#'));
    let split = lines.map(|line| line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line:?}")));
    split.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
}

/// Sum of a family's samples whose labels contain all of these.
fn sum(samples: &BTreeMap<String, f64>, family: &str, labels: &[&str]) -> Option<f64> {
    let is_meant = |name: &str| {
        let (name, rest) = name.split_once('{').unwrap_or((name, ""));
        name == family && labels.iter().all(|label| rest.contains(label))
    };
    samples.iter().filter(|(name, _)| is_meant(name)).map(|(_, value)| *value).reduce(|a, b| a + b)
}

/// A process that has sent 30 spans, and its metrics' address.
async fn with_traffic(backend: &Backend) -> (Tailwater, String) {
    let (otlp, metrics) = (free_address(), free_address());
    let port = metrics.rsplit_once(':').unwrap().1;
    let config = format!(
        "receivers: {{otlp: {{protocols: {{http: {{endpoint: \"{otlp}\"}}}}}}}}\n\
         exporters: {{otlp_grpc: {{endpoint: \"127.0.0.1:{}\", tls: {{insecure: true}}}}}}\n\
         service: {{telemetry: {{metrics: {{readers: [{{pull: {{exporter: {{prometheus: \
         {{host: 127.0.0.1, port: {port}}}}}}}}}]}}}}, pipelines: {{traces: \
         {{receivers: [otlp], exporters: [otlp_grpc]}}}}}}\n",
        backend.port()
    );
    let tailwater = Tailwater::start(&config, &[]).await;
    for _ in 0..3 {
        let answer = web::post(&otlp, "/v1/traces", "application/x-protobuf", support::spans(10)).await;
        assert_eq!(answer.status, 200);
    }
    assert_eq!(web::post(&otlp, "/v1/traces", "application/x-protobuf", "no request").await.status, 400);
    (tailwater, metrics)
}

/// Scrapes until 30 spans are sent.
async fn scrape_at_rest(metrics: &str, accept: &str) -> Answer {
    let resting = async {
        loop {
            let answer = web::fetch(metrics, "/metrics", accept).await;
            if sum(&samples(&answer), "otelcol_exporter_sent_spans_total", &[]) == Some(30.0) {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, resting).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_has_the_collectors_families_and_even_books() {
    let backend = Backend::grpc().await;
    let (_tailwater, metrics) = with_traffic(&backend).await;
    let answer = scrape_at_rest(&metrics, "*/*").await;
    assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let samples = samples(&answer);
    let is = |family: &str, labels: &[&str], value: f64| {
        assert_eq!(sum(&samples, family, labels), Some(value), "{family} {labels:?} in\n{}", answer.text());
    };
    is("otelcol_receiver_accepted_spans_total", &["receiver=\"otlp\"", "transport=\"http\""], 30.0);
    is("otelcol_exporter_sent_spans_total", &["exporter=\"otlp_grpc\""], 30.0);
    is("otelcol_exporter_queue_size", &["exporter=\"otlp_grpc\"", "data_type=\"traces\""], 0.0);
    is("otelcol_exporter_queue_capacity", &["exporter=\"otlp_grpc\""], 1000.0);
    for (state, items) in [("received", 30.0), ("sent", 30.0), ("refused", 0.0), ("waiting", 0.0), ("residual", 0.0)] {
        is("tailwater_ledger_items", &["signal=\"traces\"", &format!("state=\"{state}\"")], items);
    }
    is("tailwater_held_bytes", &[], 0.0);
    for family in ["otelcol_process_memory_rss", "otelcol_process_uptime", "otelcol_process_cpu_seconds"] {
        let found = sum(&samples, family, &[]).or_else(|| sum(&samples, &format!("{family}_total"), &[]));
        assert!(found.is_some_and(|value| value >= 0.0), "{family} in\n{}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn open_metrics_is_served_to_who_asks_for_it() {
    let backend = Backend::grpc().await;
    let (_tailwater, metrics) = with_traffic(&backend).await;
    let accept = "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let answer = scrape_at_rest(&metrics, accept).await;
    assert_eq!(answer.headers["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(answer.text().ends_with("# EOF\n"), "{}", answer.text());
    // A family is described once, before its samples.
    let types: Vec<&str> = answer.text().lines().filter(|line| line.starts_with("# TYPE ")).collect();
    let mut names: Vec<&str> = types.iter().map(|line| line.split(' ').nth(2).unwrap()).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "{types:?}");
    assert!(types.contains(&"# TYPE otelcol_receiver_accepted_spans counter"), "{types:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_queue_holds_is_seen_as_its_size_and_as_waiting() {
    let backend = Backend::grpc().await;
    backend.usually(Reply::message(b"").late(Duration::from_secs(3600)));
    let (_tailwater, metrics) = with_traffic(&backend).await;
    let samples = samples(&web::fetch(&metrics, "/metrics", "*/*").await);
    assert_eq!(sum(&samples, "otelcol_exporter_queue_size", &[]), Some(3.0));
    assert_eq!(sum(&samples, "tailwater_ledger_items", &["state=\"waiting\""]), Some(30.0));
    assert_eq!(sum(&samples, "tailwater_ledger_items", &["state=\"residual\""]), Some(0.0));
}
