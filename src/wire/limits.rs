//! What a request may hold, and why one is refused.

use crate::model::WireError;

/// Limits of one request, counted while it is scanned and before anything is built from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Spans, metrics or log records (4 MiB of empty spans would be two million).
    pub items_max: u32,
    /// Resources and scopes together.
    pub groups_max: u32,
    /// Attributes anywhere in the request.
    pub attributes_max: u32,
    /// Span events in the request.
    pub events_max: u32,
    /// Span links in the request.
    pub links_max: u32,
}

impl Limits {
    /// No limits, for bytes that have passed a scan before.
    pub(super) fn none() -> Self {
        let none = u32::MAX;
        Self { items_max: none, groups_max: none, attributes_max: none, events_max: none, links_max: none }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            items_max: 250_000,
            groups_max: 250_000,
            attributes_max: 4_000_000,
            events_max: 1_000_000,
            links_max: 1_000_000,
        }
    }
}

/// Why a request is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// Not a protobuf message of this kind.
    #[error("{0}")]
    Wire(#[from] WireError),
    /// An id that is neither empty nor of its full length, as the Collector refuses it.
    #[error("a {what} has {found} bytes; it must have {expected}, or none")]
    IdLength {
        /// Which id.
        what: &'static str,
        /// Its full length.
        expected: usize,
        /// What it had.
        found: usize,
    },
    /// More than a limit allows.
    #[error("the request holds more than {limit} {what}; send smaller batches")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
}

impl ScanError {
    /// Whether the request is well formed but too large (`RESOURCE_EXHAUSTED`, 413).
    pub fn is_too_large(&self) -> bool {
        matches!(self, Self::TooMany { .. })
    }
}
