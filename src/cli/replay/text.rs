//! The report for people: what came in and out, by policy, what was found, how true it is; beside
//! a second config, what is gained and lost.

use super::super::generate::grouped;
use super::table::{Paint, Table};
use crate::replay::{Found, Recording, Report, Side, Totals, Versus};

/// What is shown.
pub(super) struct Shown<'a> {
    pub(super) recording: &'a Recording,
    pub(super) name: &'a str,
    pub(super) report: &'a Report,
    pub(super) other: Option<(&'a str, &'a Report, &'a Versus)>,
}

/// Everything, in sections.
pub(super) fn render(shown: &Shown<'_>, paint: Paint) -> String {
    let mut sections = vec![totals(shown, paint)];
    let runs = [Some((shown.name, shown.report)), shown.other.map(|(name, report, _)| (name, report))];
    for (name, report) in runs.into_iter().flatten() {
        let title = if shown.other.is_some() { format!("{}\n", paint.heading(name)) } else { String::new() };
        sections.push(format!("{title}{}", policies(report, paint)));
    }
    sections.push(measures(shown, paint));
    if let Some((name, _, versus)) = shown.other {
        sections.push(gains(name, versus, paint));
        sections.push(examples(&format!("gained by {name}"), &versus.gained, paint));
        sections.push(examples(&format!("lost by {name}"), &versus.lost, paint));
    }
    sections.retain(|section| !section.is_empty());
    sections.join("\n")
}

fn totals(shown: &Shown<'_>, paint: Paint) -> String {
    let (recording, input) = (shown.recording, shown.report.input);
    let mut table = Table::new(&["", "traces", "spans", "bytes", "of traces", "of spans", "of bytes"]);
    let cells = |name: &str, totals: &Totals| {
        let ratio = |part: u64, whole: u64| percent(whole_ratio(part, whole));
        vec![
            name.to_owned(),
            grouped(totals.traces),
            grouped(totals.spans),
            bytes(totals.bytes),
            ratio(totals.traces, input.traces),
            ratio(totals.spans, input.spans),
            ratio(totals.bytes, input.bytes),
        ]
    };
    table.row(cells("input", &input));
    let kept = |name: &str, report: &Report, table: &mut Table| {
        table.row(cells(&format!("kept{name}"), &report.kept));
        if let Some((traces, spans)) = report.estimate {
            let ratio = |estimate: f64, whole: u64| percent(Some(estimate / whole.max(1) as f64));
            table.row([
                format!("estimate{name}"),
                grouped(traces.round() as u64),
                grouped(spans.round() as u64),
                String::new(),
                ratio(traces, input.traces),
                ratio(spans, input.spans),
            ]);
        }
    };
    match shown.other {
        None => kept("", shown.report, &mut table),
        Some((name, report, _)) => {
            kept(&format!(" by {}", shown.name), shown.report, &mut table);
            kept(&format!(" by {name}"), report, &mut table);
        }
    }
    let mut notes =
        vec![format!("{}, {} of traffic", counted(recording.files as u64, "file"), time(recording.seconds()))];
    if recording.invalid > 0 {
        notes.push(format!("{} left out", counted(recording.invalid, "broken record")));
    }
    if recording.duplicates > 0 {
        notes.push(format!("{} left out", counted(recording.duplicates, "row that stood twice")));
    }
    let mut text = format!("{}{}\n", table.draw(paint), paint.quiet(&notes.join("; ")));
    let runs = [Some((shown.name, shown.report)), shown.other.map(|(name, report, _)| (name, report))];
    for (name, report) in runs.into_iter().flatten() {
        let name = if shown.other.is_some() { format!("{name}: ") } else { String::new() };
        let losses = losses(report);
        if !losses.is_empty() {
            text.push_str(&format!("{}\n", paint.quiet(&format!("{name}{losses}"))));
        }
    }
    text
}

/// What the estimate and the reader should know beside the sums.
fn losses(report: &Report) -> String {
    let mut notes: Vec<String> = report
        .dropped_spans
        .iter()
        .map(|(reason, spans)| format!("{} spans dropped as {reason}", grouped(*spans)))
        .collect();
    if report.refused_spans > 0 {
        notes.push(format!("{} spans refused", grouped(report.refused_spans)));
    }
    if report.unknown_chances > 0 {
        let effect = if report.estimate.is_some() { "" } else { ", so nothing is estimated" };
        notes.push(format!("{} kept without a known probability{effect}", counted(report.unknown_chances, "trace")));
    }
    notes.join("; ")
}

fn policies(report: &Report, paint: Paint) -> String {
    let mut table = Table::new(&["policy", "traces", "spans", "bytes", "of traces", "alone"]);
    for row in &report.policies {
        table.row([
            format!("{}: {}", row.processor, row.policy),
            grouped(row.kept.traces),
            grouped(row.kept.spans),
            bytes(row.kept.bytes),
            percent(whole_ratio(row.kept.traces, report.input.traces)),
            grouped(row.alone),
        ]);
    }
    let mut text = if table.is_empty() {
        "no processor of this pipeline records decisions\n".to_owned()
    } else {
        table.draw(paint)
    };
    let mut classes = Table::new(&["class", "traces", "kept", "of them"]);
    for row in &report.classes {
        classes.row([
            row.class.to_owned(),
            grouped(row.traces),
            grouped(row.kept),
            percent(whole_ratio(row.kept, row.traces)),
        ]);
    }
    if !classes.is_empty() {
        text.push('\n');
        text.push_str(&classes.draw(paint));
    }
    text
}

/// One measure: its name and how it looks in a report.
type Measure = (&'static str, fn(&Report) -> Option<String>);

const MEASURES: [Measure; 17] = [
    ("recall of traces with errors", |report| found(&report.detection.errors)),
    ("recall of the slowest 1 %", |report| found(&report.detection.slowest)),
    ("recall of labelled traces", |report| {
        let labels = report.detection.labels.as_ref()?;
        Some(format!("{} of {}", ratio(labels.recall?), grouped(labels.affected)))
    }),
    ("precision", |report| Some(ratio(report.detection.labels.as_ref()?.precision?))),
    ("faults with a kept trace", |report| {
        let labels = report.detection.labels.as_ref()?;
        Some(format!("{} of {}", ratio(labels.fault_at_1?), grouped(labels.faults)))
    }),
    ("faults with three kept traces", |report| Some(ratio(report.detection.labels.as_ref()?.fault_at_3?))),
    ("AUC of the score", |report| Some(ratio(report.detection.labels.as_ref()?.auc?))),
    ("average precision of the score", |report| Some(ratio(report.detection.labels.as_ref()?.average_precision?))),
    ("explanations at the culprit or its caller", |report| {
        found(report.detection.labels.as_ref()?.explained.as_ref()?)
    }),
    ("explanations at the culprit itself", |report| {
        found(report.detection.labels.as_ref()?.explained_exactly.as_ref()?)
    }),
    ("shapes with a kept trace", |report| Some(ratio(report.detection.shape_coverage?))),
    ("KS of root durations", |report| Some(ratio(report.fidelity.ks?))),
    ("KS with adjusted counts", |report| Some(ratio(report.fidelity.weighted_ks?))),
    ("error of the count", |report| Some(signed(report.fidelity.count_error?))),
    ("error of counts by root operation", |report| {
        let error = report.fidelity.operation_count_error?;
        Some(format!("{} over {}", percent(Some(error)), report.fidelity.operations))
    }),
    ("kept against target", |report| Some(signed(report.rate_error?))),
    ("evicted before their decision", |report| Some(grouped(*report.outcomes.get("dropped_too_early")?))),
];

fn measures(shown: &Shown<'_>, paint: Paint) -> String {
    let mut heading = vec!["measure", if shown.other.is_some() { shown.name } else { "value" }];
    heading.extend(shown.other.map(|(name, ..)| name));
    let mut table = Table::new(&heading);
    for (name, value) in MEASURES {
        let first = value(shown.report);
        let second = shown.other.map(|(_, report, _)| value(report));
        if first.is_none() && second.as_ref().is_none_or(Option::is_none) {
            continue;
        }
        let cell = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        table.row(std::iter::once(name.to_owned()).chain([cell(first)]).chain(second.map(cell)));
    }
    table.draw(paint)
}

fn gains(name: &str, versus: &Versus, paint: Paint) -> String {
    let mut table = Table::new(&[&format!("with {name}"), "traces", "kept by both", "gained", "lost"]);
    for row in &versus.rows {
        table.row([
            row.what.clone(),
            grouped(row.traces),
            grouped(row.both),
            format!("+{}", grouped(row.gained)),
            format!("-{}", grouped(row.lost)),
        ]);
    }
    table.draw(paint)
}

fn examples(title: &str, sides: &[Side], paint: Paint) -> String {
    if sides.is_empty() {
        return String::new();
    }
    let mark = if title.starts_with("lost") { paint.bad("-") } else { paint.good("+") };
    let line = |side: &Side| {
        format!("{mark} {}  {:>12}  {}", side.id, format!("{:.1} ms", side.duration_ms), side.what.join(", "))
            .trim_end()
            .to_owned()
    };
    format!("{}\n{}\n", paint.heading(title), sides.iter().map(line).collect::<Vec<_>>().join("\n"))
}

fn found(found: &Found) -> Option<String> {
    Some(format!("{} of {}", ratio(found.recall?), grouped(found.of)))
}

fn ratio(value: f64) -> String {
    format!("{value:.3}")
}

fn whole_ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

fn signed(share: f64) -> String {
    format!("{:+.1} %", share * 100.0)
}

fn counted(count: u64, noun: &str) -> String {
    match (count, noun.split_once(' ')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(("row", rest))) => format!("{} rows {rest}", grouped(count)),
        _ => format!("{} {noun}s", grouped(count)),
    }
}

/// Bytes in the unit that suits them, by thousands.
fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1e3;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1e3;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

fn time(seconds: f64) -> String {
    match seconds {
        ..120.0 => format!("{seconds:.1} s"),
        ..7_200.0 => format!("{:.1} min", seconds / 60.0),
        ..172_800.0 => format!("{:.1} h", seconds / 3_600.0),
        _ => format!("{:.1} days", seconds / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_in_the_unit_that_suits_them() {
        assert_eq!(
            [999, 1_000, 999_949, 999_950, 3_000_000_000_000_000].map(bytes),
            ["999 B", "1.0 kB", "999.9 kB", "1.0 MB", "3000.0 TB"]
        );
        assert_eq!([1.0, 300.0, 10_000.0, 1e6].map(time), ["1.0 s", "5.0 min", "2.8 h", "11.6 days"]);
        assert_eq!(
            [counted(1, "file"), counted(2, "file"), counted(2_000, "row that stood twice")],
            ["1 file", "2 files", "2,000 rows that stood twice"]
        );
        assert_eq!(
            (percent(None), percent(Some(0.0512)), signed(-0.02)),
            ("-".to_owned(), "5.1 %".to_owned(), "-2.0 %".to_owned())
        );
    }
}
