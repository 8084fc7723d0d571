//! What came of a replay, trace by trace.

use std::collections::BTreeMap;

use super::Recording;
use crate::model::{Batch, DecisionRecord, Outcome};
use crate::wire;

/// What came out of a trace at the end of the pipeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Spans.
    pub spans: u32,
    /// Bytes of their messages.
    pub bytes: u64,
}

/// A processor that decides on traces, with its policies in the order of their evaluation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sampler {
    /// Its id in the config.
    pub id: String,
    /// Names of its policies.
    pub policies: Vec<String>,
}

/// What came of a replay. The lists have an entry a trace, as [`Recording::traces`].
#[derive(Debug, Default)]
pub struct Run {
    /// What came out.
    pub kept: Vec<Kept>,
    /// The decision that counts, and which of [`Run::samplers`] took it: of several the one that
    /// kept the trace, else the first one.
    pub decisions: Vec<Option<(usize, DecisionRecord)>>,
    /// Those that decide, in the order of the pipeline.
    pub samplers: Vec<Sampler>,
    /// Spans that processors refused, and that a client would have been told of.
    pub refused_spans: u64,
    /// Spans that processors dropped, by the reasons of the ledger.
    pub dropped: BTreeMap<&'static str, u64>,
}

impl Run {
    pub(super) fn new(traces: usize) -> Self {
        Self { kept: vec![Kept::default(); traces], decisions: vec![None; traces], ..Self::default() }
    }

    /// Whether something of a trace came out.
    pub fn is_kept(&self, trace: usize) -> bool {
        self.kept.get(trace).is_some_and(|kept| kept.spans > 0)
    }

    /// The decision on a trace.
    pub fn decision(&self, trace: usize) -> Option<&DecisionRecord> {
        self.decisions.get(trace)?.as_ref().map(|(_, record)| record)
    }

    /// Adds what has come out.
    pub(super) fn came_out(&mut self, recording: &Recording, batch: Batch) {
        let has_columns = batch.parts().iter().all(|part| part.request.index().has_columns());
        let batch = if has_columns { batch } else { wire::compact(batch) };
        let mut last = None;
        for part in batch.parts() {
            let index = part.request.index();
            let Some(columns) = &index.spans else { continue };
            for row in part.rows() {
                let id = columns.trace_id(row);
                let place = match last {
                    Some((known, place)) if known == id => place,
                    _ => recording.place(id),
                };
                last = Some((id, place));
                if let Some(kept) = place.and_then(|place| self.kept.get_mut(place)) {
                    kept.spans += 1;
                    kept.bytes += u64::from(index.items.length[row as usize]);
                }
            }
        }
    }

    /// Remembers a decision.
    pub(super) fn decided(&mut self, recording: &Recording, sampler: usize, record: DecisionRecord) {
        let Some(place) = recording.place(record.trace_id) else { return };
        let Some(slot) = self.decisions.get_mut(place) else { return };
        let counts = match slot {
            None => true,
            // A later sampler sees only what an earlier one kept, and its word is the last one.
            Some((earlier, known)) => {
                *earlier < sampler || (known.outcome != Outcome::Sampled && record.outcome == Outcome::Sampled)
            }
        };
        if counts {
            *slot = Some((sampler, record));
        }
    }
}
