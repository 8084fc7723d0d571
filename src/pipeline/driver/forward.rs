//! Handing on what a processor gave out. What was acknowledged is not lost to a full queue: a
//! retryable refusal is tried again, and the wait holds back everything behind it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc::Receiver;

use super::detached::Waiting;
use crate::model::Batch;
use crate::pipeline::{Consumer, DropReason};

/// First wait after a refusal that names none.
const RETRY_WAIT_MIN: Duration = Duration::from_millis(20);
/// Longest wait between two tries.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(5);

/// Sends batches on, one after the other, until the channel is closed and empty. Behind a fan-out
/// each branch is fed by itself.
pub(super) async fn forward(mut batches: Receiver<Batch>, next: Arc<dyn Consumer>, waiting: Arc<Waiting>) {
    let branches = leaves(&next);
    while let Some(batch) = batches.recv().await {
        waiting.copied(batch.item_count() * (branches.len() as u64).saturating_sub(1));
        join_all(branches.iter().map(|branch| hand_on(batch.clone(), *branch, &waiting))).await;
    }
}

/// The consumers at the ends of nested fan-outs.
fn leaves(next: &Arc<dyn Consumer>) -> Vec<&dyn Consumer> {
    match next.branches() {
        [] => vec![&**next],
        branches => branches.iter().flat_map(leaves).collect(),
    }
}

async fn hand_on(batch: Batch, next: &dyn Consumer, waiting: &Waiting) {
    let items = batch.item_count();
    let mut wait = RETRY_WAIT_MIN;
    loop {
        match next.consume(batch.clone()).await {
            Ok(()) => return waiting.left(items),
            Err(error) if error.is_retryable() => {
                waiting.refused_downstream(&error);
                tokio::time::sleep(error.retry_after().unwrap_or(wait).clamp(RETRY_WAIT_MIN, RETRY_WAIT_MAX)).await;
                wait = (wait * 2).min(RETRY_WAIT_MAX);
            }
            Err(error) => {
                let reason = if error.is_exhausted() { DropReason::RetriesExhausted } else { DropReason::Rejected };
                tracing::error!(processor = %waiting.id(), items, %error, "dropping data that the next consumer refused for good");
                return waiting.dropped(reason, items);
            }
        }
    }
}
