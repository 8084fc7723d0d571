//! Floor 2: the config file as data. YAML with line and column, expansion, merging, durations,
//! and the strict reader that components decode themselves with.
//!
//! Invariant: knows no component.

mod duration;
mod expand;
mod gates;
mod merge;
mod node;
mod render;
mod report;
mod resolve;
mod secret;
mod section;
mod sources;
mod suggest;
mod write;
mod yaml;

pub use duration::{DurationError, format_duration, parse_duration};
pub use expand::{EXPANDED_BYTES_MAX, EXPANSIONS_MAX, Providers, expand};
pub use gates::Gates;
pub use merge::{Lists, merge, nest, nested};
pub use node::{Location, Node, Scalar, Value};
pub use render::{PROBLEMS_SHOWN_MAX, render, render_json};
pub use report::{Problem, Report, Severity};
pub use resolve::{Inputs, Resolved, resolve};
pub use secret::Secret;
pub use section::{Optional, Section};
pub use sources::Sources;
pub use suggest::closest;
pub use write::{MASK, as_read, mask, to_json, to_yaml};
pub use yaml::{DEPTH_MAX, NODES_MAX, TEXT_BYTES_MAX, parse_yaml};
