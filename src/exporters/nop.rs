//! The `nop` exporter: takes every batch and sends it nowhere. For measuring what stands in front
//! of it.
//!
//! ```yaml
//! exporters:
//!   nop:
//! ```

use std::sync::Arc;

use crate::config::Section;
use crate::metrics::Counter;
use crate::model::{Batch, Signal};
use crate::pipeline::{
    BoxFuture, BuildError, BuiltExporter, Component, ConsumeError, Consumer, Consumers, ExporterConfig, Ledger,
    Settings,
};

/// The config of `nop`: no keys.
#[derive(Clone, Copy, Debug, Default)]
pub struct Config;

impl Config {
    /// Reads the section, which has no keys.
    pub(crate) fn decode(_section: &mut Section<'_>) -> Self {
        Self
    }
}

impl ExporterConfig for Config {
    fn build(&self, settings: &Settings, signals: &[Signal]) -> Result<BuiltExporter, BuildError> {
        let id = settings.id.to_string();
        let mut consumers = Consumers::default();
        for signal in signals {
            let sent = settings.metrics.counter(
                &format!("otelcol_exporter_sent_{}", signal.items()),
                "Items that a backend has taken",
                &[("exporter", id.as_str())],
            );
            consumers.set(*signal, Arc::new(Sink { ledger: settings.ledger.clone(), sent }));
        }
        Ok(BuiltExporter { component: Arc::new(Nop), consumers })
    }
}

/// Has nothing to open.
#[derive(Debug)]
struct Nop;

impl Component for Nop {}

/// Takes everything of one signal.
struct Sink {
    ledger: Arc<Ledger>,
    sent: Counter,
}

impl Consumer for Sink {
    fn consume(&self, batch: Batch) -> BoxFuture<'_, Result<(), ConsumeError>> {
        let items = batch.item_count();
        self.ledger.sent(batch.signal(), items);
        self.sent.inc_by(items);
        Box::pin(std::future::ready(Ok(())))
    }
}

#[cfg(test)]
mod tests {

    use bytes::Bytes;

    use super::*;
    use crate::model::{Index, Items, MemoryAccount, Request};
    use crate::pipeline::{ComponentId, Kind, ManualClock};

    fn settings() -> Settings {
        Settings::lone(Kind::Exporter, ComponentId::parse("nop/a").unwrap(), Arc::new(ManualClock::default()))
    }

    /// A batch of empty log records.
    fn logs(records: u32) -> Batch {
        let zeros = || std::iter::repeat_n(0, records as usize).collect();
        let index = Index {
            signal: Signal::Logs,
            items: Items { offset: zeros(), length: zeros(), scope: zeros() },
            scopes: Vec::new(),
            resources: Vec::new(),
            pieces: Vec::new(),
            rest: Vec::new(),
            spans: None,
            points: None,
            item_count: records.into(),
        };
        Batch::from_request(Arc::new(Request::new(Bytes::new(), index, &MemoryAccount::default())))
    }

    #[tokio::test]
    async fn every_batch_is_taken_and_counted_as_sent() {
        let settings = settings();
        let built = Config.build(&settings, &[Signal::Logs]).unwrap();
        assert!(built.consumers.get(Signal::Traces).is_none());
        let consumer = built.consumers.get(Signal::Logs).unwrap();
        for _ in 0..2 {
            consumer.consume(logs(3)).await.unwrap();
        }
        assert_eq!(settings.ledger.read(Signal::Logs).sent, 6);
        let exposition = settings.metrics.encode();
        assert!(exposition.contains("otelcol_exporter_sent_log_records_total{exporter=\"nop/a\"} 6"), "{exposition}");
    }
}
