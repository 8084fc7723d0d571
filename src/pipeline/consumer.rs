//! The only way that a batch moves.

use std::pin::Pin;
use std::sync::Arc;

use super::ConsumeError;
use crate::model::{Batch, Signal};

/// A future behind a pointer; one allocation a batch, not a span.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Takes batches.
///
/// # Contract
/// - `Ok` means that the consumer has taken responsibility for the *whole* batch: it will be
///   delivered, or counted as dropped with a reason in the ledger.
/// - `Err` means that the consumer has taken nothing: the caller still owns the responsibility,
///   and may pass the error on to its own caller. Never half a batch.
/// - It may wait (that is backpressure); dropping the future counts as an error to the caller.
/// - It may be called from several tasks at once, and only between `start` and `shutdown` of its
///   component.
pub trait Consumer: Send + Sync + 'static {
    /// Takes one batch; see the contract above.
    fn consume(&self, batch: Batch) -> BoxFuture<'_, Result<(), ConsumeError>>;

    /// The consumers that each get every batch, where this one only hands on to them. Who tries
    /// again feeds them one by one: a branch that has taken a batch must not get it twice.
    fn branches(&self) -> &[Arc<dyn Consumer>] {
        &[]
    }
}

/// What a receiver or connector feeds: a consumer for each signal that some pipeline takes.
#[derive(Clone, Default)]
pub struct Consumers {
    traces: Option<Arc<dyn Consumer>>,
    metrics: Option<Arc<dyn Consumer>>,
    logs: Option<Arc<dyn Consumer>>,
}

impl Consumers {
    /// The consumer of a signal, if a pipeline takes it.
    pub fn get(&self, signal: Signal) -> Option<&Arc<dyn Consumer>> {
        match signal {
            Signal::Traces => self.traces.as_ref(),
            Signal::Metrics => self.metrics.as_ref(),
            Signal::Logs => self.logs.as_ref(),
        }
    }

    /// Sets the consumer of a signal.
    pub fn set(&mut self, signal: Signal, consumer: Arc<dyn Consumer>) {
        let place = match signal {
            Signal::Traces => &mut self.traces,
            Signal::Metrics => &mut self.metrics,
            Signal::Logs => &mut self.logs,
        };
        *place = Some(consumer);
    }
}

impl std::fmt::Debug for Consumers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(Signal::ALL.into_iter().filter(|signal| self.get(*signal).is_some())).finish()
    }
}
