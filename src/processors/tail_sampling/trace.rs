//! What is kept of a waiting trace beside the rows of its spans: a summary that is brought up to
//! date as spans arrive, so that most policies decide without reading the spans again.

use std::ops::Range;

use crate::model::{Chance, Instant, RowsIter, SpanColumns, TraceId};
use crate::sampling::Threshold;

/// No place.
pub(super) const NONE: u32 = u32::MAX;

/// Rows `start..end` of a held request, all of one trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Run {
    /// Place among the held requests.
    pub(super) request: u32,
    pub(super) start: u32,
    pub(super) end: u32,
}

/// A run and the place of the next one of the same trace.
#[derive(Clone, Copy, Default)]
pub(super) struct RunNode {
    pub(super) run: Run,
    pub(super) next: u32,
}

/// Where a trace is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// The place is not in use.
    #[default]
    Free,
    /// Spans wait for the decision.
    Pending,
    /// Kept; late spans follow.
    Sampled,
    /// Not kept; late spans follow.
    NotSampled,
}

/// Facts about the spans of a trace that have arrived so far, in the order of their arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many spans.
    pub spans: u32,
    /// Bit 0, 1, 2: some span has status unset, ok, error; bit 7: some span has another code.
    pub statuses: u8,
    /// All W3C flags of the spans or-ed, the lowest eight bits.
    pub flags: u8,
    /// Whether some span has a `tracestate`.
    pub has_trace_state: bool,
    /// Bytes of the spans' messages.
    pub bytes: u64,
    /// Longest time from the earliest start to the latest end over all prefixes of the spans, in
    /// nanoseconds, with the Collector's arithmetic: a time of 0 counts as not yet set.
    pub longest_nanos: i64,
    window: Window,
}

/// Earliest start and latest end so far. As in the Collector a 0 counts as not yet set, and the
/// difference is taken between signed numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    start: u64,
    end: u64,
}

impl Window {
    /// Takes in a span; returns the window's length in nanoseconds.
    pub fn add(&mut self, start: u64, end: u64) -> i64 {
        if self.start == 0 || start < self.start {
            self.start = start;
        }
        if self.end == 0 || end > self.end {
            self.end = end;
        }
        self.end.cast_signed().saturating_sub(self.start.cast_signed())
    }
}

impl Summary {
    /// Takes in the spans of `rows`; returns whether one of them is a root.
    pub(super) fn add(&mut self, columns: &SpanColumns, lengths: &[u32], rows: Range<u32>) -> bool {
        let rows = rows.start as usize..rows.end as usize;
        self.bytes += lengths[rows.clone()].iter().map(|length| u64::from(*length)).sum::<u64>();
        self.flags |= columns.flags[rows.clone()].iter().fold(0, |all, flags| all | *flags as u8);
        self.has_trace_state |= columns.has_trace_state[rows.clone()].contains(&1);
        let mut longest = if self.spans == 0 { i64::MIN } else { self.longest_nanos };
        for (start, end) in columns.start[rows.clone()].iter().zip(&columns.end[rows.clone()]) {
            longest = longest.max(self.window.add(*start, *end));
        }
        self.longest_nanos = longest;
        for code in &columns.status_code[rows.clone()] {
            self.statuses |= 1 << if *code <= 2 { *code } else { 7 };
        }
        self.spans = self.spans.saturating_add(rows.len() as u32);
        columns.parent_span_id[rows].contains(&0)
    }
}

/// One trace in the buffer. 128 bytes; there is one for each of `num_traces`.
#[derive(Clone, Copy, Default)]
pub(super) struct Trace {
    pub(super) id: TraceId,
    pub(super) summary: Summary,
    pub(super) arrival: Instant,
    /// When it will be decided; once it is decided, when that was.
    pub(super) due: Instant,
    /// The first run, without a place of its own: most traces have no other.
    pub(super) first: Run,
    /// Place of the second and of the last run, or `NONE`.
    pub(super) second: u32,
    pub(super) last: u32,
    /// Neighbours in the order of arrival.
    pub(super) older: u32,
    pub(super) newer: u32,
    /// Which of its timers counts.
    pub(super) generation: u32,
    /// OTLP size of its spans; counted only with `maximum_trace_size_bytes`.
    pub(super) bytes: u32,
    pub(super) state: State,
    /// Whether a root span made the decision due.
    pub(super) is_due_by_root: bool,
    /// Of a waiting trace: how likely it was to be let in. Of a kept one: how likely it was to be
    /// kept, for its late spans.
    pub(super) odds: Odds,
}

/// A [`Chance`] in eight bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Odds(u64);

impl From<Threshold> for Odds {
    fn from(passed: Threshold) -> Self {
        // `ALWAYS` is 0, as is `Certain`.
        Self(passed.rejected())
    }
}

impl From<Chance> for Odds {
    fn from(chance: Chance) -> Self {
        Self(match chance {
            Chance::Certain => 0,
            Chance::Threshold(threshold) => threshold,
            Chance::Unknown => u64::MAX,
        })
    }
}

impl From<Odds> for Chance {
    fn from(Odds(odds): Odds) -> Self {
        match odds {
            0 => Self::Certain,
            u64::MAX => Self::Unknown,
            threshold => Self::Threshold(threshold),
        }
    }
}

/// Calls `visit` with each run of neighbouring rows of one trace.
pub(super) fn for_each_run(columns: &SpanColumns, rows: RowsIter<'_>, mut visit: impl FnMut(TraceId, Range<u32>)) {
    let ids = &columns.trace_id[..];
    let mut run: Option<(i128, Range<u32>)> = None;
    for row in rows {
        let id = ids[row as usize];
        match &mut run {
            Some((known, rows)) if *known == id && rows.end == row => rows.end += 1,
            _ => {
                if let Some((id, rows)) = run.replace((id, row..row + 1)) {
                    visit(TraceId(id.to_ne_bytes()), rows);
                }
            }
        }
    }
    if let Some((id, rows)) = run {
        visit(TraceId(id.to_ne_bytes()), rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Rows;

    fn columns(spans: &[(u64, u64, u8, u64)]) -> SpanColumns {
        SpanColumns {
            start: spans.iter().map(|span| span.0).collect(),
            end: spans.iter().map(|span| span.1).collect(),
            status_code: spans.iter().map(|span| span.2).collect(),
            parent_span_id: spans.iter().map(|span| span.3).collect(),
            flags: spans.iter().map(|_| 1).collect(),
            has_trace_state: spans.iter().map(|_| 0).collect(),
            ..SpanColumns::default()
        }
    }

    #[test]
    fn a_trace_is_small() {
        assert!(size_of::<Trace>() <= 128, "{} bytes", size_of::<Trace>());
    }

    #[test]
    fn runs_end_where_the_trace_or_the_row_does_not_follow() {
        let columns = SpanColumns { trace_id: [1, 1, 2, 2, 2, 1].into_iter().collect(), ..SpanColumns::default() };
        let runs = |rows: Rows| {
            let mut runs = Vec::new();
            for_each_run(&columns, rows.iter(6), |id, rows| runs.push((i128::from_ne_bytes(id.0), rows)));
            runs
        };
        assert_eq!(runs(Rows::All), [(1, 0..2), (2, 2..5), (1, 5..6)]);
        assert_eq!(runs(Rows::List([0, 2, 4].into())), [(1, 0..1), (2, 2..3), (2, 4..5)]);
        assert!(runs(Rows::Range { start: 3, end: 3 }).is_empty());
    }

    #[test]
    fn the_summary_does_not_depend_on_how_spans_are_cut_into_runs() {
        let columns = columns(&[(50, 60, 0, 1), (10, 20, 1, 0), (55, 90, 2, 1), (0, 5, 9, 1), (70, 75, 0, 1)]);
        let mut whole = Summary::default();
        assert!(whole.add(&columns, &[7; 5], 0..5));
        for cut in 1..5 {
            let mut pieces = Summary::default();
            pieces.add(&columns, &[7; 5], 0..cut);
            pieces.add(&columns, &[7; 5], cut..5);
            assert_eq!(pieces, whole, "cut at {cut}");
        }
        assert_eq!(
            (whole.spans, whole.statuses, whole.longest_nanos, whole.bytes, whole.flags),
            (5, 0b1000_0111, 90, 35, 1)
        );
    }

    #[test]
    fn a_span_that_ends_before_it_starts_has_a_negative_length() {
        let mut summary = Summary::default();
        assert!(!summary.add(&columns(&[(100, 40, 0, 3)]), &[7], 0..1));
        assert_eq!(summary.longest_nanos, -60);
    }
}
