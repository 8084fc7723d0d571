//! From the policies' verdicts to the decision on a trace.

use std::num::NonZeroUsize;

use super::config::Config;
use super::policy::{Policy, PolicyKind, TraceView, Verdict};
use crate::metrics::Counter;
use crate::model::Instant;
use crate::pipeline::Settings;

/// Verdicts in the order of their counters.
const VERDICTS: [(Verdict, &str, &str); 3] = [
    (Verdict::Sampled, "true", "sampled"),
    (Verdict::NotSampled, "false", "not_sampled"),
    (Verdict::Dropped, "false", "dropped"),
];

/// Verdicts counted since the last report, and where they are reported.
struct Tally {
    counts: [u64; 3],
    counters: [Counter; 3],
}

/// All policies of a shard, `drop` policies first.
pub(super) struct Decider {
    policies: Vec<(Box<dyn Policy>, Tally)>,
    decisions: Tally,
    stops_at_first: bool,
}

impl Tally {
    fn new(settings: &Settings, name: &str, help: &str, policy: Option<&str>) -> Self {
        let counters = VERDICTS.map(|(_, sampled, decision)| {
            let mut labels = vec![("sampled", sampled), ("decision", decision)];
            labels.extend(policy.map(|policy| ("policy", policy)));
            settings.metrics.counter(&format!("otelcol_processor_tail_sampling_{name}"), help, &labels)
        });
        Self { counts: [0; 3], counters }
    }

    fn count(&mut self, verdict: Verdict) {
        self.counts[verdict as usize] += 1;
    }

    fn report(&mut self) {
        for (count, counter) in self.counts.iter_mut().zip(&self.counters) {
            if *count > 0 {
                counter.inc_by(std::mem::take(count));
            }
        }
    }
}

impl Decider {
    pub(super) fn new(config: &Config, settings: &Settings, shards: NonZeroUsize) -> Self {
        let (drops, others): (Vec<_>, Vec<_>) =
            config.policies.iter().partition(|policy| matches!(policy.kind, PolicyKind::Drop(_)));
        let policies = drops.into_iter().chain(others).map(|policy| {
            // As the Collector labels the policies of a named component.
            let label = match settings.id.name() {
                "" => policy.name.clone(),
                name => format!("{name}.{}", policy.name),
            };
            let help = "Traces by what a policy said of them";
            (policy.build(shards), Tally::new(settings, "count_traces_sampled", help, Some(&label)))
        });
        Self {
            policies: policies.collect(),
            decisions: Tally::new(settings, "global_count_traces_sampled", "Traces by their decision", None),
            stops_at_first: config.sample_on_first_match,
        }
    }

    /// Decides on a trace. A drop ends it; every other policy is asked, for its count, unless the
    /// first match is enough.
    pub(super) fn decide(&mut self, trace: &TraceView<'_>, now: Instant) -> Verdict {
        let mut decision = Verdict::NotSampled;
        for (policy, tally) in &mut self.policies {
            let verdict = policy.evaluate(trace, now);
            tally.count(verdict);
            match verdict {
                Verdict::Sampled => decision = verdict,
                Verdict::NotSampled => continue,
                Verdict::Dropped => {
                    decision = verdict;
                    break;
                }
            }
            if self.stops_at_first {
                break;
            }
        }
        self.decisions.count(decision);
        decision
    }

    /// Adds what was counted to the metrics.
    pub(super) fn report(&mut self) {
        self.policies.iter_mut().for_each(|(_, tally)| tally.report());
        self.decisions.report();
    }
}
