//! Two runs over one recording: what the second one gains and loses against the first.

use serde::Serialize;

use super::report::slowest;
use super::{Labels, Recording, Run};
use crate::model::{Class, TraceId};

/// Ids of traces that are named a side.
const EXAMPLES_MAX: usize = 10;

/// What differs between two runs.
#[derive(Clone, Debug, Serialize)]
pub struct Versus {
    /// All traces first, then parts of them, which overlap.
    pub rows: Vec<VersusRow>,
    /// Traces that only the second run keeps, the telling ones first.
    pub gained: Vec<Side>,
    /// Traces that only the first run keeps, the telling ones first.
    pub lost: Vec<Side>,
}

/// A part of the traces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VersusRow {
    /// Which part.
    pub what: String,
    /// Traces of it.
    pub traces: u64,
    /// Those that both runs keep.
    pub both: u64,
    /// Those that only the second run keeps.
    pub gained: u64,
    /// Those that only the first run keeps.
    pub lost: u64,
}

/// A trace that one run keeps and the other does not.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// Its id.
    #[serde(serialize_with = "as_text")]
    pub id: TraceId,
    /// Its duration in milliseconds.
    pub duration_ms: f64,
    /// What it belongs to, of the parts that are not all traces.
    pub what: Vec<String>,
}

fn as_text<S: serde::Serializer>(id: &TraceId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

/// A part of the traces: its name, and whether a trace belongs to it.
type Part<'a> = (String, Box<dyn Fn(usize) -> bool + 'a>);

impl Versus {
    /// Compares `second` with `first`.
    pub fn of(recording: &Recording, first: &Run, second: &Run, labels: Option<&Labels>) -> Self {
        let parts = parts(recording, first, second, labels);
        let count = |is: &dyn Fn(usize) -> bool| (0..recording.traces.len()).filter(|trace| is(*trace)).count() as u64;
        let row = |(what, belongs): &Part<'_>| VersusRow {
            what: what.clone(),
            traces: count(belongs),
            both: count(&|trace| belongs(trace) && first.is_kept(trace) && second.is_kept(trace)),
            gained: count(&|trace| belongs(trace) && !first.is_kept(trace) && second.is_kept(trace)),
            lost: count(&|trace| belongs(trace) && first.is_kept(trace) && !second.is_kept(trace)),
        };
        let rows = parts.iter().map(row).filter(|row| row.traces > 0).collect();
        let examples = |only: &Run, other: &Run| examples(recording, &parts[1..], only, other);
        Self { rows, gained: examples(second, first), lost: examples(first, second) }
    }
}

fn parts<'a>(recording: &'a Recording, first: &'a Run, second: &'a Run, labels: Option<&Labels>) -> Vec<Part<'a>> {
    let slow = slowest(recording);
    let mut parts: Vec<Part<'a>> = vec![
        ("all traces".to_owned(), Box::new(|_| true)),
        ("with errors".to_owned(), Box::new(|trace| recording.traces[trace].has_error)),
        ("slowest 1 %".to_owned(), Box::new(move |trace| slow[trace])),
    ];
    if let Some(labels) = labels {
        let matters = labels.of(recording).matters;
        parts.insert(1, ("labelled".to_owned(), Box::new(move |trace| matters[trace] == Some(true))));
    }
    for class in [Class::Error, Class::Anomaly, Class::NewOperation, Class::NewShape, Class::Baseline] {
        let class_in = move |run: &Run, trace: usize| run.decision(trace)?.finding.as_ref()?.class;
        // One run may have no adaptive policy; what the other one found counts then.
        let is = move |trace| class_in(first, trace).or_else(|| class_in(second, trace)) == Some(class);
        parts.push((format!("class {}", class.as_str()), Box::new(is)));
    }
    parts
}

/// Traces that one run alone keeps: those of the most parts first, then the slowest.
fn examples(recording: &Recording, parts: &[Part<'_>], only: &Run, other: &Run) -> Vec<Side> {
    let traces = (0..recording.traces.len()).filter(|trace| only.is_kept(*trace) && !other.is_kept(*trace));
    let belongs = |trace: usize| parts.iter().filter(|(_, belongs)| belongs(trace)).count();
    let mut ranked: Vec<(usize, u64, usize)> =
        traces.map(|trace| (belongs(trace), recording.traces[trace].duration_nanos(), trace)).collect();
    ranked.sort_by(|left, right| (right.0, right.1).cmp(&(left.0, left.1)).then(left.2.cmp(&right.2)));
    let side = |(_, nanos, trace): (usize, u64, usize)| Side {
        id: recording.traces[trace].id,
        duration_ms: nanos as f64 / 1e6,
        what: parts.iter().filter(|(_, belongs)| belongs(trace)).map(|(what, _)| what.clone()).collect(),
    };
    ranked.into_iter().take(EXAMPLES_MAX).map(side).collect()
}
