//! From the policies' verdicts to the decision on a trace.

use std::num::NonZeroUsize;

use super::config::Config;
use super::gates::Gates;
use super::policy::{Ballot, Choice, Policy, PolicyConfig, PolicyContext, PolicyKind, TraceView, Verdict};
use crate::metrics::Counter;
use crate::model::{Chance, Now, PolicyVerdict, PolicyVerdicts};
use crate::pipeline::Settings;

/// Labels of the counters of verdicts.
const LABELS: [(&str, &str); 3] = [("true", "sampled"), ("false", "not_sampled"), ("false", "dropped")];

/// The counter of a verdict; inverted ones count with the plain ones, as in the Collector. An
/// error has a counter of its own.
fn counted(verdict: Verdict) -> Option<usize> {
    match verdict {
        Verdict::Sampled | Verdict::InvertSampled => Some(0),
        Verdict::NotSampled | Verdict::InvertNotSampled => Some(1),
        Verdict::Dropped => Some(2),
        Verdict::Error => None,
    }
}

/// What all policies together say of a trace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decision {
    /// `Sampled`, `NotSampled` or `Dropped`.
    pub(super) verdict: Verdict,
    /// How likely it was, where it is kept.
    pub(super) chance: Chance,
    /// What each policy said.
    pub(super) policies: PolicyVerdicts,
    /// Place of the first policy that kept it, and of its sub-policy.
    pub(super) kept_by: Option<(u16, Option<u16>)>,
    /// What the adaptive policy made of it: of the one that kept it, else of the first one.
    pub(super) choice: Option<Choice>,
}

/// Verdicts counted since the last report, and where they are reported.
struct Tally {
    counts: [u64; LABELS.len()],
    counters: [Counter; LABELS.len()],
}

/// A policy, and what is counted of it since the last report.
struct Judge {
    name: String,
    policy: Box<dyn Policy>,
    traces: Tally,
    /// With the gate `metricstatcountspanssampled`.
    spans: Option<Tally>,
    is_drop: bool,
    errors: u64,
}

/// All policies of a shard, `drop` policies first.
pub(super) struct Decider {
    judges: Vec<Judge>,
    decisions: Tally,
    evaluation_errors: Counter,
    stops_at_first: bool,
}

impl Tally {
    fn new(settings: &Settings, name: &str, help: &str, policy: Option<&str>) -> Self {
        let counters = LABELS.map(|(sampled, decision)| {
            let mut labels = vec![("sampled", sampled), ("decision", decision)];
            labels.extend(policy.map(|policy| ("policy", policy)));
            settings.metrics.counter(&format!("otelcol_processor_tail_sampling_{name}"), help, &labels)
        });
        Self { counts: [0; LABELS.len()], counters }
    }

    fn count(&mut self, verdict: Verdict, by: u64) {
        if let Some(place) = counted(verdict) {
            self.counts[place] += by;
        }
    }

    fn report(&mut self) {
        for (count, counter) in self.counts.iter_mut().zip(&self.counters) {
            if *count > 0 {
                counter.inc_by(std::mem::take(count));
            }
        }
    }
}

impl Judge {
    fn new(policy: &PolicyConfig, settings: &Settings, gates: Gates, context: &PolicyContext) -> Self {
        // As the Collector labels the policies of a named component.
        let label = match settings.id.name() {
            "" => policy.name.clone(),
            name => format!("{name}.{}", policy.name),
        };
        let tally = |name, help| Tally::new(settings, name, help, Some(&label));
        Self {
            name: policy.name.clone(),
            policy: policy.build(context),
            traces: tally("count_traces_sampled", "Traces by what a policy said of them"),
            spans: gates
                .counts_spans
                .then(|| tally("count_spans_sampled", "Spans by what a policy said of their trace")),
            is_drop: matches!(policy.kind, PolicyKind::Drop(_)),
            errors: 0,
        }
    }

    fn ask(&mut self, trace: &TraceView<'_>, ballot: &mut Ballot, now: Now) -> Verdict {
        let verdict = self.policy.evaluate(trace, ballot, now);
        self.errors += u64::from(verdict == Verdict::Error);
        self.traces.count(verdict, 1);
        if let Some(spans) = &mut self.spans {
            spans.count(verdict, trace.summary().spans.into());
        }
        verdict
    }
}

impl Decider {
    pub(super) fn new(config: &Config, settings: &Settings, shards: NonZeroUsize) -> Self {
        let gates = Gates::of(settings);
        let context = PolicyContext {
            shards,
            inverted_match_vetoes: !gates.has_plain_inverted_match,
            uses_trace_state: gates.uses_trace_state,
        };
        let judge = |policy: &PolicyConfig| Judge::new(policy, settings, gates, &context);
        let mut judges: Vec<Judge> = config.policies.iter().map(judge).collect();
        judges.sort_by_key(|judge| !judge.is_drop);
        Self {
            judges,
            decisions: Tally::new(settings, "global_count_traces_sampled", "Traces by their decision", None),
            evaluation_errors: settings.metrics.counter(
                "otelcol_processor_tail_sampling_sampling_policy_evaluation_error",
                "Policies that failed on a trace",
                &[],
            ),
            stops_at_first: config.sample_on_first_match,
        }
    }

    /// Decides on a trace. A drop ends it; every other policy is asked, for its count, unless the
    /// first match is enough.
    pub(super) fn decide(&mut self, trace: &TraceView<'_>, now: Now) -> Decision {
        self.judges.iter_mut().for_each(|judge| judge.policy.observe(trace, now));
        let mut votes = Votes::default();
        for (place, judge) in self.judges.iter_mut().enumerate() {
            let mut ballot = Ballot::default();
            let verdict = judge.ask(trace, &mut ballot, now);
            votes.add(place, verdict, ballot);
            if verdict == Verdict::Dropped || (verdict == Verdict::Sampled && self.stops_at_first) {
                break;
            }
        }
        self.end(votes)
    }

    /// Decides on spans that have just come, where they settle the matter: the first policy that
    /// keeps or drops them does, and none keeps while a `drop` policy may match later spans.
    pub(super) fn decide_on_arrival(&mut self, trace: &TraceView<'_>, now: Now) -> Option<Decision> {
        let mut votes = Votes::default();
        let mut may_be_dropped = false;
        for (place, judge) in self.judges.iter_mut().enumerate() {
            if may_be_dropped && !judge.is_drop {
                return None;
            }
            let mut ballot = Ballot::default();
            let verdict = judge.ask(trace, &mut ballot, now);
            votes.add(place, verdict, ballot);
            match verdict {
                Verdict::Sampled | Verdict::Dropped => return Some(self.end(votes)),
                Verdict::Error => {}
                _ => may_be_dropped |= judge.is_drop,
            }
        }
        None
    }

    /// The decision on a trace that nothing kept while its spans came.
    pub(super) fn nothing_kept(&mut self) -> Decision {
        self.end(Votes::default())
    }

    fn end(&mut self, votes: Votes) -> Decision {
        let decision = votes.decide();
        self.decisions.count(decision.verdict, 1);
        decision
    }

    /// Adds what was counted to the metrics; the log is told of policies that failed.
    pub(super) fn report(&mut self) {
        for judge in &mut self.judges {
            judge.traces.report();
            judge.spans.iter_mut().for_each(Tally::report);
            let errors = std::mem::take(&mut judge.errors);
            if errors > 0 {
                self.evaluation_errors.inc_by(errors);
                tracing::warn!(policy = %judge.name, traces = errors, "a sampling policy failed on traces and was left out of their decisions");
            }
        }
        self.decisions.report();
    }
}

/// Verdicts of one trace, while they are gathered.
#[derive(Default)]
struct Votes {
    /// Which verdicts there were, a bit each.
    seen: u8,
    policies: PolicyVerdicts,
    /// What kept it, and what keeps it where nothing else objects.
    kept: Option<Vote>,
    kept_unless: Option<Vote>,
    choice: Option<Choice>,
}

/// The first policy that kept a trace, and the chance that this or one of the others would.
#[derive(Clone, Copy)]
struct Vote {
    policy: (u16, Option<u16>),
    chance: Chance,
    choice: Option<Choice>,
}

impl Votes {
    fn add(&mut self, place: usize, verdict: Verdict, ballot: Ballot) {
        self.seen |= 1 << verdict as u8;
        self.policies.set(place, remembered(verdict));
        self.choice = self.choice.or(ballot.choice);
        let vote = match verdict {
            Verdict::Sampled => &mut self.kept,
            Verdict::InvertSampled => &mut self.kept_unless,
            _ => return,
        };
        let Ballot { chance, choice, sub_policy } = ballot;
        *vote = Some(match *vote {
            None => Vote { policy: (place as u16, sub_policy), chance, choice },
            Some(vote) => Vote { chance: vote.chance.or(chance), choice: vote.choice.or(choice), ..vote },
        });
    }

    fn has(&self, verdict: Verdict) -> bool {
        self.seen & 1 << verdict as u8 != 0
    }

    /// The Collector's precedence: dropped, inverted not sampled, sampled, inverted sampled when
    /// no policy does not sample, not sampled.
    fn decide(self) -> Decision {
        let is_dropped = self.has(Verdict::Dropped);
        let kept = match () {
            () if is_dropped || self.has(Verdict::InvertNotSampled) => None,
            () if self.has(Verdict::Sampled) => self.kept,
            () if self.has(Verdict::NotSampled) => None,
            () => self.kept_unless,
        };
        Decision {
            verdict: if is_dropped { Verdict::Dropped } else { Verdict::kept_if(kept.is_some()) },
            chance: kept.map_or_else(Chance::default, |vote| vote.chance),
            policies: self.policies,
            kept_by: kept.map(|vote| vote.policy),
            choice: kept.and_then(|vote| vote.choice).or(self.choice),
        }
    }
}

fn remembered(verdict: Verdict) -> PolicyVerdict {
    match verdict {
        Verdict::Sampled => PolicyVerdict::Sampled,
        Verdict::NotSampled => PolicyVerdict::NotSampled,
        Verdict::Dropped => PolicyVerdict::Dropped,
        Verdict::InvertSampled => PolicyVerdict::InvertSampled,
        Verdict::InvertNotSampled => PolicyVerdict::InvertNotSampled,
        Verdict::Error => PolicyVerdict::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Dropped, Error, InvertNotSampled, InvertSampled, NotSampled, Sampled};

    fn decide(verdicts: &[Verdict]) -> Decision {
        let mut votes = Votes::default();
        for (place, verdict) in verdicts.iter().enumerate() {
            votes.add(place, *verdict, Ballot::default());
        }
        votes.decide()
    }

    #[test]
    fn precedence_is_that_of_the_collector() {
        for (verdicts, verdict, kept_by) in [
            (&[][..], NotSampled, None),
            (&[NotSampled], NotSampled, None),
            (&[Error], NotSampled, None),
            (&[NotSampled, Sampled], Sampled, Some(1)),
            (&[Error, Sampled], Sampled, Some(1)),
            (&[Sampled, Dropped], Dropped, None),
            (&[InvertNotSampled, Dropped], Dropped, None),
            (&[Sampled, InvertNotSampled], NotSampled, None),
            (&[InvertSampled], Sampled, Some(0)),
            (&[InvertSampled, Error], Sampled, Some(0)),
            (&[InvertSampled, NotSampled], NotSampled, None),
            (&[InvertSampled, NotSampled, Sampled], Sampled, Some(2)),
            (&[InvertSampled, InvertNotSampled], NotSampled, None),
        ] {
            let decision = decide(verdicts);
            let by = decision.kept_by.map(|(place, _)| place);
            assert_eq!((decision.verdict, by), (verdict, kept_by), "{verdicts:?}");
        }
    }

    #[test]
    fn the_chance_is_that_of_any_policy_that_kept() {
        let decide = |ballots: &[(Verdict, Chance)]| {
            let mut votes = Votes::default();
            for (place, (verdict, chance)) in ballots.iter().enumerate() {
                votes.add(place, *verdict, Ballot { chance: *chance, ..Ballot::default() });
            }
            votes.decide().chance
        };
        let (low, high) = (Chance::Threshold(1), Chance::Threshold(2));
        assert_eq!(decide(&[(Sampled, high), (Sampled, low)]), low);
        assert_eq!(decide(&[(Sampled, high), (NotSampled, low)]), high, "who did not keep has no part");
        assert_eq!(decide(&[(Sampled, high), (Sampled, Chance::Unknown)]), Chance::Unknown);
        assert_eq!(decide(&[(Sampled, high), (Sampled, Chance::Certain)]), Chance::Certain);
    }
}
