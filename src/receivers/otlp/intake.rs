//! What gRPC and HTTP share: bytes are scanned, counted and handed to the pipelines, and every
//! way in which that can fail has a name. Knows no protocol.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;

use super::Limits;
use super::observe::Observed;
use crate::model::{Batch, ClientMetadata, MemoryAccount, Request, Signal};
use crate::net::{BodyError, ByteBudget, DecompressError};
use crate::pipeline::{ConsumeError, Consumers, Ledger, Settings};
use crate::wire::{self, ScanError, json::JsonError};

/// Why a request was not taken.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Not a request of this signal, in bytes or in JSON, or not in its compression.
    Undecodable(String),
    /// A compression that is not read here.
    Encoding(String),
    /// Over a limit, on the wire or unpacked.
    TooLarge(String),
    /// No room for it now.
    Overload(String),
    /// The client stopped in the middle of it.
    Stalled(String),
    /// A consumer refused it.
    Pipeline(ConsumeError),
}

/// How long a client waits when the receiver itself has no room.
pub(super) const OVERLOAD_WAIT: Duration = Duration::from_secs(1);

/// The common part of both protocols, for one of them.
pub(super) struct Intake {
    next: Consumers,
    account: MemoryAccount,
    ledger: Arc<Ledger>,
    /// Bytes of requests under way, over both protocols.
    pub(super) budget: ByteBudget,
    /// The receiver's limits.
    pub(super) limits: Limits,
    /// Counters of this protocol.
    pub(super) observed: Observed,
}

impl Intake {
    pub(super) fn new(
        settings: &Settings,
        next: Consumers,
        limits: Limits,
        budget: ByteBudget,
        transport: &'static str,
    ) -> Self {
        Self {
            next,
            account: settings.account.clone(),
            ledger: settings.ledger.clone(),
            budget,
            limits,
            observed: Observed::new(settings, transport),
        }
    }

    /// Whether some pipeline takes the signal.
    pub(super) fn is_taken(&self, signal: Signal) -> bool {
        self.next.get(signal).is_some()
    }

    /// Reads protobuf.
    pub(super) fn read_protobuf(&self, signal: Signal, body: Bytes) -> Result<Arc<Request>, Refusal> {
        Ok(wire::scan(signal, body, &self.limits.request, &self.account)?)
    }

    /// Reads OTLP/JSON.
    pub(super) fn read_json(&self, signal: Signal, text: &[u8]) -> Result<Arc<Request>, Refusal> {
        Ok(wire::json::read(signal, text, &self.limits.request, &self.account)?)
    }

    /// Hands a request to the pipelines; one without items is a success without them.
    pub(super) async fn take(
        &self,
        request: Arc<Request>,
        metadata: Option<Arc<ClientMetadata>>,
    ) -> Result<(), Refusal> {
        let (signal, items) = (request.signal(), request.index().item_count);
        let Some(consumer) = self.next.get(signal).filter(|_| items > 0) else { return Ok(()) };
        self.ledger.received(signal, items);
        let mut unsettled = Unsettled { intake: self, signal, items };
        consumer.consume(Batch::from_request(request).with_metadata(metadata)).await.map_err(Refusal::Pipeline)?;
        unsettled.items = 0;
        self.observed.accepted(signal, items);
        Ok(())
    }
}

/// Received items that nobody has taken so far. Dropped with an error, or with the request's task
/// when its client goes away, they count as refused.
struct Unsettled<'a> {
    intake: &'a Intake,
    signal: Signal,
    items: u64,
}

impl Drop for Unsettled<'_> {
    fn drop(&mut self) {
        if self.items > 0 {
            self.intake.ledger.refused(self.signal, self.items);
            self.intake.observed.refused(self.signal, self.items);
        }
    }
}

/// What the client said beside its data. Values that are not text are left out.
pub(super) fn metadata(headers: &HeaderMap, authority: Option<&str>) -> Arc<ClientMetadata> {
    let authority = authority.map(|authority| (":authority".to_owned(), authority.to_owned()));
    let headers =
        headers.iter().filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    Arc::new(ClientMetadata::new(authority.into_iter().chain(headers)))
}

impl Refusal {
    /// The word for it in metrics.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Undecodable(_) => "undecodable",
            Self::Encoding(_) => "encoding",
            Self::TooLarge(_) => "too_large",
            Self::Overload(_) => "overload",
            Self::Stalled(_) => "stalled",
            Self::Pipeline(_) => "pipeline",
        }
    }

    pub(super) fn message(&self) -> &str {
        match self {
            Self::Undecodable(text)
            | Self::Encoding(text)
            | Self::TooLarge(text)
            | Self::Overload(text)
            | Self::Stalled(text) => text,
            Self::Pipeline(error) => error.message(),
        }
    }

    /// How long the client should wait before it sends again, where that was said.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Overload(_) => Some(OVERLOAD_WAIT),
            Self::Pipeline(error) => error.retry_after(),
            _ => None,
        }
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        let text = error.to_string();
        match error {
            BodyError::TooLarge { .. } => Self::TooLarge(text),
            BodyError::NoRoom => Self::Overload(text),
            BodyError::Stalled { .. } => Self::Stalled(text),
            BodyError::Broken(_) => Self::Undecodable(text),
        }
    }
}

impl From<DecompressError> for Refusal {
    fn from(error: DecompressError) -> Self {
        match error {
            DecompressError::TooLarge { .. } => Self::TooLarge(error.to_string()),
            DecompressError::Malformed { .. } => Self::Undecodable(error.to_string()),
        }
    }
}

impl From<ScanError> for Refusal {
    fn from(error: ScanError) -> Self {
        let text = error.to_string();
        if error.is_too_large() { Self::TooLarge(text) } else { Self::Undecodable(text) }
    }
}

impl From<JsonError> for Refusal {
    fn from(error: JsonError) -> Self {
        let text = error.to_string();
        if error.is_too_large() { Self::TooLarge(text) } else { Self::Undecodable(text) }
    }
}
