//! The overload valve at the door: under pressure only a part of the new traces is let in, by
//! their randomness, before anything is held of them. Knows what waits only from its caller.
//!
//! Ids that were turned away are remembered, 65,536 a shard, so that a trace is turned away once
//! and as a whole also when the valve opens before its last span. Of one that is forgotten the
//! next span asks again: it may begin a trace that lacks its first spans, whose weight is that of
//! the second asking.

use std::ops::Range;

use super::config::Config;
use super::decision_cache::DecisionCache;
use super::policy::PolicyConfig;
use super::policy::adaptive::Incoming;
use super::trace::Odds;
use crate::model::{MemoryAccount, Request, TraceId};
use crate::pipeline::Settings;
use crate::sampling::{Threshold, Valve};

/// Ids that were turned away and are remembered, a shard; about 3 MB when all are.
const REMEMBERED: usize = 65_536;

/// What becomes of a new trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// It passed this threshold.
    Admitted(Threshold),
    /// It did not pass this one; nothing when it was turned away before.
    TurnedAway(Option<Threshold>),
}

/// See the module.
pub(super) struct Admission {
    /// One for each adaptive policy that has not turned it off; the strictest counts.
    valves: Vec<Valve>,
    threshold: Threshold,
    account: MemoryAccount,
    turned_away: DecisionCache,
}

impl Admission {
    /// Nothing without an adaptive policy, and nothing with `block_on_overflow`: there whoever
    /// sends waits, and nothing is to be lost.
    pub(super) fn of(config: &Config, settings: &Settings) -> Option<Self> {
        let adaptives = config.policies.iter().flat_map(PolicyConfig::adaptives);
        let overloads = adaptives.filter_map(|(_, adaptive)| adaptive.overload);
        let valves: Vec<Valve> = overloads.map(|overload| Valve::new(overload.watermark, overload.least)).collect();
        (!valves.is_empty() && !config.block_on_overflow).then(|| Self {
            valves,
            threshold: Threshold::ALWAYS,
            account: settings.account.clone(),
            turned_away: DecisionCache::new(REMEMBERED),
        })
    }

    /// So many traces wait where so many may.
    pub(super) fn set_pressure(&mut self, waiting: u64, most: u64) {
        let pressure = (waiting as f64 / most.max(1) as f64).max(self.account.pressure());
        self.valves.iter_mut().for_each(|valve| valve.set_pressure(pressure));
        let was = self.threshold;
        self.threshold = self.valves.iter().map(Valve::threshold).max().unwrap_or(Threshold::ALWAYS);
        match (was == Threshold::ALWAYS, self.threshold == Threshold::ALWAYS) {
            (true, false) => tracing::warn!(
                waiting,
                admitted = self.threshold.probability(),
                "tail_sampling is overloaded and lets only a part of new traces in; raise num_traces or the memory limit, or add instances"
            ),
            (false, true) => tracing::info!(waiting, "tail_sampling lets all new traces in again"),
            _ => {}
        }
    }

    /// Whether a trace that is not known is let in; `rows` are its first spans. What earlier
    /// samplers decided by, `rv`, decides here as well.
    pub(super) fn ask(&mut self, id: TraceId, request: &Request, rows: Range<u32>) -> Entry {
        if self.turned_away.find(id).is_some() {
            return Entry::TurnedAway(None);
        }
        let threshold = self.threshold;
        if threshold == Threshold::ALWAYS || threshold.keeps(Incoming::of_rows(id, request, rows).randomness) {
            return Entry::Admitted(threshold);
        }
        self.turned_away.insert(id, Odds::default());
        Entry::TurnedAway(Some(threshold))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::policy::{PolicyKind, adaptive};
    use super::*;
    use crate::testing::request_of;

    fn settings() -> Settings {
        crate::testing::settings(Arc::default())
    }

    fn config(watermarks: &[Option<f64>]) -> Config {
        let policy = |watermark: &Option<f64>| {
            let mut adaptive = adaptive::Config::default();
            adaptive.overload = watermark.map(|watermark| adaptive::Overload { watermark, least: 0.001 });
            PolicyConfig { name: String::new(), kind: PolicyKind::Adaptive(adaptive) }
        };
        Config { policies: watermarks.iter().map(policy).collect(), ..Config::default() }
    }

    fn id(number: u64) -> TraceId {
        TraceId(u128::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes())
    }

    #[test]
    fn the_strictest_valve_counts_and_one_that_is_off_does_not() {
        let admission = |watermarks: &[Option<f64>]| Admission::of(&config(watermarks), &settings());
        assert!(admission(&[]).is_none() && admission(&[None]).is_none());
        let blocks = Config { block_on_overflow: true, ..config(&[Some(0.5)]) };
        assert!(Admission::of(&blocks, &settings()).is_none());
        let mut both = admission(&[Some(0.8), None, Some(0.5)]).unwrap();
        both.set_pressure(75, 100);
        assert_eq!(both.threshold.probability(), 1.0 / 16.0);
    }

    #[test]
    fn memory_is_pressure_where_somebody_limits_it() {
        let settings = settings();
        let mut admission = Admission::of(&config(&[Some(0.5)]), &settings).unwrap();
        let _held = settings.account.charge(750);
        admission.set_pressure(0, 100);
        assert_eq!(admission.threshold, Threshold::ALWAYS);
        settings.account.lower_limit(1_000);
        admission.set_pressure(0, 100);
        assert_eq!(admission.threshold.probability(), 1.0 / 16.0);
    }

    #[test]
    fn what_was_turned_away_stays_away_when_the_valve_opens() {
        let request = request_of(&[1]);
        let mut admission = Admission::of(&config(&[Some(0.5)]), &settings()).unwrap();
        admission.set_pressure(75, 100);
        let threshold = admission.threshold;
        let away = |entry: &Entry| matches!(entry, Entry::TurnedAway(_));
        let entries: Vec<Entry> = (0..1_000).map(|number| admission.ask(id(number), &request, 0..1)).collect();
        assert!((30..100).contains(&entries.iter().filter(|entry| !away(entry)).count()));
        admission.set_pressure(0, 100);
        for (number, entry) in (0..).zip(entries) {
            let again = admission.ask(id(number), &request, 0..1);
            match entry {
                Entry::Admitted(_) => assert_eq!(again, Entry::Admitted(Threshold::ALWAYS)),
                Entry::TurnedAway(first) => {
                    assert_eq!((first, again), (Some(threshold), Entry::TurnedAway(None)));
                }
            }
        }
    }
}
