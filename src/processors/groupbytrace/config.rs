//! The keys of `groupbytrace`, with the Collector's defaults and checks.

use std::time::Duration;

use super::GroupByTrace;
use crate::config::Section;
use crate::model::Signal;
use crate::pipeline::{BuildError, BuiltProcessor, PipelineId, Processor, ProcessorConfig, Settings, Shape};

/// What a user writes under `groupbytrace`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// From the first span of a trace to its release.
    pub wait_duration: Duration,
    /// Traces that wait at most; the oldest makes room.
    pub num_traces: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { wait_duration: Duration::from_secs(1), num_traces: 1_000_000 }
    }
}

/// Reads and checks the section.
pub fn decode(section: &mut Section<'_>) -> Config {
    let default = Config::default();
    let config = Config {
        wait_duration: section.duration("wait_duration", default.wait_duration),
        num_traces: section.uint("num_traces", default.num_traces),
    };
    if config.num_traces == 0 {
        section.error("num_traces", "num_traces is 0; write at least 1");
    }
    if section.uint("num_workers", 1) == 0 {
        section.error("num_workers", "num_workers is 0; write at least 1");
    } else {
        section.ignored("num_workers", "there is one shard a core");
    }
    for (key, what) in [("discard_orphans", "orphans are kept"), ("store_on_disk", "traces wait in memory")] {
        if section.bool(key, false) {
            section.error(key, format!("{key} is not supported, nor is it by the Collector: {what}; remove the key"));
        }
    }
    config
}

impl ProcessorConfig for Config {
    fn signals(&self) -> &'static [Signal] {
        &[Signal::Traces]
    }

    fn build(&self, settings: &Settings, _pipeline: &PipelineId) -> Result<BuiltProcessor, BuildError> {
        let shards = settings.shards_for(self.num_traces);
        let processors = (0..shards.get())
            .map(|_| Box::new(GroupByTrace::new(self, settings, shards)) as Box<dyn Processor>)
            .collect();
        Ok(BuiltProcessor { shape: Shape::Detached(processors), state: None })
    }
}
