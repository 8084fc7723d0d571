//! Which spans count, and who is whose parent. It must not look at times.
//!
//! A span id that comes again is a duplicate, and the first one wins. The exception is Zipkin's
//! shared id: where a client and a server span have one id, the first of each are two spans, the
//! server's is the child of the client's, and spans that name the id are children of the server's.

use super::cover::Links;
use super::facts::{SERVER, SpanFacts, is_call, is_pair};
use super::node::{NONE, Node, Place};
use super::table::Table;

/// Enters every id and marks the duplicates; gives their number.
pub(super) fn identify(spans: &[SpanFacts], nodes: &mut [Node], ids: &mut Table) -> u32 {
    let mut duplicates = 0;
    for (row, span) in (0..).zip(spans) {
        if span.span_id == 0 {
            continue;
        }
        if let Some(first) = ids.insert(span.span_id, row) {
            let id = span.span_id;
            duplicates += u32::from(!repeat(id, first, row, nodes, ids));
        }
    }
    duplicates
}

/// A row whose id the row `first` has already. Tells whether the number of spans that count
/// grows: this row is the other end of a call.
fn repeat(id: u64, first: u32, row: u32, nodes: &mut [Node], ids: &mut Table) -> bool {
    let kind = nodes[row as usize].kind;
    let Node { kind: first_kind, twin, .. } = nodes[first as usize];
    nodes[row as usize].place = Place::Duplicate;
    if twin == NONE {
        if is_pair(first_kind, kind) {
            join(first, row, nodes);
            return true;
        }
        if is_call(kind) && !is_call(first_kind) {
            nodes[first as usize].twin = row;
        }
    } else if !is_call(first_kind) && is_pair(nodes[twin as usize].kind, kind) {
        // Both ends of a call have come: the span that is neither gives way to them.
        nodes[first as usize].place = Place::Duplicate;
        nodes[first as usize].twin = NONE;
        ids.replace(id, twin);
        join(twin, row, nodes);
        return true;
    }
    false
}

fn join(one: u32, other: u32, nodes: &mut [Node]) {
    for (row, twin) in [(one, other), (other, one)] {
        nodes[row as usize].twin = twin;
        nodes[row as usize].place = Place::Child;
    }
}

/// Names every span's parent, counts children, and collects the tops. Tells whether all links
/// are plain; see [`cover`].
pub(super) fn link(spans: &[SpanFacts], nodes: &mut [Node], ids: &Table, tops: &mut Vec<u32>) -> bool {
    let mut links = Links::default();
    for (row, span) in (0_u32..).zip(spans) {
        let node = &nodes[row as usize];
        if node.place == Place::Duplicate {
            continue;
        }
        let parent = if node.kind == SERVER && node.twin != NONE {
            node.twin
        } else if span.parent_span_id == 0 {
            NONE
        } else {
            owner(span.parent_span_id, nodes, ids)
        };
        if parent == NONE {
            nodes[row as usize].place = if span.parent_span_id == 0 { Place::Root } else { Place::Orphan };
            tops.push(row);
        } else {
            links.add((row, &nodes[row as usize]), (parent, &nodes[parent as usize]));
            nodes[row as usize].parent = parent;
            nodes[parent as usize].child_count += 1;
        }
    }
    links.are_plain()
}

/// The span whose children name this id; [`NONE`] when there is none.
fn owner(id: u64, nodes: &[Node], ids: &Table) -> u32 {
    let Some(first) = ids.find(id) else { return NONE };
    let Node { kind, twin, .. } = nodes[first as usize];
    if twin != NONE && is_call(kind) && kind != SERVER { twin } else { first }
}

/// Lays out the children of each parent side by side, in the order of their rows.
pub(super) fn place(nodes: &mut [Node], children: &mut Vec<u32>) {
    let mut next = 0;
    for node in nodes.iter_mut() {
        node.first_child = next;
        next += node.child_count;
        node.child_count = 0;
    }
    children.clear();
    children.resize(next as usize, NONE);
    for row in 0..nodes.len() {
        let parent = nodes[row].parent;
        if parent != NONE {
            let parent = &mut nodes[parent as usize];
            children[(parent.first_child + parent.child_count) as usize] = row as u32;
            parent.child_count += 1;
        }
    }
}
