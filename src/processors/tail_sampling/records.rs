//! What a shard remembers of its decisions, until they are handed to the process's decision log.

use std::sync::Arc;

use super::config::Config;
use super::decider::Decision;
use super::detector::Baselines;
use super::explain::Policies;
use super::policy::Verdict;
use super::trace::Trace;
use crate::model::{Chance, DecisionRecord, Finding, Now, Outcome, PolicyVerdicts, Trigger};
use crate::pipeline::{DecisionSource, Settings};
use crate::sampling::Threshold;

/// What was decided and why.
pub(super) struct Decided {
    pub(super) outcome: Outcome,
    pub(super) trigger: Trigger,
    pub(super) chance: Chance,
    pub(super) policies: PolicyVerdicts,
    pub(super) finding: Option<Box<Finding>>,
}

impl Decided {
    /// No policy was asked.
    pub(super) fn without_policies(outcome: Outcome, trigger: Trigger) -> Self {
        Self { outcome, trigger, chance: Chance::Certain, policies: PolicyVerdicts::default(), finding: None }
    }

    /// The valve let in only what passes the threshold.
    pub(super) fn turned_away(threshold: Threshold) -> Self {
        let chance = Chance::Threshold(threshold.rejected());
        Self { chance, ..Self::without_policies(Outcome::Overload, Trigger::Arrival) }
    }

    /// The policies decided.
    pub(super) fn by_policies(decision: &Decision, trigger: Trigger, finding: Option<Box<Finding>>) -> Self {
        let outcome = match decision.verdict {
            Verdict::Sampled => Outcome::Sampled,
            Verdict::Dropped => Outcome::Dropped,
            _ => Outcome::NotSampled,
        };
        Self { outcome, trigger, chance: decision.chance, policies: decision.policies, finding }
    }
}

/// Records since the last flush, and where they go.
pub(super) struct Records {
    source: Arc<DecisionSource>,
    fresh: Vec<DecisionRecord>,
}

impl Records {
    /// Nothing where nobody will ask.
    pub(super) fn of(config: &Config, settings: &Settings, baselines: &Arc<Baselines>) -> Option<Self> {
        let log = settings.decisions.as_ref()?;
        let source = log.register(&settings.id, Arc::new(Policies::of(config).with_shapes(baselines)));
        Some(Self { source, fresh: Vec::new() })
    }

    pub(super) fn push(&mut self, trace: &Trace, decided: Decided, now: Now) {
        let Decided { outcome, trigger, chance, policies, finding } = decided;
        self.fresh.push(DecisionRecord {
            trace_id: trace.id,
            decided: now.wall,
            waited: now.mono.since(trace.arrival),
            outcome,
            trigger,
            chance,
            spans: trace.summary.spans,
            bytes: trace.summary.bytes,
            duration_nanos: trace.summary.longest_nanos,
            statuses: trace.summary.statuses,
            policies,
            finding,
        });
    }

    pub(super) fn flush(&mut self) {
        self.source.append(&mut self.fresh);
    }
}
