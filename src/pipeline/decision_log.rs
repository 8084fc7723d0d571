//! The last decisions of every sampler of the process, for who asks why a trace is there or not.
//! A bounded ring a sampler: the oldest record makes room.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::ComponentId;
use crate::model::{DecisionRecord, Operation, TraceId, UnixNanos};

/// Turns a record into words; every sampler gives one for its policies.
pub trait Explains: Send + Sync {
    /// Names of the policies, in the order of [`DecisionRecord::policies`].
    fn policies(&self) -> Vec<String>;

    /// What came nearest to keeping a trace that was not kept, nearest first: one short text each,
    /// such as `latency: 480 ms, needs more than 500 ms`.
    fn nearest(&self, record: &DecisionRecord) -> Vec<String>;

    /// The traffic of every shape that is remembered, the most frequent first; nothing where no
    /// detector runs.
    fn shapes(&self) -> Vec<ShapeTraffic> {
        Vec::new()
    }
}

/// Complete traces of one shape that were decided since it was first seen: kept ones alone would
/// not say what their sample stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapeTraffic {
    /// Its number: the same for the same set of calls.
    pub shape: u64,
    /// Operation of the root.
    pub root: Option<Arc<Operation>>,
    /// Traces that were kept.
    pub kept: u64,
    /// Traces that were dropped.
    pub dropped: u64,
}

impl ShapeTraffic {
    /// All of them.
    pub fn traces(&self) -> u64 {
        self.kept.saturating_add(self.dropped)
    }
}

/// The rings of all samplers.
#[derive(Default)]
pub struct DecisionLog {
    capacity: usize,
    sources: Mutex<Vec<Arc<DecisionSource>>>,
}

/// The ring of one sampler, shared by its shards.
pub struct DecisionSource {
    processor: ComponentId,
    explains: Arc<dyn Explains>,
    capacity: usize,
    ring: Mutex<Ring>,
}

#[derive(Default)]
struct Ring {
    records: VecDeque<DecisionRecord>,
    /// Number of the record after the newest; the first is 0.
    next: u64,
}

impl DecisionLog {
    /// Remembers so many decisions of each sampler, about 200 bytes each; 0 remembers none.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, sources: Mutex::default() }
    }

    /// The ring of a sampler; all its shards, and all pipelines that name it, share one.
    pub fn register(&self, processor: &ComponentId, explains: Arc<dyn Explains>) -> Arc<DecisionSource> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = sources.iter().find(|source| source.processor == *processor) {
            return known.clone();
        }
        let source = Arc::new(DecisionSource {
            processor: processor.clone(),
            explains,
            capacity: self.capacity,
            ring: Mutex::default(),
        });
        sources.push(source.clone());
        source
    }

    /// Every sampler's ring.
    pub fn sources(&self) -> Vec<Arc<DecisionSource>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl DecisionSource {
    /// The sampler.
    pub fn processor(&self) -> &ComponentId {
        &self.processor
    }

    /// What turns its records into words.
    pub fn explains(&self) -> &dyn Explains {
        &*self.explains
    }

    /// Takes the records out of `records`, in order.
    pub fn append(&self, records: &mut Vec<DecisionRecord>) {
        if records.is_empty() {
            return;
        }
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.next += records.len() as u64;
        let skipped = records.len().saturating_sub(self.capacity);
        let room = self.capacity - (records.len() - skipped);
        let excess = ring.records.len().saturating_sub(room);
        ring.records.drain(..excess);
        ring.records.extend(records.drain(..).skip(skipped));
    }

    /// Takes every record that is remembered out, for a reader who wants all of them and is alone.
    pub fn take(&self, out: &mut Vec<DecisionRecord>) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        out.extend(ring.records.drain(..));
    }

    /// The latest decision on a trace.
    pub fn find(&self, id: TraceId) -> Option<DecisionRecord> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.records.iter().rev().find(|record| record.trace_id == id).cloned()
    }

    /// Records that are remembered, and when the oldest of them was decided.
    pub fn reach(&self) -> (usize, Option<UnixNanos>) {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        (ring.records.len(), ring.records.front().map(|record| record.decided))
    }

    /// Adds the records from number `from` on to `out`, at most `limit` of them; returns the
    /// number to go on from, and how many were forgotten before they were asked for.
    pub fn read(&self, from: u64, limit: usize, out: &mut Vec<DecisionRecord>) -> (u64, u64) {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let first = ring.next - ring.records.len() as u64;
        let start = from.clamp(first, ring.next);
        let skip = usize::try_from(start - first).unwrap_or(usize::MAX);
        let before = out.len();
        out.extend(ring.records.iter().skip(skip).take(limit).cloned());
        (start + (out.len() - before) as u64, start.saturating_sub(from))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{Chance, Outcome, PolicyVerdicts, Trigger};

    struct Mute;

    impl Explains for Mute {
        fn policies(&self) -> Vec<String> {
            Vec::new()
        }

        fn nearest(&self, _: &DecisionRecord) -> Vec<String> {
            Vec::new()
        }
    }

    fn record(number: u8) -> DecisionRecord {
        DecisionRecord {
            trace_id: TraceId([number; 16]),
            decided: UnixNanos(number.into()),
            waited: Duration::ZERO,
            outcome: Outcome::NotSampled,
            trigger: Trigger::DecisionWait,
            chance: Chance::Certain,
            spans: 1,
            bytes: 1,
            duration_nanos: 1,
            statuses: 1,
            policies: PolicyVerdicts::default(),
            finding: None,
        }
    }

    fn source(capacity: usize) -> Arc<DecisionSource> {
        DecisionLog::new(capacity).register(&ComponentId::parse("tail_sampling").unwrap(), Arc::new(Mute))
    }

    fn numbers(records: &[DecisionRecord]) -> Vec<u8> {
        records.iter().map(|record| record.trace_id.0[0]).collect()
    }

    #[test]
    fn the_oldest_records_make_room() {
        let source = source(3);
        source.append(&mut vec![record(1), record(2)]);
        source.append(&mut vec![record(3), record(4)]);
        assert!(source.find(TraceId([1; 16])).is_none());
        assert_eq!(source.find(TraceId([4; 16])).unwrap().decided, UnixNanos(4));
        assert_eq!(source.reach(), (3, Some(UnixNanos(2))));
        source.append(&mut (5..15).map(record).collect());
        assert_eq!(source.reach(), (3, Some(UnixNanos(12))));
    }

    #[test]
    fn a_reader_goes_on_where_it_was_and_learns_what_it_missed() {
        let source = source(3);
        let mut out = Vec::new();
        source.append(&mut vec![record(1), record(2)]);
        assert_eq!(source.read(0, 1, &mut out), (1, 0));
        source.append(&mut vec![record(3), record(4), record(5)]);
        assert_eq!(source.read(1, 10, &mut out), (5, 1));
        assert_eq!(numbers(&out), [1, 3, 4, 5]);
        assert_eq!(source.read(5, 10, &mut out), (5, 0));
    }

    #[test]
    fn shards_of_one_sampler_share_a_ring() {
        let log = DecisionLog::new(3);
        let id = |text| ComponentId::parse(text).unwrap();
        let ring = |text| log.register(&id(text), Arc::new(Mute));
        let (first, second) = (ring("tail_sampling"), ring("tail_sampling"));
        assert!(Arc::ptr_eq(&first, &second) && !Arc::ptr_eq(&first, &ring("tail_sampling/b")));
        assert_eq!(log.sources().len(), 2);
    }

    #[test]
    fn what_is_taken_out_is_not_remembered_and_later_numbers_go_on() {
        let source = source(3);
        let mut out = Vec::new();
        source.append(&mut vec![record(1), record(2)]);
        source.take(&mut out);
        assert_eq!((numbers(&out), source.reach().0), (vec![1, 2], 0));
        source.append(&mut vec![record(3)]);
        out.clear();
        assert_eq!(source.read(2, 10, &mut out), (3, 0));
        assert_eq!(numbers(&out), [3]);
    }

    #[test]
    fn a_log_without_capacity_remembers_nothing() {
        let source = source(0);
        source.append(&mut vec![record(1)]);
        assert_eq!(source.reach(), (0, None));
        assert_eq!(source.read(0, 10, &mut Vec::new()), (1, 1));
    }
}
