//! What the registry knows a component by: a checked config that can build it. Decoding happens
//! in the component's own `config.rs`, from a `config::Section`.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use super::{
    Clock, Component, ComponentId, Consumer, Consumers, DecisionLog, Health, Kind, Ledger, PipelineId, Processor,
    StateFile,
};
use crate::config::Gates;
use crate::metrics::Metrics;
use crate::model::{MemoryAccount, Signal};

/// What code passes to a component when it is built; `Config` is what users write.
#[derive(Clone)]
pub struct Settings {
    /// What the component is.
    pub kind: Kind,
    /// Its id in the file.
    pub id: ComponentId,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// The process's own metrics.
    pub metrics: Arc<Metrics>,
    /// The conservation line.
    pub ledger: Arc<Ledger>,
    /// Bytes of telemetry held by the process.
    pub account: MemoryAccount,
    /// Shards for processors that keep state by trace: one a core.
    pub shards: NonZeroUsize,
    /// Feature gates of the Collector.
    pub gates: Arc<Gates>,
    /// Where samplers remember their decisions; nothing when nobody will ask.
    pub decisions: Option<Arc<DecisionLog>>,
}

/// Below so many traces to a shard their uneven spread would be felt.
const TRACES_PER_SHARD_MIN: u64 = 1_024;

impl Settings {
    /// For a component on its own: nothing is shared with others, one shard, no gate turned, and
    /// nobody asks for decisions.
    pub fn lone(kind: Kind, id: ComponentId, clock: Arc<dyn Clock>) -> Self {
        Self {
            kind,
            id,
            clock,
            metrics: Arc::default(),
            ledger: Arc::default(),
            account: MemoryAccount::default(),
            shards: NonZeroUsize::MIN,
            gates: Arc::default(),
            decisions: None,
        }
    }

    /// How many shards are worth having for a component that holds so many traces.
    pub fn shards_for(&self, traces: u64) -> NonZeroUsize {
        let most = usize::try_from(traces / TRACES_PER_SHARD_MIN).unwrap_or(usize::MAX);
        NonZeroUsize::new(self.shards.get().min(most)).unwrap_or(NonZeroUsize::MIN)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Settings({} {})", self.kind.noun(), self.id)
    }
}

/// Why a checked config could not be built into a component.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct BuildError(pub String);

/// Something outside the process that a component will take hold of; `validate` tries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listens {
    /// Binds a TCP port. Text, as names resolve at start: `host:port`.
    Tcp(String),
    /// Writes a file, its folder must exist unless the component makes it.
    File {
        /// Where.
        path: PathBuf,
        /// Whether the component makes the folder.
        create_directory: bool,
    },
    /// Reads a file, such as a certificate.
    Reads(PathBuf),
    /// Resolves and connects to an address, `host:port`.
    Connects(String),
}

/// The checked config of a receiver.
pub trait ReceiverConfig: Send + Sync {
    /// Signals that the receiver can produce.
    fn signals(&self) -> &'static [Signal] {
        &Signal::ALL
    }

    /// What it takes hold of at start.
    fn listens(&self) -> Vec<Listens> {
        Vec::new()
    }

    /// Builds one receiver for all pipelines that name it.
    ///
    /// # Errors
    /// When the config cannot be built; the message says which key to change.
    fn build(&self, settings: &Settings, next: Consumers) -> Result<Arc<dyn Component>, BuildError>;
}

/// How a processor is driven.
pub enum Shape {
    /// In the caller's task: what the next consumer answers travels back to the caller.
    Inline(Box<dyn Processor>),
    /// In tasks of its own, one a shard; the caller's acknowledgement comes when the batch is in
    /// the shard's channel. With several, batches are split by trace id.
    Detached(Vec<Box<dyn Processor>>),
}

/// A built processor.
pub struct BuiltProcessor {
    /// How it wants to be driven.
    pub shape: Shape,
    /// What it learns and where that is kept over a restart.
    pub state: Option<StateFile>,
}

/// The checked config of a processor.
pub trait ProcessorConfig: Send + Sync {
    /// Signals that the processor can work on.
    fn signals(&self) -> &'static [Signal] {
        &Signal::ALL
    }

    /// Builds the processor of one pipeline.
    ///
    /// # Errors
    /// When the config cannot be built; the message says which key to change.
    fn build(&self, settings: &Settings, pipeline: &PipelineId) -> Result<BuiltProcessor, BuildError>;
}

/// A built exporter: one component, a consumer for each signal it was asked for.
pub struct BuiltExporter {
    /// Started and stopped once.
    pub component: Arc<dyn Component>,
    /// Where pipelines hand their batches.
    pub consumers: Consumers,
}

/// The checked config of an exporter.
pub trait ExporterConfig: Send + Sync {
    /// Signals that the exporter can take.
    fn signals(&self) -> &'static [Signal] {
        &Signal::ALL
    }

    /// What it takes hold of at start.
    fn listens(&self) -> Vec<Listens> {
        Vec::new()
    }

    /// Builds one exporter for all pipelines that name it; `signals` are those of the pipelines.
    ///
    /// # Errors
    /// When the config cannot be built; the message says which key to change.
    fn build(&self, settings: &Settings, signals: &[Signal]) -> Result<BuiltExporter, BuildError>;
}

/// The checked config of a connector.
pub trait Connector: Send + Sync {
    /// Signals that come out when `input` goes in.
    fn outputs(&self, input: Signal) -> &'static [Signal];

    /// Builds the consumer that the input pipelines feed.
    ///
    /// # Errors
    /// When the config cannot be built; the message says which key to change.
    fn build(&self, settings: &Settings, input: Signal, next: Consumers) -> Result<Arc<dyn Consumer>, BuildError>;
}

/// What an extension may know of the running service.
pub trait PipelineView: Send + Sync {
    /// Whether every component has been started and none is being stopped.
    fn is_ready(&self) -> bool;

    /// Every component with its health: kind, id, health.
    fn components(&self) -> Vec<(Kind, ComponentId, Health)>;

    /// Every pipeline: its id, and the ids of its receivers, processors and exporters.
    fn pipelines(&self) -> Vec<(PipelineId, [Vec<ComponentId>; 3])>;
}

/// What an extension is built with, beside its settings.
#[derive(Clone)]
pub struct ExtensionContext {
    /// The running service.
    pub view: Arc<dyn PipelineView>,
    /// What samplers decided; there when some extension asked for it by
    /// [`ExtensionConfig::decisions_remembered`].
    pub decisions: Option<Arc<DecisionLog>>,
}

/// The checked config of an extension.
pub trait ExtensionConfig: Send + Sync {
    /// How many decisions of each sampler it wants remembered.
    fn decisions_remembered(&self) -> usize {
        0
    }

    /// What it takes hold of at start.
    fn listens(&self) -> Vec<Listens> {
        Vec::new()
    }

    /// Builds the extension.
    ///
    /// # Errors
    /// When the config cannot be built; the message says which key to change.
    fn build(&self, settings: &Settings, context: ExtensionContext) -> Result<Arc<dyn Component>, BuildError>;
}

impl Listens {
    /// A TCP listener on a resolved address.
    pub fn tcp(address: SocketAddr) -> Self {
        Self::Tcp(address.to_string())
    }
}
