//! `composite`: policies that share a budget of spans a second. The Collector's arithmetic, with
//! its quirks:
//! - Policies are asked in the order of `composite_sub_policy`; `policy_order` has no effect.
//! - The first that keeps a trace decides: over its share the trace is not kept, and later
//!   policies are not asked.
//! - The total limits each policy by itself, not their sum.
//! - A policy that `rate_allocation` does not name has no share; one with 0 percent or less has an
//!   equal part of the total.
//! - Counts start anew with every second.

use super::{Ballot, Policy, PolicyConfig, PolicyContext, TraceView, Verdict};
use crate::config::Section;
use crate::model::{Chance, Now};

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// The keys of `composite`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Spans a second that no policy may exceed.
    pub max_total_spans_per_second: u64,
    /// In the order of their evaluation.
    pub policies: Vec<PolicyConfig>,
    /// Names and percentages of the total.
    pub rate_allocation: Vec<(String, i64)>,
}

pub(super) fn decode(
    section: &mut Section<'_>,
    policy: &str,
    policies: impl FnOnce(&mut Section<'_>) -> Vec<PolicyConfig>,
) -> Config {
    let config = Config {
        max_total_spans_per_second: section.uint("max_total_spans_per_second", 0),
        policies: policies(section),
        rate_allocation: section.list("rate_allocation", |share| (share.string("policy", ""), share.int("percent", 0))),
    };
    let order = section.strings("policy_order").unwrap_or_default();
    let names: Vec<&str> = config.policies.iter().map(|policy| policy.name.as_str()).collect();
    if section.is_given("policy_order") && order != names {
        let message = format!(
            "policy {policy:?}: policy_order has no effect, as in the Collector; policies are asked in the order of composite_sub_policy: {}",
            names.join(", ")
        );
        section.warn("policy_order", message);
    }
    for name in &names {
        if !config.rate_allocation.iter().any(|(share, _)| share == name) {
            section.warn(
                "rate_allocation",
                format!(
                    "policy {policy:?}: {name:?} has no share and keeps nothing, as in the Collector; give it a percent"
                ),
            );
        }
    }
    for (share, _) in &config.rate_allocation {
        if !names.contains(&share.as_str()) {
            section.warn(
                "rate_allocation",
                format!("policy {policy:?}: the share of {share:?} has no effect: there is no such sub-policy"),
            );
        }
    }
    config
}

impl Config {
    /// Spans a second that each policy may keep.
    fn shares(&self) -> impl Iterator<Item = u64> {
        let total = self.max_total_spans_per_second as f64;
        let equal = total / self.policies.len() as f64;
        self.policies.iter().map(move |policy| {
            let share = self.rate_allocation.iter().rev().find(|(name, _)| *name == policy.name);
            let spans = match share {
                None => 0.0,
                Some((_, percent @ 1..)) => *percent as f64 / 100.0 * total,
                Some(_) => equal,
            };
            (spans as u64).min(self.max_total_spans_per_second)
        })
    }
}

struct Member {
    policy: Box<dyn Policy>,
    share: u64,
    /// Spans that it kept in the second.
    kept: u64,
}

/// See the module.
pub struct Composite {
    members: Vec<Member>,
    second: u64,
}

impl Composite {
    /// The policies of the config, built, for one of the shards that divide its budget.
    pub fn new(config: &Config, policies: Vec<Box<dyn Policy>>, context: &PolicyContext) -> Self {
        let shards = context.shards.get() as u64;
        let members = policies.into_iter().zip(config.shares());
        let members = members.map(|(policy, share)| Member { policy, share: share.div_ceil(shards), kept: 0 });
        Self { members: members.collect(), second: 0 }
    }
}

impl Policy for Composite {
    fn evaluate(&mut self, trace: &TraceView<'_>, ballot: &mut Ballot, now: Now) -> Verdict {
        ballot.chance = Chance::Unknown;
        let second = now.mono.0 / NANOS_PER_SECOND;
        if self.second != second {
            self.second = second;
            self.members.iter_mut().for_each(|member| member.kept = 0);
        }
        for (place, member) in self.members.iter_mut().enumerate() {
            let mut own = Ballot::default();
            match member.policy.evaluate(trace, &mut own, now) {
                Verdict::Error => return Verdict::Error,
                Verdict::Sampled | Verdict::InvertSampled => {
                    let kept = member.kept.saturating_add(trace.summary().spans.into());
                    if kept > member.share {
                        return Verdict::NotSampled;
                    }
                    member.kept = kept;
                    ballot.join(own);
                    ballot.sub_policy = u16::try_from(place).ok();
                    return Verdict::Sampled;
                }
                _ => {}
            }
        }
        Verdict::NotSampled
    }

    fn observe(&mut self, trace: &TraceView<'_>, now: Now) {
        self.members.iter_mut().for_each(|member| member.policy.observe(trace, now));
    }
}

#[cfg(test)]
mod tests {
    use super::super::PolicyKind;
    use super::*;

    fn shares(total: u64, allocation: &[(&str, i64)]) -> Vec<u64> {
        let policy = |name: &str| PolicyConfig { name: name.to_owned(), kind: PolicyKind::AlwaysSample };
        let config = Config {
            max_total_spans_per_second: total,
            policies: ["a", "b", "c"].map(policy).into(),
            rate_allocation: allocation.iter().map(|(name, percent)| ((*name).to_owned(), *percent)).collect(),
        };
        config.shares().collect()
    }

    #[test]
    fn shares_are_those_of_the_collector() {
        assert_eq!(shares(100, &[]), [0, 0, 0], "no share where none is given");
        assert_eq!(shares(100, &[("a", 50), ("b", 25), ("c", 25)]), [50, 25, 25]);
        assert_eq!(shares(100, &[("a", 0), ("c", -1)]), [33, 0, 33], "an equal part of the total");
        assert_eq!(shares(100, &[("a", 300)]), [100, 0, 0], "the total limits each");
        assert_eq!(shares(100, &[("a", 10), ("a", 20), ("d", 80)]), [20, 0, 0], "the last one counts");
        assert_eq!(shares(u64::MAX, &[("a", i64::MAX)]), [u64::MAX, 0, 0]);
    }
}
