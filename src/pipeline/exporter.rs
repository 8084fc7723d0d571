//! The end of a pipeline: one attempt to hand a batch to a backend.

use super::{BoxFuture, Component, ConsumeError};
use crate::model::Batch;

/// Sends batches to one backend. Queue, batching, retry and timeout wrap it
/// (`exporters::delivery`), so an exporter makes exactly one attempt a call.
///
/// # Contract
/// - `Ok`: the backend has taken the whole batch (a partial success is `Ok` and a warning).
/// - `Err` retryable: the same batch may be sent again, after the time that the backend named.
/// - `Err` permanent: sending it again would fail again.
/// - Several calls may be under way at once. Dropping the future abandons the attempt.
pub trait Exporter: Component {
    /// Makes one attempt.
    fn export(&self, batch: Batch) -> BoxFuture<'_, Result<(), ConsumeError>>;
}
