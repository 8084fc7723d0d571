//! Floor 5: recorded traffic through the processors of a config, with a clock that follows the
//! spans. The processors, their shards and their order are those that `service` would run; only
//! the driver is another one: a single thread that jumps from event to event.
//!
//! ```text
//! files ─▶ format ─▶ load (wire) ─▶ Recording ─▶ engine (Processor) ─▶ Run ─▶ Report
//! ```
//!
//! Invariant: the same recording and config give the same run. No receiver or exporter is built,
//! and nothing is printed.

mod culprits;
mod decisions;
mod engine;
mod files;
mod format;
mod labels;
mod load;
mod recording;
mod report;
mod run;
mod versus;

pub use decisions::write_decisions;
pub use engine::{Plan, replay};
pub use files::{Input, inputs, read};
pub use format::Format;
pub use labels::Labels;
pub use load::{Loader, Options};
pub use recording::{Arrival, Recording, Root, Trace};
pub use report::{ClassRow, Detection, Fidelity, Found, LabelMeasures, PolicyRow, Report, Totals};
pub use run::{Kept, Run, Sampler};
pub use versus::{Side, Versus, VersusRow};

/// Why a replay did not come about.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A file or folder that cannot be read.
    #[error("cannot read {name}: {reason}")]
    Unreadable {
        /// Which.
        name: String,
        /// Why.
        reason: String,
    },
    /// A file that cannot be written.
    #[error("cannot write {name}: {reason}")]
    Unwritable {
        /// Which.
        name: String,
        /// Why.
        reason: String,
    },
    /// A file whose content is of no known format.
    #[error("{name}: {reason}")]
    Format {
        /// Which.
        name: String,
        /// What was seen.
        reason: String,
    },
    /// A record that is broken.
    #[error("{name}: {place}: {reason}; leave such records out with --skip-invalid")]
    Record {
        /// Which file.
        name: String,
        /// Where in it.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// Nothing to replay.
    #[error("there is no span in the input")]
    Empty,
    /// More than can be held.
    #[error("the input is larger than {limit} bytes when unpacked; replay it in parts")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The config has not what is needed.
    #[error("{0}")]
    Config(String),
    /// A processor that cannot be built.
    #[error("processors::{id}: {reason}")]
    Build {
        /// Which.
        id: String,
        /// Why.
        reason: String,
    },
    /// A processor that asks to be called again and again without doing anything.
    #[error("processors::{0}: its deadline does not move on")]
    Stuck(String),
    /// A file of labels that is none.
    #[error("labels: {name}: {reason}")]
    Labels {
        /// Which.
        name: String,
        /// Why.
        reason: String,
    },
}
