//! What is shown while the shop is open: a region that is drawn over on a terminal, a line at a
//! time elsewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cli::Terminal;
use crate::cli::generate::grouped;
use crate::pipeline::LedgerReading;

/// What the output can show.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Style {
    pub(super) is_terminal: bool,
    pub(super) has_colour: bool,
}

/// Colours by what they say.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tone {
    Strong,
    Quiet,
    Good,
    Bad,
    Warm,
}

/// The output, with what has been drawn on it.
pub(super) struct Screen<'a, 'b> {
    terminal: &'a mut Terminal<'b>,
    style: Style,
    lines_drawn: usize,
    last: Option<(u64, Duration)>,
}

const BAR_CELLS: u64 = 24;

impl Style {
    /// The text in a tone, if there are colours.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        if !self.has_colour {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Strong => "1",
            Tone::Quiet => "2",
            Tone::Good => "32",
            Tone::Bad => "1;31",
            Tone::Warm => "33",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

impl<'a, 'b> Screen<'a, 'b> {
    pub(super) fn new(terminal: &'a mut Terminal<'b>, style: Style) -> Self {
        Self { terminal, style, lines_drawn: 0, last: None }
    }

    pub(super) fn style(&self) -> Style {
        self.style
    }

    /// Time between readings.
    pub(super) fn interval(&self) -> Duration {
        Duration::from_millis(if self.style.is_terminal { 250 } else { 1000 })
    }

    pub(super) fn title(&mut self, endpoint: &str, shoppers: u32) {
        let name = self.style.paint(Tone::Strong, "tailwater demo");
        self.write(&format!("{name}  {shoppers} shoppers, 8 services, OpenTelemetry SDK → {endpoint}\n\n"));
    }

    /// Shows a reading, with the pipeline's metrics in their text format.
    pub(super) fn reading(&mut self, reading: &LedgerReading, metrics: &str, passed: Duration, of: Duration) {
        if self.style.is_terminal {
            let rate = self.rate(reading.received, passed);
            let lines = self.region(reading, metrics, passed, of, rate);
            self.redraw(&lines);
        } else {
            self.write(&line(reading, passed));
        }
    }

    /// The last reading, which stays.
    pub(super) fn last(&mut self, reading: &LedgerReading, metrics: &str) {
        if self.style.is_terminal {
            let mut lines = self.counts(reading, metrics, None);
            lines.push(String::new());
            self.redraw(&lines);
        } else {
            let policies = policies(metrics);
            self.write(&format!(
                "in the end: {}{}\n",
                summary(reading),
                if policies.is_empty() { String::new() } else { format!("; kept by {policies}") }
            ));
        }
    }

    /// A reader that has gone away has seen enough.
    pub(super) fn write(&mut self, text: &str) {
        let _ = self.terminal.print(text);
    }

    /// Spans a second since the last reading.
    fn rate(&mut self, received: u64, passed: Duration) -> Option<f64> {
        let (before, then) = self.last.replace((received, passed))?;
        let seconds = passed.saturating_sub(then).as_secs_f64();
        (seconds > 0.0).then(|| received.saturating_sub(before) as f64 / seconds)
    }

    fn redraw(&mut self, lines: &[String]) {
        let back = if self.lines_drawn > 0 { format!("\x1b[{}A\x1b[J", self.lines_drawn) } else { String::new() };
        self.lines_drawn = lines.len();
        self.write(&format!("{back}{}\n", lines.join("\n")));
    }

    fn region(
        &self,
        reading: &LedgerReading,
        metrics: &str,
        passed: Duration,
        of: Duration,
        rate: Option<f64>,
    ) -> Vec<String> {
        let filled = (passed.as_millis() as u64 * BAR_CELLS / (of.as_millis() as u64).max(1)).min(BAR_CELLS);
        let bar = format!("{}{}", "━".repeat(filled as usize), "─".repeat((BAR_CELLS - filled) as usize));
        let mut lines = self.counts(reading, metrics, rate);
        lines.push(String::new());
        lines.push(format!("  {} {} s of {} s", self.style.paint(Tone::Good, &bar), passed.as_secs(), of.as_secs()));
        lines
    }

    fn counts(&self, reading: &LedgerReading, metrics: &str, rate: Option<f64>) -> Vec<String> {
        let rate = rate.map_or(String::new(), |rate| format!("{} a second", grouped(rate as u64)));
        let mut lines = vec![
            self.count(Tone::Strong, "in", reading.received, &rate),
            self.count(Tone::Quiet, "waiting", reading.waiting.unsigned_abs(), "in traces that are not decided yet"),
            self.count(Tone::Good, "kept", reading.sent, &policies(metrics)),
        ];
        if reading.dropped.is_empty() {
            lines.push(self.count(Tone::Warm, "dropped", 0, ""));
        }
        for (reason, spans) in &reading.dropped {
            lines.push(self.count(Tone::Warm, "dropped", *spans, reason.as_str()));
        }
        if reading.refused > 0 {
            lines.push(self.count(Tone::Bad, "refused", reading.refused, "the client was told to try again"));
        }
        lines
    }

    fn count(&self, tone: Tone, what: &str, spans: u64, note: &str) -> String {
        let number = self.style.paint(tone, &format!("{:>11}", grouped(spans)));
        format!("  {what:<8}{number} spans  {}", self.style.paint(Tone::Quiet, note)).trim_end().to_owned()
    }
}

fn line(reading: &LedgerReading, passed: Duration) -> String {
    format!("{:>3} s  {}\n", passed.as_secs(), summary(reading))
}

fn summary(reading: &LedgerReading) -> String {
    let reasons: Vec<String> =
        reading.dropped.iter().map(|(reason, spans)| format!("{} {}", reason.as_str(), grouped(*spans))).collect();
    let dropped = grouped(reading.dropped.values().sum());
    let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    format!(
        "in {}, waiting {}, kept {}, dropped {dropped}{reasons}",
        grouped(reading.received),
        grouped(reading.waiting.unsigned_abs()),
        grouped(reading.sent)
    )
}

/// Kept traces by policy, such as `errors 12, slow 8 traces`, from the sampler's counters.
fn policies(metrics: &str) -> String {
    const COUNTER: &str = "otelcol_processor_tail_sampling_count_traces_sampled";
    let mut by_policy = BTreeMap::<&str, u64>::new();
    for line in metrics.lines().filter(|line| line.starts_with(COUNTER) && line.contains("sampled=\"true\"")) {
        let policy = line.split("policy=\"").nth(1).and_then(|rest| rest.split('"').next());
        let count = line.rsplit(' ').next().and_then(|number| number.parse::<f64>().ok());
        if let (Some(policy), Some(count)) = (policy, count) {
            // The Collector puts the processor's name in front.
            *by_policy.entry(policy.rsplit('.').next().unwrap_or(policy)).or_default() += count as u64;
        }
    }
    let said: Vec<String> = by_policy.iter().map(|(policy, traces)| format!("{policy} {}", grouped(*traces))).collect();
    if said.is_empty() { String::new() } else { format!("{} traces", said.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::DropReason;

    fn reading() -> LedgerReading {
        LedgerReading {
            received: 12_000,
            sent: 900,
            waiting: 100,
            dropped: [(DropReason::NotSampled, 11_000)].into(),
            ..LedgerReading::default()
        }
    }

    fn drawn(style: Style, readings: u64) -> String {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut terminal = Terminal::new(&mut out, &mut err, false);
        let mut screen = Screen::new(&mut terminal, style);
        for second in 1..=readings {
            screen.reading(&reading(), "", Duration::from_secs(second), Duration::from_secs(30));
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn piped_output_is_plain_lines() {
        let text = drawn(Style::default(), 2);
        assert_eq!(
            text.lines().nth(1),
            Some("  2 s  in 12,000, waiting 100, kept 900, dropped 11,000 (not_sampled 11,000)")
        );
        assert!(!text.contains('\x1b'));
    }

    #[test]
    fn a_terminal_is_drawn_over() {
        let text = drawn(Style { is_terminal: true, has_colour: false }, 2);
        assert_eq!(text.matches("\x1b[6A\x1b[J").count(), 1, "{text:?}");
        assert!(!text.contains("\x1b[1m"));
        assert!(text.contains("dropped      11,000 spans  not_sampled"));
    }

    #[test]
    fn kept_traces_are_told_by_policy() {
        let metrics = "# HELP x\notelcol_processor_tail_sampling_count_traces_sampled_total{policy=\"tail_sampling.errors\",sampled=\"true\"} 12\n\
            otelcol_processor_tail_sampling_count_traces_sampled_total{policy=\"tail_sampling.errors\",sampled=\"false\"} 90\n\
            otelcol_processor_tail_sampling_count_traces_sampled_total{policy=\"slow\",decision=\"sampled\",sampled=\"true\"} 8\n";
        assert_eq!(policies(metrics), "errors 12, slow 8 traces");
        assert_eq!(policies(""), "");
    }
}
