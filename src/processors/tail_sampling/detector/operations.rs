//! A shard's numbers by operation: what every span is compared with stands close together, the
//! windows that it is counted in stand apart.

use std::sync::Arc;

use super::baseline::{Published, UNKNOWN};
use super::registry::Entry;
use crate::model::Operation;
use crate::sketch::{Bucket, Counts, SPILL, Window, bucket_of};

/// Windows in one piece of memory; growing moves none of them.
const CHUNK: usize = 64;
/// Spills that are noted in a window, 65,536 spans each; further ones are lost from the counts.
const SPILLS_MAX: usize = 1 << 20;
/// Spans count as at most so many times the threshold when they are learned from: what is far
/// beyond the usual moves the threshold less.
const CLIP: u64 = 4;
/// No operation stands for the traces of a root yet.
const NO_TRACES: u32 = 0;

/// What is read and written for each span. 24 bytes.
#[derive(Clone, Copy, Debug)]
struct Hot {
    /// Nanoseconds that are usual at most.
    threshold: u64,
    /// Spans in the running window.
    seen: u32,
    /// Those of them beyond the threshold.
    exceeded: u32,
    /// The last trace that asked whether the operation is new.
    asked: u32,
    /// Whether it may be new.
    is_young: bool,
    clips: bool,
    is_cold: bool,
}

/// What is read once a trace at most.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) operation: Arc<Operation>,
    pub(super) serial: u32,
    pub(super) samples: u32,
    /// Unix second of the first of them.
    pub(super) since: u32,
    /// The operation that stands for whole traces with this one as root; 0 for none yet.
    traces: u32,
}

/// One span beyond what is usual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Excess {
    pub(super) nanos: u64,
    pub(super) threshold: u64,
    /// Whether the operation may be new, and this trace has not asked yet.
    pub(super) asks: bool,
}

/// See the module.
#[derive(Default)]
pub(super) struct Operations {
    hot: Vec<Hot>,
    known: Vec<Known>,
    /// A hash of each operation that is the same everywhere.
    keys: Vec<u64>,
    windows: Vec<Vec<Window>>,
    spilled: Vec<(u32, Bucket)>,
}

impl Operations {
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn known(&self, op: u32) -> Option<&Known> {
        self.known.get(op as usize)
    }

    /// The hash of an operation that is the same everywhere.
    pub(super) fn key(&self, op: u32) -> u64 {
        self.keys.get(op as usize).copied().unwrap_or(0)
    }

    /// Nanoseconds that are usual at most; for the traces of a root, usual.
    pub(super) fn threshold(&self, op: u32) -> u64 {
        self.hot.get(op as usize).map_or(UNKNOWN, |hot| hot.threshold)
    }

    pub(super) fn traces_of(&self, root: u32) -> Option<u32> {
        self.known.get(root as usize).map(|known| known.traces).filter(|traces| *traces != NO_TRACES)
    }

    pub(super) fn set_traces(&mut self, root: u32, traces: u32) {
        if let Some(known) = self.known.get_mut(root as usize) {
            known.traces = traces;
        }
    }

    /// Learns from one span and says by how much it is beyond what is usual.
    #[inline]
    pub(super) fn learn(&mut self, op: u32, nanos: u64, trace: u32) -> Excess {
        let Some(hot) = self.hot.get_mut(op as usize) else { return Excess::default() };
        let threshold = hot.threshold;
        let excess = nanos.saturating_sub(threshold);
        hot.seen = hot.seen.saturating_add(1);
        hot.exceeded = hot.exceeded.saturating_add(u32::from(excess > 0));
        let asks = hot.is_young && hot.asked != trace;
        if asks {
            hot.asked = trace;
        }
        let learned = if hot.clips { nanos.min(threshold.saturating_mul(CLIP)) } else { nanos };
        let bucket = bucket_of(learned);
        let window = self.windows.get_mut(op as usize / CHUNK).and_then(|chunk| chunk.get_mut(op as usize % CHUNK));
        if window.is_some_and(|window| window.add(bucket)) && self.spilled.len() < SPILLS_MAX {
            self.spilled.push((op, bucket));
        }
        Excess { nanos: excess, threshold, asks }
    }

    /// An operation is not new; until the next rotation nobody need ask.
    pub(super) fn settle(&mut self, op: u32) {
        if let Some(hot) = self.hot.get_mut(op as usize) {
            hot.is_young = false;
        }
    }

    /// Makes a place the one of this operation, with nothing in it. Places follow each other.
    pub(super) fn adopt(&mut self, op: u32, entry: &Entry, key: u64) {
        let hot =
            Hot { threshold: UNKNOWN, seen: 0, exceeded: 0, asked: 0, is_young: true, clips: false, is_cold: true };
        let known =
            Known { operation: entry.operation.clone(), serial: entry.serial, samples: 0, since: 0, traces: NO_TRACES };
        if (op as usize) < self.known.len() {
            self.hot[op as usize] = hot;
            self.known[op as usize] = known;
            self.keys[op as usize] = key;
            self.windows[op as usize / CHUNK][op as usize % CHUNK].clear();
            self.spilled.retain(|(spilled, _)| *spilled != op);
            return;
        }
        self.hot.push(hot);
        self.known.push(known);
        self.keys.push(key);
        if self.windows.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.windows.push(Vec::with_capacity(CHUNK));
        }
        if let Some(chunk) = self.windows.last_mut() {
            chunk.push(Window::default());
        }
    }

    /// Takes over what the baseline says.
    pub(super) fn publish(&mut self, op: u32, published: &Published) {
        let (Some(hot), Some(known)) = (self.hot.get_mut(op as usize), self.known.get_mut(op as usize)) else { return };
        hot.threshold = published.threshold;
        hot.clips = published.clips;
        hot.is_cold = published.is_cold;
        known.samples = published.samples;
        known.since = published.since;
    }

    /// After a rotation anything may have become rare again.
    pub(super) fn rejuvenate(&mut self) {
        self.hot.iter_mut().for_each(|hot| hot.is_young = true);
    }

    /// Calls `deposit` with each operation that was seen since the last time, its serial number,
    /// how many of its spans were beyond the threshold, and a function that moves its counts.
    pub(super) fn hand_over(
        &mut self,
        only_cold: bool,
        mut deposit: impl FnMut(u32, u32, u32, &mut dyn FnMut(&mut Counts)),
    ) {
        for (op, hot) in (0_u32..).zip(&mut self.hot).filter(|(_, hot)| hot.seen > 0 && (hot.is_cold || !only_cold)) {
            let window = &mut self.windows[op as usize / CHUNK][op as usize % CHUNK];
            let spilled = &mut self.spilled;
            let exceeded = std::mem::take(&mut hot.exceeded);
            hot.seen = 0;
            deposit(op, self.known[op as usize].serial, exceeded, &mut |counts| {
                counts.take(window);
                spilled.retain(|(spilled, bucket)| {
                    if *spilled == op {
                        counts.add(*bucket, SPILL);
                    }
                    *spilled != op
                });
            });
        }
    }
}

/// Bytes that a shard holds for each operation, its name and what is shared aside.
#[cfg(test)]
pub(super) const BYTES: usize = size_of::<Hot>() + size_of::<Known>() + size_of::<u64>() + size_of::<Window>();

#[cfg(test)]
mod tests {
    use super::*;

    fn operations() -> Operations {
        let mut operations = Operations::default();
        for number in 0..200 {
            let operation = Operation { service: "s".into(), name: number.to_string().into(), kind: 1 };
            let entry = Entry { operation: Arc::new(operation), service: 1, serial: 0, seen: 0 };
            operations.adopt(number, &entry, u64::from(number));
        }
        operations
    }

    fn published(threshold: u64) -> Published {
        Published { threshold, samples: 60, since: 5, clips: true, is_cold: false }
    }

    fn take(operations: &mut Operations, only_cold: bool) -> Vec<(u32, u32, u64)> {
        let mut taken = Vec::new();
        operations.hand_over(only_cold, |op, _, exceeded, move_counts| {
            let mut counts = Counts::default();
            move_counts(&mut counts);
            taken.push((op, exceeded, counts.total()));
        });
        taken
    }

    #[test]
    fn excess_is_what_is_beyond_the_threshold() {
        let mut operations = operations();
        assert_eq!(operations.learn(7, 1_000_000, 1).nanos, 0, "nothing is beyond an unknown threshold");
        operations.publish(7, &published(300_000));
        assert_eq!(operations.learn(7, 1_000_000, 1), Excess { nanos: 700_000, threshold: 300_000, asks: false });
        assert_eq!(operations.learn(7, 300_000, 1).nanos, 0);
        assert_eq!(operations.learn(999, u64::MAX, 1), Excess::default(), "a number that nobody gave");
        assert_eq!(take(&mut operations, false), [(7, 1, 3)]);
        assert_eq!(take(&mut operations, false), []);
    }

    #[test]
    fn cold_operations_can_be_handed_over_alone() {
        let mut operations = operations();
        operations.publish(7, &published(300_000));
        for op in [7, 150] {
            operations.learn(op, 1_000_000, 1);
        }
        assert_eq!(take(&mut operations, true), [(150, 0, 1)]);
        assert_eq!(take(&mut operations, false), [(7, 1, 1)]);
    }

    #[test]
    fn spilled_counts_are_not_lost() {
        let mut operations = operations();
        for _ in 0..2 * SPILL + 5 {
            operations.learn(3, 1_000_000, 1);
        }
        operations.learn(4, 1_000_000, 1);
        assert_eq!(operations.spilled.len(), 2);
        assert_eq!(take(&mut operations, false), [(3, 0, u64::from(2 * SPILL + 5)), (4, 0, 1)]);
        assert!(operations.spilled.is_empty());
    }

    #[test]
    fn a_trace_asks_once_for_each_young_operation() {
        let mut operations = operations();
        let asks = |operations: &mut Operations, trace| operations.learn(3, 5, trace).asks;
        assert!(asks(&mut operations, 1) && !asks(&mut operations, 1) && asks(&mut operations, 2));
        operations.settle(3);
        assert!(!asks(&mut operations, 3));
        operations.rejuvenate();
        assert!(asks(&mut operations, 4));
    }
}
