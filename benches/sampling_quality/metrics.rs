//! Every measure of one run: how much of what matters was kept, and whether what was kept still
//! tells of the whole.

use std::collections::{BTreeMap, HashMap, HashSet};

use tailwater::evaluation::{
    area_under_curve, average_precision, count_error, count_errors, coverage, faults_found, ks, precision, rate_error,
    recall, weighted_ks,
};

use crate::prepared::Prepared;
use crate::samplers::Verdicts;
use crate::stream::{Fault, Label, Trace};

/// Root operations with fewer traces are not looked at alone.
const GROUP_MIN: u64 = 200;
/// Nanoseconds after an injection in which its root cause is looked for.
const CAUSE_WINDOW: u64 = 180_000_000_000;

/// The measures, in the order of [`NAMES`]; NaN where one is not defined.
pub(crate) type Row = [f64; NAMES.len()];

/// Short names of the measures.
pub(crate) const NAMES: [&str; 19] = [
    "recall", "precis.", "fault@1", "fault@3", "shapes", "KS", "KS w.", "count", "by root", "kept/t.", "bytes",
    "explain", "RCA@1", "RCA@3", "AUC", "AP", "wait p50", "wait p99", "ns/span",
];

/// Places in a row that others ask for.
pub(crate) const RECALL: usize = 0;
pub(crate) const WEIGHTED_KS: usize = 6;
pub(crate) const RATE: usize = 9;
pub(crate) const AUC: usize = 14;

/// Measures of one run.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) row: Row,
    /// Recall by kind of fault, in the order of [`Prepared::kinds`].
    pub(crate) by_kind: Vec<f64>,
}

/// Measures one run, whose budget was in bytes or in traces.
pub(crate) fn measure(on: &Prepared, verdicts: &Verdicts, budget: f64, in_bytes: bool) -> Measured {
    Measured { row: row(on, verdicts, budget, in_bytes), by_kind: by_kind(on, &verdicts.kept) }
}

fn by_kind(on: &Prepared, kept: &[bool]) -> Vec<f64> {
    let kind = |trace: &Trace| match trace.label {
        Label::Affected(fault) => Some(on.stream.faults[fault as usize].kind.as_str()),
        _ => None,
    };
    let recall_of = |wanted: &String| {
        let labels: Vec<Option<bool>> =
            on.stream.traces.iter().map(|trace| kind(trace).filter(|kind| kind == wanted).map(|_| true)).collect();
        recall(&labels, kept).unwrap_or(f64::NAN)
    };
    on.kinds.iter().map(recall_of).collect()
}

fn row(on: &Prepared, verdicts: &Verdicts, budget: f64, in_bytes: bool) -> Row {
    let (labels, kept) = (on.stream.labels(), &verdicts.kept);
    let traces = kept.len();
    let fault = |trace: &Trace| if let Label::Affected(fault) = trace.label { Some(fault) } else { None };
    let faults: Vec<Option<u32>> = on.stream.traces.iter().map(fault).collect();
    let shapes: Vec<u64> = on.facts.iter().map(|facts| facts.shape).collect();
    let durations = on.stream.root_durations();
    let chosen = || (0..traces).filter(|trace| kept[*trace]);
    let plain: Vec<f64> = chosen().map(|trace| durations[trace]).collect();
    let weighted: Vec<(f64, f64)> = chosen().map(|trace| (durations[trace], verdicts.weights[trace])).collect();
    let groups: Vec<u64> = on.stream.traces.iter().map(|trace| trace.root().operation.into()).collect();
    let kept_bytes: u64 = chosen().map(|trace| on.bytes[trace]).sum();
    let all_bytes: u64 = on.bytes.iter().sum();
    let (taken, all) = if in_bytes { (kept_bytes, all_bytes) } else { (plain.len() as u64, traces as u64) };
    let scored = verdicts.scores.len() == traces;
    let [cause_1, cause_3] = causes(on, kept);
    let number = |value: Option<f64>| value.unwrap_or(f64::NAN);
    [
        number(recall(&labels, kept)),
        number(precision(&labels, kept)),
        number(faults_found(&faults, kept, 1)),
        number(faults_found(&faults, kept, 3)),
        number(coverage(&shapes, kept)),
        number(ks(&durations, &plain)),
        number(weighted_ks(&durations, &weighted)),
        number(count_error(&verdicts.weights, traces as u64)).abs(),
        number(count_errors(&groups, &verdicts.weights, GROUP_MIN).map(|errors| errors.mean)),
        number(rate_error(taken, budget * all as f64)),
        kept_bytes as f64 / all_bytes as f64,
        explained(on, verdicts),
        cause_1,
        cause_3,
        number(area_under_curve(&labels, &verdicts.scores).filter(|_| scored)),
        number(average_precision(&labels, &verdicts.scores).filter(|_| scored)),
        number(quantile(&verdicts.waits, 0.5)),
        number(quantile(&verdicts.waits, 0.99)),
        number(verdicts.nanos_per_span),
    ]
}

/// The value below which this share is.
fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(((sorted.len().max(1) - 1) as f64 * share) as usize).copied()
}

/// Share of the kept affected traces of which the blamed operation is on the faulty service, or
/// calls it.
fn explained(on: &Prepared, verdicts: &Verdicts) -> f64 {
    let (mut right, mut all) = (0.0, 0.0);
    let blamed = verdicts.blamed.iter().zip(&verdicts.kept);
    for (trace, (blamed, kept)) in on.stream.traces.iter().zip(blamed) {
        let (Label::Affected(fault), Some((service, operation)), true) = (trace.label, blamed, kept) else { continue };
        let fault = &on.stream.faults[fault as usize];
        all += 1.0;
        if *service == fault.service || calls(on, trace, (service, operation), fault) {
            right += 1.0;
        }
    }
    right / all
}

/// Whether a span of the operation has a child on the faulty service.
fn calls(on: &Prepared, trace: &Trace, blamed: (&str, &str), fault: &Fault) -> bool {
    let operation = |number: u32| &on.stream.operations[number as usize];
    let is_blamed = |number: u32| operation(number).service == blamed.0 && operation(number).name == blamed.1;
    let callers: HashSet<u64> =
        trace.spans.iter().filter(|span| is_blamed(span.operation)).map(|span| span.id).collect();
    trace.spans.iter().any(|span| callers.contains(&span.parent) && operation(span.operation).service == fault.service)
}

/// Share of the faults whose service is on the first, or one of the first three, edges between
/// services by the excess of the kept traces after the injection.
fn causes(on: &Prepared, kept: &[bool]) -> [f64; 2] {
    let (mut first, mut third, mut all) = (0.0, 0.0, 0.0);
    let shown: HashSet<u32> = on
        .stream
        .traces
        .iter()
        .filter_map(|trace| match trace.label {
            Label::Affected(fault) => Some(fault),
            _ => None,
        })
        .collect();
    for (_, fault) in on.stream.faults.iter().enumerate().filter(|(number, _)| shown.contains(&(*number as u32))) {
        let mut edges: BTreeMap<(&str, &str), f64> = BTreeMap::new();
        for (place, trace) in on.stream.traces.iter().enumerate().filter(|(place, _)| kept[*place]) {
            let start = trace.root().start;
            if (fault.inject..fault.inject + CAUSE_WINDOW).contains(&start) {
                add_edges(on, place, trace, &mut edges);
            }
        }
        let mut ranked: Vec<_> = edges.into_iter().collect();
        ranked.sort_by(|left, right| right.1.total_cmp(&left.1));
        let is_on = |edge: &((&str, &str), f64)| edge.0.0 == fault.service || edge.0.1 == fault.service;
        all += 1.0;
        first += f64::from(u8::from(ranked.first().is_some_and(is_on)));
        third += f64::from(u8::from(ranked.iter().take(3).any(is_on)));
    }
    [first / all, third / all]
}

fn add_edges<'a>(on: &'a Prepared, place: usize, trace: &Trace, edges: &mut BTreeMap<(&'a str, &'a str), f64>) {
    let service = |operation: u32| on.stream.operations[operation as usize].service.as_str();
    let services: HashMap<u64, &str> = trace.spans.iter().map(|span| (span.id, service(span.operation))).collect();
    for (span, excess) in &on.excesses[place] {
        let span = &trace.spans[*span];
        let caller = services.get(&span.parent).copied().unwrap_or("");
        *edges.entry((caller, service(span.operation))).or_default() += excess;
    }
}
