//! The end of a pipeline: one attempt to hand a batch to a backend.

use std::sync::OnceLock;

use bytes::Bytes;

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

    /// One of several attempts with the same batch. What is made of the batch for the first of
    /// them (its encoded, compressed body) may be kept in `encoded` for the next.
    fn attempt<'a>(
        &'a self,
        batch: &'a Batch,
        encoded: &'a OnceLock<Vec<Bytes>>,
    ) -> BoxFuture<'a, Result<(), ConsumeError>> {
        let _ = encoded;
        self.export(batch.clone())
    }
}
