//! The keys of `batch`, with the Collector's defaults.

use std::time::Duration;

use super::BatchProcessor;
use crate::config::Section;
use crate::pipeline::{BuildError, BuiltProcessor, PipelineId, ProcessorConfig, Settings, Shape};

/// What a user writes under `batch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How long the first item waits; 0 sends every request on at once, cut to the maximum.
    pub timeout: Duration,
    /// Items that are enough to send at once; 0 sends every request on at once.
    pub send_batch_size: u64,
    /// Most items in one batch; 0 for no limit. Not below `send_batch_size`.
    pub send_batch_max_size: u64,
    /// Client metadata that batches are kept apart by, in lower case; the receiver needs
    /// `include_metadata`.
    pub metadata_keys: Vec<String>,
    /// Most combinations of metadata values; 0 for no limit. A request with one more is refused
    /// for good.
    pub metadata_cardinality_limit: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timeout: Duration::from_millis(200),
            send_batch_size: 8_192,
            send_batch_max_size: 0,
            metadata_keys: Vec::new(),
            metadata_cardinality_limit: 1_000,
        }
    }
}

/// Reads and checks the section.
pub fn decode(section: &mut Section<'_>) -> Config {
    let default = Config::default();
    let config = Config {
        timeout: section.duration("timeout", default.timeout),
        send_batch_size: section.uint("send_batch_size", default.send_batch_size),
        send_batch_max_size: section.uint("send_batch_max_size", default.send_batch_max_size),
        metadata_keys: section
            .strings("metadata_keys")
            .unwrap_or_default()
            .iter()
            .map(|key| key.to_ascii_lowercase())
            .collect(),
        metadata_cardinality_limit: section.uint("metadata_cardinality_limit", default.metadata_cardinality_limit),
    };
    if config.send_batch_max_size > 0 && config.send_batch_max_size < config.send_batch_size {
        section.error(
            "send_batch_max_size",
            format!(
                "send_batch_max_size ({}) must be greater than or equal to send_batch_size ({}), or 0 for no limit",
                config.send_batch_max_size, config.send_batch_size
            ),
        );
    }
    for (position, key) in config.metadata_keys.iter().enumerate() {
        if config.metadata_keys[..position].contains(key) {
            section.error("metadata_keys", format!("duplicate entry {key:?} (case-insensitive); list each key once"));
        }
    }
    config
}

impl ProcessorConfig for Config {
    fn build(&self, settings: &Settings, _pipeline: &PipelineId) -> Result<BuiltProcessor, BuildError> {
        let processor = BatchProcessor::new(self.clone(), settings);
        Ok(BuiltProcessor { shape: Shape::Detached(vec![Box::new(processor)]), state: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Location, Node, Report, Value};

    fn read(entries: &[(&str, Node)]) -> (Config, Report) {
        let place = Location::default();
        let map = entries.iter().map(|(key, node)| ((*key).to_owned(), place, node.clone())).collect();
        let node = Node { value: Value::Map(map), location: place };
        let mut report = Report::default();
        let mut section = Section::new("processors::batch", &node, &mut report);
        let config = decode(&mut section);
        section.finish();
        (config, report)
    }

    fn plain(text: &str) -> Node {
        Node::plain(text, Location::default())
    }

    #[test]
    fn an_empty_section_has_the_collectors_defaults() {
        let (config, report) = read(&[]);
        assert_eq!(config, Config::default());
        assert!(report.problems().is_empty());
    }

    #[test]
    fn a_maximum_below_the_size_is_an_error() {
        let (_, report) = read(&[("send_batch_size", plain("10")), ("send_batch_max_size", plain("9"))]);
        assert!(report.problems()[0].message.contains("must be greater than or equal to send_batch_size"));
        let (_, report) = read(&[("send_batch_size", plain("10")), ("send_batch_max_size", plain("10"))]);
        assert!(!report.has_errors());
    }

    #[test]
    fn metadata_keys_are_unique_in_any_case() {
        let (config, report) = read(&[("metadata_keys", plain("X-Tenant,x-tenant"))]);
        assert_eq!(config.metadata_keys, ["x-tenant", "x-tenant"]);
        assert!(report.problems()[0].message.contains("duplicate entry \"x-tenant\""));
    }
}
