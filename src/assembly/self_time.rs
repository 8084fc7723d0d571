//! Self time: what a span does while none of its synchronous children is at work. It must not know
//! of grandchildren: a child stands for all that hangs on it.

use super::facts::{CONSUMER, PRODUCER};
use super::node::Node;

/// Whether the parent does not wait for this child: a message lies between them, or the child
/// starts when the parent is done.
pub(super) fn is_asynchronous(child: &Node, parent: &Node) -> bool {
    child.kind == CONSUMER || parent.kind == PRODUCER || child.start > parent.end
}

/// The parent's length less the union of its children, clipped to the parent. The children come
/// by start.
pub(super) fn self_nanos<'a>(parent: &Node, children: impl Iterator<Item = &'a Node>) -> u64 {
    let mut covered = 0;
    let mut covered_to = parent.start;
    for child in children {
        if is_asynchronous(child, parent) {
            continue;
        }
        let from = child.start.max(covered_to);
        let to = child.end.min(parent.end);
        if from < to {
            covered += to - from;
            covered_to = to;
        }
    }
    (parent.end - parent.start) - covered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assembly::SpanFacts;

    fn node(kind: u8, start: u64, end: u64) -> Node {
        Node::new(&SpanFacts { kind, start, end, ..SpanFacts::default() })
    }

    fn of(parent: Node, children: &[Node]) -> u64 {
        self_nanos(&parent, children.iter())
    }

    #[test]
    fn overlapping_children_count_once_and_are_clipped() {
        let parent = node(0, 100, 200);
        assert_eq!(of(parent, &[]), 100);
        assert_eq!(of(parent, &[node(0, 110, 150), node(0, 120, 130), node(0, 140, 160)]), 50);
        assert_eq!(of(parent, &[node(0, 50, 120), node(0, 190, 900)]), 70);
        assert_eq!(of(parent, &[node(0, 0, u64::MAX)]), 0);
    }

    #[test]
    fn what_the_parent_does_not_wait_for_is_not_taken_off() {
        assert_eq!(of(node(0, 100, 200), &[node(CONSUMER, 110, 150)]), 100);
        assert_eq!(of(node(PRODUCER, 100, 200), &[node(0, 110, 150)]), 100);
        assert_eq!(of(node(0, 100, 200), &[node(0, 201, 300)]), 100);
        assert_eq!(of(node(0, 100, 200), &[node(PRODUCER, 110, 150)]), 60, "the sending is waited for");
    }
}
