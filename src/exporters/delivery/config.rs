//! The blocks `sending_queue`, `retry_on_failure` and `timeout`, as every exporter has them.

use std::time::Duration;

use crate::config::{Optional, Section};

/// How an exporter's batches are delivered.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Longest attempt; zero is no limit.
    pub timeout: Duration,
    /// Between the pipeline and the attempts; errors go back to the caller when absent.
    pub sending_queue: Option<QueueConfig>,
    /// Further attempts after a retryable error; none when absent.
    pub retry_on_failure: Option<RetryConfig>,
}

/// What a size is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizer {
    /// Calls of the pipeline.
    Requests,
    /// Spans, data points or log records.
    Items,
    /// Bytes of their messages.
    Bytes,
}

/// The `sending_queue` block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// Attempts under way at once.
    pub num_consumers: usize,
    /// What the queue holds at most, batches under way included.
    pub queue_size: u64,
    /// What `queue_size` counts.
    pub sizer: Sizer,
    /// Wait for room in place of an error.
    pub block_on_overflow: bool,
    /// Answer the pipeline when the backend has.
    pub wait_for_result: bool,
    /// Merging and splitting before sending.
    pub batch: Option<BatchConfig>,
}

/// The `batch` block of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchConfig {
    /// Longest wait for `min_size`.
    pub flush_timeout: Duration,
    /// Size at which a batch goes out at once.
    pub min_size: u64,
    /// Size above which it is split; zero is no cap.
    pub max_size: u64,
    /// What the sizes count; never requests.
    pub sizer: Sizer,
    /// Headers whose values keep batches apart.
    pub metadata_keys: Vec<String>,
}

/// The `retry_on_failure` block.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryConfig {
    /// Wait after the first failure.
    pub initial_interval: Duration,
    /// Share of a wait that is random, to both sides.
    pub randomization_factor: f64,
    /// Growth of the wait.
    pub multiplier: f64,
    /// Longest wait before randomization.
    pub max_interval: Duration,
    /// When to give up; zero is never.
    pub max_elapsed_time: Duration,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            initial_interval: Duration::from_secs(5),
            randomization_factor: 0.5,
            multiplier: 1.5,
            max_interval: Duration::from_secs(30),
            max_elapsed_time: Duration::from_secs(300),
        }
    }
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            num_consumers: 10,
            queue_size: 1000,
            sizer: Sizer::Requests,
            block_on_overflow: false,
            wait_for_result: false,
            batch: None,
        }
    }
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self {
            flush_timeout: Duration::from_millis(200),
            min_size: 8192,
            max_size: 0,
            sizer: Sizer::Items,
            metadata_keys: Vec::new(),
        }
    }
}

impl Config {
    /// Reads `sending_queue` and `retry_on_failure`, both on unless disabled. `timeout` was read
    /// by the caller, as its default differs.
    pub fn decode(section: &mut Section<'_>, timeout: Duration) -> Self {
        Self {
            timeout,
            sending_queue: section.optional("sending_queue", Optional::Some, QueueConfig::decode),
            retry_on_failure: section.section_or_default("retry_on_failure", RetryConfig::decode),
        }
    }

    /// No queue, no retry and no limit of time: for exporters that write where they stand.
    pub fn direct() -> Self {
        Self { timeout: Duration::ZERO, sending_queue: None, retry_on_failure: None }
    }
}

const SIZERS: [(&str, Sizer); 3] = [("requests", Sizer::Requests), ("items", Sizer::Items), ("bytes", Sizer::Bytes)];

impl QueueConfig {
    /// Reads a `sending_queue` block.
    pub fn decode(section: &mut Section<'_>) -> Self {
        let defaults = Self::default();
        section.unsupported("storage", "the queue is kept in memory");
        let num_consumers = section.uint("num_consumers", defaults.num_consumers as u64);
        let queue_size = section.uint("queue_size", defaults.queue_size);
        let sizer = section.choice("sizer", &SIZERS, defaults.sizer);
        for (key, value) in [("num_consumers", num_consumers), ("queue_size", queue_size)] {
            if value == 0 {
                section.error(key, "must be positive");
            }
        }
        let batch = section.optional("batch", Optional::Default, |section| BatchConfig::decode(section, sizer));
        if let Some(batch) = &batch
            && batch.sizer == sizer
            && batch.min_size > queue_size
        {
            let message = format!("min_size {} must be less than or equal to queue_size {queue_size}", batch.min_size);
            section.error("batch", message);
        }
        Self {
            num_consumers: usize::try_from(num_consumers.clamp(1, 10_000)).unwrap_or(1),
            queue_size: queue_size.max(1),
            sizer,
            block_on_overflow: section.bool("block_on_overflow", false),
            wait_for_result: section.bool("wait_for_result", false),
            batch,
        }
    }
}

impl BatchConfig {
    fn decode(section: &mut Section<'_>, queue_sizer: Sizer) -> Self {
        let defaults = Self::default();
        let inherited = if queue_sizer == Sizer::Requests { defaults.sizer } else { queue_sizer };
        let config = Self {
            flush_timeout: section.duration("flush_timeout", defaults.flush_timeout),
            min_size: section.uint("min_size", defaults.min_size),
            max_size: section.uint("max_size", defaults.max_size),
            sizer: section.choice("sizer", &SIZERS[1..], inherited),
            metadata_keys: section
                .section("partition", |section| section.strings("metadata_keys"))
                .flatten()
                .unwrap_or_default()
                .iter()
                .map(|key| key.to_lowercase())
                .collect(),
        };
        if config.flush_timeout.is_zero() {
            section.error("flush_timeout", "must be positive");
        }
        if config.max_size > 0 && config.max_size < config.min_size {
            section.error("max_size", format!("must be greater than or equal to min_size {}", config.min_size));
        }
        for (position, key) in config.metadata_keys.iter().enumerate() {
            if config.metadata_keys[..position].contains(key) {
                section.error("partition", format!("duplicate entry in metadata_keys: {key:?} (case-insensitive)"));
            }
        }
        config
    }
}

impl RetryConfig {
    /// Reads a `retry_on_failure` block; `None` when it is disabled.
    pub fn decode(section: &mut Section<'_>) -> Option<Self> {
        let defaults = Self::default();
        let enabled = section.bool("enabled", true);
        let config = Self {
            initial_interval: section.duration("initial_interval", defaults.initial_interval),
            randomization_factor: section.float("randomization_factor", defaults.randomization_factor),
            multiplier: section.float("multiplier", defaults.multiplier),
            max_interval: section.duration("max_interval", defaults.max_interval),
            max_elapsed_time: section.duration("max_elapsed_time", defaults.max_elapsed_time),
        };
        if !enabled {
            return None;
        }
        if !(0.0..=1.0).contains(&config.randomization_factor) {
            section.error("randomization_factor", "must be within [0, 1]");
        }
        if !config.multiplier.is_finite() || config.multiplier < 0.0 {
            section.error("multiplier", "must be non-negative");
        }
        if !config.max_elapsed_time.is_zero() {
            for (key, interval) in
                [("initial_interval", config.initial_interval), ("max_interval", config.max_interval)]
            {
                if config.max_elapsed_time < interval {
                    section.error("max_elapsed_time", format!("must not be less than {key}"));
                }
            }
        }
        Some(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Location, Node, Report};

    fn node(pairs: &[(&str, Node)]) -> Node {
        let entries = pairs.iter().map(|(key, node)| ((*key).to_owned(), Location::default(), node.clone())).collect();
        Node { value: crate::config::Value::Map(entries), location: Location::default() }
    }

    fn word(text: &str) -> Node {
        Node::plain(text, Location::default())
    }

    fn read(root: &Node) -> (Config, Vec<String>) {
        let mut report = Report::default();
        let mut section = Section::new("exporters::x", root, &mut report);
        let config = Config::decode(&mut section, Duration::from_secs(5));
        section.finish();
        (config, report.problems().iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect())
    }

    #[test]
    fn queue_and_retry_are_on_by_default() {
        let (config, problems) = read(&Node::default());
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(config.sending_queue, Some(QueueConfig::default()));
        assert_eq!(config.retry_on_failure, Some(RetryConfig::default()));
    }

    #[test]
    fn both_can_be_disabled() {
        let off = node(&[("enabled", word("false"))]);
        let (config, problems) = read(&node(&[("sending_queue", off.clone()), ("retry_on_failure", off)]));
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!((config.sending_queue, config.retry_on_failure), (None, None));
    }

    #[test]
    fn a_batch_takes_the_sizer_of_its_queue_and_null_turns_it_on() {
        let (config, problems) = read(&node(&[(
            "sending_queue",
            node(&[("sizer", word("bytes")), ("queue_size", word("1000000")), ("batch", Node::default())]),
        )]));
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(config.sending_queue.unwrap().batch.unwrap().sizer, Sizer::Bytes);
    }

    #[test]
    fn values_that_disagree_are_reported_at_their_keys() {
        let batch = node(&[
            ("min_size", word("2000")),
            ("max_size", word("10")),
            ("flush_timeout", word("0s")),
            ("partition", node(&[("metadata_keys", word("a,A"))])),
        ]);
        let queue = node(&[
            ("sizer", word("items")),
            ("queue_size", word("1000")),
            ("num_consumers", word("0")),
            ("storage", word("file_storage")),
            ("batch", batch),
        ]);
        let retry = node(&[("randomization_factor", word("2")), ("max_elapsed_time", word("1s"))]);
        let (_, problems) = read(&node(&[("sending_queue", queue), ("retry_on_failure", retry)]));
        for part in [
            "sending_queue::storage: not supported yet",
            "num_consumers: must be positive",
            "flush_timeout: must be positive",
            "max_size: must be greater than or equal to min_size 2000",
            "duplicate entry in metadata_keys: \"a\"",
            "batch: min_size 2000 must be less than or equal to queue_size 1000",
            "randomization_factor: must be within [0, 1]",
            "max_elapsed_time: must not be less than initial_interval",
            "max_elapsed_time: must not be less than max_interval",
        ] {
            assert!(problems.iter().any(|problem| problem.contains(part)), "{part} is missing in {problems:#?}");
        }
    }
}
