//! The shape of a trace: its root's operation and the set of (parent operation, child operation)
//! edges. How often an edge stands does not count, so a loop of ten calls and one of eleven are
//! one shape. It must not know what an operation is called.

use super::node::{NONE, Node};
use super::table::{Table, fold};

/// A trace's shape, in layers: compare `root_op` alone, or all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Operation of the main root; [`Shape::NO_ROOT`] for a trace without a span.
    pub root_op: u32,
    /// The set of edges as a number: the same in every process that has the same operation
    /// hashes, and the same for every order of the spans; 0 for no edge.
    pub edges: u64,
    /// Root and edges as one number, again the same in every process.
    pub hash: u64,
}

impl Shape {
    /// The root's operation of a trace without a span.
    pub const NO_ROOT: u32 = u32::MAX;

    pub(super) fn new(root_op: Option<u32>, edges: u64, op_hash: impl Fn(u32) -> u64) -> Self {
        let root = root_op.map_or(0, |op| mix(op_hash(op), 0));
        Self { root_op: root_op.unwrap_or(Self::NO_ROOT), edges, hash: root.wrapping_add(edges) }
    }
}

/// Collects the distinct edges in the order of their first child, and gives the sum of their
/// hashes.
pub(super) fn edges(
    nodes: &[Node],
    seen: &mut Table,
    distinct: &mut Vec<(u32, u32)>,
    op_hash: impl Fn(u32) -> u64,
) -> u64 {
    seen.reset(nodes.len());
    distinct.clear();
    distinct.resize(nodes.len(), (0, 0));
    let (mut sum, mut count) = (0_u64, 0);
    for node in nodes.iter().filter(|node| node.parent != NONE) {
        let edge = (nodes[node.parent as usize].op, node.op);
        let is_new = seen.insert(u64::from(edge.0) << 32 | u64::from(edge.1), 0).is_none();
        // Whether an edge is new is a coin toss, so there is no branch on it.
        distinct[count] = edge;
        count += usize::from(is_new);
        sum = sum.wrapping_add(mix(op_hash(edge.0), op_hash(edge.1)) & u64::from(is_new).wrapping_neg());
    }
    distinct.truncate(count);
    sum
}

/// One number from two; their order counts. The constants are digits of pi.
fn mix(parent: u64, child: u64) -> u64 {
    let once = fold(parent ^ 0x243f_6a88_85a3_08d3, child.rotate_left(32) ^ 0x1319_8a2e_0370_7344);
    fold(once ^ parent.rotate_left(17), 0xa409_3822_299f_31d1) ^ child
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_is_not_its_reverse_and_edges_do_not_cancel() {
        assert_ne!(mix(1, 2), mix(2, 1));
        assert_ne!(mix(1, 2).wrapping_add(mix(3, 4)), mix(1, 4).wrapping_add(mix(3, 2)));
        assert_ne!(mix(1, 1), mix(2, 2));
    }

    #[test]
    fn the_number_of_an_edge_never_changes() {
        // Learned state outlives a process: a change here makes every shape new.
        assert_eq!(Shape::new(Some(7), mix(1, 2), u64::from).hash, 4_411_810_204_115_549_110);
    }
}
