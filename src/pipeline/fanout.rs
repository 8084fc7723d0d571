//! One batch to several consumers, by reference: parts are shared, nothing is copied.

use std::sync::Arc;

use futures_util::future::join_all;

use super::{BoxFuture, ConsumeError, Consumer, Ledger};
use crate::model::Batch;

/// Hands every batch to all of its consumers at once and waits for all of them. When some fail,
/// the first error is returned; a permanent one only if no retryable one is there, so that a
/// client that may retry does. What the others took is then sent again by that client, as in the
/// Collector.
pub struct FanOut {
    consumers: Vec<Arc<dyn Consumer>>,
    ledger: Arc<Ledger>,
}

impl FanOut {
    /// One consumer is returned as it is; several are joined.
    pub fn join(mut consumers: Vec<Arc<dyn Consumer>>, ledger: Arc<Ledger>) -> Arc<dyn Consumer> {
        match (consumers.len(), consumers.pop()) {
            (1, Some(only)) => only,
            (_, last) => {
                consumers.extend(last);
                Arc::new(Self { consumers, ledger })
            }
        }
    }
}

impl Consumer for FanOut {
    fn consume(&self, batch: Batch) -> BoxFuture<'_, Result<(), ConsumeError>> {
        Box::pin(async move {
            let (signal, items) = (batch.signal(), batch.item_count());
            let results = join_all(self.consumers.iter().map(|consumer| consumer.consume(batch.clone()))).await;
            let errors: Vec<ConsumeError> = results.into_iter().filter_map(Result::err).collect();
            // The branches that took the batch each answer for it; all that failed come back as one.
            let branches = self.consumers.len() - errors.len() + usize::from(!errors.is_empty());
            self.ledger.copied(signal, items * branches.saturating_sub(1) as u64);
            let retryable = errors.iter().position(ConsumeError::is_retryable).unwrap_or(0);
            errors.into_iter().nth(retryable).map_or(Ok(()), Err)
        })
    }
}
