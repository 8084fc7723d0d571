//! The critical path: walk back from the root's end; what finished last was waited for, and before
//! it what finished last before that began (CRISP: Zhang and others, "Critical Path Analysis of
//! Large-Scale Microservice Architectures", USENIX ATC 2022). It must not know operations.
//!
//! Clocks are not exact: a child that ends up to 1 % of its parent's length after the next one's
//! start, with nothing else in between, still counts as the one before, and is moved back by what
//! it overlaps. So the segments of a path have no gap and no overlap.

use super::SpanFacts;
use super::node::Node;
use super::self_time::is_asynchronous;

/// A part of the critical path in which one span is at work, and no child that it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The span's row.
    pub span: u32,
    /// Where it begins, in nanoseconds of unix time on the corrected clock.
    pub from: u64,
    /// Where it ends; after `from`.
    pub to: u64,
}

/// Scratch of the walk.
#[derive(Default)]
pub(super) struct Walk {
    frames: Vec<Frame>,
    /// The children in question, by start.
    candidates: Vec<Candidate>,
    /// Their positions, the last end first.
    by_end: Vec<u32>,
}

/// A span on the path, and the part of it that is.
#[derive(Clone, Copy)]
struct Frame {
    part: Segment,
    /// How much earlier it is taken to be than its times say.
    moved: u64,
}

/// A child clipped to its parent's part, by the times it says.
#[derive(Clone, Copy)]
struct Candidate {
    span: u32,
    start: u64,
    end: u64,
}

/// The walk's view of an assembled trace.
#[derive(Clone, Copy)]
pub(super) struct Tree<'a> {
    pub(super) spans: &'a [SpanFacts],
    pub(super) nodes: &'a [Node],
    pub(super) children: &'a [u32],
}

impl Walk {
    /// Adds the segments of the path that ends with the end of `root`, by time.
    pub(super) fn run(&mut self, tree: Tree<'_>, root: u32, segments: &mut Vec<Segment>) {
        let before = segments.len();
        let Node { start, end, .. } = tree.nodes[root as usize];
        self.frames.clear();
        self.frames.push(Frame { part: Segment { span: root, from: start, to: end }, moved: 0 });
        while let Some(frame) = self.frames.pop() {
            self.collect(tree, frame);
            self.descend(frame, segments);
        }
        segments[before..].sort_unstable_by_key(|segment| segment.from);
    }

    /// The children that the frame's span waits for, within its part.
    fn collect(&mut self, tree: Tree<'_>, frame: Frame) {
        let parent = &tree.nodes[frame.part.span as usize];
        // No more than the span's own times, which do not overflow.
        let (low, high) = (frame.part.from + frame.moved, frame.part.to + frame.moved);
        self.candidates.clear();
        for &span in &tree.children[parent.children()] {
            let child = &tree.nodes[span as usize];
            let (start, end) = (child.start.max(low), child.end.min(high));
            if start < end && !is_asynchronous(child, parent) {
                self.candidates.push(Candidate { span, start, end });
            }
        }
        let candidates = &self.candidates;
        self.by_end.clear();
        self.by_end.extend(0..candidates.len() as u32);
        self.by_end.sort_unstable_by_key(|position| {
            let candidate = &candidates[*position as usize];
            let id = tree.spans[candidate.span as usize].span_id;
            (std::cmp::Reverse(candidate.end), candidate.start, id, *position)
        });
    }

    /// Walks back over the frame's part: segments of its own, frames for the children.
    fn descend(&mut self, frame: Frame, segments: &mut Vec<Segment>) {
        let Segment { span, from: low, to: high } = frame.part;
        let mut own = |from: u64, to: u64| {
            if from < to {
                segments.push(Segment { span, from, to });
            }
        };
        let (mut cursor, mut moved, mut later) = (high, frame.moved, None);
        for rank in 0..self.by_end.len() {
            let position = self.by_end[rank] as usize;
            if let Some(later) = later {
                let Some(overlap) = self.overlap(rank, later, high - low) else { continue };
                moved = moved.saturating_add(overlap);
            }
            let child = self.candidates[position];
            let to = child.end.saturating_sub(moved).min(cursor).max(low);
            let from = child.start.saturating_sub(moved).max(low);
            own(to, cursor);
            if from < to {
                self.frames.push(Frame { part: Segment { span: child.span, from, to }, moved });
            }
            (cursor, later) = (from.min(to), Some(position));
        }
        own(low, cursor);
    }

    /// By how much the child of this rank overlaps the next one, if it happens before it.
    fn overlap(&self, rank: usize, later: usize, parent_length: u64) -> Option<u64> {
        let child = self.candidates[self.by_end[rank] as usize];
        let next = self.candidates[later];
        if child.end <= next.start {
            return Some(0);
        }
        let overlap = child.end - next.start;
        let is_slight = u128::from(overlap) * 100 < u128::from(parent_length);
        let is_ordered = child.end < next.end && child.start < next.start;
        (is_slight && is_ordered && self.is_alone(rank, later)).then_some(overlap)
    }

    /// Whether no third child starts or ends between the start of `later` and the end of this one.
    fn is_alone(&self, rank: usize, later: usize) -> bool {
        let end_at = |rank: usize| self.by_end.get(rank).map(|position| self.candidates[*position as usize].end);
        let start_at = |position: usize| self.candidates.get(position).map(|candidate| candidate.start);
        let (start, end) = (start_at(later), end_at(rank));
        let has_other_end = rank.checked_sub(1).and_then(end_at) == end || end_at(rank + 1) >= start;
        let has_other_start = later.checked_sub(1).and_then(start_at) == start
            || start_at(later + 1).is_some_and(|start| Some(start) <= end);
        !has_other_end && !has_other_start
    }
}
