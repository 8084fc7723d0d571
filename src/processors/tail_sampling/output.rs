//! From the runs of kept traces to batches.

use super::requests::Requests;
use super::trace::Run;
use crate::model::{Batch, Part, Rows, Signal};
use crate::pipeline::Output;
use crate::wire;

/// Spans after which a batch of kept traces is closed: enough to share the cost of a batch, few
/// enough that a following `batch` does not overshoot its size by much.
const SPANS_PER_BATCH: u64 = 1_024;

/// Runs that leave, while they are gathered.
pub(super) struct Kept {
    runs: Vec<Run>,
    spans: u64,
    rows: Vec<u32>,
}

impl Kept {
    pub(super) fn new() -> Self {
        Self { runs: Vec::new(), spans: 0, rows: Vec::new() }
    }

    /// Where the runs of a kept trace go; [`Kept::added`] must follow.
    pub(super) fn runs(&mut self) -> &mut Vec<Run> {
        &mut self.runs
    }

    /// Adds late spans, whose request may not be complete yet: no batch is closed by them.
    pub(super) fn push_late(&mut self, run: Run) {
        self.runs.push(run);
        self.spans += u64::from(run.end - run.start);
    }

    /// A whole trace of so many spans was added; closes a full batch.
    pub(super) fn added(&mut self, spans: u64, requests: &mut Requests, out: &mut Output) {
        self.spans += spans;
        if self.spans >= SPANS_PER_BATCH {
            self.close(requests, out);
        }
    }

    /// Makes a batch of what was gathered, in the order of its arrival, one part a request; lets
    /// go of the runs.
    pub(super) fn close(&mut self, requests: &mut Requests, out: &mut Output) {
        if self.runs.is_empty() {
            return;
        }
        self.runs.sort_unstable_by_key(|run| requests.order(run));
        let mut batch = Batch::new(Signal::Traces);
        for runs in self.runs.chunk_by(|left, right| left.request == right.request) {
            let rows = match runs {
                [run] => Rows::Range { start: run.start, end: run.end },
                _ => {
                    self.rows.clear();
                    self.rows.extend(runs.iter().flat_map(|run| run.start..run.end));
                    Rows::from_sorted(&self.rows)
                }
            };
            if let Some(request) = requests.request(runs[0].request) {
                batch.push(Part { request: request.clone(), rows });
            }
        }
        self.runs.drain(..).for_each(|run| requests.release(run.request));
        self.spans = 0;
        out.push(thin(batch));
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
