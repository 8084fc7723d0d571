//! The keys of `memory_limiter`, with the Collector's defaults and checks.

use std::time::Duration;

use super::{MemoryLimiter, total_memory};
use crate::config::Section;
use crate::pipeline::{BuildError, BuiltProcessor, PipelineId, ProcessorConfig, Settings, Shape};

const MIB: u64 = 1 << 20;
const NO_GC: &str = "there is no garbage collector here";

/// How the limit is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `limit_mib` and `spike_limit_mib`; a spike of 0 means a fifth of the limit.
    Mib {
        /// Hard limit.
        limit: u64,
        /// What may come between two checks.
        spike: u64,
    },
    /// `limit_percentage` and `spike_limit_percentage` of the memory that there is.
    Percentage {
        /// Hard limit.
        limit: u64,
        /// What may come between two checks.
        spike: u64,
    },
}

/// What a user writes under `memory_limiter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Required by the Collector; the count of held bytes is exact at every moment here, so a
    /// change of this has no effect.
    pub check_interval: Duration,
    /// Data is refused above limit minus spike.
    pub limit: Limit,
}

/// Reads and checks the section.
pub fn decode(section: &mut Section<'_>) -> Config {
    let check_interval = section.duration("check_interval", Duration::ZERO);
    if check_interval.is_zero() {
        section.error("check_interval", "'check_interval' must be greater than zero; write one such as 1s");
    }
    let mib = (section.uint("limit_mib", 0), section.uint("spike_limit_mib", 0));
    let percentage = (section.uint("limit_percentage", 0), section.uint("spike_limit_percentage", 0));
    section.ignored("min_gc_interval_when_soft_limited", NO_GC);
    section.ignored("min_gc_interval_when_hard_limited", NO_GC);
    section.ignored("max_gc_interval_when_soft_limited", NO_GC);
    section.ignored("max_gc_interval_when_hard_limited", NO_GC);
    if mib.0 == 0 && percentage.0 == 0 {
        section.error("", "'limit_mib' or 'limit_percentage' must be greater than zero");
    }
    if percentage.0 > 100 || percentage.1 > 100 {
        section.error("limit_percentage", "'limit_percentage' and 'spike_limit_percentage' must be at most 100");
    }
    if mib.0 > 0 && mib.1 >= mib.0 {
        section.error("spike_limit_mib", "'spike_limit_mib' must be smaller than 'limit_mib'");
    }
    if mib.0 == 0 && percentage.0 > 0 && percentage.1 >= percentage.0 {
        section.error("spike_limit_percentage", "'spike_limit_percentage' must be smaller than 'limit_percentage'");
    }
    let limit = match mib.0 {
        0 => Limit::Percentage { limit: percentage.0, spike: percentage.1 },
        limit => Limit::Mib { limit, spike: mib.1 },
    };
    Config { check_interval, limit }
}

impl Config {
    /// Bytes above which data is refused, on a machine with `total` bytes of memory.
    fn soft_limit_bytes(&self, total: u64) -> u64 {
        let (limit, spike) = match self.limit {
            Limit::Mib { limit, spike } => (limit.saturating_mul(MIB), spike.saturating_mul(MIB)),
            Limit::Percentage { limit, spike } => (total / 100 * limit, total / 100 * spike),
        };
        limit - if spike == 0 { limit / 5 } else { spike.min(limit) }
    }
}

impl ProcessorConfig for Config {
    fn build(&self, settings: &Settings, _pipeline: &PipelineId) -> Result<BuiltProcessor, BuildError> {
        let total = match self.limit {
            Limit::Mib { .. } => 0,
            Limit::Percentage { .. } => total_memory::read().ok_or_else(|| {
                BuildError(
                    "the system does not say how much memory it has; write limit_mib instead of limit_percentage"
                        .to_owned(),
                )
            })?,
        };
        let limiter = MemoryLimiter::new(self.soft_limit_bytes(total), settings);
        Ok(BuiltProcessor { shape: Shape::Inline(Box::new(limiter)), state: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Location, Node, Report, Value};

    fn read(keys: &[(&str, &str)]) -> (Config, Vec<String>) {
        let place = Location::default();
        let map = keys.iter().map(|(key, text)| ((*key).to_owned(), place, Node::plain(*text, place))).collect();
        let node = Node { value: Value::Map(map), location: place };
        let mut report = Report::default();
        let mut section = Section::new("processors::memory_limiter", &node, &mut report);
        let config = decode(&mut section);
        section.finish();
        (config, report.problems().iter().map(|problem| problem.message.clone()).collect())
    }

    #[test]
    fn a_missing_limit_or_interval_is_named() {
        let (_, problems) = read(&[("check_interval", "1s")]);
        assert!(problems[0].contains("'limit_mib' or 'limit_percentage'"), "{problems:?}");
        let (_, problems) = read(&[("limit_mib", "100")]);
        assert!(problems[0].contains("'check_interval' must be greater than zero"), "{problems:?}");
    }

    #[test]
    fn the_spike_is_a_fifth_unless_given() {
        let (config, problems) = read(&[("check_interval", "1s"), ("limit_mib", "100")]);
        assert!(problems.is_empty());
        assert_eq!(config.soft_limit_bytes(0), 80 * MIB);
        let (config, _) = read(&[("check_interval", "1s"), ("limit_mib", "100"), ("spike_limit_mib", "30")]);
        assert_eq!(config.soft_limit_bytes(0), 70 * MIB);
        let (config, _) = read(&[("check_interval", "1s"), ("limit_percentage", "50")]);
        assert_eq!(config.soft_limit_bytes(1000 * MIB), 400 * MIB);
    }

    #[test]
    fn limits_that_disagree_are_errors() {
        let (_, problems) = read(&[("check_interval", "1s"), ("limit_mib", "10"), ("spike_limit_mib", "10")]);
        assert!(problems[0].contains("must be smaller than 'limit_mib'"), "{problems:?}");
        let (_, problems) = read(&[("check_interval", "1s"), ("limit_percentage", "101")]);
        assert!(problems[0].contains("at most 100"), "{problems:?}");
    }

    #[test]
    fn keys_for_the_go_runtime_are_ignored_with_a_reason() {
        let (_, problems) =
            read(&[("check_interval", "1s"), ("limit_mib", "10"), ("min_gc_interval_when_soft_limited", "10s")]);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains(NO_GC));
    }
}
