//! The process's own metrics over HTTP, in the format that the scraper asks for.

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Arc;

use http::HeaderMap;
use http::header::ACCEPT;

use super::Metrics;
use crate::net::{HttpServerConfig, Page, Pages, Site};
use crate::pipeline::Clock;

/// `/metrics` of the process.
pub struct MetricsPage {
    metrics: Arc<Metrics>,
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A server of `/metrics`, to be started and stopped as any component.
pub fn metrics_site(endpoint: &str, metrics: Arc<Metrics>, clock: Arc<dyn Clock>) -> Site<MetricsPage> {
    let config = HttpServerConfig { endpoint: endpoint.to_owned(), ..HttpServerConfig::at("localhost:8888") };
    Site::new(config, MetricsPage { metrics }, clock)
}

impl Pages for MetricsPage {
    fn page(&self, path: &str, headers: &HeaderMap) -> Page {
        if path != "/metrics" {
            return Page::not_found("metrics are at /metrics");
        }
        let accepts = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let text = self.metrics.encode();
        if accepts.contains("application/openmetrics-text") {
            Page { status: 200, content_type: OPEN_METRICS, body: text }
        } else {
            Page { status: 200, content_type: PLAIN, body: plain(&text) }
        }
    }
}

/// OpenMetrics as Prometheus' older text format: a counter's family has the name of its samples,
/// there is no unit and no end mark.
fn plain(open: &str) -> String {
    let counters: HashSet<&str> =
        open.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut text = String::with_capacity(open.len());
    for line in open.lines() {
        let described = line.strip_prefix("# TYPE ").or_else(|| line.strip_prefix("# HELP "));
        let written = match described.and_then(|rest| rest.split_once(' ')) {
            _ if line == "# EOF" || line.starts_with("# UNIT ") => Ok(()),
            Some((name, rest)) if counters.contains(name) => writeln!(text, "{} {name}_total {rest}", &line[..6]),
            Some((name, "unknown")) => writeln!(text, "{} {name} untyped", &line[..6]),
            _ => writeln!(text, "{line}"),
        };
        // Writing into a String cannot fail.
        let _ = written;
    }
    text
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn page(accept: &str) -> Page {
        let metrics = Metrics::default();
        metrics.counter("otelcol_receiver_accepted_spans", "Spans", &[("receiver", "otlp")]).inc_by(3);
        metrics.gauge("otelcol_exporter_queue_size", "Queue", &[]).set(7);
        let pages = MetricsPage { metrics: Arc::new(metrics) };
        pages.page("/metrics", &HeaderMap::from_iter([(ACCEPT, HeaderValue::from_str(accept).unwrap())]))
    }

    #[test]
    fn plain_text_names_a_counter_as_its_samples() {
        let page = page("*/*");
        assert_eq!(page.content_type, PLAIN);
        let lines: Vec<&str> = page.body.lines().collect();
        assert!(lines.contains(&"# TYPE otelcol_receiver_accepted_spans_total counter"), "{}", page.body);
        assert!(lines.contains(&"# HELP otelcol_receiver_accepted_spans_total Spans."), "{}", page.body);
        assert!(lines.contains(&"otelcol_receiver_accepted_spans_total{receiver=\"otlp\"} 3"), "{}", page.body);
        assert!(lines.contains(&"# TYPE otelcol_exporter_queue_size gauge"), "{}", page.body);
        assert!(!page.body.contains("# EOF"));
    }

    #[test]
    fn who_asks_for_open_metrics_gets_it() {
        let page = page("application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
        assert_eq!(page.content_type, OPEN_METRICS);
        assert!(page.body.ends_with("# EOF\n"));
        let other = MetricsPage { metrics: Arc::default() }.page("/", &HeaderMap::new());
        assert_eq!(other.status, 404);
    }
}
