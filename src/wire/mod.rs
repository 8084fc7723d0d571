//! Floor 2: bytes to data and back: OTLP protobuf scan and re-frame, OTLP JSON, the small
//! messages of the protocol. Total on any input; a fuzz target each.
//!
//! Invariant: pure. No I/O, no clock, no tokio.

mod frame;
pub mod json;
mod limits;
mod scan;
pub mod status;

pub use frame::{Encoded, compact, encode};
pub use limits::{Limits, ScanError};
pub use scan::scan;
