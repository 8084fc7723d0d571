//! `service::telemetry`: what the process says about itself, and where.

use std::collections::BTreeMap;

use crate::config::{Node, Section, Value};

/// How much of the own metrics is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum MetricsLevel {
    /// Nothing is served.
    None,
    /// The essential ones.
    Basic,
    /// The usual ones.
    #[default]
    Normal,
    /// All.
    Detailed,
}

/// The least severe log line that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// The usual.
    #[default]
    Info,
    /// What should be looked at.
    Warn,
    /// What went wrong.
    Error,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LogEncoding {
    /// For people.
    #[default]
    Console,
    /// One JSON object a line.
    Json,
}

/// The section `service::telemetry`.
#[derive(Clone, Debug, PartialEq)]
pub struct TelemetryConfig {
    /// How much of the own metrics is kept; normal.
    pub metrics_level: MetricsLevel,
    /// Host and port of the own metrics; localhost:8888. Nothing when they are off.
    pub metrics_address: Option<(String, u16)>,
    /// The least severe log line that is written; info. Nothing when the file does not say.
    pub log_level: Option<LogLevel>,
    /// How a log line looks; console. Nothing when the file does not say.
    pub log_encoding: Option<LogEncoding>,
    /// Where own spans are sent by OTLP over gRPC; nothing by default.
    pub own_traces_endpoint: Option<String>,
    /// Attributes of the own telemetry; nothing as value removes a default one.
    pub resource: BTreeMap<String, Option<String>>,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            metrics_level: MetricsLevel::default(),
            metrics_address: Some((DEFAULT_HOST.to_owned(), DEFAULT_PORT)),
            log_level: None,
            log_encoding: None,
            own_traces_endpoint: None,
            resource: BTreeMap::new(),
        }
    }
}

const DEFAULT_HOST: &str = "localhost";
const DEFAULT_PORT: u16 = 8888;

impl TelemetryConfig {
    pub(crate) fn decode(section: &mut Section<'_>) -> Self {
        let mut config = Self::default();
        section.section("logs", |logs| decode_logs(logs, &mut config));
        section.section("metrics", |metrics| decode_metrics(metrics, &mut config));
        config.own_traces_endpoint = section.section("traces", decode_traces).flatten();
        config.resource = section.section("resource", decode_resource).unwrap_or_default();
        config
    }
}

fn decode_logs(logs: &mut Section<'_>, config: &mut TelemetryConfig) {
    let level = logs.opt_string("level").unwrap_or_default();
    config.log_level = match level.to_lowercase().as_str() {
        "" => None,
        "debug" => Some(LogLevel::Debug),
        "info" => Some(LogLevel::Info),
        "warn" => Some(LogLevel::Warn),
        "error" | "dpanic" | "panic" | "fatal" => Some(LogLevel::Error),
        _ => {
            logs.error("level", format!("unknown value {level:?}; write one of debug, info, warn, error"));
            None
        }
    };
    let words = [("console", Some(LogEncoding::Console)), ("json", Some(LogEncoding::Json))];
    config.log_encoding = logs.choice("encoding", &words, None);
    for (key, why) in [
        ("development", "there is no development mode"),
        ("disable_caller", "log lines carry no caller"),
        ("disable_stacktrace", "log lines carry no stack trace"),
        ("sampling", "log lines are limited by rate"),
        ("output_paths", "logs go to stderr"),
        ("error_output_paths", "logs go to stderr"),
        ("initial_fields", "log lines carry no fixed fields"),
        ("disable_zap_resource", "log lines carry no resource"),
    ] {
        logs.ignored(key, why);
    }
    logs.unsupported("processors", "own logs go to stderr; leave the key out");
}

fn decode_metrics(metrics: &mut Section<'_>, config: &mut TelemetryConfig) {
    let words = [
        ("none", MetricsLevel::None),
        ("basic", MetricsLevel::Basic),
        ("normal", MetricsLevel::Normal),
        ("detailed", MetricsLevel::Detailed),
    ];
    let level = metrics.opt_string("level").unwrap_or_default().to_lowercase();
    config.metrics_level = match words.iter().find(|(word, _)| *word == level) {
        Some((_, level)) => *level,
        None if level.is_empty() => MetricsLevel::default(),
        None => metrics.choice("level", &words, MetricsLevel::default()),
    };
    metrics.ignored(
        "address",
        "it means nothing since Collector 0.123 either; write readers: [{pull: {exporter: {prometheus: {host, port}}}}]",
    );
    metrics.ignored("views", "every metric is served as it is");
    if metrics.look("readers").is_some_and(|node| !node.is_null()) {
        let readers: Vec<(String, u16)> = metrics.list("readers", decode_reader).into_iter().flatten().collect();
        if readers.len() > 1 {
            metrics.error("readers", "several readers are not supported yet; keep one pull reader");
        }
        config.metrics_address = readers.into_iter().next();
    }
    if config.metrics_level == MetricsLevel::None {
        config.metrics_address = None;
    }
}

fn decode_reader(reader: &mut Section<'_>) -> Option<(String, u16)> {
    reader.unsupported("periodic", "write a pull reader and let Prometheus or an OTLP scraper take the metrics");
    let read = |pull: &mut Section<'_>| {
        pull.section("exporter", |exporter| exporter.section("prometheus", decode_prometheus)).flatten()
    };
    let address = reader.section("pull", read).flatten();
    if address.is_none() && !reader.is_given("periodic") {
        reader.error("pull", "a reader needs pull::exporter::prometheus with host and port");
    }
    address
}

fn decode_prometheus(prometheus: &mut Section<'_>) -> (String, u16) {
    for key in [
        "without_scope_info",
        "without_units",
        "without_type_suffix",
        "without_target_info",
        "with_resource_constant_labels",
        "translation_strategy",
    ] {
        // The names and labels that are served are those of the Collector's default reader.
        prometheus.look(key);
    }
    let host = prometheus.string("host", DEFAULT_HOST);
    let port = prometheus.uint("port", DEFAULT_PORT.into());
    let port = u16::try_from(port).unwrap_or_else(|_| {
        prometheus.error("port", format!("{port} is no port; write a number up to 65535"));
        DEFAULT_PORT
    });
    (host, port)
}

fn decode_traces(traces: &mut Section<'_>) -> Option<String> {
    let level = traces.string("level", "");
    if !["", "none", "basic", "normal", "detailed"].contains(&level.to_lowercase().as_str()) {
        traces.error("level", format!("unknown value {level:?}; write one of none, basic, normal, detailed"));
    }
    traces.ignored("propagators", "own spans start their own traces");
    traces.ignored("sampler", "every own span is sent");
    traces.ignored("limits", "own spans are small");
    let mut endpoints = traces.list("processors", decode_span_processor).into_iter().flatten();
    let endpoint = endpoints.next();
    if endpoints.next().is_some() {
        traces.error("processors", "several span processors are not supported yet; keep one");
    }
    endpoint.filter(|_| level.to_lowercase() != "none")
}

fn decode_span_processor(processor: &mut Section<'_>) -> Option<String> {
    let read = |inner: &mut Section<'_>| {
        for key in ["schedule_delay", "export_timeout", "max_queue_size", "max_export_batch_size"] {
            inner.ignored(key, "the exporter's defaults hold");
        }
        inner.section("exporter", decode_span_exporter).flatten()
    };
    let batch = processor.section("batch", read).flatten();
    let simple = processor.section("simple", read).flatten();
    batch.or(simple)
}

fn decode_span_exporter(exporter: &mut Section<'_>) -> Option<String> {
    exporter.unsupported("console", "write otlp");
    exporter.unsupported("otlp_http", "write otlp_grpc");
    for key in ["otlp", "otlp_grpc"] {
        let endpoint = exporter.section(key, |otlp| {
            let protocol = otlp.string("protocol", "grpc");
            if protocol != "grpc" && protocol != "grpc/protobuf" {
                otlp.error("protocol", format!("{protocol:?} is not supported yet; write grpc"));
            }
            for key in ["headers", "headers_list", "certificate", "client_key", "client_certificate", "tls"] {
                otlp.unsupported(key, "own spans are sent without it");
            }
            for key in ["insecure", "compression", "timeout"] {
                otlp.ignored(key, "the scheme of the endpoint decides");
            }
            let endpoint = otlp.opt_string("endpoint").filter(|endpoint| !endpoint.is_empty());
            if endpoint.is_none() {
                otlp.error("endpoint", "an endpoint is required, such as http://localhost:4317");
            }
            endpoint
        });
        if let Some(endpoint) = endpoint {
            return endpoint;
        }
    }
    None
}

/// A map from names to values, or the newer `attributes: [{name, value}]`.
fn decode_resource(resource: &mut Section<'_>) -> BTreeMap<String, Option<String>> {
    let value = |section: &mut Section<'_>, name: &str, node: &Node| {
        (!node.is_null()).then(|| section.text_of(name, node)).flatten()
    };
    if matches!(resource.look("attributes"), Some(Node { value: Value::List(_), .. })) {
        for key in ["schema_url", "detectors", "detection/development", "attributes_list"] {
            resource.ignored(key, "only attributes are taken");
        }
        let attributes = resource.list("attributes", |attribute| {
            attribute.look("type");
            (attribute.string("name", ""), attribute.opt_string("value"))
        });
        return attributes.into_iter().collect();
    }
    let entries = resource.entries();
    entries.iter().map(|(name, _, node)| (name.clone(), value(resource, name, node))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Report, parse_yaml};

    fn read(text: &str) -> (TelemetryConfig, Vec<String>) {
        let mut report = Report::default();
        let node = parse_yaml(text, 0, &mut report).unwrap();
        let mut section = Section::new("service::telemetry", &node, &mut report);
        let config = TelemetryConfig::decode(&mut section);
        section.finish();
        (config, report.problems().iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect())
    }

    #[test]
    fn nothing_said_means_the_collectors_defaults() {
        let (config, problems) = read("{}");
        assert_eq!(config, TelemetryConfig::default());
        assert_eq!(config.metrics_address, Some(("localhost".to_owned(), 8888)));
        assert!(problems.is_empty());
    }

    #[test]
    fn a_pull_reader_says_where_and_level_none_turns_off() {
        let reader = "readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: 9}}}}]";
        let (config, problems) = read(&format!("metrics: {{level: detailed, {reader}}}"));
        assert_eq!(
            (config.metrics_level, config.metrics_address),
            (MetricsLevel::Detailed, Some(("127.0.0.1".into(), 9)))
        );
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(read(&format!("metrics: {{level: none, {reader}}}")).0.metrics_address, None);
        assert_eq!(read("metrics: {readers: []}").0.metrics_address, None);
        assert!(read("metrics: {readers: [{}]}").1[0].contains("needs pull"));
    }

    #[test]
    fn old_and_foreign_keys_are_answered() {
        let (config, problems) =
            read("{metrics: {address: ':8888'}, logs: {level: WARN, encoding: json, sampling: {}}}");
        assert_eq!((config.log_level, config.log_encoding), (Some(LogLevel::Warn), Some(LogEncoding::Json)));
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(read("logs: {level: loud}").1[0].contains("loud"));
        assert!(read("metrics: {lvl: none}").1[0].contains("did you mean \"level\""));
    }

    #[test]
    fn own_spans_go_where_the_span_processor_says() {
        let exporter = "exporter: {otlp: {protocol: grpc, endpoint: 'http://localhost:4317'}}";
        let (config, problems) = read(&format!("traces: {{processors: [{{batch: {{{exporter}}}}}]}}"));
        assert_eq!(config.own_traces_endpoint.as_deref(), Some("http://localhost:4317"));
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(
            read(&format!("traces: {{level: none, processors: [{{batch: {{{exporter}}}}}]}}")).0.own_traces_endpoint,
            None
        );
    }

    #[test]
    fn resource_attributes_come_as_map_or_list_and_null_removes() {
        let (config, _) = read("resource: {service.name: x, service.version: ~}");
        assert_eq!(config.resource["service.name"], Some("x".to_owned()));
        assert_eq!(config.resource["service.version"], None);
        let (config, _) = read("resource: {attributes: [{name: a, value: b}]}");
        assert_eq!(config.resource["a"], Some("b".to_owned()));
    }
}
