//! Links that lead back to where they began. Each cycle is cut above its earliest span, so that
//! the result does not depend on the order of the rows. It must not know of corrected times: a
//! cycle is on no tree, so nothing has corrected them.

use super::facts::{SERVER, SpanFacts};
use super::node::{NONE, Node, Place};

/// Cuts every cycle and adds its head to `tops`; gives the number of cycles. O(n), and called
/// only when spans hang on no top.
pub(super) fn cut(
    spans: &[SpanFacts],
    nodes: &mut [Node],
    children: &mut [u32],
    walks: &mut Vec<u32>,
    tops: &mut Vec<u32>,
) -> u32 {
    walks.clear();
    walks.resize(nodes.len(), NONE);
    let before = tops.len();
    for first in 0..nodes.len() as u32 {
        let mut row = first;
        while row != NONE && walks[row as usize] == NONE {
            walks[row as usize] = first;
            row = nodes[row as usize].parent;
        }
        // Back on this very walk: `row` is on a cycle. On an earlier walk, its end is known.
        if row != NONE && walks[row as usize] == first {
            let head = earliest(row, spans, nodes);
            detach(head, nodes, children);
            tops.push(head);
        }
    }
    (tops.len() - before) as u32
}

/// The span of a cycle that starts first; among equals the smaller id, a client before its server.
fn earliest(row: u32, spans: &[SpanFacts], nodes: &[Node]) -> u32 {
    let key = |row: u32| {
        let span = &spans[row as usize];
        (span.start, span.span_id, span.kind == SERVER)
    };
    let (mut head, mut next) = (row, nodes[row as usize].parent);
    while next != row {
        if key(next) < key(head) {
            head = next;
        }
        next = nodes[next as usize].parent;
    }
    head
}

fn detach(head: u32, nodes: &mut [Node], children: &mut [u32]) {
    let parent = std::mem::replace(&mut nodes[head as usize].parent, NONE);
    nodes[head as usize].place = Place::Head;
    let parent = &mut nodes[parent as usize];
    let siblings = &mut children[parent.children()];
    if let Some(at) = siblings.iter().position(|child| *child == head) {
        siblings.copy_within(at + 1.., at);
        parent.child_count -= 1;
    }
}
