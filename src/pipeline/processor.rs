//! Pure processors: batches and instants in, batches and deadlines out.

use super::ConsumeError;
use crate::model::{Batch, Instant, Now};

/// Batches to hand on, in order.
pub type Output = Vec<Batch>;

/// A step of a pipeline that does no I/O and never asks the time.
///
/// # Contract
/// - Single-threaded: the driver calls one method at a time.
/// - `process` returning `Err` means that nothing of the batch was taken.
/// - What was taken is either in some [`Output`], held (and part of [`Processor::held_items`]), or
///   counted as dropped with a reason.
/// - `on_deadline` may be called early or late; it looks at `now`, not at who called.
/// - After `drain` nothing is held.
pub trait Processor: Send + 'static {
    /// Takes a batch.
    ///
    /// # Errors
    /// When the batch is refused as a whole.
    fn process(&mut self, batch: Batch, now: Now) -> Result<Output, ConsumeError>;

    /// When `on_deadline` wants to be called next.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Does what is due at `now`.
    fn on_deadline(&mut self, now: Now) -> Output {
        let _ = now;
        Output::new()
    }

    /// Gives up everything that is held, because the pipeline stops.
    fn drain(&mut self, now: Now) -> Output {
        let _ = now;
        Output::new()
    }

    /// Items held at this moment.
    fn held_items(&self) -> u64 {
        0
    }
}
