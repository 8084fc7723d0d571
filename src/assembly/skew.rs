//! Clocks of different hosts. A server span is timed by another host than its caller; where it
//! begins outside the caller's interval, one of the clocks is wrong, and the server span and what
//! hangs on it move into the caller's. This is what Zipkin's and Jaeger's pages show.
//!
//! Only server spans tell: a span of any other kind shares its parent's clock, and one that
//! begins after its parent's end is work that the parent did not wait for. What only ends too late
//! outlives its parent, which happens with good clocks too, and stays.

use super::facts::{PRODUCER, SERVER, SpanFacts};
use super::node::Node;

/// A start and an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Interval {
    start: u64,
    end: u64,
}

/// Gives a child its corrected times from its parent's, and tells whether a wrong clock was found
/// here (and not above).
pub(super) fn correct(child: (&SpanFacts, &mut Node), parent: (&SpanFacts, &Node)) -> bool {
    let ((span, node), (parent_span, parent)) = (child, parent);
    let is_moved = parent.start != parent_span.start;
    let is_inside = (parent.start..=parent.end).contains(&node.start);
    // Nearly every span.
    if is_inside && !is_moved {
        return false;
    }
    let is_remote = span.kind == SERVER && parent_span.kind != PRODUCER;
    if !(is_moved || is_remote) || !has_times(span) || !has_times(parent_span) {
        return false;
    }
    let told = Interval { start: node.start, end: node.end };
    let around = Interval { start: parent.start, end: parent.end };
    let with_parent = told.moved(parent_span.start, parent.start);
    let (corrected, is_found) = if !is_remote || with_parent.starts_in(around) {
        (with_parent, false)
    } else if told.starts_in(around) {
        // The parent's clock was wrong and this one is not.
        (told, false)
    } else {
        (told.put_into(around), true)
    };
    node.start = corrected.start;
    node.end = corrected.end;
    node.self_nanos = corrected.end - corrected.start;
    is_found
}

/// Whether a span says when it was.
pub(super) fn has_times(span: &SpanFacts) -> bool {
    span.start | span.end != 0
}

impl Interval {
    fn length(self) -> u64 {
        self.end - self.start
    }

    fn at(self, start: u64) -> Self {
        Self { start, end: start.saturating_add(self.length()) }
    }

    /// Moved as something was that stood at `from` and stands at `to`.
    fn moved(self, from: u64, to: u64) -> Self {
        let start =
            if to >= from { self.start.saturating_add(to - from) } else { self.start.saturating_sub(from - to) };
        self.at(start)
    }

    fn starts_in(self, around: Self) -> bool {
        (around.start..=around.end).contains(&self.start)
    }

    /// In the middle, as if both ways took the same time; at the start if it is too long.
    fn put_into(self, around: Self) -> Self {
        self.at(around.start + around.length().saturating_sub(self.length()) / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assembly::facts::{CLIENT, CONSUMER};

    fn span(kind: u8, start: u64, end: u64) -> SpanFacts {
        SpanFacts { kind, start, end, ..SpanFacts::default() }
    }

    /// Corrected start and end of a child under a client span of 100 to 200 that stands where it
    /// says, or elsewhere.
    fn corrected(child: SpanFacts, parent_at: u64) -> (u64, u64, bool) {
        let parent_span = span(CLIENT, 100, 200);
        let parent = Node { start: parent_at, end: parent_at + 100, ..Node::new(&parent_span) };
        let mut node = Node::new(&child);
        let is_found = correct((&child, &mut node), (&parent_span, &parent));
        (node.start, node.end, is_found)
    }

    #[test]
    fn a_server_span_outside_its_caller_is_centred() {
        assert_eq!(corrected(span(SERVER, 1_000, 1_040), 100), (130, 170, true));
        assert_eq!(corrected(span(SERVER, 10, 50), 100), (130, 170, true));
        assert_eq!(corrected(span(SERVER, 90, 150), 100), (120, 180, true), "it cannot begin before its cause");
    }

    #[test]
    fn a_longer_one_is_aligned_to_the_start() {
        assert_eq!(corrected(span(SERVER, 1_000, 1_500), 100), (100, 600, true));
    }

    #[test]
    fn one_that_only_outlives_its_caller_stays() {
        assert_eq!(corrected(span(SERVER, 150, 250), 100), (150, 250, false));
        assert_eq!(corrected(span(SERVER, 200, 250), 100), (200, 250, false));
    }

    #[test]
    fn no_other_kind_tells_of_a_wrong_clock() {
        for kind in [0, 1, CLIENT, PRODUCER, CONSUMER, 255] {
            assert_eq!(corrected(span(kind, 1_000, 1_040), 100), (1_000, 1_040, false), "kind {kind}");
        }
    }

    #[test]
    fn what_hangs_on_a_moved_span_moves_with_it() {
        assert_eq!(corrected(span(1, 110, 120), 5_100), (5_110, 5_120, false));
        assert_eq!(corrected(span(SERVER, 110, 120), 5_100), (5_110, 5_120, false));
    }

    #[test]
    fn a_server_whose_own_clock_fits_stays() {
        assert_eq!(corrected(span(SERVER, 5_110, 5_120), 5_100), (5_110, 5_120, false));
    }

    #[test]
    fn a_span_without_times_tells_nothing() {
        assert_eq!(corrected(span(SERVER, 0, 0), 100), (0, 0, false));
        assert_eq!(corrected(span(1, 0, 0), 5_100), (0, 0, false));
    }

    #[test]
    fn the_ends_of_time_saturate() {
        assert_eq!(corrected(span(1, u64::MAX - 5, u64::MAX), 5_100), (u64::MAX, u64::MAX, false));
        assert_eq!(corrected(span(1, 5, 10), 0), (0, 5, false));
    }
}
