//! What the sampler asks of a trace beside its score, worked out once for all runs.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::stream::{Stream, Trace};

/// Durations of which the median is taken.
const RECENT: usize = 200;

/// Facts of one trace.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// Number of the set of calls.
    pub(crate) shape: u64,
    /// Median of the last durations of the same root operation, in nanoseconds; 0 for the first.
    pub(crate) median: f64,
}

/// The facts of every trace.
pub(crate) fn facts(stream: &Stream) -> Vec<Facts> {
    let mut recent: HashMap<u32, VecDeque<u64>> = HashMap::new();
    let mut shapes: HashMap<Vec<(u32, u32)>, u64> = HashMap::new();
    let of = |trace: &Trace| {
        let recent = recent.entry(trace.root().operation).or_default();
        let mut sorted: Vec<u64> = recent.iter().copied().collect();
        sorted.sort_unstable();
        let median = sorted.get(sorted.len() / 2).map_or(0.0, |median| *median as f64);
        recent.push_back(trace.root_nanos());
        if recent.len() > RECENT {
            recent.pop_front();
        }
        let next = shapes.len() as u64;
        Facts { shape: *shapes.entry(edges(trace)).or_insert(next), median }
    };
    stream.traces.iter().map(of).collect()
}

/// The set of calls between operations, the root's operation being called from nowhere.
fn edges(trace: &Trace) -> Vec<(u32, u32)> {
    let operations: HashMap<u64, u32> = trace.spans.iter().map(|span| (span.id, span.operation)).collect();
    let caller = |parent: &u64| operations.get(parent).copied().unwrap_or(u32::MAX);
    let edges: HashSet<(u32, u32)> = trace.spans.iter().map(|span| (caller(&span.parent), span.operation)).collect();
    let mut edges: Vec<_> = edges.into_iter().collect();
    edges.sort_unstable();
    edges
}
