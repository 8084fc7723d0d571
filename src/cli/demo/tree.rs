//! A trace as a tree: who called whom, when, for how long, and what went wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::kept::{Span, Trace};
use super::screen::{Style, Tone};

/// What the default configuration's `slow` policy calls slow.
pub(super) const SLOW_NS: u64 = 500_000_000;

const NAME_CELLS: usize = 40;
const SERVICE_CELLS: usize = 10;
const BAR_CELLS: u64 = 32;
const LINES_MAX: usize = 40;

/// The trace with a head that says why it was kept.
pub(super) fn draw(trace: &Trace, style: Style) -> String {
    let mut out = head(trace, style);
    let rows = rows(trace);
    for row in rows.iter().take(LINES_MAX) {
        out.push_str(&line(trace, row, style));
    }
    if rows.len() > LINES_MAX {
        out.push_str(&format!("  … and {} spans more\n", rows.len() - LINES_MAX));
    }
    out
}

fn head(trace: &Trace, style: Style) -> String {
    let services: BTreeSet<&str> = trace.spans.iter().map(|span| span.service.as_str()).collect();
    let facts =
        format!("{}, {} spans, {} services", milliseconds(trace.duration_ns()), trace.spans.len(), services.len());
    format!(
        "{} {}  {}\n{} {}\n\n",
        style.paint(Tone::Strong, "trace"),
        trace.id,
        style.paint(Tone::Quiet, &facts),
        style.paint(Tone::Strong, "kept "),
        reason(trace)
    )
}

/// Why the default configuration keeps this trace.
fn reason(trace: &Trace) -> String {
    let mut reasons = Vec::new();
    if let Some(span) = deepest_error(trace) {
        let message = span.error.as_deref().unwrap_or_default();
        let message = if message.is_empty() { String::new() } else { format!(" ({message})") };
        reasons.push(format!("policy errors: {} in {} has status ERROR{message}", span.name, span.service));
    }
    if trace.duration_ns() > SLOW_NS {
        reasons.push(format!(
            "policy slow: {} is more than {}",
            milliseconds(trace.duration_ns()),
            milliseconds(SLOW_NS)
        ));
    }
    if let (Some(policy), true) = (&trace.policy, reasons.is_empty()) {
        reasons.push(format!("policy {policy}"));
    }
    if reasons.is_empty() {
        reasons.push("policy baseline: one of the 10 % that are kept whatever happens in them".to_owned());
    }
    reasons.join("; ")
}

/// The error that the others follow from: the one that started last.
fn deepest_error(trace: &Trace) -> Option<&Span> {
    trace.spans.iter().filter(|span| span.error.is_some()).max_by_key(|span| span.start_ns)
}

/// A span with the lines that lead to it.
struct Row<'a> {
    span: &'a Span,
    branch: String,
    /// Time in which none of its children was at work, roughly: its own less theirs.
    own_ns: u64,
}

/// Spans in the order of the tree; a span whose parent is missing stands at the top.
fn rows(trace: &Trace) -> Vec<Row<'_>> {
    let ids: BTreeSet<&str> = trace.spans.iter().map(|span| span.id.as_str()).collect();
    let mut children = BTreeMap::<&str, Vec<&Span>>::new();
    for span in &trace.spans {
        let parent =
            if ids.contains(span.parent.as_str()) && span.parent != span.id { span.parent.as_str() } else { "" };
        children.entry(parent).or_default().push(span);
    }
    children.values_mut().for_each(|spans| spans.sort_by_key(|span| (span.start_ns, span.end_ns)));
    let mut rows = Vec::new();
    // Spans still to draw, the next one last, each with the lines of its ancestors.
    let mut waiting: Vec<(&Span, String, String)> =
        children.get("").into_iter().flatten().rev().map(|span| (*span, String::new(), String::new())).collect();
    while let Some((span, branch, below)) = waiting.pop() {
        let called = children.remove(span.id.as_str()).unwrap_or_default();
        let theirs: u64 = called.iter().map(|child| child.end_ns.saturating_sub(child.start_ns)).sum();
        rows.push(Row { span, branch, own_ns: span.end_ns.saturating_sub(span.start_ns).saturating_sub(theirs) });
        for (index, child) in called.iter().enumerate().rev() {
            let is_last = index + 1 == called.len();
            let (mark, under) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            waiting.push((child, format!("{below}{mark}"), format!("{below}{under}")));
        }
    }
    rows
}

fn line(trace: &Trace, row: &Row<'_>, style: Style) -> String {
    let duration_ns = row.span.end_ns.saturating_sub(row.span.start_ns);
    let is_slow = row.own_ns > SLOW_NS / 2;
    let tone = if row.span.error.is_some() {
        Tone::Bad
    } else if is_slow {
        Tone::Warm
    } else {
        Tone::Good
    };
    let name_cells = NAME_CELLS.saturating_sub(row.branch.chars().count());
    let name = fitted(&row.span.name, name_cells);
    let name = if row.span.error.is_some() { style.paint(Tone::Bad, &name) } else { name };
    let mark = match (&row.span.error, is_slow) {
        (Some(_), _) => style.paint(Tone::Bad, "  ✗ error"),
        (None, true) => style.paint(Tone::Warm, "  ◂ slow"),
        (None, false) => String::new(),
    };
    format!(
        "  {}{name} {} {}{:>11}{mark}\n",
        style.paint(Tone::Quiet, &row.branch),
        style.paint(Tone::Quiet, &fitted(&row.span.service, SERVICE_CELLS)),
        style.paint(tone, &bar(trace, row.span)),
        milliseconds(duration_ns),
    )
}

/// Where in the trace a span was at work.
fn bar(trace: &Trace, span: &Span) -> String {
    let (start, end) = trace.bounds_ns();
    let length = (end - start).max(1);
    let cell = |ns: u64| (u128::from(ns.saturating_sub(start)) * u128::from(BAR_CELLS) / u128::from(length)) as u64;
    let first = cell(span.start_ns).min(BAR_CELLS - 1);
    let last = cell(span.end_ns).clamp(first + 1, BAR_CELLS);
    let cells = |count: u64, with: &str| with.repeat(count as usize);
    format!("{}{}{}", cells(first, " "), cells(last - first, "━"), cells(BAR_CELLS - last, " "))
}

/// The text in exactly so many cells.
fn fitted(text: &str, cells: usize) -> String {
    if text.chars().count() <= cells {
        return format!("{text:<cells$}");
    }
    text.chars().take(cells.saturating_sub(1)).chain(['…']).collect()
}

fn milliseconds(nanos: u64) -> String {
    match nanos as f64 / 1e6 {
        short if short < 10.0 => format!("{short:.1} ms"),
        long => format!("{} ms", crate::cli::generate::grouped(long as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn span(id: &str, parent: &str, name: &str, from_ms: u64, to_ms: u64) -> Span {
        Span {
            id: id.into(),
            parent: parent.into(),
            service: "shop".into(),
            name: name.into(),
            start_ns: from_ms * MS,
            end_ns: to_ms * MS,
            error: None,
        }
    }

    fn trace(spans: Vec<Span>) -> Trace {
        Trace { id: "0a".into(), spans, policy: None }
    }

    #[test]
    fn a_tree_has_branches_bars_and_marks() {
        let mut charge = span("3", "1", "charge", 100, 800);
        charge.error = Some("declined".into());
        let spans = vec![
            charge,
            span("1", "", "checkout", 0, 800),
            span("4", "2", "query", 10, 50),
            span("2", "1", "cart", 0, 100),
        ];
        let text = draw(&trace(spans), Style::default());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "trace 0a  800 ms, 4 spans, 1 services");
        assert_eq!(
            lines[1],
            "kept  policy errors: charge in shop has status ERROR (declined); policy slow: 800 ms is more than 500 ms"
        );
        let names: Vec<&str> = lines[3..]
            .iter()
            .map(|line| line.split("  shop").next().unwrap().trim_end().trim_start_matches("  "))
            .map(|line| line.split("shop").next().unwrap().trim_end())
            .collect();
        assert_eq!(names, ["checkout", "├─ cart", "│  └─ query", "└─ charge"]);
        assert!(lines[3].contains(&"━".repeat(32)) && lines[3].contains("800 ms"));
        assert!(lines[6].ends_with("700 ms  ✗ error"), "{}", lines[6]);
    }

    #[test]
    fn orphans_and_circles_do_not_lose_the_rest() {
        let orphan = trace(vec![span("2", "9", "orphan", 0, 1), span("1", "", "root", 0, 2)]);
        assert_eq!(rows(&orphan).len(), 2);
        let own_parent = trace(vec![span("1", "1", "self", 0, 1)]);
        assert_eq!(rows(&own_parent).len(), 1);
        let circle = trace(vec![span("1", "2", "a", 0, 1), span("2", "1", "b", 0, 1), span("3", "", "c", 0, 1)]);
        assert_eq!(rows(&circle).len(), 1);
    }

    #[test]
    fn a_trace_without_trouble_is_of_the_baseline() {
        assert!(reason(&trace(vec![span("1", "", "a", 0, 1)])).starts_with("policy baseline"));
    }
}
