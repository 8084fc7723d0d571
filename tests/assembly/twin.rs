//! Assembly once more, the slow and plain way: sets, scans over all rows, recursion, and wide
//! integers. It shares no code with what it checks.

use std::collections::{BTreeMap, BTreeSet};

use tailwater::assembly::SpanFacts;

use super::{CLIENT, CONSUMER, PRODUCER, SERVER};

/// All that is known of a trace.
#[derive(Debug, Default)]
pub(crate) struct Twin {
    pub(crate) duplicates: BTreeSet<usize>,
    pub(crate) orphans: BTreeSet<usize>,
    pub(crate) parent: BTreeMap<usize, usize>,
    /// Rows whose link to their parent was cut.
    pub(crate) heads: BTreeSet<usize>,
    pub(crate) times: Vec<(u64, u64)>,
    pub(crate) self_nanos: Vec<u64>,
    pub(crate) main_root: Option<usize>,
    pub(crate) edges: BTreeSet<(u32, u32)>,
}

impl Twin {
    pub(crate) fn new(spans: &[SpanFacts]) -> Self {
        let mut twin = Self::default();
        twin.drop_duplicates(spans);
        twin.find_parents(spans);
        twin.cut_cycles(spans);
        twin.times = (0..spans.len()).map(|row| twin.corrected(spans, row)).collect();
        twin.self_nanos = (0..spans.len()).map(|row| twin.self_time(spans, row)).collect();
        twin.main_root = (0..spans.len())
            .filter(|row| !twin.duplicates.contains(row) && !twin.parent.contains_key(row))
            .min_by_key(|row| {
                let span = spans[*row];
                (span.parent_span_id != 0 || twin.heads.contains(row), span.start, span.span_id, span.op, *row)
            });
        twin.edges = twin.parent.iter().map(|(child, parent)| (spans[*parent].op, spans[*child].op)).collect();
        twin
    }

    fn drop_duplicates(&mut self, spans: &[SpanFacts]) {
        for id in spans.iter().map(|span| span.span_id).filter(|id| *id != 0).collect::<BTreeSet<_>>() {
            let rows: Vec<usize> = (0..spans.len()).filter(|row| spans[*row].span_id == id).collect();
            let first_of = |kind: u8| rows.iter().copied().find(|row| spans[*row].kind == kind);
            let kept = match (first_of(CLIENT), first_of(SERVER)) {
                (Some(client), Some(server)) => vec![client, server],
                _ => vec![rows[0]],
            };
            self.duplicates.extend(rows.into_iter().filter(|row| !kept.contains(row)));
        }
    }

    fn find_parents(&mut self, spans: &[SpanFacts]) {
        let kept: Vec<usize> = (0..spans.len()).filter(|row| !self.duplicates.contains(row)).collect();
        let with = |id: u64, kind: Option<u8>| {
            kept.iter()
                .copied()
                .find(|row| id != 0 && spans[*row].span_id == id && kind.is_none_or(|kind| spans[*row].kind == kind))
        };
        for &row in &kept {
            let span = spans[row];
            let caller = if span.kind == SERVER { with(span.span_id, Some(CLIENT)) } else { None };
            let named = with(span.parent_span_id, Some(SERVER)).or_else(|| with(span.parent_span_id, None));
            if let Some(parent) = caller.or(named) {
                self.parent.insert(row, parent);
            } else if span.parent_span_id != 0 {
                self.orphans.insert(row);
            }
        }
    }

    fn cut_cycles(&mut self, spans: &[SpanFacts]) {
        for row in 0..spans.len() {
            let mut ancestors = Vec::new();
            let mut next = self.parent.get(&row).copied();
            while let Some(ancestor) = next.filter(|ancestor| !ancestors.contains(ancestor)) {
                ancestors.push(ancestor);
                next = self.parent.get(&ancestor).copied();
            }
            if ancestors.contains(&row) {
                let head = ancestors
                    .into_iter()
                    .min_by_key(|row| (spans[*row].start, spans[*row].span_id, spans[*row].kind == SERVER));
                self.parent.remove(&head.unwrap());
                self.heads.extend(head);
            }
        }
    }

    fn corrected(&self, spans: &[SpanFacts], row: usize) -> (u64, u64) {
        let span = spans[row];
        let told = (span.start, span.end.max(span.start));
        let Some(parent) = self.parent.get(&row) else { return told };
        let is_timeless = |span: SpanFacts| (span.start, span.end) == (0, 0);
        if is_timeless(span) || is_timeless(spans[*parent]) {
            return told;
        }
        let around = self.corrected(spans, *parent);
        let length = i128::from(told.1 - told.0);
        let clamp = |number: i128| number.clamp(0, u64::MAX.into()) as u64;
        let at = |start: i128| (clamp(start), clamp(i128::from(clamp(start)) + length));
        let along = at(i128::from(told.0) + i128::from(around.0) - i128::from(spans[*parent].start));
        if span.kind != SERVER || spans[*parent].kind == PRODUCER {
            return along;
        }
        let slack = (i128::from(around.1) - i128::from(around.0) - length).max(0);
        [along, told]
            .into_iter()
            .find(|(start, _)| around.0 <= *start && *start <= around.1)
            .unwrap_or_else(|| at(i128::from(around.0) + slack / 2))
    }

    /// Children that the parent waits for.
    fn awaited(&self, spans: &[SpanFacts], row: usize) -> Vec<usize> {
        let is_awaited = |child: usize| {
            spans[child].kind != CONSUMER && spans[row].kind != PRODUCER && self.times[child].0 <= self.times[row].1
        };
        (0..spans.len()).filter(|child| self.parent.get(child) == Some(&row) && is_awaited(*child)).collect()
    }

    /// Cuts the span at every moment at which something changes, and adds up the idle pieces.
    fn self_time(&self, spans: &[SpanFacts], row: usize) -> u64 {
        if self.duplicates.contains(&row) {
            return 0;
        }
        let (start, end) = self.times[row];
        let children: Vec<(u64, u64)> = self.awaited(spans, row).into_iter().map(|child| self.times[child]).collect();
        let mut moments: BTreeSet<u64> = children.iter().flat_map(|(start, end)| [*start, *end]).collect();
        moments.extend([start, end]);
        let moments: Vec<u64> = moments.into_iter().filter(|moment| (start..=end).contains(moment)).collect();
        let is_idle = |piece: &&[u64]| !children.iter().any(|child| child.0 <= piece[0] && piece[1] <= child.1);
        moments.windows(2).filter(is_idle).map(|piece| piece[1] - piece[0]).sum()
    }

    /// CRISP's recursion without its tolerance: time on the path of each row, added to `path`.
    pub(crate) fn critical_path(
        &self,
        spans: &[SpanFacts],
        row: usize,
        part: (u64, u64),
        path: &mut BTreeMap<usize, u64>,
    ) {
        let mut children: Vec<(usize, u64, u64)> = self
            .awaited(spans, row)
            .into_iter()
            .map(|child| (child, self.times[child].0.max(part.0), self.times[child].1.min(part.1)))
            .filter(|(_, start, end)| start < end)
            .collect();
        children.sort_by_key(|(child, start, _)| (*start, spans[*child].span_id, self.times[*child].0, *child));
        children.sort_by_key(|(_, _, end)| std::cmp::Reverse(*end));
        let (mut exclusive, mut before) = (part.1 - part.0, u64::MAX);
        for (child, start, end) in children {
            if end <= before {
                self.critical_path(spans, child, (start, end), path);
                exclusive -= end - start;
                before = start;
            }
        }
        *path.entry(row).or_default() += exclusive;
    }
}
