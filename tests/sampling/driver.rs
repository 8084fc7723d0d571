//! Drives one processor by hand, and checks after each step that nothing was lost or doubled.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tailwater::model::{Batch, ClientMetadata, Instant, Now, Signal, TraceId, UnixNanos};
use tailwater::pipeline::{ComponentId, ConsumeError, Kind, ManualClock, Output, Processor, Settings};
use tailwater::wire::{Limits, scan};

/// Settings of a lone component.
pub(crate) fn settings() -> Settings {
    Settings {
        shards: NonZeroUsize::new(2).unwrap(),
        ..Settings::lone(
            Kind::Processor,
            ComponentId::parse("tail_sampling").unwrap(),
            Arc::new(ManualClock::default()),
        )
    }
}

/// One processor, driven by hand.
pub(crate) struct Driver {
    pub(crate) settings: Settings,
    pub(crate) processor: Box<dyn Processor>,
    pub(crate) now: Now,
    /// Batches that came out.
    pub(crate) out: Output,
    received: u64,
}

impl Driver {
    pub(crate) fn new(processor: Box<dyn Processor>, settings: Settings) -> Self {
        Self { settings, processor, now: Now::default(), out: Output::new(), received: 0 }
    }

    /// Sends a traces request; a refused one counts as never received.
    pub(crate) fn send(&mut self, body: &[u8], metadata: Option<Arc<ClientMetadata>>) -> Result<(), ConsumeError> {
        let request = scan(Signal::Traces, body.to_vec().into(), &Limits::default(), &self.settings.account).unwrap();
        let batch = Batch::from_request(request).with_metadata(metadata);
        self.give(batch)
    }

    /// Gives the processor a batch.
    pub(crate) fn give(&mut self, batch: Batch) -> Result<(), ConsumeError> {
        let items = batch.item_count();
        self.out.extend(self.processor.process(batch, self.now)?);
        self.received += items;
        self.check_conservation();
        Ok(())
    }

    /// Lets time pass, and deadlines fire when they are due.
    pub(crate) fn sleep(&mut self, wait: Duration) {
        let end = self.now.mono + wait;
        while let Some(deadline) = self.processor.deadline().filter(|deadline| *deadline <= end) {
            self.set(deadline.max(self.now.mono));
            self.out.extend(self.processor.on_deadline(self.now));
            self.check_conservation();
        }
        self.set(end);
    }

    fn set(&mut self, mono: Instant) {
        self.now = Now { mono, wall: UnixNanos(mono.0) };
    }

    /// Ends the processor.
    pub(crate) fn stop(&mut self) {
        self.out.extend(self.processor.drain(self.now));
        assert_eq!(self.processor.held_items(), 0, "nothing is held after drain");
        self.check_conservation();
    }

    fn check_conservation(&self) {
        let out: u64 = self.out.iter().map(Batch::item_count).sum();
        let dropped: u64 = self.settings.ledger.read(Signal::Traces).dropped.values().sum();
        assert_eq!(self.received, out + dropped + self.processor.held_items(), "in = out + dropped + held");
    }
}

/// Trace ids of a batch, a row each.
pub(crate) fn trace_ids(batch: &Batch) -> Vec<TraceId> {
    let ids = batch.parts().iter().flat_map(|part| {
        let columns = part.request.index().spans.as_ref().unwrap();
        part.rows().map(|row| columns.trace_id(row))
    });
    ids.collect()
}
