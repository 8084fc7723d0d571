//! The keys of `debug`, those of the Collector's exporter with its defaults.

use std::sync::Arc;
use std::time::Duration;

use super::{Debug, Sink};
use crate::config::{Optional, Section};
use crate::exporters::delivery::{self, QueueConfig};
use crate::model::Signal;
use crate::pipeline::{BuildError, BuiltExporter, ExporterConfig, Settings};

/// What a user writes.
#[derive(Clone, Debug)]
pub struct Config {
    pub(super) verbosity: Verbosity,
    /// Messages of a second that are all written.
    pub(super) sampling_initial: u64,
    /// Then each so many-th; zero is none.
    pub(super) sampling_thereafter: u64,
    pub(super) use_internal_logger: bool,
    pub(super) output_paths: Vec<String>,
    sending_queue: Option<QueueConfig>,
}

/// How much is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verbosity {
    Basic,
    Normal,
    Detailed,
}

const VERBOSITIES: [(&str, Verbosity); 6] = [
    ("basic", Verbosity::Basic),
    ("normal", Verbosity::Normal),
    ("detailed", Verbosity::Detailed),
    ("Basic", Verbosity::Basic),
    ("Normal", Verbosity::Normal),
    ("Detailed", Verbosity::Detailed),
];

impl Config {
    /// Reads the section of a `debug` exporter.
    pub fn decode(section: &mut Section<'_>) -> Self {
        let given_paths = section.strings("output_paths");
        let config = Self {
            verbosity: section.choice("verbosity", &VERBOSITIES, Verbosity::Basic),
            sampling_initial: section.uint("sampling_initial", 2),
            sampling_thereafter: section.uint("sampling_thereafter", 1),
            use_internal_logger: section.bool("use_internal_logger", true),
            output_paths: given_paths.clone().unwrap_or_else(|| vec!["stdout".to_owned()]),
            sending_queue: section.optional("sending_queue", Optional::Default, QueueConfig::decode),
        };
        if given_paths.is_some() && config.use_internal_logger {
            section.error("output_paths", "needs use_internal_logger: false");
        }
        if config.output_paths.is_empty() {
            section.error("output_paths", "must not be empty; write stdout, stderr or a path");
        }
        config
    }
}

impl ExporterConfig for Config {
    fn build(&self, settings: &Settings, signals: &[Signal]) -> Result<BuiltExporter, BuildError> {
        let sink = match self.use_internal_logger {
            true => Sink::Log,
            false => Sink::Paths(self.output_paths.clone()),
        };
        let exporter = Debug::new(self, sink, settings.clock.clone());
        let delivery = delivery::Config {
            timeout: Duration::ZERO,
            sending_queue: self.sending_queue.clone(),
            retry_on_failure: None,
        };
        Ok(delivery::build(settings, &delivery, Arc::new(exporter), signals))
    }
}
