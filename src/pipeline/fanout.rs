//! One batch to several consumers, by reference: parts are shared, nothing is copied.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::join_all;

use super::{BoxFuture, ConsumeError, Consumer, Ledger};
use crate::model::{Batch, Signal};

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

/// One batch on its way into all branches. Dropped unfinished, because the caller went away, it
/// still says which of them have taken the batch.
struct Taken<'a> {
    ledger: &'a Ledger,
    signal: Signal,
    items: u64,
    branches: AtomicU64,
    /// Whether the caller answers for the batch no more.
    by_all: bool,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        // The branches that took the batch each answer for it; the caller for all that did not.
        let copies = self.branches.load(Ordering::Relaxed).saturating_sub(u64::from(self.by_all));
        self.ledger.copied(self.signal, self.items * copies);
    }
}

impl Consumer for FanOut {
    fn consume(&self, batch: Batch) -> BoxFuture<'_, Result<(), ConsumeError>> {
        Box::pin(async move {
            let (signal, items) = (batch.signal(), batch.item_count());
            let branches = AtomicU64::new(0);
            let mut taken = Taken { ledger: &self.ledger, signal, items, branches, by_all: false };
            let results = join_all(self.consumers.iter().map(|consumer| async {
                consumer.consume(batch.clone()).await.inspect(|()| {
                    taken.branches.fetch_add(1, Ordering::Relaxed);
                })
            }))
            .await;
            let errors: Vec<ConsumeError> = results.into_iter().filter_map(Result::err).collect();
            taken.by_all = errors.is_empty();
            let retryable = errors.iter().position(ConsumeError::is_retryable).unwrap_or(0);
            errors.into_iter().nth(retryable).map_or(Ok(()), Err)
        })
    }

    fn branches(&self) -> &[Arc<dyn Consumer>] {
        &self.consumers
    }
}
