//! `probabilistic_sampler`: keeps a share of spans and log records, each judged alone, by
//! randomness that all items of a trace have in common. Stateless; knows no time.
//!
//! ```yaml
//! processors:
//!   probabilistic_sampler:
//!     mode: proportional
//!     sampling_percentage: 15
//! ```
//!
//! Decisions and what is written are the Collector's, bit by bit: `hash_seed` compares 14 bits of
//! FNV-1a, `proportional` and `equalizing` 56 bits of W3C randomness; the threshold goes into
//! `tracestate` of spans (`ot=rv:…;th:…`) and into attributes of log records
//! (`sampling.threshold`, `sampling.randomness`). Where it differs:
//! - A `tracestate` of 32 members is read; the Collector takes it for malformed.
//! - A `tracestate` that would break its limits of length, or that is malformed, stays as it is.
//! - The value of `from_attribute` may not be an array or a map: that is missing randomness.

mod config;
mod decision;
mod hash;
mod logs;
mod metrics;
mod processor;
mod traces;

pub use config::{AttributeSource, Config, Mode, decode};
pub use processor::ProbabilisticSampler;
