//! The other side of a receiver: a consumer that keeps what it takes and answers as it is told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use tailwater::model::{Batch, Signal};
use tailwater::pipeline::{BoxFuture, ComponentId, ConsumeError, Consumer, Consumers, Kind, Settings, SystemClock};

/// Keeps every batch, or answers the error that it was given, after a pause.
#[derive(Default)]
pub(crate) struct Sink {
    pub(crate) batches: Mutex<Vec<Batch>>,
    pub(crate) error: Mutex<Option<ConsumeError>>,
    pub(crate) pause: Mutex<Duration>,
}

impl Consumer for Sink {
    fn consume(&self, batch: Batch) -> BoxFuture<'_, Result<(), ConsumeError>> {
        Box::pin(async move {
            let pause = *self.pause.lock().unwrap();
            tokio::time::sleep(pause).await;
            match self.error.lock().unwrap().clone() {
                Some(error) => Err(error),
                None => {
                    self.batches.lock().unwrap().push(batch);
                    Ok(())
                }
            }
        })
    }
}

impl Sink {
    /// A consumer of these signals only.
    pub(crate) fn consumers(self: &Arc<Self>, signals: &[Signal]) -> Consumers {
        let mut consumers = Consumers::default();
        signals.iter().for_each(|signal| consumers.set(*signal, self.clone()));
        consumers
    }

    /// Spans taken so far.
    pub(crate) fn items(&self) -> u64 {
        self.batches.lock().unwrap().iter().map(Batch::item_count).sum()
    }
}

/// Settings of a receiver, with a fresh ledger and fresh metrics.
pub(crate) fn settings() -> Settings {
    Settings::lone(Kind::Receiver, ComponentId::parse("otlp").unwrap(), Arc::new(SystemClock::new()))
}

/// A request of `count` spans.
pub(crate) fn request(count: usize) -> Vec<u8> {
    let span = |number: usize| Span {
        trace_id: vec![1; 16],
        span_id: (number as u64 + 1).to_be_bytes().to_vec(),
        name: format!("span {number}"),
        ..Default::default()
    };
    let scope_spans = vec![ScopeSpans { spans: (0..count).map(span).collect(), ..Default::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..Default::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}
