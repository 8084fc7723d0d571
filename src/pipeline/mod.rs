//! Floor 3: the seams. A batch moves only through [`Consumer::consume`]; the acknowledgement or
//! the error travels back by the same call. Processors are pure and told the time; drivers own
//! tasks and timers for them.
//!
//! Contracts are written on the traits.

mod clock;
mod component;
mod config;
mod consumer;
mod decision_log;
mod driver;
mod error;
mod explanation;
mod exporter;
mod fanout;
mod id;
mod learned;
mod ledger;
mod processor;

pub use clock::{Clock, ManualClock, SystemClock};
pub use component::{Component, Health, StartError};
pub use config::{
    BuildError, BuiltExporter, BuiltProcessor, Connector, ExporterConfig, ExtensionConfig, ExtensionContext, Listens,
    PipelineView, ProcessorConfig, ReceiverConfig, Settings, Shape,
};
pub use consumer::{BoxFuture, Consumer, Consumers};
pub use decision_log::{DecisionLog, DecisionSource, Explains, ShapeTraffic};
pub use driver::{Detached, Driven, Inline, split_by_shard};
pub use error::{Code, ConsumeError};
pub use explanation::{decision_json, explain, operation, shape_json, short, timestamp};
pub use exporter::Exporter;
pub use fanout::FanOut;
pub use id::{ComponentId, IdError, Kind, PipelineId};
pub use learned::{Learned, Remembering, StateFile};
pub use ledger::{DropReason, Held, Ledger, LedgerReading};
pub use processor::{Output, Processor};
