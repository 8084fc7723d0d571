//! Components of the Collector that are not here: what to write instead, or that they are not
//! supported yet. Consulted only for types that the registry lacks.

use crate::pipeline::Kind;

const OTLP_TO_JAEGER: &str =
    "was removed from the Collector; Jaeger takes OTLP: write otlp_grpc with the endpoint of Jaeger, port 4317";
const NO_OPENCENSUS: &str = "was removed from the Collector; OpenCensus has ended: write otlp and send OTLP";
const LATER: &str = "is not supported yet";
const OTLP_IN: &str = "is not supported yet; send OTLP to the otlp receiver, or keep a Collector in front for it";
const OTLP_OUT: &str = "is not supported yet; write otlp_grpc or otlp_http";
const NO_BALLAST: &str =
    "was removed from the Collector; delete it, also from service::extensions, and write the processor memory_limiter";

/// Kind, type, and what to say after `the … type "…"`.
const ABSENT: &[(Kind, &str, &str)] = &[
    (Kind::Receiver, "opencensus", NO_OPENCENSUS),
    (Kind::Receiver, "jaeger", OTLP_IN),
    (Kind::Receiver, "zipkin", OTLP_IN),
    (Kind::Receiver, "kafka", OTLP_IN),
    (Kind::Receiver, "datadog", OTLP_IN),
    (Kind::Receiver, "prometheus", OTLP_IN),
    (Kind::Receiver, "hostmetrics", OTLP_IN),
    (Kind::Receiver, "host_metrics", OTLP_IN),
    (Kind::Receiver, "kubeletstats", OTLP_IN),
    (Kind::Receiver, "k8s_cluster", OTLP_IN),
    (Kind::Receiver, "docker_stats", OTLP_IN),
    (Kind::Receiver, "filelog", OTLP_IN),
    (Kind::Receiver, "file_log", OTLP_IN),
    (Kind::Receiver, "fluentforward", OTLP_IN),
    (Kind::Receiver, "syslog", OTLP_IN),
    (Kind::Receiver, "statsd", OTLP_IN),
    (Kind::Receiver, "awsxray", OTLP_IN),
    (
        Kind::Processor,
        "queued_retry",
        "was removed from the Collector; write sending_queue and retry_on_failure in the exporter",
    ),
    (Kind::Processor, "spanmetrics", "was removed from the Collector; it is the connector span_metrics"),
    (Kind::Processor, "servicegraph", "was removed from the Collector; it is the connector service_graph"),
    (Kind::Processor, "routing", "was removed from the Collector; it is the connector routing"),
    (Kind::Processor, "memory_ballast", NO_BALLAST),
    (Kind::Processor, "attributes", LATER),
    (Kind::Processor, "filter", LATER),
    (Kind::Processor, "groupbyattrs", LATER),
    (Kind::Processor, "k8sattributes", LATER),
    (Kind::Processor, "k8s_attributes", LATER),
    (Kind::Processor, "metricstransform", LATER),
    (Kind::Processor, "redaction", LATER),
    (Kind::Processor, "resource", LATER),
    (Kind::Processor, "resourcedetection", LATER),
    (Kind::Processor, "resource_detection", LATER),
    (Kind::Processor, "span", LATER),
    (Kind::Processor, "transform", LATER),
    (Kind::Connector, "count", LATER),
    (Kind::Connector, "exceptions", LATER),
    (Kind::Connector, "failover", LATER),
    (Kind::Connector, "routing", LATER),
    (Kind::Connector, "servicegraph", LATER),
    (Kind::Connector, "service_graph", LATER),
    (Kind::Connector, "spanmetrics", LATER),
    (Kind::Connector, "span_metrics", LATER),
    (Kind::Exporter, "jaeger", OTLP_TO_JAEGER),
    (Kind::Exporter, "jaeger_thrift", OTLP_TO_JAEGER),
    (Kind::Exporter, "jaeger_thrift_http", OTLP_TO_JAEGER),
    (Kind::Exporter, "opencensus", "was removed from the Collector; OpenCensus has ended: write otlp_grpc"),
    (
        Kind::Exporter,
        "loki",
        "was removed from the Collector; Loki takes OTLP: write otlp_http with the endpoint http://LOKI:3100/otlp",
    ),
    (Kind::Exporter, "zipkin", "is not supported yet; Zipkin's collectors take OTLP by zipkin-otel: write otlp_http"),
    (Kind::Exporter, "kafka", OTLP_OUT),
    (Kind::Exporter, "elasticsearch", OTLP_OUT),
    (Kind::Exporter, "datadog", OTLP_OUT),
    (Kind::Exporter, "loadbalancing", OTLP_OUT),
    (Kind::Exporter, "load_balancing", OTLP_OUT),
    (Kind::Exporter, "awsxray", OTLP_OUT),
    (Kind::Exporter, "googlecloud", OTLP_OUT),
    (Kind::Exporter, "azuremonitor", OTLP_OUT),
    (Kind::Exporter, "prometheus", "is not supported yet; Prometheus takes OTLP: write otlp_http"),
    (Kind::Exporter, "prometheusremotewrite", "is not supported yet; Prometheus takes OTLP: write otlp_http"),
    (Kind::Exporter, "prometheus_remote_write", "is not supported yet; Prometheus takes OTLP: write otlp_http"),
    (Kind::Extension, "memory_ballast", NO_BALLAST),
    (Kind::Extension, "ballast", NO_BALLAST),
    (Kind::Extension, "basicauth", LATER),
    (Kind::Extension, "basic_auth", LATER),
    (Kind::Extension, "bearertokenauth", LATER),
    (Kind::Extension, "bearer_token_auth", LATER),
    (Kind::Extension, "file_storage", LATER),
    (Kind::Extension, "headers_setter", LATER),
    (Kind::Extension, "healthcheckv2", "is not supported yet; write health_check"),
    (Kind::Extension, "k8s_observer", LATER),
    (Kind::Extension, "oauth2client", LATER),
    (Kind::Extension, "opamp", LATER),
    (Kind::Extension, "sigv4auth", LATER),
];

/// What to say of a component of the Collector that this build lacks.
pub(crate) fn absent(kind: Kind, type_name: &str) -> Option<&'static str> {
    ABSENT.iter().find(|(of, name, _)| *of == kind && *name == type_name).map(|(.., text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_component_says_what_to_write_instead() {
        assert!(absent(Kind::Exporter, "jaeger").unwrap().contains("otlp_grpc"));
        assert!(absent(Kind::Exporter, "loki").unwrap().contains("otlp_http"));
        assert!(absent(Kind::Processor, "queued_retry").unwrap().contains("sending_queue"));
        assert!(absent(Kind::Extension, "memory_ballast").unwrap().contains("memory_limiter"));
        assert_eq!(absent(Kind::Receiver, "batchl"), None);
    }

    #[test]
    fn no_type_is_listed_twice() {
        let mut names: Vec<_> = ABSENT.iter().map(|(kind, name, _)| (*kind, *name)).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
