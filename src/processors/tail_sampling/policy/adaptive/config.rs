//! The keys of `adaptive`.

use std::sync::Arc;
use std::time::Duration;

use super::Budget;
use crate::config::Section;

/// What a newcomer gets: traces a second that nearly every backend takes.
const TRACES_PER_SECOND: f64 = 10.0;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// Kept traces a second.
    Traces(f64),
    /// Bytes of kept spans a second.
    Bytes(f64),
    /// Kept traces of all, 0 to 1.
    Part(f64),
}

/// Parts of the budget, adding up to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// Anomalies and errors.
    pub anomaly: f64,
    /// New operations and shapes.
    pub novelty: f64,
    /// The fair sample of everything.
    pub baseline: f64,
}

/// Whether traces that are kept for the same reason again count for less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deduplicate {
    /// The tighter the budget the more.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// When new traces are turned away by trace id, before they are assembled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overload {
    /// Part of `num_traces` or of the memory limit that is in use, from which on.
    pub watermark: f64,
    /// Part of the new traces that is let in at least, 0 to 1.
    pub least: f64,
}

/// The keys, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The budget.
    pub rate: Rate,
    /// How it is divided.
    pub shares: Shares,
    /// Time in which the anomaly share earns what its bank holds.
    pub bank: Duration,
    /// How many times the mean rate may be kept at a moment.
    pub ceiling: f64,
    /// Excess below this is not odd. Looked at by the detector.
    pub min_duration: Duration,
    /// For what is learned of operations, in bytes. Looked at by the detector.
    pub memory_bytes: u64,
    /// Whether repeats of a reason count for less.
    pub deduplicate: Deduplicate,
    /// The valve, unless it is off.
    pub overload: Option<Overload>,
    /// What all shards that are built from this config share.
    pub(super) budget: Arc<Budget>,
}

impl PartialEq for Config {
    /// By what was written.
    fn eq(&self, other: &Self) -> bool {
        self.rate == other.rate
            && self.shares == other.shares
            && self.bank == other.bank
            && self.ceiling == other.ceiling
            && self.min_duration == other.min_duration
            && self.memory_bytes == other.memory_bytes
            && self.deduplicate == other.deduplicate
            && self.overload == other.overload
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            rate: Rate::Traces(TRACES_PER_SECOND),
            shares: Shares { anomaly: 0.60, novelty: 0.15, baseline: 0.25 },
            bank: Duration::from_secs(4 * 3_600),
            ceiling: 10.0,
            min_duration: Duration::from_millis(5),
            memory_bytes: 32 << 20,
            deduplicate: Deduplicate::Auto,
            overload: Some(Overload { watermark: 0.9, least: 0.01 }),
            budget: Arc::default(),
        }
    }
}

impl Config {
    /// The budget that shards built from this very config share.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// The same keys with a budget of its own, for another processor.
    #[must_use]
    pub fn with_own_budget(&self) -> Self {
        Self { budget: Arc::default(), ..self.clone() }
    }
}

/// Reads and checks the section.
pub(in super::super) fn decode(section: &mut Section<'_>, policy: &str) -> Config {
    let default = Config::default();
    let words = [("auto", Deduplicate::Auto), ("true", Deduplicate::Always), ("false", Deduplicate::Never)];
    let config = Config {
        rate: decode_rate(section, policy),
        shares: decode_shares(section, policy),
        bank: section.duration("bank", default.bank),
        ceiling: section.float("ceiling", default.ceiling),
        min_duration: section.duration("min_duration", default.min_duration),
        memory_bytes: section.uint("memory_mib", default.memory_bytes >> 20).saturating_mul(1 << 20),
        deduplicate: section.choice("deduplicate_reasons", &words, default.deduplicate),
        overload: decode_overload(section),
        budget: Arc::default(),
    };
    if !(config.ceiling >= 1.0 && config.ceiling.is_finite()) {
        section.error(
            "ceiling",
            format!("policy {policy:?}: ceiling is {}; write how many times the mean rate, 1 or more", config.ceiling),
        );
    }
    if config.memory_bytes == 0 {
        section.error(
            "memory_mib",
            format!("policy {policy:?}: memory_mib is 0; write 1 or more, 32 is enough for 20,000 operations"),
        );
    }
    if config.bank < Duration::from_secs(3_600) {
        section.warn(
            "bank",
            format!("policy {policy:?}: a bank of less than an hour is spent early in an incident; 4h is the default"),
        );
    }
    config
}

fn decode_rate(section: &mut Section<'_>, policy: &str) -> Rate {
    type Make = fn(f64) -> Rate;
    let kinds: [(&'static str, f64, Make); 3] = [
        ("traces_per_second", f64::MAX, Rate::Traces),
        ("bytes_per_second", f64::MAX, Rate::Bytes),
        ("sampling_percentage", 100.0, |percent| Rate::Part(percent / 100.0)),
    ];
    let mut rate = None;
    for (key, most, make) in kinds {
        if section.look(key).is_none_or(|node| node.is_null()) {
            continue;
        }
        let value = section.float(key, 1.0);
        if !(value > 0.0 && value <= most) {
            let range = if most == 100.0 { "above 0 and up to 100" } else { "above 0" };
            section.error(key, format!("policy {policy:?}: {key} is {value}; write a number {range}"));
        } else if rate.replace(make(value)).is_some() {
            section.error(
                key,
                format!("policy {policy:?} has two budgets; write one of traces_per_second, bytes_per_second and sampling_percentage"),
            );
        }
    }
    rate.unwrap_or(Config::default().rate)
}

fn decode_shares(section: &mut Section<'_>, policy: &str) -> Shares {
    let [anomaly, novelty, baseline] = section.section_or_default("shares", |shares| {
        [shares.float("anomaly", 60.0), shares.float("novelty", 15.0), shares.float("baseline", 25.0)]
    });
    let sum = anomaly + novelty + baseline;
    if [anomaly, novelty, baseline].iter().any(|share| !(0.0..=100.0).contains(share)) || (sum - 100.0).abs() > 1e-6 {
        section.error(
            "shares",
            format!("policy {policy:?}: shares are {anomaly}, {novelty} and {baseline} percent; they must add up to 100, none below 0"),
        );
        return Config::default().shares;
    }
    Shares { anomaly: anomaly / 100.0, novelty: novelty / 100.0, baseline: baseline / 100.0 }
}

fn decode_overload(section: &mut Section<'_>) -> Option<Overload> {
    let default = Overload { watermark: 0.9, least: 0.01 };
    section.optional("overload", crate::config::Optional::Some, |keys| {
        let watermark = keys.float("watermark_percentage", default.watermark * 100.0) / 100.0;
        let least = keys.float("least_percentage", default.least * 100.0) / 100.0;
        if !(0.0..1.0).contains(&watermark) {
            keys.error("watermark_percentage", "watermark_percentage must be 0 or more and below 100");
        }
        if !(least > 0.0 && least <= 1.0) {
            keys.error("least_percentage", "least_percentage must be above 0 and up to 100");
        }
        Overload { watermark, least }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Report, parse_yaml};

    fn read(text: &str) -> (Config, Vec<String>) {
        let mut report = Report::default();
        let node = parse_yaml(text, 0, &mut report).unwrap();
        let mut section = Section::new("adaptive", &node, &mut report);
        let config = decode(&mut section, "learn");
        section.finish();
        (config, report.problems().iter().map(|problem| problem.message.clone()).collect())
    }

    #[test]
    fn nothing_written_is_ten_traces_a_second() {
        let (config, problems) = read("{}");
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(config, Config::default());
        assert_eq!(config.rate, Rate::Traces(10.0));
    }

    #[test]
    fn one_budget_of_three_kinds() {
        assert_eq!(read("traces_per_second: 0.5").0.rate, Rate::Traces(0.5));
        assert_eq!(read("bytes_per_second: 1e6").0.rate, Rate::Bytes(1e6));
        assert_eq!(read("sampling_percentage: 5").0.rate, Rate::Part(0.05));
        assert!(read("{sampling_percentage: 5, traces_per_second: 1}").1[0].contains("two budgets"));
        for wrong in
            ["sampling_percentage: 101", "traces_per_second: 0", "bytes_per_second: -1", "traces_per_second: .nan"]
        {
            assert_eq!(read(wrong).1.len(), 1, "{wrong}");
        }
    }

    #[test]
    fn shares_are_percent_and_add_up() {
        let (config, problems) = read("shares: {anomaly: 100, novelty: 0, baseline: 0}");
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(config.shares, Shares { anomaly: 1.0, novelty: 0.0, baseline: 0.0 });
        assert!(read("shares: {anomaly: 50}").1[0].contains("add up to 100"));
        assert!(read("shares: {anomaly: 120, novelty: -20, baseline: 0}").1[0].contains("none below 0"));
    }

    #[test]
    fn the_rest_is_checked() {
        let (config, problems) =
            read("{deduplicate_reasons: false, min_duration: 20ms, bank: 2h, overload: {enabled: false}}");
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!((config.deduplicate, config.overload), (Deduplicate::Never, None));
        assert_eq!((config.min_duration, config.bank), (Duration::from_millis(20), Duration::from_secs(7_200)));
        for wrong in [
            "ceiling: 0.5",
            "bank: 10m",
            "overload: {watermark_percentage: 100}",
            "overload: {least_percentage: 0}",
            "tau: 1",
        ] {
            assert_eq!(read(wrong).1.len(), 1, "{wrong}: {:?}", read(wrong).1);
        }
    }

    #[test]
    fn clones_share_a_budget_unless_they_are_told_not_to() {
        let config = Config::default();
        assert!(Arc::ptr_eq(config.budget(), config.clone().budget()));
        assert!(!Arc::ptr_eq(config.budget(), config.with_own_budget().budget()));
    }
}
