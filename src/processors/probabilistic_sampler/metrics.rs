//! The counters of `probabilistic_sampler`, under the Collector's names.

use std::sync::Arc;

use super::decision::{Decision, Source};
use crate::metrics::{Counter, Metrics};
use crate::model::Signal;

/// Counts of decisions since the last report, and where they are reported. A counter is made when
/// there is something to count, as the Collector shows it.
pub(super) struct Tally {
    metrics: Arc<Metrics>,
    signal: Signal,
    attribute: String,
    /// By source, not kept and kept.
    counts: [[u64; 2]; Source::COUNT],
    counters: [[Option<Counter>; 2]; Source::COUNT],
}

impl Tally {
    /// Counts items of a signal; `attribute` is the label of what was hashed from it.
    pub(super) fn new(metrics: &Arc<Metrics>, signal: Signal, attribute: &str) -> Self {
        Self {
            metrics: metrics.clone(),
            signal,
            attribute: attribute.to_owned(),
            counts: Default::default(),
            counters: Default::default(),
        }
    }

    /// Counts one decision.
    pub(super) fn count(&mut self, decision: &Decision) {
        self.counts[decision.source as usize][usize::from(decision.is_kept)] += 1;
    }

    /// Adds what was counted to the metrics.
    pub(super) fn report(&mut self) {
        for source in 0..Source::COUNT {
            for kept in 0..2 {
                let count = std::mem::take(&mut self.counts[source][kept]);
                if count > 0 {
                    let made = self.counters[source][kept].take();
                    let counter = made.unwrap_or_else(|| self.counter(source, kept));
                    counter.inc_by(count);
                    self.counters[source][kept] = Some(counter);
                }
            }
        }
    }

    fn counter(&self, source: usize, kept: usize) -> Counter {
        let policies = [
            "missing_randomness",
            "trace_id_hash",
            "trace_id_w3c",
            "sampling_randomness",
            "sampling_priority",
            self.attribute.as_str(),
        ];
        let items = if self.signal == Signal::Logs { "logs" } else { "traces" };
        let name = format!("otelcol_processor_probabilistic_sampler_count_{items}_sampled");
        let labels = [("policy", policies[source]), ("sampled", ["false", "true"][kept])];
        self.metrics.counter(&name, &format!("Count of {items} that were sampled or not"), &labels)
    }
}
