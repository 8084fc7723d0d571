//! What the detector needs of spans that wait, side by side: when a trace is decided its spans are
//! long out of the cache, and each run is then one place to go to instead of one a column. 40 bytes
//! a span.

use super::trace::Run;
use crate::assembly::SpanFacts;
use crate::model::{Charge, Request, Rows, SpanColumns};

/// Facts about the selected rows of one request.
pub(super) struct Facts {
    rows: Rows,
    /// One a selected row.
    spans: Box<[SpanFacts]>,
    _charge: Charge,
}

impl Facts {
    /// Of `rows` of a request, whose operations are `ops` in the same order. The account of the
    /// request pays.
    pub(super) fn new(request: &Request, columns: &SpanColumns, rows: &Rows, ops: &[u32]) -> Self {
        let charge = request.account().charge((size_of::<SpanFacts>() * ops.len()) as u64);
        let (span_id, parent_span_id) = (&columns.span_id[..], &columns.parent_span_id[..]);
        let (start, end) = (&columns.start[..], &columns.end[..]);
        let (kind, status) = (&columns.kind[..], &columns.status_code[..]);
        let of = |row: usize, op: &u32| SpanFacts {
            span_id: span_id[row],
            parent_span_id: parent_span_id[row],
            start: start[row],
            end: end[row],
            op: *op,
            kind: kind[row],
            status: status[row],
        };
        let spans = match rows {
            Rows::List(rows) => rows.iter().zip(ops).map(|(row, op)| of(*row as usize, op)).collect(),
            Rows::All => (0..).zip(ops).map(|(row, op)| of(row, op)).collect(),
            Rows::Range { start, .. } => (*start as usize..).zip(ops).map(|(row, op)| of(row, op)).collect(),
        };
        Self { rows: rows.clone(), spans, _charge: charge }
    }

    /// Adds the facts of a run of selected rows.
    pub(super) fn extend(&self, run: Run, out: &mut Vec<SpanFacts>) {
        out.extend_from_slice(self.of(run));
    }

    /// The first row of a run that names no parent.
    pub(super) fn root_in(&self, run: Run) -> Option<u32> {
        (run.start..run.end).zip(self.of(run)).find(|(_, span)| span.parent_span_id == 0).map(|(row, _)| row)
    }

    #[inline]
    fn of(&self, run: Run) -> &[SpanFacts] {
        let first = match &self.rows {
            Rows::All => run.start as usize,
            Rows::Range { start, .. } => (run.start - start) as usize,
            // The rows of a run follow each other, so their places in the list do as well.
            Rows::List(rows) => rows.partition_point(|row| *row < run.start),
        };
        &self.spans[first..][..(run.end - run.start) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::request_of;

    #[test]
    fn facts_of_a_run_are_those_of_its_rows_however_they_were_selected() {
        let request = request_of(&[1, 2, 3, 4, 5, 6]);
        let columns = request.index().spans.as_ref().unwrap();
        let run = |start, end| Run { request: 0, start, end };
        for (rows, ops, run) in [
            (Rows::All, &[0, 1, 2, 3, 4, 5][..], run(2, 4)),
            (Rows::Range { start: 2, end: 5 }, &[2, 3, 4], run(2, 4)),
            (Rows::List([0, 2, 3, 5].into()), &[0, 2, 3, 5], run(2, 4)),
        ] {
            let mut out = Vec::new();
            Facts::new(&request, columns, &rows, ops).extend(run, &mut out);
            let seen: Vec<(u32, u64)> = out.iter().map(|facts| (facts.op, facts.span_id)).collect();
            assert_eq!(seen, [(2, columns.span_id[2]), (3, columns.span_id[3])], "{rows:?}");
        }
    }

    #[test]
    fn the_account_pays_until_the_facts_go() {
        let request = request_of(&[1, 2, 3]);
        let before = request.account().held_bytes();
        let facts = Facts::new(&request, request.index().spans.as_ref().unwrap(), &Rows::All, &[1, 2, 3]);
        assert!(request.account().held_bytes() >= before + 3 * 40);
        drop(facts);
        assert_eq!(request.account().held_bytes(), before);
    }
}
