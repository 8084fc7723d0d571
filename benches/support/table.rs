//! The table in Markdown, and the verdict on each bar.

use serde::Serialize;

use super::row::{Bar, Row};
use super::run::Measured;

/// One finished row.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) measured: Measured,
    /// Each bar in words, and whether it stands.
    pub(crate) bars: Vec<(String, bool)>,
    /// The same work by the program that stands beside.
    pub(crate) beside: Option<Measured>,
}

impl Line {
    pub(crate) fn new(row: &Row, measured: Measured, beside: Option<Measured>) -> Self {
        let bars = row.bars.iter().map(|bar| (bar.words(), bar.stands(&measured))).collect();
        Self { name: row.name, title: row.title, measured, bars, beside }
    }
}

impl Bar {
    fn words(self) -> String {
        match self {
            Self::NanosPerSpan(most) => format!("≤ {most} ns"),
            Self::P50Ms(most) => format!("p50 ≤ {most} ms"),
            Self::P99Ms(most) => format!("p99 ≤ {most} ms"),
            Self::PeakMib(most) => format!("RSS ≤ {most} MiB"),
            Self::BytesPerWaitingSpan(most) => format!("≤ {most} B"),
            Self::LostSpans(most) => format!("lost ≤ {most}"),
        }
    }

    fn stands(self, measured: &Measured) -> bool {
        let at_most = |value: Option<f64>, most: f64| value.is_some_and(|value| value <= most);
        match self {
            Self::NanosPerSpan(most) => at_most(measured.nanos_per_span, most),
            Self::P50Ms(most) => at_most(measured.p50_ms, most),
            Self::P99Ms(most) => at_most(measured.p99_ms, most),
            Self::PeakMib(most) => at_most(measured.peak_mib, most),
            Self::BytesPerWaitingSpan(most) => at_most(measured.bytes_per_waiting_span, most),
            Self::LostSpans(most) => measured.lost_spans.is_some_and(|lost| lost <= most),
        }
    }
}

/// Head of the table.
pub(crate) const HEAD: &str = "| work | ns/span | spans/s | p50 / p99 ms | RSS / peak MiB | bar | |\n\
                        |---|---:|---:|---:|---:|---|---|";

impl std::fmt::Display for Line {
    /// One row of the table; a second one for the program beside.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bars: Vec<&str> = self.bars.iter().map(|(words, _)| words.as_str()).collect();
        let verdicts: Vec<&str> = self.bars.iter().map(|(_, stands)| if *stands { "ok" } else { "MISS" }).collect();
        write!(f, "| {} | {} | {} | {} |", self.title, cells(&self.measured), bars.join("; "), verdicts.join("; "))?;
        if let Some(beside) = &self.beside {
            let ratio = |ours: Option<f64>, theirs: Option<f64>| match (ours, theirs) {
                (Some(ours), Some(theirs)) if ours > 0.0 => format!("{:.1}", theirs / ours),
                _ => "-".to_owned(),
            };
            let cpu = ratio(self.measured.nanos_per_span, beside.nanos_per_span);
            let memory = ratio(self.measured.peak_mib, beside.peak_mib);
            write!(f, "\n| beside | {} | CPU × {cpu}; memory × {memory} | |", cells(beside))?;
        }
        Ok(())
    }
}

/// What belongs to the row and to none of the columns.
pub(crate) fn notes(measured: &Measured) -> Option<String> {
    let mut notes = Vec::new();
    notes.extend(measured.bytes_per_waiting_span.map(|bytes| format!("{bytes:.0} B beyond the raw bytes")));
    notes.extend(measured.lost_spans.map(|lost| format!("{lost} acknowledged spans lost")));
    notes.extend(measured.kept_share.map(|share| format!("{:.1} % kept", share * 100.0)));
    notes.extend(measured.own_nanos_per_span.map(|nanos| format!("load and backend cost {nanos:.0} ns a span")));
    if measured.refused_spans > 0 {
        notes.push(format!("{} spans refused", measured.refused_spans));
    }
    (!notes.is_empty()).then(|| notes.join(", "))
}

fn cells(measured: &Measured) -> String {
    let number = |value: Option<f64>, digits: usize| value.map_or("-".to_owned(), |value| format!("{value:.digits$}"));
    let nanos = match (measured.nanos_per_span, measured.bytes_per_waiting_span) {
        (None, Some(bytes)) => format!("{bytes:.0} B"),
        (nanos, _) => number(nanos, 0),
    };
    format!(
        "{nanos} | {} | {} / {} | {} / {}",
        measured.spans_per_second.map_or("-".to_owned(), |rate| format!("{:.0} k", rate / 1000.0)),
        number(measured.p50_ms, 1),
        number(measured.p99_ms, 1),
        number(measured.rss_mib, 0),
        number(measured.peak_mib, 0),
    )
}
