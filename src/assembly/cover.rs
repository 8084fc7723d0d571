//! Self times of a trace whose clocks agree and whose links lead back in time: no span has to be
//! placed before another, so one pass over the rows takes every child off its parent. It must not
//! know of wrong clocks or cycles: what has them goes the long way.

use super::facts::{CONSUMER, PRODUCER, SERVER};
use super::node::{NONE, Node};
use super::self_time;

/// Says of a parent that its children do not come in an order in which they can be added up.
const UNORDERED: u64 = u64::MAX;

/// What links are like. They are plain when none needs a correction and each leads to what starts
/// earlier, or else ends later, or else comes always later, or always earlier: then none leads
/// back to where it began.
#[derive(Default)]
pub(super) struct Links {
    is_odd: bool,
    leads_down: bool,
    leads_up: bool,
}

impl Links {
    #[inline]
    pub(super) fn add(&mut self, (row, child): (u32, &Node), (parent_row, parent): (u32, &Node)) {
        let starts_with = child.start == parent.start;
        let is_same = starts_with & (child.end == parent.end);
        self.is_odd |= (child.start < parent.start) | (starts_with & (child.end > parent.end));
        self.is_odd |= (child.start > parent.end) & (child.kind == SERVER);
        self.leads_down |= is_same & (parent_row >= row);
        self.leads_up |= is_same & (parent_row <= row);
    }

    pub(super) fn are_plain(&self) -> bool {
        !(self.is_odd || self.leads_down && self.leads_up)
    }
}

/// Takes the children of every span off its self time.
pub(super) fn take_off(nodes: &mut [Node], unordered: &mut Vec<u32>, siblings: &mut Vec<u32>) {
    unordered.clear();
    for row in 0..nodes.len() {
        let child = nodes[row];
        if child.parent == NONE {
            continue;
        }
        let parent = &mut nodes[child.parent as usize];
        let sibling = std::mem::replace(&mut parent.last_child, row as u32);
        if add(&child, parent) {
            unordered.push(child.parent);
        }
        nodes[row].sibling = sibling;
    }
    for parent in unordered.drain(..) {
        siblings.clear();
        let mut next = nodes[parent as usize].last_child;
        while next != NONE {
            siblings.push(next);
            next = nodes[next as usize].sibling;
        }
        siblings.sort_unstable_by_key(|child| nodes[*child as usize].start);
        let children = siblings.iter().map(|child| &nodes[*child as usize]);
        nodes[parent as usize].self_nanos = self_time::self_nanos(&nodes[parent as usize], children);
    }
}

/// Takes one child off. What is covered so far ends with a stretch from `covered_from` to
/// `covered_to`: a child that begins in it or later adds what is beyond it, in whatever order
/// they come. Tells of the first child that does not.
#[inline]
fn add(child: &Node, parent: &mut Node) -> bool {
    let is_asynchronous = (child.kind == CONSUMER) | (parent.kind == PRODUCER) | (child.start > parent.end);
    let to = if is_asynchronous { 0 } else { child.end.min(parent.end) };
    if !is_asynchronous & (child.start < parent.covered_from) {
        return std::mem::replace(&mut parent.covered_from, UNORDERED) != UNORDERED;
    }
    let gain = to.saturating_sub(child.start.max(parent.covered_to));
    parent.self_nanos -= gain;
    let is_apart = (gain > 0) & (child.start > parent.covered_to);
    parent.covered_from = if is_apart { child.start } else { parent.covered_from };
    parent.covered_to = if gain > 0 { to } else { parent.covered_to };
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assembly::{Assembler, SpanFacts};

    /// Children inside their parents, of any kind, overlapping as they like, in any order of rows.
    fn nested(seed: u64) -> Vec<SpanFacts> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut below = |limit: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % limit
        };
        let mut spans = vec![SpanFacts { span_id: 1, start: 100, end: 1_100, kind: 2, ..SpanFacts::default() }];
        for span_id in 2..2 + below(30) {
            let parent = spans[below(spans.len() as u64) as usize];
            let start = parent.start + below(parent.end - parent.start + 1);
            let end = start + below(parent.end - start + 1);
            let (kind, op) = (below(6) as u8, below(4) as u32);
            spans.push(SpanFacts { span_id, parent_span_id: parent.span_id, start, end, kind, op, status: 0 });
        }
        spans.sort_by_key(|span| span.span_id.wrapping_mul(seed | 1) % 31);
        spans
    }

    #[test]
    fn one_pass_finds_what_sorted_children_give() {
        let (mut assembler, mut plain, mut unordered) = (Assembler::new(), 0, 0);
        for seed in 0..2_000 {
            let spans = nested(seed);
            let mut trace = assembler.assemble(&spans);
            plain += u32::from(!trace.assembler.has_children);
            for row in 0..spans.len() as u32 {
                let children: Vec<Node> =
                    trace.children(row).to_vec().iter().map(|child| trace.assembler.nodes[*child as usize]).collect();
                let node = trace.assembler.nodes[row as usize];
                unordered += u32::from(node.covered_from == UNORDERED);
                assert_eq!(node.self_nanos, self_time::self_nanos(&node, children.iter()), "seed {seed}, row {row}");
            }
        }
        assert!(plain > 1_000 && unordered > 1_000, "{plain} plain traces, {unordered} parents of unordered children");
    }

    #[test]
    fn links_that_lead_back_are_not_plain() {
        let node = |start, end| Node::new(&SpanFacts { start, end, ..SpanFacts::default() });
        let (one, same, later) = (node(5, 9), node(5, 9), node(6, 7));
        type Row<'a> = (u32, &'a Node);
        let plain = |pairs: &[(Row<'_>, Row<'_>)]| {
            let mut links = Links::default();
            pairs.iter().for_each(|(child, parent)| links.add(*child, *parent));
            links.are_plain()
        };
        assert!(plain(&[((1, &later), (0, &one)), ((2, &same), (0, &one))]));
        assert!(!plain(&[((0, &one), (1, &later))]), "a parent that starts later");
        assert!(!plain(&[((0, &one), (1, &same)), ((1, &same), (0, &one))]), "equal ones in a ring");
        assert!(!plain(&[((0, &one), (0, &one))]), "its own parent");
    }
}
