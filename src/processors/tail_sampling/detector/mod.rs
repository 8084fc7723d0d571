//! The detector: what is odd about a trace, compared with what its operations did before. Pure: it
//! is told the time, and shards share what they learn through [`Baselines`].
//!
//! ```text
//! arrival:   rows ─ interner ─▶ operation numbers            (registry: one number in all shards)
//! decision:  facts ─ assembly ─▶ self times ─ operations ─▶ excess   ┐
//!                              ─ novelty ─▶ shapes, new operations   ├─▶ Finding
//!                              ─ error_type ─▶ errors                ┘
//! each second, and at the end of a window:  baselines ◀─▶ shards      (baseline: reference, freeze)
//! ```
//!
//! The score is the sum, over the spans of a trace, of self time above the p97.5 of the operation
//! (service, span name, kind). Duplicated spans count once. The duration of whole traces is
//! learned in the same way, as an operation of kind 254 with the root's name, for the median.

mod baseline;
mod baselines;
mod shard;
mod error_type;
mod finding;
mod interner;
mod novelty;
mod operations;
mod options;
mod registry;
mod snapshot;
#[cfg(test)]
mod tests;
mod versions;

pub use baseline::Quantiles;
pub use baselines::{Baselines, ShapeCounts};
pub use error_type::error_type;
pub use finding::{Contribution, Finding, Novelty, NoveltyKind, TraceError};
pub use options::{OPERATION_BYTES, Options, SHARD_OPERATION_BYTES};
pub use shard::Detector;
pub use snapshot::SnapshotError;
