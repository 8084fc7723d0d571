//! Floor 2: bytes to data and back: OTLP protobuf scan and re-frame, OTLP JSON, the small
//! messages of the protocol. Total on any input; a fuzz target each.
//!
//! Invariant: pure. No I/O, no clock, no tokio.

mod compact;
pub mod csv;
pub mod foreign;
mod frame;
mod index_copy;
pub mod json;
mod limits;
mod rewrite;
mod scan;
mod schema;
pub mod status;

pub use compact::compact;
pub use frame::{Encoded, encode, encoded_len};
pub use limits::{Limits, ScanError};
pub use rewrite::{AttributePatch, ItemPatch, rewrite, rewrite_with_scopes};
pub use scan::scan;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod twin;
