//! The keys of `tail_sampling`, with the Collector's defaults and checks.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::TailSampler;
use super::detector::{Baselines, Options};
use super::learned::SamplerState;
use super::policy::{self, PolicyConfig};
use crate::config::Section;
use crate::model::Signal;
use crate::pipeline::{
    BuildError, BuiltProcessor, Learned, PipelineId, Processor, ProcessorConfig, Settings, Shape, StateFile,
};

/// When policies are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SamplingStrategy {
    /// Once, of all that came in `decision_wait`.
    #[default]
    TraceComplete,
    /// Of the spans of each trace and resource as they come, until they keep or drop the trace;
    /// what nothing has kept at the end of `decision_wait` is dropped.
    SpanIngest,
}

/// What a user writes under `tail_sampling`.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// From the first span of a trace to its decision; less than a second counts as one.
    pub decision_wait: Duration,
    /// From a root span to the decision, half a second added, where that is earlier; 0 for no
    /// such thing.
    pub decision_wait_after_root_received: Duration,
    /// Traces in memory, decided ones that are remembered included; the oldest makes room.
    pub num_traces: u64,
    /// Refuse what finds no room, instead of evicting a waiting trace.
    pub block_on_overflow: bool,
    /// Ids of kept traces that are remembered beyond `num_traces`; 0 for none.
    pub sampled_cache_size: u64,
    /// Ids of other traces that are remembered beyond `num_traces`; 0 for none.
    pub non_sampled_cache_size: u64,
    /// Stop at the first policy that keeps a trace.
    pub sample_on_first_match: bool,
    /// At the end drop what waits, instead of deciding on what is there.
    pub drop_pending_traces_on_shutdown: bool,
    /// OTLP size from which on a trace is dropped; 0 for no limit.
    pub maximum_trace_size_bytes: u64,
    /// Where what was learned is kept over a restart; nowhere unless given.
    pub state_file: Option<PathBuf>,
    /// Watch for anomalies even when no policy is `adaptive`.
    pub detect: bool,
    /// When policies are asked.
    pub sampling_strategy: SamplingStrategy,
    /// In the order of their evaluation, `drop` policies aside, which come first.
    pub policies: Vec<PolicyConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            decision_wait: Duration::from_secs(30),
            decision_wait_after_root_received: Duration::ZERO,
            num_traces: 50_000,
            block_on_overflow: false,
            sampled_cache_size: 0,
            non_sampled_cache_size: 0,
            sample_on_first_match: false,
            drop_pending_traces_on_shutdown: false,
            maximum_trace_size_bytes: 0,
            detect: false,
            state_file: None,
            sampling_strategy: SamplingStrategy::default(),
            policies: Vec::new(),
        }
    }
}

/// Reads and checks the section.
pub fn decode(section: &mut Section<'_>) -> Config {
    let default = Config::default();
    let (sampled_cache_size, non_sampled_cache_size) = section.section_or_default("decision_cache", |cache| {
        (cache.uint("sampled_cache_size", 0), cache.uint("non_sampled_cache_size", 0))
    });
    let config = Config {
        decision_wait: section.duration("decision_wait", default.decision_wait),
        decision_wait_after_root_received: section
            .duration("decision_wait_after_root_received", default.decision_wait_after_root_received),
        num_traces: section.uint("num_traces", default.num_traces),
        block_on_overflow: section.bool("block_on_overflow", default.block_on_overflow),
        sampled_cache_size,
        non_sampled_cache_size,
        sample_on_first_match: section.bool("sample_on_first_match", default.sample_on_first_match),
        drop_pending_traces_on_shutdown: section
            .bool("drop_pending_traces_on_shutdown", default.drop_pending_traces_on_shutdown),
        maximum_trace_size_bytes: section.uint("maximum_trace_size_bytes", default.maximum_trace_size_bytes),
        state_file: Some(section.string("state_file", "")).filter(|path| !path.is_empty()).map(PathBuf::from),
        detect: section.bool("detect", default.detect),
        sampling_strategy: section.choice(
            "sampling_strategy",
            &[
                ("trace-complete", SamplingStrategy::TraceComplete),
                ("span-ingest", SamplingStrategy::SpanIngest),
                ("", SamplingStrategy::TraceComplete),
            ],
            default.sampling_strategy,
        ),
        policies: policy::decode(section),
    };
    check(section, &config);
    config
}

fn check(section: &mut Section<'_>, config: &Config) {
    section.unsupported("tail_storage", "traces wait in memory; remove the key");
    section.ignored("expected_new_traces_per_sec", "the buffer grows as it needs to");
    let shards = section.uint("num_shards", 1);
    if !(1..=256).contains(&shards) {
        section.error("num_shards", format!("num_shards is {shards}; write 1 to 256"));
    }
    section.ignored("num_shards", "there is one shard a core");
    if config.sampling_strategy == SamplingStrategy::SpanIngest {
        for policy in config.policies.iter().filter(|policy| policy.kind.is_stateful()) {
            section.error(
                "sampling_strategy",
                format!(
                    "sampling_strategy \"span-ingest\" requires all policies to be stateless, but policy {:?} is stateful; write trace-complete",
                    policy.name
                ),
            );
        }
    }
    if config.num_traces == 0 || config.num_traces >= u64::from(u32::MAX) {
        section.error("num_traces", format!("num_traces is {}; write 1 to 4294967294", config.num_traces));
    }
    let has_policies = !section.look("policies").is_none_or(|node| node.is_null());
    if config.policies.is_empty() && !has_policies {
        section.error(
            "policies",
            "policies are missing; write at least one policy, such as {name: all, type: always_sample}",
        );
    }
}

impl Config {
    /// Whether a detector runs.
    pub(super) fn detects(&self) -> bool {
        self.detect || self.policies.iter().any(|policy| policy.kind.reads_findings())
    }

    /// What the shards of one sampler learn together: empty so far.
    pub(super) fn baselines(&self, shards: NonZeroUsize) -> Arc<Baselines> {
        let adaptives = || self.policies.iter().flat_map(PolicyConfig::adaptives).map(|(_, config)| config);
        let default = Options::default();
        let options = Options {
            min_duration: adaptives().map(|config| config.min_duration).min().unwrap_or(default.min_duration),
            memory_bytes: adaptives().map(|config| config.memory_bytes).max().unwrap_or(default.memory_bytes),
            ..default
        };
        Arc::new(Baselines::new(options, shards.get()))
    }
}

impl ProcessorConfig for Config {
    fn signals(&self) -> &'static [Signal] {
        &[Signal::Traces]
    }

    fn build(&self, settings: &Settings, _pipeline: &PipelineId) -> Result<BuiltProcessor, BuildError> {
        let shards = settings.shards_for(self.num_traces);
        let baselines = self.baselines(shards);
        let policies = self.policies.iter().map(PolicyConfig::with_own_budgets).collect();
        let own = Self { policies, ..self.clone() };
        let sampler = || TailSampler::sharing(&own, settings, shards, baselines.clone());
        let samplers = (0..shards.get()).map(|_| Box::new(sampler()) as Box<dyn Processor>).collect();
        let state = self
            .state_file
            .clone()
            .map(|path| StateFile { path, learned: Arc::new(SamplerState::of(&own, baselines)) as Arc<dyn Learned> });
        Ok(BuiltProcessor { shape: Shape::Detached(samplers), state })
    }
}
