//! The keys of `probabilistic_sampler`, with the Collector's defaults and checks.

use super::ProbabilisticSampler;
use crate::config::Section;
use crate::model::Signal;
use crate::pipeline::{BuildError, BuiltProcessor, PipelineId, ProcessorConfig, Settings, Shape};
use crate::sampling::Threshold;

/// What a user writes under `probabilistic_sampler`.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Share of the items to keep, in percent; above 100 is all. A 32-bit number, as the hash's
    /// rounding depends on it.
    pub sampling_percentage: f32,
    /// Hashed before the trace id.
    pub hash_seed: u32,
    /// What randomness is compared with what.
    pub mode: Mode,
    /// Drop what has no usable randomness or threshold, instead of keeping it.
    pub fail_closed: bool,
    /// Hex digits of a threshold, 1 to 14.
    pub sampling_precision: u8,
    /// Log records only: whether the trace id is hashed first.
    pub attribute_source: AttributeSource,
    /// Log records only: attribute that is hashed where the trace id is not; empty for none.
    pub from_attribute: String,
    /// Log records only: attribute with a percentage that stands in for `sampling_percentage`;
    /// empty for none.
    pub sampling_priority: String,
}

/// How items are sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By 14 bits of a hash.
    HashSeed,
    /// By W3C randomness, down to one share, whatever was dropped before.
    Equalizing,
    /// By W3C randomness, the share taken of what came.
    Proportional,
}

/// Where `hash_seed` takes the randomness of log records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeSource {
    /// From the trace id, and from `from_attribute` where there is none.
    TraceId,
    /// From `from_attribute`.
    Record,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sampling_percentage: 0.0,
            hash_seed: 0,
            mode: Mode::HashSeed,
            fail_closed: true,
            sampling_precision: 4,
            attribute_source: AttributeSource::TraceId,
            from_attribute: String::new(),
            sampling_priority: String::new(),
        }
    }
}

const MODES: &[(&str, Mode)] = &[
    ("hash_seed", Mode::HashSeed),
    ("equalizing", Mode::Equalizing),
    ("proportional", Mode::Proportional),
    ("", Mode::HashSeed),
];
const SOURCES: &[(&str, AttributeSource)] =
    &[("traceID", AttributeSource::TraceId), ("record", AttributeSource::Record)];

/// Reads and checks the section.
pub fn decode(section: &mut Section<'_>) -> Config {
    let default = Config::default();
    Config {
        sampling_percentage: percentage(section),
        hash_seed: number(section, "hash_seed", 0, 0, u32::MAX.into()) as u32,
        mode: section.choice("mode", MODES, default.mode),
        fail_closed: section.bool("fail_closed", default.fail_closed),
        sampling_precision: number(section, "sampling_precision", default.sampling_precision.into(), 1, 14) as u8,
        attribute_source: section.choice("attribute_source", SOURCES, default.attribute_source),
        from_attribute: section.string("from_attribute", ""),
        sampling_priority: section.string("sampling_priority", ""),
    }
}

/// A whole number between two ends; the default in place of one that is not.
fn number(section: &mut Section<'_>, key: &'static str, default: u64, least: u64, most: u64) -> u64 {
    let number = section.uint(key, default);
    if (least..=most).contains(&number) {
        return number;
    }
    section.error(key, format!("{key} is {number}; write {least} to {most}"));
    default
}

fn percentage(section: &mut Section<'_>) -> f32 {
    const KEY: &str = "sampling_percentage";
    let percentage = section.float(KEY, 0.0) as f32;
    let share = f64::from(percentage) / 100.0;
    let is_too_small = share > 0.0 && share < Threshold::PROBABILITY_MIN;
    if !percentage.is_finite() || percentage < 0.0 || is_too_small {
        section.error(KEY, format!("{KEY} is {percentage}; write 0, or a number from 1.4e-15 up"));
        return 0.0;
    }
    percentage
}

impl ProcessorConfig for Config {
    fn signals(&self) -> &'static [Signal] {
        &[Signal::Traces, Signal::Logs]
    }

    fn build(&self, settings: &Settings, _pipeline: &PipelineId) -> Result<BuiltProcessor, BuildError> {
        Ok(BuiltProcessor { shape: Shape::Inline(Box::new(ProbabilisticSampler::new(self, settings))), state: None })
    }
}
