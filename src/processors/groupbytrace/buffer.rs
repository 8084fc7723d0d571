//! Traces that wait, in the order of their first spans. All wait equally long, so the first that
//! came is also the first that is due and the first that makes room.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::model::{Batch, Instant, Part, Request, Rows, Signal, TraceId};

/// A trace that waits.
struct Waiting {
    id: TraceId,
    due: Instant,
    spans: u64,
    /// Rows by request, in the order of arrival.
    parts: Vec<(Arc<Request>, Vec<u32>)>,
}

/// The waiting traces of a shard.
pub(super) struct Buffer {
    traces: VecDeque<Waiting>,
    /// How many traces have left; a trace's number is its place plus this.
    gone: u64,
    /// Keyed by a random seed, so that nobody can choose ids that collide.
    numbers: HashMap<TraceId, u64>,
    spans: u64,
}

impl Buffer {
    pub(super) fn new() -> Self {
        Self { traces: VecDeque::new(), gone: 0, numbers: HashMap::new(), spans: 0 }
    }

    /// Traces that wait.
    pub(super) fn len(&self) -> usize {
        self.traces.len()
    }

    /// Spans of all traces.
    pub(super) fn spans(&self) -> u64 {
        self.spans
    }

    /// Whether a trace waits.
    pub(super) fn contains(&self, id: TraceId) -> bool {
        self.numbers.contains_key(&id)
    }

    /// Begins a trace that does not wait yet. Its `due` is not before that of any other.
    pub(super) fn begin(&mut self, id: TraceId, due: Instant) {
        self.numbers.insert(id, self.gone + self.traces.len() as u64);
        self.traces.push_back(Waiting { id, due, spans: 0, parts: Vec::new() });
    }

    /// Adds a span of a trace that waits; rows of one request come in rising order.
    pub(super) fn add(&mut self, id: TraceId, request: &Arc<Request>, row: u32) {
        let Some(number) = self.numbers.get(&id) else { return };
        let Some(trace) = self.traces.get_mut((number - self.gone) as usize) else { return };
        trace.spans += 1;
        self.spans += 1;
        match trace.parts.last_mut() {
            Some((last, rows)) if Arc::ptr_eq(last, request) && rows.last().is_some_and(|last| *last < row) => {
                rows.push(row);
            }
            _ => trace.parts.push((request.clone(), vec![row])),
        }
    }

    /// When the oldest trace is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.traces.front().map(|trace| trace.due)
    }

    /// Takes the oldest trace out: its spans as a batch, and how many they are.
    pub(super) fn take_oldest(&mut self) -> Option<(Batch, u64)> {
        let trace = self.traces.pop_front()?;
        self.gone += 1;
        self.numbers.remove(&trace.id);
        self.spans -= trace.spans;
        let mut batch = Batch::new(Signal::Traces);
        for (request, rows) in trace.parts {
            batch.push(Part { request, rows: Rows::from_sorted(&rows) });
        }
        Some((batch, trace.spans))
    }
}
