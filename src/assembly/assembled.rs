//! The answers about one assembled trace. It must not decide anything: each was found by the
//! step that knows.

use super::assembler::Assembler;
use super::critical_path::{Segment, Tree};
use super::facts::SpanFacts;
use super::node::{NONE, Node, Place};
use super::shape::{self, Shape};
use super::skew::has_times;

/// One trace. Spans are named by their row in the slice that was assembled; a row beyond it
/// panics.
pub struct Assembled<'a> {
    pub(super) assembler: &'a mut Assembler,
    pub(super) spans: &'a [SpanFacts],
}

impl Assembled<'_> {
    /// Number of rows, duplicates included.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    fn node(&self, row: u32) -> &Node {
        &self.assembler.nodes[row as usize]
    }

    /// The span above; none for a top and for a duplicate.
    pub fn parent(&self, row: u32) -> Option<u32> {
        Some(self.node(row).parent).filter(|parent| *parent != NONE)
    }

    /// The spans below, by corrected start and then by row. The first call lays them out.
    pub fn children(&mut self, row: u32) -> &[u32] {
        self.assembler.lay_out();
        &self.assembler.children[self.node(row).children()]
    }

    /// The top of every tree: roots by start, then orphans and heads of cut cycles by start.
    pub fn roots(&self) -> &[u32] {
        &self.assembler.tops
    }

    /// The root that starts first, else the top that starts first.
    pub fn main_root(&self) -> Option<u32> {
        self.roots().first().copied()
    }

    /// Whether the span names no parent.
    pub fn is_root(&self, row: u32) -> bool {
        self.node(row).place == Place::Root
    }

    /// Whether the span's parent is not among the spans.
    pub fn is_orphan(&self, row: u32) -> bool {
        self.node(row).place == Place::Orphan
    }

    /// Whether another row has this span's id and stands for it. A duplicate is on no tree, has
    /// no children, and its self time is 0.
    pub fn is_duplicate(&self, row: u32) -> bool {
        self.node(row).place == Place::Duplicate
    }

    /// Number of duplicates.
    pub fn duplicates(&self) -> u32 {
        self.assembler.counts.duplicates
    }

    /// Number of orphans.
    pub fn orphans(&self) -> u32 {
        self.roots().iter().filter(|top| self.is_orphan(**top)).count() as u32
    }

    /// Number of cycles that were cut, spans that are their own parent included.
    pub fn cycles_broken(&self) -> u32 {
        self.assembler.counts.cycles
    }

    /// Number of spans at which a wrong clock was found; what moved with them does not count.
    pub fn skew_corrected(&self) -> u32 {
        self.assembler.counts.skew_corrected
    }

    /// Start in nanoseconds of unix time, corrected for clock skew.
    pub fn start(&self, row: u32) -> u64 {
        self.node(row).start
    }

    /// End in nanoseconds of unix time, corrected for clock skew; never before the start.
    pub fn end(&self, row: u32) -> u64 {
        self.node(row).end
    }

    /// Nanoseconds in which no child that the span waits for is at work.
    pub fn self_nanos(&self, row: u32) -> u64 {
        let node = self.node(row);
        if node.place == Place::Duplicate { 0 } else { node.self_nanos }
    }

    /// Nanoseconds from the first corrected start to the last corrected end, duplicates and spans
    /// without times left out.
    pub fn duration_nanos(&self) -> u64 {
        let (mut first, mut last) = (u64::MAX, 0);
        for (node, span) in self.assembler.nodes.iter().zip(self.spans) {
            if node.place != Place::Duplicate && has_times(span) {
                first = first.min(node.start);
                last = last.max(node.end);
            }
        }
        last.saturating_sub(first)
    }

    /// The shape of the trace. `op_hash` gives an operation's hash that is the same in every
    /// process, and is asked twice for each distinct edge.
    pub fn shape(&mut self, op_hash: impl Fn(u32) -> u64) -> Shape {
        let root_op = self.main_root().map(|root| self.node(root).op);
        let Assembler { nodes, table, edges, .. } = &mut *self.assembler;
        let sum = shape::edges(nodes, table, edges, &op_hash);
        Shape::new(root_op, sum, op_hash)
    }

    /// The distinct (parent operation, child operation) edges; empty before [`Self::shape`] ran.
    pub fn edges(&self) -> &[(u32, u32)] {
        &self.assembler.edges
    }

    /// Adds the critical path of the main root to `segments`, by time: they cover it from its
    /// start to its end without gap or overlap. O(n log n).
    pub fn critical_path(&mut self, segments: &mut Vec<Segment>) {
        let before = segments.len();
        let main_root = self.main_root();
        self.assembler.lay_out();
        let Assembler { nodes, children, walk, path_nanos, .. } = &mut *self.assembler;
        if let Some(root) = main_root {
            walk.run(Tree { spans: self.spans, nodes, children }, root, segments);
        }
        path_nanos.clear();
        path_nanos.resize(nodes.len(), 0);
        for segment in &segments[before..] {
            path_nanos[segment.span as usize] += segment.to - segment.from;
        }
    }

    /// Nanoseconds of the critical path in which this span is at work; 0 before
    /// [`Self::critical_path`] ran.
    pub fn path_nanos(&self, row: u32) -> u64 {
        self.assembler.path_nanos.get(row as usize).copied().unwrap_or_default()
    }
}
