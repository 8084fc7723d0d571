//! A processor in the caller's task: the next consumer's answer is the caller's answer.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Driven, Flow};
use crate::model::{Batch, Signal};
use crate::pipeline::{BoxFuture, Clock, Component, ConsumeError, Consumer, Processor, Settings};

/// Runs a processor where the batch comes in. Its lock is held while it works and never across
/// an await; a batch that it refuses is the caller's to keep.
pub struct Inline {
    processor: Mutex<Box<dyn Processor>>,
    next: Arc<dyn Consumer>,
    clock: Arc<dyn Clock>,
    flow: Flow,
}

impl Inline {
    /// Puts a processor in front of a consumer.
    pub fn drive(
        processor: Box<dyn Processor>,
        next: Arc<dyn Consumer>,
        settings: &Settings,
        signal: Signal,
    ) -> Driven {
        let inline = Arc::new(Self {
            processor: Mutex::new(processor),
            next,
            clock: settings.clock.clone(),
            flow: Flow::new(settings, signal),
        });
        (inline.clone(), inline)
    }

    fn process(&self, batch: Batch) -> Result<Vec<Batch>, ConsumeError> {
        let now = self.clock.now();
        let mut processor = self.processor.lock().unwrap_or_else(PoisonError::into_inner);
        processor.process(batch, now)
    }
}

impl Consumer for Inline {
    fn consume(&self, batch: Batch) -> BoxFuture<'_, Result<(), ConsumeError>> {
        Box::pin(async move {
            self.flow.came(batch.item_count());
            let output = self.process(batch)?;
            self.flow.went(&output);
            for batch in output {
                self.next.consume(batch).await?;
            }
            Ok(())
        })
    }
}

impl Component for Inline {}
