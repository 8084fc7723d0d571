//! Floor 5: the whole file, the registry, the graph, start and stop order.
//!
//! Invariant: the only place that knows which components exist. Parts start from the end of a
//! pipeline to its beginning and stop from its beginning to its end.

mod absent;
mod accounting;
mod advice;
pub mod config;
mod connections;
mod graph;
mod lifecycle;
pub mod load;
mod observe;
pub mod own_telemetry;
mod pipelines;
pub mod preflight;
pub mod registry;
mod status;

pub use config::{PipelineConfig, ServiceConfig};
pub use graph::{Environment, Graph, GraphError};
pub use lifecycle::{Outcome, Running, Service, ServiceError};
pub use load::{Loaded, Stage, load, load_inputs, load_text};
pub use own_telemetry::{LogEncoding, LogLevel, MetricsLevel, TelemetryConfig};
