//! From the runs of kept traces to batches.

use super::notes::{Notes, PolicyNames};
use super::requests::Requests;
use super::trace::{NONE, Run};
use crate::model::{Batch, Chance, Finding, Part, Rows, Signal};
use crate::pipeline::Output;
use crate::wire;

/// Spans after which a batch of kept traces is closed: enough to share the cost of a batch, few
/// enough that a following `batch` does not overshoot its size by much.
const SPANS_PER_BATCH: u64 = 1_024;

/// What is written on the spans of a kept trace.
#[derive(Clone, Debug, Default)]
pub(super) struct Note {
    /// `ot=th` for every span: the threshold, or none where the chance is not known. A span that
    /// came with a higher threshold keeps it.
    pub(super) chance: Option<Chance>,
    /// Becomes `tailwater.` attributes of the root; of the first span where there is no root.
    pub(super) finding: Option<Box<Finding>>,
    /// The policy that kept the trace and its sub-policy, for the scope's attributes.
    pub(super) policy: Option<(u16, Option<u16>)>,
    /// Whether a decision cache kept it, for the scope's attributes.
    pub(super) is_cached: bool,
    /// Whether no span of it has a `tracestate`, so that none need be looked for.
    pub(super) lacks_trace_state: bool,
}

/// A run that leaves, and its place among the notes, or `NONE`.
#[derive(Clone, Copy)]
struct Leaving {
    run: Run,
    note: u32,
}

/// Runs that leave, while they are gathered.
pub(super) struct Kept {
    runs: Vec<Leaving>,
    notes: Vec<Note>,
    spans: u64,
    rows: Vec<u32>,
    /// Names of the policies in the order of their evaluation, where scopes are to say them.
    policies: Option<PolicyNames>,
    /// The note of each row and of each part of the batch at hand.
    row_notes: Vec<u32>,
    part_notes: Vec<u32>,
    /// The row of each note that its finding is written on, in the order of the batch; or `NONE`.
    leads: Vec<u32>,
}

impl Kept {
    /// Nothing yet. `policies` are named on the scopes of what they keep.
    pub(super) fn new(policies: Option<PolicyNames>) -> Self {
        Self {
            runs: Vec::new(),
            notes: Vec::new(),
            spans: 0,
            rows: Vec::new(),
            policies,
            row_notes: Vec::new(),
            part_notes: Vec::new(),
            leads: Vec::new(),
        }
    }

    fn note(&mut self, note: Option<Note>) -> u32 {
        let Some(note) = note else { return NONE };
        self.notes.push(note);
        self.notes.len() as u32 - 1
    }

    /// Adds late spans, whose request may not be complete yet: no batch is closed by them.
    pub(super) fn push_late(&mut self, run: Run, note: Option<Note>) {
        let note = self.note(note);
        self.runs.push(Leaving { run, note });
        self.spans += u64::from(run.end - run.start);
    }

    /// Adds the runs of a whole trace, which they take out of `runs`; closes a full batch.
    pub(super) fn push(&mut self, runs: &mut Vec<Run>, note: Option<Note>, requests: &mut Requests, out: &mut Output) {
        let note = self.note(note);
        self.spans += runs.iter().map(|run| u64::from(run.end - run.start)).sum::<u64>();
        self.runs.extend(runs.drain(..).map(|run| Leaving { run, note }));
        if self.spans >= SPANS_PER_BATCH {
            self.close(requests, out);
        }
    }

    /// Makes a batch of what was gathered, in the order of its arrival, one part a request and,
    /// where scopes are to say it, policy; lets go of the runs.
    pub(super) fn close(&mut self, requests: &mut Requests, out: &mut Output) {
        if self.runs.is_empty() {
            return;
        }
        let batch = self.batch(requests);
        let batch = if self.notes.is_empty() {
            batch
        } else {
            let Self { notes, row_notes: rows, part_notes: parts, leads, policies, .. } = &*self;
            Notes { notes, rows, parts, leads, policies: policies.as_ref() }.write(&batch)
        };
        self.runs.drain(..).for_each(|leaving| requests.release(leaving.run.request));
        self.notes.clear();
        self.spans = 0;
        out.push(thin(batch));
    }

    fn batch(&mut self, requests: &Requests) -> Batch {
        let Self { runs, notes, rows, policies, row_notes, part_notes, leads, .. } = self;
        let scope = |leaving: &Leaving| {
            let note = notes.get(leaving.note as usize).filter(|_| policies.is_some());
            note.map(|note| (note.policy, note.is_cached))
        };
        runs.sort_unstable_by_key(|leaving| {
            let (request, row) = requests.order(&leaving.run);
            (request, scope(leaving), row)
        });
        row_notes.clear();
        part_notes.clear();
        leads.clear();
        leads.resize(notes.len(), NONE);
        let mut has_root = vec![false; notes.len()];
        let has_finding = |note: u32| notes.get(note as usize).is_some_and(|note| note.finding.is_some());
        let mut batch = Batch::new(Signal::Traces);
        let is_one_part =
            |left: &Leaving, right: &Leaving| left.run.request == right.run.request && scope(left) == scope(right);
        for runs in runs.chunk_by(is_one_part) {
            let Some(request) = requests.request(runs[0].run.request) else { continue };
            for Leaving { run, note } in runs {
                // The first root, or else the first span.
                if has_finding(*note) {
                    let (lead, place) = (&mut leads[*note as usize], row_notes.len() as u32);
                    match requests.root_in(*run) {
                        Some(root) if !std::mem::replace(&mut has_root[*note as usize], true) => {
                            *lead = place + root - run.start;
                        }
                        _ => *lead = (*lead).min(place),
                    }
                }
                row_notes.resize(row_notes.len() + (run.end - run.start) as usize, *note);
            }
            part_notes.push(runs[0].note);
            let rows = match runs {
                [Leaving { run, .. }] => Rows::Range { start: run.start, end: run.end },
                _ => {
                    rows.clear();
                    rows.extend(runs.iter().flat_map(|leaving| leaving.run.start..leaving.run.end));
                    Rows::from_sorted(rows)
                }
            };
            batch.push(Part { request: request.clone(), rows });
        }
        batch
    }
}

/// Copies the spans out where they keep more than twice their own bytes alive, or wait without
/// the columns that others downstream may read.
fn thin(batch: Batch) -> Batch {
    let has_columns = batch.parts().iter().all(|part| part.request.index().has_columns());
    if has_columns && batch.held_bytes() <= 2 * batch.selected_bytes() {
        return batch;
    }
    wire::compact(batch)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use prost::Message as _;

    use super::super::config::Config;
    use super::super::policy::{PolicyConfig, PolicyKind};
    use super::*;
    use crate::testing::request_of;
    use crate::wire::encode;

    /// What leaves when rows 0 and 2 have one note, row 1 another and row 3 none: for each scope
    /// its attributes and the `tracestate` of its spans.
    fn leave(names_policies: bool) -> Vec<(usize, Vec<String>)> {
        let policy = |name: &str| PolicyConfig { name: name.to_owned(), kind: PolicyKind::AlwaysSample };
        let config = Config { policies: vec![policy("a"), policy("b")], ..Config::default() };
        let mut kept = Kept::new(names_policies.then(|| PolicyNames::of(&config)));
        let (mut requests, mut out) = (Requests::new(), Output::new());
        let place = requests.reserve();
        let run = |row| Run { request: place, start: row, end: row + 1 };
        (0..4).for_each(|_| requests.retain(place));
        requests.settle(place, request_of(&[1, 2, 1, 3]).without_columns().into(), None);
        let note = |policy, threshold| Note {
            policy: Some((policy, None)),
            chance: Some(Chance::Threshold(threshold)),
            ..Note::default()
        };
        kept.push(&mut vec![run(1)], Some(note(1, 1 << 55)), &mut requests, &mut out);
        kept.push(&mut vec![run(2), run(0)], Some(note(0, 3 << 54)), &mut requests, &mut out);
        kept.push_late(run(3), None);
        kept.close(&mut requests, &mut out);
        assert!(out[0].parts().iter().all(|part| part.request.index().has_columns()));
        let request = ExportTraceServiceRequest::decode(encode(&out[0]).into_bytes()).unwrap();
        let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        scopes
            .map(|scope| {
                let states = scope.spans.into_iter().map(|span| span.trace_state).collect();
                (scope.scope.unwrap_or_default().attributes.len(), states)
            })
            .collect()
    }

    #[test]
    fn every_span_says_the_threshold_of_its_own_trace() {
        let texts = ["ot=th:c", "ot=th:8", "ot=th:c", ""].map(str::to_owned).to_vec();
        assert_eq!(leave(false), [(0, texts)]);
    }

    #[test]
    fn spans_of_one_scope_that_two_policies_kept_leave_under_two_scopes() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let expected = [(0, texts(&[""])), (1, texts(&["ot=th:c", "ot=th:c"])), (1, texts(&["ot=th:8"]))];
        assert_eq!(leave(true), expected);
    }
}
