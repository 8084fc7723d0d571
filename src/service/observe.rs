//! Our own spans: one around each batch that a receiver hands in. Costs an atomic load while
//! nobody listens.

use std::sync::Arc;

use tracing::Instrument;

use crate::model::Batch;
use crate::pipeline::{BoxFuture, ComponentId, ConsumeError, Consumer};

/// Wraps what a receiver feeds.
pub(super) struct Observed {
    receiver: ComponentId,
    next: Arc<dyn Consumer>,
}

impl Observed {
    pub(super) fn wrap(receiver: &ComponentId, next: Arc<dyn Consumer>) -> Arc<dyn Consumer> {
        Arc::new(Self { receiver: receiver.clone(), next })
    }
}

impl Consumer for Observed {
    fn consume(&self, batch: Batch) -> BoxFuture<'_, Result<(), ConsumeError>> {
        if !tracing::enabled!(target: "tailwater::spans", tracing::Level::INFO) {
            return self.next.consume(batch);
        }
        let span = tracing::info_span!(
            target: "tailwater::spans",
            "receive",
            receiver = %self.receiver,
            signal = batch.signal().as_str(),
            items = batch.item_count(),
        );
        Box::pin(self.next.consume(batch).instrument(span))
    }
}
