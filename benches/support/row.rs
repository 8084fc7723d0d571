//! The rows of the table: what is measured, with which configuration, against which bar.

use tailwater::cli::generate::{Compression, Protocol};

/// One line of work.
pub(crate) struct Row {
    /// For `--row`.
    pub(crate) name: &'static str,
    /// For people.
    pub(crate) title: &'static str,
    pub(crate) work: Work,
    pub(crate) bars: &'static [Bar],
}

/// What is done in a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    /// Requests in, counted by their acknowledgements.
    Flow(Flow),
    /// A backend that answers after half a second, a memory limit, and a stop under load.
    Overload,
    /// Spans that wait for a decision which does not come.
    Waiting,
}

/// A flow of requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    pub(crate) protocol: Protocol,
    pub(crate) compression: Compression,
    pub(crate) pipeline: Pipeline,
    /// Each trace in two requests.
    pub(crate) split: bool,
    /// Spans a second; 0 for as fast as they are answered.
    pub(crate) rate: u64,
}

/// What the server does with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pipeline {
    Nop,
    PassThrough,
    TailSampling,
    Adaptive,
}

/// A limit on a measured number.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bar {
    NanosPerSpan(f64),
    P50Ms(f64),
    P99Ms(f64),
    PeakMib(f64),
    /// Beyond the raw bytes.
    BytesPerWaitingSpan(f64),
    LostSpans(u64),
}

const fn flow(protocol: Protocol, compression: Compression, pipeline: Pipeline) -> Flow {
    Flow { protocol, compression, pipeline, split: false, rate: 0 }
}

/// Every row, in the order in which they are printed.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "nop",
        title: "gRPC in → scan → `nop`",
        work: Work::Flow(flow(Protocol::Grpc, Compression::None, Pipeline::Nop)),
        bars: &[Bar::NanosPerSpan(270.0)],
    },
    Row {
        name: "grpc-none",
        title: "gRPC → gRPC, no compression",
        work: Work::Flow(flow(Protocol::Grpc, Compression::None, Pipeline::PassThrough)),
        bars: &[Bar::NanosPerSpan(450.0), Bar::PeakMib(60.0)],
    },
    Row {
        name: "http-none",
        title: "HTTP → HTTP, no compression",
        work: Work::Flow(flow(Protocol::Http, Compression::None, Pipeline::PassThrough)),
        bars: &[Bar::NanosPerSpan(300.0)],
    },
    Row {
        name: "grpc-zstd",
        title: "gRPC → gRPC, zstd both ways",
        work: Work::Flow(flow(Protocol::Grpc, Compression::Zstd, Pipeline::PassThrough)),
        bars: &[Bar::NanosPerSpan(690.0)],
    },
    Row {
        name: "grpc-gzip",
        title: "gRPC → gRPC, gzip both ways",
        work: Work::Flow(flow(Protocol::Grpc, Compression::Gzip, Pipeline::PassThrough)),
        bars: &[Bar::NanosPerSpan(940.0)],
    },
    Row {
        name: "tail",
        title: "gRPC → `tail_sampling` → `batch` → gRPC",
        work: Work::Flow(flow(Protocol::Grpc, Compression::None, Pipeline::TailSampling)),
        bars: &[Bar::NanosPerSpan(540.0)],
    },
    Row {
        name: "tail-adaptive",
        title: "the same with `adaptive`, about as much kept",
        work: Work::Flow(flow(Protocol::Grpc, Compression::None, Pipeline::Adaptive)),
        bars: &[Bar::NanosPerSpan(600.0)],
    },
    Row {
        name: "tail-split",
        title: "`tail_sampling` as above, each trace in two requests",
        work: Work::Flow(Flow { split: true, ..flow(Protocol::Grpc, Compression::None, Pipeline::TailSampling) }),
        bars: &[Bar::NanosPerSpan(590.0)],
    },
    Row {
        name: "latency",
        title: "gRPC → gRPC at 60,000 spans/s",
        work: Work::Flow(Flow { rate: 60_000, ..flow(Protocol::Grpc, Compression::None, Pipeline::PassThrough) }),
        bars: &[Bar::P50Ms(1.5), Bar::P99Ms(3.0)],
    },
    Row {
        name: "overload",
        title: "gRPC → `memory_limiter` → `batch` → gRPC that answers after 500 ms",
        work: Work::Overload,
        bars: &[Bar::PeakMib(200.0), Bar::LostSpans(0)],
    },
    Row {
        name: "waiting",
        title: "memory of a waiting span beyond its raw bytes",
        work: Work::Waiting,
        bars: &[Bar::BytesPerWaitingSpan(100.0)],
    },
];

/// Parts that a configuration is made of, in the Collector's dialect, so that a Collector runs it
/// too.
pub(crate) struct Parts<'a> {
    pub(crate) protocol: Protocol,
    pub(crate) compression: Compression,
    pub(crate) listen: &'a str,
    pub(crate) backend: &'a str,
}

impl Row {
    /// The configuration of this row.
    pub(crate) fn config(&self, parts: &Parts<'_>) -> String {
        let (processors, exporter) = match self.work {
            Work::Flow(Flow { pipeline: Pipeline::Nop, .. }) => ("", "  nop:\n".to_owned()),
            Work::Flow(Flow { pipeline: Pipeline::PassThrough, .. }) => ("", exporter(parts, false)),
            Work::Flow(Flow { pipeline: Pipeline::TailSampling, .. }) => (TAIL_SAMPLING, exporter(parts, true)),
            Work::Flow(Flow { pipeline: Pipeline::Adaptive, .. }) => (ADAPTIVE, exporter(parts, true)),
            Work::Overload => (OVERLOAD, exporter(parts, true)),
            Work::Waiting => (WAITING, "  nop:\n".to_owned()),
        };
        let names = names_of(processors);
        let exporter_name = names_of(&exporter);
        format!(
            "receivers:\n  otlp:\n    protocols:\n{}{}exporters:\n{exporter}service:\n  telemetry:\n    \
             metrics: {{level: none}}\n    logs: {{level: error}}\n  pipelines:\n    traces:\n      \
             receivers: [otlp]\n      processors: [{names}]\n      exporters: [{exporter_name}]\n",
            receiver(parts),
            if processors.is_empty() { String::new() } else { format!("processors:\n{processors}") },
        )
    }
}

fn receiver(parts: &Parts<'_>) -> String {
    match parts.protocol {
        Protocol::Grpc => format!("      grpc: {{endpoint: \"{}\", max_recv_msg_size_mib: 16}}\n", parts.listen),
        Protocol::Http => format!("      http: {{endpoint: \"{}\"}}\n", parts.listen),
    }
}

/// Without a queue it answers after the backend, so that latencies are those of the whole way.
fn exporter(parts: &Parts<'_>, queued: bool) -> String {
    let compression = match parts.compression {
        Compression::None => "none",
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
    };
    let (name, scheme) = match parts.protocol {
        Protocol::Grpc => ("otlp_grpc", ""),
        Protocol::Http => ("otlp_http", "http://"),
    };
    let queue =
        if queued { "" } else { "    sending_queue: {enabled: false}\n    retry_on_failure: {enabled: false}\n" };
    format!(
        "  {name}:\n    endpoint: \"{scheme}{}\"\n    compression: {compression}\n    tls: {{insecure: true}}\n    \
         timeout: 30s\n{queue}",
        parts.backend
    )
}

/// Ids of a section: its lines with an indent of two.
fn names_of(section: &str) -> String {
    let is_id = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    section.lines().filter(is_id).map(|line| line.trim().trim_end_matches(':')).collect::<Vec<_>>().join(", ")
}

const TAIL_SAMPLING: &str = "  tail_sampling:
    decision_wait: 5s
    num_traces: 3000000
    policies:
      - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}
      - {name: slow, type: latency, latency: {threshold_ms: 395}}
      - {name: base, type: probabilistic, probabilistic: {sampling_percentage: 8}}
  batch:
";

/// A Collector has no such policy.
const ADAPTIVE: &str = "  tail_sampling:
    decision_wait: 5s
    num_traces: 3000000
    policies:
      - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}
      - {name: slow, type: latency, latency: {threshold_ms: 395}}
      - {name: base, type: probabilistic, probabilistic: {sampling_percentage: 4}}
      - {name: learn, type: adaptive, adaptive: {sampling_percentage: 4}}
  batch:
";

const OVERLOAD: &str = "  memory_limiter:
    check_interval: 100ms
    limit_mib: 128
    spike_limit_mib: 32
  batch:
";

const WAITING: &str = "  tail_sampling:
    decision_wait: 600s
    num_traces: 3000000
    policies:
      - {name: all, type: always_sample}
";
