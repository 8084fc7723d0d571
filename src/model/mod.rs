//! Floor 0: what moves through the pipeline. A request stays the bytes it was on the wire; beside
//! it stands an index, one row an item. A [`Batch`] is a list of (shared request, selected rows).
//!
//! Invariant: no I/O, no clock, no tokio, no serde on these types. `wire` builds the index, this
//! folder only holds and reads it.

mod account;
mod batch;
mod columns;
mod cursor;
mod decision;
mod ids;
mod index;
mod metadata;
mod request;
mod signal;
mod span;
mod time;

pub use account::{Charge, MemoryAccount};
pub use batch::{Batch, Part, Rows, RowsIter};
pub use columns::SpanColumns;
pub use cursor::{Cursor, Field, WireError, WireType, put_varint, varint_len};
pub use decision::{
    Chance, Class, DecisionRecord, Finding, Operation, Outcome, PolicyVerdict, PolicyVerdicts, Trigger,
};
pub use ids::{ParseIdError, SpanId, TraceId};
pub use index::{Index, Items, Piece, ResourceEntry, ScopeEntry};
pub use metadata::ClientMetadata;
pub use request::Request;
pub use signal::Signal;
pub use span::{AttributeView, Attributes, ResourceView, ScopeView, SpanView, ValueView};
pub use time::{Instant, Now, UnixNanos};
