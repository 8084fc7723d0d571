//! What a run kept, as figures: by policy and class, what it finds, and how true the rest is to
//! what it was drawn from. The arithmetic is that of `evaluation`.

use serde::Serialize;

use super::culprits::callers;
use super::labels::Labelled;
use super::{Labels, Recording, Run};
use crate::evaluation as measure;
use crate::model::{Class, Finding, Outcome, PolicyVerdict};

/// Share of the traces that count as the slowest.
const SLOWEST: f64 = 0.01;
/// Share of the kept traces whose probability may be unknown before an estimate says nothing.
const UNKNOWN_MAX: f64 = 0.01;
/// Root operations with fewer traces have no count that could be judged.
const GROUP_MIN: u64 = 30;

/// Everything that a replay has to say.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What came in.
    pub input: Totals,
    /// What came out.
    pub kept: Totals,
    /// What came in, estimated from what came out by the recorded probabilities: traces and spans.
    /// Nothing when the probability of more than a hundredth of the kept traces is not known.
    pub estimate: Option<(f64, f64)>,
    /// Kept traces whose probability is not known; each would count as itself in an estimate.
    pub unknown_chances: u64,
    /// Kept traces against `--target`: 0.05 for a twentieth too much.
    pub rate_error: Option<f64>,
    /// Spans that processors refused.
    pub refused_spans: u64,
    /// Spans that were dropped, by reason.
    pub dropped_spans: std::collections::BTreeMap<&'static str, u64>,
    /// Traces by what became of them.
    pub outcomes: std::collections::BTreeMap<&'static str, u64>,
    /// By policy.
    pub policies: Vec<PolicyRow>,
    /// By the class of an adaptive policy.
    pub classes: Vec<ClassRow>,
    /// What was found of what matters.
    pub detection: Detection,
    /// How true the kept traces are to all.
    pub fidelity: Fidelity,
}

/// Sums over traces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Traces.
    pub traces: u64,
    /// Spans.
    pub spans: u64,
    /// Bytes of the spans' messages.
    pub bytes: u64,
}

/// What one policy keeps.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyRow {
    /// The processor's id.
    pub processor: String,
    /// Name of the policy.
    pub policy: String,
    /// Kept traces that it votes for.
    pub kept: Totals,
    /// Kept traces that no other policy votes for.
    pub alone: u64,
}

/// What an adaptive policy made of traces.
#[derive(Clone, Debug, Serialize)]
pub struct ClassRow {
    /// The class.
    pub class: &'static str,
    /// Traces of the class.
    pub traces: u64,
    /// Those that were kept.
    pub kept: u64,
}

/// Part of a whole.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Found {
    /// How many were kept.
    pub kept: u64,
    /// Of how many.
    pub of: u64,
    /// Their ratio; nothing of nothing.
    pub recall: Option<f64>,
}

/// What was found of what matters.
#[derive(Clone, Debug, Serialize)]
pub struct Detection {
    /// Traces with a span of status `ERROR`.
    pub errors: Found,
    /// The slowest hundredth by the duration of the root.
    pub slowest: Found,
    /// Share of the distinct trace shapes of which one was kept, where a detector runs.
    pub shape_coverage: Option<f64>,
    /// By labels, where there are any.
    pub labels: Option<LabelMeasures>,
}

/// Measures by labels; see `evaluation`.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are those of the measures")]
pub struct LabelMeasures {
    pub affected: u64,
    pub others: u64,
    pub left_out: u64,
    pub recall: Option<f64>,
    pub precision: Option<f64>,
    pub faults: u64,
    pub fault_at_1: Option<f64>,
    pub fault_at_3: Option<f64>,
    /// Of the recorded score over all traces, kept or not, where a detector runs.
    pub auc: Option<f64>,
    pub average_precision: Option<f64>,
    /// Kept affected traces whose operation with the largest excess is of the culprit's service
    /// or calls it, of those that have such an operation and a culprit.
    pub explained: Option<Found>,
    /// Those of them in which it is of the culprit's service itself.
    pub explained_exactly: Option<Found>,
}

/// How true the kept traces are to all.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Fidelity {
    /// Kolmogorov-Smirnov distance of root durations, every kept trace counting once.
    pub ks: Option<f64>,
    /// The same with adjusted counts; this and what follows only where there is an estimate.
    pub weighted_ks: Option<f64>,
    /// Sum of the adjusted counts against the truth.
    pub count_error: Option<f64>,
    /// The same by root operation: mean of the absolute errors, weighed by traffic.
    pub operation_count_error: Option<f64>,
    /// Root operations that are large enough to be judged.
    pub operations: usize,
}

impl Totals {
    pub(super) fn add(&mut self, spans: u64, bytes: u64) {
        self.traces += 1;
        self.spans += spans;
        self.bytes += bytes;
    }
}

impl Found {
    pub(super) fn of(kept: usize, of: usize) -> Self {
        Self { kept: kept as u64, of: of as u64, recall: measure::share(kept, of) }
    }
}

impl Report {
    /// Sums up a run. `target` is the share of traces that was to be kept.
    pub fn of(recording: &Recording, run: &Run, labels: Option<&Labels>, target: Option<f64>) -> Self {
        let traces = recording.traces.len();
        let is_kept: Vec<bool> = (0..traces).map(|trace| run.is_kept(trace)).collect();
        let weights = weights(run, &is_kept);
        let mut kept = Totals::default();
        let kept_traces = run.kept.iter().filter(|kept| kept.spans > 0);
        kept_traces.for_each(|one| kept.add(one.spans.into(), one.bytes));
        let known: Vec<f64> = weights.iter().map(|weight| weight.unwrap_or(1.0)).collect();
        let spans = recording.traces.iter().zip(&known).map(|(trace, weight)| f64::from(trace.spans) * weight);
        let estimate = (known.iter().sum(), spans.sum());
        let unknown = weights.iter().filter(|weight| weight.is_none()).count() as u64;
        let can_estimate = unknown as f64 <= UNKNOWN_MAX * kept.traces as f64;
        Self {
            input: Totals { traces: traces as u64, spans: recording.spans, bytes: recording.bytes },
            kept,
            estimate: can_estimate.then_some(estimate),
            unknown_chances: unknown,
            rate_error: target.and_then(|target| measure::rate_error(kept.traces, target * traces as f64)),
            refused_spans: run.refused_spans,
            dropped_spans: run.dropped.clone(),
            outcomes: outcomes(run),
            policies: policies(recording, run),
            classes: classes(run, &is_kept),
            detection: detection(recording, run, &is_kept, labels),
            fidelity: fidelity(recording, &is_kept, can_estimate.then_some(&known)),
        }
    }
}

/// The adjusted count of each trace: 0 for one that was not kept, `None` where the probability of
/// a kept one is not known.
fn weights(run: &Run, is_kept: &[bool]) -> Vec<Option<f64>> {
    let weight = |(trace, kept): (usize, &bool)| match (*kept, run.decision(trace)) {
        (false, _) => Some(0.0),
        (true, None) => None,
        (true, Some(record)) => record.chance.probability().filter(|chance| *chance > 0.0).map(|chance| 1.0 / chance),
    };
    is_kept.iter().enumerate().map(weight).collect()
}

fn outcomes(run: &Run) -> std::collections::BTreeMap<&'static str, u64> {
    let mut outcomes = std::collections::BTreeMap::new();
    for decision in &run.decisions {
        let word = decision.as_ref().map_or("undecided", |(_, record)| record.outcome.as_str());
        *outcomes.entry(word).or_default() += 1;
    }
    outcomes
}

fn policies(recording: &Recording, run: &Run) -> Vec<PolicyRow> {
    let mut rows: Vec<Vec<PolicyRow>> = run
        .samplers
        .iter()
        .map(|sampler| {
            let row = |policy: &String| PolicyRow {
                processor: sampler.id.clone(),
                policy: policy.clone(),
                kept: Totals::default(),
                alone: 0,
            };
            sampler.policies.iter().map(row).collect()
        })
        .collect();
    for (trace, decision) in recording.traces.iter().zip(&run.decisions) {
        let Some((sampler, record)) = decision.as_ref().filter(|(_, record)| record.outcome == Outcome::Sampled) else {
            continue;
        };
        let Some(rows) = rows.get_mut(*sampler) else { continue };
        let votes =
            |place: usize| matches!(record.policies.of(place), PolicyVerdict::Sampled | PolicyVerdict::InvertSampled);
        let is_alone = (0..rows.len()).filter(|place| votes(*place)).count() == 1;
        for (_, row) in rows.iter_mut().enumerate().filter(|(place, _)| votes(*place)) {
            row.kept.add(trace.spans.into(), trace.bytes);
            row.alone += u64::from(is_alone);
        }
    }
    rows.into_iter().flatten().collect()
}

fn findings(run: &Run) -> impl Iterator<Item = Option<&Finding>> {
    run.decisions.iter().map(|decision| decision.as_ref().and_then(|(_, record)| record.finding.as_deref()))
}

fn classes(run: &Run, is_kept: &[bool]) -> Vec<ClassRow> {
    const ALL: [Class; 5] = [Class::Error, Class::Anomaly, Class::NewOperation, Class::NewShape, Class::Baseline];
    let of = |class: Class| {
        let own = findings(run).zip(is_kept).filter(|(finding, _)| finding.is_some_and(|one| one.class == Some(class)));
        let (traces, kept) = own.fold((0, 0), |(traces, kept), (_, is)| (traces + 1, kept + u64::from(*is)));
        ClassRow { class: class.as_str(), traces, kept }
    };
    ALL.into_iter().map(of).filter(|row| row.traces > 0).collect()
}

/// Which traces are among the slowest.
pub(super) fn slowest(recording: &Recording) -> Vec<bool> {
    let durations: Vec<Option<u64>> = recording.traces.iter().map(|trace| Some(trace.duration_nanos())).collect();
    measure::slowest(&durations, SLOWEST)
}

fn detection(recording: &Recording, run: &Run, is_kept: &[bool], labels: Option<&Labels>) -> Detection {
    let found = |is: &dyn Fn(usize) -> bool| {
        let wanted = (0..is_kept.len()).filter(|trace| is(*trace));
        let (kept, of) = wanted.fold((0, 0), |(kept, of), trace| (kept + usize::from(is_kept[trace]), of + 1));
        Found::of(kept, of)
    };
    let slowest = slowest(recording);
    let shapes: Option<Vec<u64>> = findings(run).map(|finding| finding.map(|finding| finding.shape)).collect();
    Detection {
        errors: found(&|trace| recording.traces[trace].has_error),
        slowest: found(&|trace| slowest[trace]),
        shape_coverage: shapes.and_then(|shapes| measure::coverage(&shapes, is_kept)),
        labels: labels.map(|labels| by_labels(recording, run, is_kept, &labels.of(recording))),
    }
}

fn by_labels(recording: &Recording, run: &Run, is_kept: &[bool], labelled: &Labelled<'_>) -> LabelMeasures {
    let Labelled { matters, faults, .. } = labelled;
    let count = |wanted: Option<bool>| matters.iter().filter(|label| **label == wanted).count() as u64;
    let scores: Vec<f64> = findings(run).map(|finding| finding.map_or(0.0, |one| one.excess_nanos as f64)).collect();
    let has_scores = findings(run).any(|finding| finding.is_some());
    let mut shown: Vec<u32> = faults.iter().flatten().copied().collect();
    shown.sort_unstable();
    shown.dedup();
    let (explained, explained_exactly) = explained(recording, run, is_kept, labelled);
    LabelMeasures {
        affected: count(Some(true)),
        others: count(Some(false)),
        left_out: count(None),
        recall: measure::recall(matters, is_kept),
        precision: measure::precision(matters, is_kept),
        faults: shown.len() as u64,
        fault_at_1: measure::faults_found(faults, is_kept, 1),
        fault_at_3: measure::faults_found(faults, is_kept, 3),
        auc: measure::area_under_curve(matters, &scores).filter(|_| has_scores),
        average_precision: measure::average_precision(matters, &scores).filter(|_| has_scores),
        explained,
        explained_exactly,
    }
}

/// How many explanations point at the culprit or at who calls it, and how many at it alone.
fn explained(
    recording: &Recording,
    run: &Run,
    is_kept: &[bool],
    labelled: &Labelled<'_>,
) -> (Option<Found>, Option<Found>) {
    let pointed = |trace: usize| {
        let finding = run.decision(trace)?.finding.as_deref()?;
        finding.operation.as_deref().filter(|_| is_kept[trace] && finding.excess_nanos > 0)
    };
    let culprit_of =
        |trace: usize| labelled.culprits.get(trace).copied().flatten().filter(|_| pointed(trace).is_some());
    let traces: Vec<usize> = (0..is_kept.len()).filter(|trace| culprit_of(*trace).is_some()).collect();
    if traces.is_empty() {
        return (None, None);
    }
    let callers = callers(recording, &culprit_of);
    let (mut right, mut exact) = (0, 0);
    for trace in &traces {
        let (Some(operation), Some(culprit)) = (pointed(*trace), culprit_of(*trace)) else { continue };
        let is_culprit = &*operation.service == culprit;
        let key = (operation.service.to_string(), operation.name.to_string());
        let calls_it = callers.get(trace).is_some_and(|callers| callers.contains(&key));
        exact += usize::from(is_culprit);
        right += usize::from(is_culprit || calls_it);
    }
    (Some(Found::of(right, traces.len())), Some(Found::of(exact, traces.len())))
}

/// `weights` are there when they are known.
fn fidelity(recording: &Recording, is_kept: &[bool], weights: Option<&Vec<f64>>) -> Fidelity {
    let durations: Vec<f64> = recording.traces.iter().map(|trace| trace.duration_nanos() as f64).collect();
    let kept = || (0..durations.len()).filter(|trace| is_kept[*trace]);
    let plain: Vec<f64> = kept().map(|trace| durations[trace]).collect();
    let by_weight = weights.map(|weights| {
        let weighted: Vec<(f64, f64)> = kept().map(|trace| (durations[trace], weights[trace])).collect();
        let roots = recording.traces.iter().zip(weights).filter_map(|(trace, weight)| Some((trace.root?, *weight)));
        let (groups, group_weights): (Vec<u64>, Vec<f64>) =
            roots.map(|(root, weight)| (u64::from(root.operation), weight)).unzip();
        let errors = measure::count_errors(&groups, &group_weights, GROUP_MIN);
        let total = measure::count_error(weights, durations.len() as u64);
        (measure::weighted_ks(&durations, &weighted), total, errors)
    });
    let (weighted_ks, count_error, errors) = by_weight.unwrap_or_default();
    Fidelity {
        ks: measure::ks(&durations, &plain),
        weighted_ks,
        count_error,
        operation_count_error: errors.map(|errors| errors.mean),
        operations: errors.map_or(0, |errors| errors.groups),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::model::{Chance, DecisionRecord, Operation, PolicyVerdicts, TraceId, Trigger, UnixNanos};
    use crate::replay::{Kept, Sampler};
    use crate::testing::request_of;

    fn finding(excess_nanos: u64, service: &str, shape: u64) -> Option<Box<Finding>> {
        let operation = Operation { service: service.into(), name: "op".into(), kind: 2 };
        Some(Box::new(Finding {
            class: Some(if excess_nanos > 0 { Class::Anomaly } else { Class::Baseline }),
            excess_nanos,
            tau_nanos: Some(1),
            operation: Some(Arc::new(operation)),
            caller: None,
            observed_nanos: excess_nanos,
            expected_nanos: 1,
            samples: 99,
            reference_age: Duration::ZERO,
            share: 0.5,
            root: None,
            shape,
            probabilities: [0.0; 3],
        }))
    }

    fn record(trace: u8, verdicts: &[PolicyVerdict], chance: Chance, finding: Option<Box<Finding>>) -> DecisionRecord {
        let mut policies = PolicyVerdicts::default();
        verdicts.iter().enumerate().for_each(|(place, verdict)| policies.set(place, *verdict));
        let is_sampled = verdicts.contains(&PolicyVerdict::Sampled);
        DecisionRecord {
            trace_id: TraceId([trace; 16]),
            decided: UnixNanos(0),
            waited: Duration::ZERO,
            outcome: if is_sampled { Outcome::Sampled } else { Outcome::NotSampled },
            trigger: Trigger::DecisionWait,
            chance,
            spans: 1,
            bytes: 1,
            duration_nanos: 1,
            statuses: 1,
            policies,
            finding,
        }
    }

    /// Four traces of one span each: kept by both policies, by the second alone with a chance of a
    /// half, dropped, kept by the first alone.
    fn case(last: Chance) -> (Recording, Run) {
        use PolicyVerdict::{NotSampled as No, Sampled as Yes};
        let recording = Recording::of(vec![request_of(&[1, 2, 3, 4])]).unwrap();
        let mut run = Run::new(4);
        run.samplers = vec![Sampler { id: "tail_sampling".into(), policies: vec!["a".into(), "b".into()] }];
        let half = Chance::Threshold(1 << 55);
        let cases = [
            (1, [Yes, Yes], Chance::Certain, 50),
            (2, [No, Yes], half, 0),
            (3, [No, No], half, 70),
            (4, [Yes, No], last, 0),
        ];
        for (trace, verdicts, chance, excess) in cases {
            let record = record(trace, &verdicts, chance, finding(excess, "cart", u64::from(trace.min(2))));
            if record.outcome == Outcome::Sampled {
                run.kept[usize::from(trace) - 1] = Kept { spans: 1, bytes: 10 };
            }
            run.decided(&recording, 0, record);
        }
        (recording, run)
    }

    #[test]
    fn policies_have_what_they_vote_for_and_what_they_keep_alone() {
        let (recording, run) = case(Chance::Certain);
        let report = Report::of(&recording, &run, None, Some(0.5));
        let rows: Vec<_> =
            report.policies.iter().map(|row| (row.policy.as_str(), row.kept.traces, row.alone)).collect();
        assert_eq!(rows, [("a", 2, 1), ("b", 2, 1)]);
        assert_eq!((report.kept.traces, report.rate_error), (3, Some(0.5)));
        assert_eq!(report.outcomes, [("not_sampled", 1), ("sampled", 3)].into());
        let classes: Vec<_> = report.classes.iter().map(|row| (row.class, row.traces, row.kept)).collect();
        assert_eq!(classes, [("anomaly", 2, 1), ("baseline", 2, 2)]);
        assert_eq!(report.detection.shape_coverage, Some(1.0));
    }

    #[test]
    fn what_came_in_is_estimated_by_the_chances_where_they_are_known() {
        let (recording, run) = case(Chance::Certain);
        let report = Report::of(&recording, &run, None, None);
        assert_eq!((report.estimate, report.fidelity.count_error), (Some((4.0, 4.0)), Some(0.0)));
        let (recording, run) = case(Chance::Unknown);
        let report = Report::of(&recording, &run, None, None);
        assert_eq!((report.estimate, report.unknown_chances), (None, 1));
        assert!(report.fidelity.count_error.is_none() && report.fidelity.weighted_ks.is_none());
        assert!(report.fidelity.ks.is_some());
    }

    #[test]
    fn labels_judge_what_is_kept_the_score_and_the_explanation() {
        let (recording, run) = case(Chance::Certain);
        let mut labels = Labels::default();
        let row = |trace: u8, rest: &str| format!("{},{rest}\n", TraceId([trace; 16]));
        let rows = [row(1, "1,5,cart"), row(2, "0,,"), row(3, "1,6,cart"), row(4, "0,,")].concat();
        labels.add("x", &Bytes::from(format!("trace_id,label,fault,culprit\n{rows}"))).unwrap();
        let report = Report::of(&recording, &run, Some(&labels), None);
        let found = report.detection.labels.unwrap();
        assert_eq!((found.affected, found.others, found.left_out, found.faults), (2, 2, 0, 2));
        assert_eq!((found.recall, found.precision), (Some(0.5), Some(1.0 / 3.0)));
        assert_eq!((found.fault_at_1, found.fault_at_3), (Some(0.5), Some(0.0)));
        assert_eq!((found.auc, found.average_precision), (Some(1.0), Some(1.0)));
        assert_eq!(found.explained, Some(Found { kept: 1, of: 1, recall: Some(1.0) }));
        assert_eq!(found.explained_exactly, found.explained);
    }

    #[test]
    fn the_word_of_a_later_sampler_and_of_one_that_keeps_counts() {
        use PolicyVerdict::{NotSampled as No, Sampled as Yes};
        let recording = Recording::of(vec![request_of(&[1])]).unwrap();
        let mut run = Run::new(1);
        let mut outcome_after = |sampler: usize, verdict: PolicyVerdict| {
            run.decided(&recording, sampler, record(1, &[verdict], Chance::Certain, None));
            run.decision(0).map(|record| record.outcome)
        };
        assert_eq!(outcome_after(0, No), Some(Outcome::NotSampled));
        assert_eq!(outcome_after(0, Yes), Some(Outcome::Sampled));
        assert_eq!(outcome_after(0, No), Some(Outcome::Sampled));
        assert_eq!(outcome_after(1, No), Some(Outcome::NotSampled));
    }
}
