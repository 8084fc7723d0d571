//! The metrics of `groupbytrace`, under the Collector's names. The gauge of events in a queue and
//! the histogram of their latency have nothing to measure here and are absent.

use crate::metrics::{Counter, Gauge};
use crate::pipeline::Settings;

/// Resolved once, when a shard is built; shards share the series.
pub(super) struct GroupMetrics {
    pub traces_released: Counter,
    pub spans_released: Counter,
    pub traces_evicted: Counter,
    pub incomplete_releases: Counter,
    traces_in_memory: Gauge,
    /// What this shard has added to the gauge.
    in_memory: i64,
}

impl GroupMetrics {
    pub(super) fn new(settings: &Settings, num_traces: u64) -> Self {
        let metrics = &settings.metrics;
        let name = |name: &str| format!("otelcol_processor_groupbytrace_{name}");
        let counter = |short: &str, help: &str| metrics.counter(&name(short), help, &[]);
        let most = i64::try_from(num_traces).unwrap_or(i64::MAX);
        metrics.gauge(&name("conf_num_traces"), "Most traces that may wait", &[]).set(most);
        Self {
            traces_released: counter("traces_released", "Traces handed on"),
            spans_released: counter("spans_released", "Spans handed on"),
            traces_evicted: counter("traces_evicted", "Traces dropped to make room"),
            incomplete_releases: counter("incomplete_releases", "Releases of traces that were no longer there"),
            traces_in_memory: metrics.gauge(&name("num_traces_in_memory"), "Traces that wait", &[]),
            in_memory: 0,
        }
    }

    /// So many traces wait now.
    pub(super) fn waiting(&mut self, traces: usize) {
        let traces = i64::try_from(traces).unwrap_or(i64::MAX);
        self.traces_in_memory.inc_by(traces - self.in_memory);
        self.in_memory = traces;
    }
}
