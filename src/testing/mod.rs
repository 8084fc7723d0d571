//! For tests only: builders of requests, a consumer that keeps what it gets, a ledger to look at.

use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

use crate::model::{Batch, MemoryAccount, Request, Signal};
use crate::pipeline::{BoxFuture, Clock, ComponentId, ConsumeError, Consumer, Kind, Ledger, Settings, SystemClock};
use crate::wire::{Limits, scan};

/// A request with spans of these traces (one byte repeated is the id), one span each.
pub(crate) fn request_of(traces: &[u8]) -> Arc<Request> {
    let spans = traces
        .iter()
        .enumerate()
        .map(|(position, trace)| Span {
            trace_id: vec![*trace; 16],
            span_id: (position as u64 + 1).to_be_bytes().to_vec(),
            name: format!("span-{position}"),
            start_time_unix_nano: 1_000,
            end_time_unix_nano: 2_000,
            ..Span::default()
        })
        .collect();
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
    scan(Signal::Traces, body.into(), &Limits::default(), &MemoryAccount::default()).unwrap()
}

/// A batch of [`request_of`].
pub(crate) fn batch_of(traces: &[u8]) -> Batch {
    Batch::from_request(request_of(traces))
}

/// Settings of a processor named `test`, on tokio's clock, with one shard.
pub(crate) fn settings(ledger: Arc<Ledger>) -> Settings {
    settings_at(ledger, Arc::new(SystemClock::new()))
}

/// The same on a given clock.
pub(crate) fn settings_at(ledger: Arc<Ledger>, clock: Arc<dyn Clock>) -> Settings {
    Settings { ledger, ..Settings::lone(Kind::Processor, ComponentId::parse("test").unwrap(), clock) }
}

/// Keeps what it gets and counts it as sent; answers with scripted errors first.
#[derive(Default)]
pub(crate) struct Sink {
    ledger: Option<Arc<Ledger>>,
    got: Mutex<Vec<Batch>>,
    errors: Mutex<Vec<ConsumeError>>,
}

impl Sink {
    /// A sink that reports to a ledger.
    pub(crate) fn new(ledger: Arc<Ledger>) -> Arc<Self> {
        Arc::new(Self { ledger: Some(ledger), ..Self::default() })
    }

    /// Answers the next calls with these errors, first one first.
    pub(crate) fn will_answer(&self, errors: impl IntoIterator<Item = ConsumeError>) {
        let mut scripted = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        scripted.extend(errors);
    }

    /// Item counts of the batches so far.
    pub(crate) fn sizes(&self) -> Vec<u64> {
        self.got.lock().unwrap_or_else(PoisonError::into_inner).iter().map(Batch::item_count).collect()
    }

    /// Rows so far, as the first byte of each span's trace id.
    pub(crate) fn traces(&self) -> Vec<u8> {
        let got = self.got.lock().unwrap_or_else(PoisonError::into_inner);
        got.iter().flat_map(traces_of).collect()
    }
}

/// The first byte of the trace id of every row.
pub(crate) fn traces_of(batch: &Batch) -> Vec<u8> {
    let ids = batch.parts().iter().flat_map(|part| {
        let columns = part.request.index().spans.as_ref().unwrap();
        part.rows().map(|row| columns.trace_id(row).0[0])
    });
    ids.collect()
}

impl Consumer for Sink {
    fn consume(&self, batch: Batch) -> BoxFuture<'_, Result<(), ConsumeError>> {
        Box::pin(async move {
            let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
            if !errors.is_empty() {
                return Err(errors.remove(0));
            }
            if let Some(ledger) = &self.ledger {
                ledger.sent(batch.signal(), batch.item_count());
            }
            self.got.lock().unwrap_or_else(PoisonError::into_inner).push(batch);
            Ok(())
        })
    }
}
