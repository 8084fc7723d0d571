//! Recordings in other formats, converted to OTLP protobuf requests: one request a trace where a
//! format knows traces. What cannot be converted is named with its place, and the rest goes on.

mod build;
pub mod jaeger_json;
pub mod span_table;
pub mod zipkin_json;

use bytes::Bytes;

use super::json::JsonError;

/// What came of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Converted {
    /// `ExportTraceServiceRequest` bodies in the order of the text.
    pub requests: Vec<Bytes>,
    /// Records that could not be converted; nothing of them is in the requests.
    pub invalid: Vec<InvalidRecord>,
}

/// A record that could not be converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidRecord {
    /// Where it stands, such as `data[3]` or `line 7`.
    pub place: String,
    /// What is wrong with it.
    pub message: String,
}

/// Why a text as a whole is not of a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForeignError {
    /// Not JSON.
    #[error("not {format} JSON at byte {position}: {reason}")]
    Json {
        /// The format.
        format: &'static str,
        /// Where the text is no JSON.
        position: usize,
        /// Why.
        reason: String,
    },
    /// JSON of another kind.
    #[error("not {format} JSON: {expected}")]
    Shape {
        /// The format.
        format: &'static str,
        /// What should stand there.
        expected: &'static str,
    },
    /// A table without a column that is needed.
    #[error("the header has no column {missing}; it has {found}")]
    Column {
        /// The column, with the names that it may have.
        missing: &'static str,
        /// The header as it came, shortened.
        found: String,
    },
    /// More than a table may hold.
    #[error("the table has more than {limit} {what}; split it")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

impl ForeignError {
    fn json(format: &'static str, error: &JsonError) -> Self {
        Self::Json { format, position: error.position().unwrap_or(0), reason: error.reason().to_owned() }
    }
}
