//! Runs the steps over one trace after another and owns the memory that they share. It must not
//! keep anything of a trace but that memory.

use super::assembled::Assembled;
use super::critical_path::Walk;
use super::facts::SpanFacts;
use super::node::{NONE, Node, Place};
use super::table::Table;
use super::{cover, cycles, links, self_time, skew};

/// Spans whose scratch memory (about 250 bytes each) is kept; that of a larger trace is given back
/// when the next trace comes.
const KEPT_SPANS_MAX: usize = 65_536;
/// Spans that are looked at; rows beyond have no number.
const SPANS_MAX: usize = NONE as usize;

/// Assembles traces, one at a time. The scratch memory is reused: once it has grown to the largest
/// trace of its kind, nothing is allocated.
pub struct Assembler {
    seed: u64,
    pub(super) nodes: Vec<Node>,
    pub(super) children: Vec<u32>,
    /// Whether `children` are those of this trace.
    pub(super) has_children: bool,
    pub(super) tops: Vec<u32>,
    pub(super) table: Table,
    /// Parents whose children wait to be placed.
    queue: Vec<u32>,
    pub(super) edges: Vec<(u32, u32)>,
    pub(super) walk: Walk,
    pub(super) path_nanos: Vec<u64>,
    pub(super) counts: Counts,
}

/// What was mended in a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) duplicates: u32,
    pub(super) cycles: u32,
    pub(super) skew_corrected: u32,
}

impl Default for Assembler {
    fn default() -> Self {
        Self::new()
    }
}

impl Assembler {
    /// An assembler without a secret; senders that know the code can make it slow.
    pub fn new() -> Self {
        Self::with_seed(0)
    }

    /// An assembler whose tables are mixed with a number that senders do not know. The seed
    /// changes no result.
    pub fn with_seed(seed: u64) -> Self {
        Self {
            seed,
            nodes: Vec::new(),
            children: Vec::new(),
            has_children: false,
            tops: Vec::new(),
            table: Table::new(seed),
            queue: Vec::new(),
            edges: Vec::new(),
            walk: Walk::default(),
            path_nanos: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// Assembles one trace from all spans of it that there are, in any order. Rows are numbered
    /// as in `spans`; those beyond 2^32 - 2 are left out. O(n log n).
    pub fn assemble<'a>(&'a mut self, spans: &'a [SpanFacts]) -> Assembled<'a> {
        let spans = &spans[..spans.len().min(SPANS_MAX)];
        if self.nodes.capacity() > KEPT_SPANS_MAX && spans.len() <= KEPT_SPANS_MAX {
            *self = Self::with_seed(self.seed);
        }
        self.nodes.clear();
        self.nodes.extend(spans.iter().map(Node::new));
        self.tops.clear();
        self.edges.clear();
        self.path_nanos.clear();
        self.counts = Counts::default();
        self.table.reset(spans.len());
        self.counts.duplicates = links::identify(spans, &mut self.nodes, &mut self.table);
        let is_plain = links::link(spans, &mut self.nodes, &self.table, &mut self.tops);
        self.has_children = !is_plain;
        if is_plain {
            cover::take_off(&mut self.nodes, &mut self.queue, &mut self.children);
        } else {
            links::place(&mut self.nodes, &mut self.children);
            self.grow(spans);
        }
        self.order_tops(spans);
        Assembled { assembler: self, spans }
    }

    /// Lays out the children, where that was not needed yet.
    pub(super) fn lay_out(&mut self) {
        if std::mem::replace(&mut self.has_children, true) {
            return;
        }
        let Self { nodes, children, .. } = self;
        links::place(nodes, children);
        for node in nodes.iter().filter(|node| node.child_count > 1) {
            children[node.children()].sort_unstable_by_key(|child| (nodes[*child as usize].start, *child));
        }
    }

    /// Grows the trees from their tops, and those that a cycle held back.
    fn grow(&mut self, spans: &[SpanFacts]) {
        let counted = spans.len() - self.counts.duplicates as usize;
        let placed = self.grow_from(0, spans);
        if placed == counted {
            return;
        }
        let first_head = self.tops.len();
        let Self { nodes, children, queue, tops, .. } = self;
        self.counts.cycles = cycles::cut(spans, nodes, children, queue, tops);
        self.grow_from(first_head, spans);
    }

    /// Places all that hangs on the tops from this one on; gives the number of spans.
    fn grow_from(&mut self, first_top: usize, spans: &[SpanFacts]) -> usize {
        self.queue.clear();
        let nodes = &self.nodes;
        self.queue.extend(self.tops[first_top..].iter().filter(|top| nodes[**top as usize].child_count > 0));
        let mut placed = self.tops.len() - first_top;
        while let Some(parent) = self.queue.pop() {
            placed += self.place_children(parent, spans);
        }
        placed
    }

    /// Corrects and sorts the children of a placed span, takes them off its self time, and queues
    /// those that are parents; gives their number.
    fn place_children(&mut self, parent: u32, spans: &[SpanFacts]) -> usize {
        let node = self.nodes[parent as usize];
        let children = &mut self.children[node.children()];
        let (mut is_sorted, mut previous) = (true, 0);
        for &child in children.iter() {
            let (span, child) = (&spans[child as usize], &mut self.nodes[child as usize]);
            let is_found = skew::correct((span, child), (&spans[parent as usize], &node));
            self.counts.skew_corrected += u32::from(is_found);
            is_sorted &= previous <= child.start;
            previous = child.start;
        }
        let nodes = &mut self.nodes;
        if !is_sorted {
            children.sort_unstable_by_key(|child| (nodes[*child as usize].start, *child));
        }
        nodes[parent as usize].self_nanos =
            self_time::self_nanos(&node, children.iter().map(|child| &nodes[*child as usize]));
        // Whether a span has children is a coin toss, so there is no branch on it.
        let mut queued = self.queue.len();
        self.queue.resize(queued + children.len(), NONE);
        for &child in children.iter() {
            self.queue[queued] = child;
            queued += usize::from(nodes[child as usize].child_count > 0);
        }
        self.queue.truncate(queued);
        children.len()
    }

    /// Roots first, then the other tops, each by start; equal ones by what does not depend on the
    /// order of the rows, as far as they differ at all.
    fn order_tops(&mut self, spans: &[SpanFacts]) {
        let nodes = &self.nodes;
        self.tops.sort_unstable_by_key(|top| {
            let span = &spans[*top as usize];
            (nodes[*top as usize].place != Place::Root, span.start, span.span_id, span.op, *top)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_giant_is_given_back_with_the_next_trace() {
        let mut assembler = Assembler::new();
        let giant: Vec<SpanFacts> = (1..=KEPT_SPANS_MAX as u64 + 1)
            .map(|span_id| SpanFacts { span_id, parent_span_id: span_id - 1, ..SpanFacts::default() })
            .collect();
        assert_eq!(assembler.assemble(&giant).roots(), [0]);
        assert!(assembler.nodes.capacity() > KEPT_SPANS_MAX);
        assembler.assemble(&giant[..3]);
        assert!(assembler.nodes.capacity() < KEPT_SPANS_MAX);
    }

    #[test]
    fn the_second_trace_of_a_size_grows_nothing() {
        let spans: Vec<SpanFacts> = (1..=200_u64)
            .map(|span_id| SpanFacts {
                span_id,
                parent_span_id: span_id / 2,
                end: 1_000,
                op: 3,
                ..SpanFacts::default()
            })
            .collect();
        let mut assembler = Assembler::new();
        let mut segments = Vec::new();
        let mut run = |assembler: &mut Assembler| {
            segments.clear();
            let mut trace = assembler.assemble(&spans);
            trace.shape(u64::from);
            trace.critical_path(&mut segments);
            [&assembler.children, &assembler.tops, &assembler.queue]
                .map(|list| list.capacity())
                .into_iter()
                .chain([assembler.nodes.capacity(), assembler.edges.capacity(), assembler.path_nanos.capacity()])
                .collect::<Vec<_>>()
        };
        let first = run(&mut assembler);
        assert_eq!(run(&mut assembler), first);
    }
}
