//! Floor 2: the config file as data. YAML with line and column, expansion, merging, durations,
//! and the strict reader that components decode themselves with.
//!
//! Invariant: knows no component.

mod duration;
mod node;
mod report;
mod secret;
mod section;

pub use duration::{DurationError, format_duration, parse_duration};
pub use node::{Location, Node, Scalar, Value};
pub use report::{Problem, Report, Severity};
pub use secret::Secret;
pub use section::{Optional, Section};
