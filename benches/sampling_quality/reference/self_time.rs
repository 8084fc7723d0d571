//! Self time of every span of a trace: its duration minus the union of its children, each clipped
//! to the parent.

use std::collections::HashMap;

use crate::stream::Span;

/// Nanoseconds, a span each. A consumer's span does not count against the producer that is its
/// parent.
pub(crate) fn self_times(spans: &[Span]) -> Vec<u64> {
    let places: HashMap<u64, usize> = spans.iter().enumerate().map(|(place, span)| (span.id, place)).collect();
    let mut children: Vec<Vec<(u64, u64)>> = vec![Vec::new(); spans.len()];
    for span in spans {
        let Some(parent) = places.get(&span.parent).filter(|_| span.kind != CONSUMER) else { continue };
        let (low, high) = (spans[*parent].start, spans[*parent].end);
        let (start, end) = (span.start.clamp(low, high.max(low)), span.end.clamp(low, high.max(low)));
        children[*parent].push((start, end));
    }
    spans
        .iter()
        .zip(&mut children)
        .map(|(span, children)| span.end.saturating_sub(span.start).saturating_sub(union(children)))
        .collect()
}

/// OTLP's number of the kind.
pub(crate) const CONSUMER: i32 = 5;

fn union(intervals: &mut [(u64, u64)]) -> u64 {
    intervals.sort_unstable();
    let (mut covered, mut reached) = (0, 0);
    for &mut (start, end) in intervals {
        covered += end.saturating_sub(start.max(reached));
        reached = reached.max(end);
    }
    covered
}
