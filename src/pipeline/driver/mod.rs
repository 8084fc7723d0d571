//! Drivers: what carries batches and instants to pure processors. [`Inline`] runs one in the
//! caller's task; [`Detached`] owns a task a shard, its timer and its channels. No processor
//! owns a timer, a task or a lock.

mod detached;
mod forward;
mod inline;
mod shard;
#[cfg(test)]
mod tests;

pub use detached::Detached;
pub use inline::Inline;
pub use shard::split_by_shard;

use std::sync::Arc;

use super::Settings;
use crate::metrics::Counter;
use crate::model::{Batch, Signal};

/// What both drivers count: `otelcol_processor_incoming_items` and `…_outgoing_items`.
struct Flow {
    incoming: Counter,
    outgoing: Counter,
}

impl Flow {
    fn new(settings: &Settings, signal: Signal) -> Self {
        let id = settings.id.to_string();
        let labels = [("processor", id.as_str()), ("otel_signal", signal.as_str())];
        let count = |name, help| settings.metrics.counter(name, help, &labels);
        Self {
            incoming: count("otelcol_processor_incoming_items", "Items passed to the processor"),
            outgoing: count("otelcol_processor_outgoing_items", "Items emitted from the processor"),
        }
    }

    fn came(&self, items: u64) {
        self.incoming.inc_by(items);
    }

    fn went(&self, output: &[Batch]) {
        self.outgoing.inc_by(output.iter().map(Batch::item_count).sum());
    }
}

/// A consumer that is also a component, as the graph keeps it.
pub type Driven = (Arc<dyn super::Consumer>, Arc<dyn super::Component>);
