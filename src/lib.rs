//! Tailwater: an OpenTelemetry-compatible tracing pipeline. A request stays raw bytes, with an
//! Arrow column index beside it; nothing decodes a span that does not have to.
//!
//! The `mod` lines stand in the order that a span travels.
//!
//! ```text
//!  SDK ─OTLP─▶ receivers/otlp ─▶ wire (scan) ─▶ model::Batch ─▶ processors ─▶ connectors
//!                    ▲                                                           │
//!                    └── acknowledgement or error ◀── exporters/delivery ◀───────┘─▶ backends
//! ```

pub mod model;

pub mod sketch;
pub mod assembly;
pub mod sampling;
pub mod evaluation;
pub mod routing;
pub mod timing;

pub mod wire;
pub mod config;
pub mod ottl;

pub mod net;
pub mod pipeline;
pub mod metrics;
pub mod telemetry;

pub mod receivers;
pub mod processors;
pub mod connectors;
pub mod exporters;
pub mod extensions;

pub mod service;
pub mod replay;
pub mod cli;

#[cfg(test)]
mod testing;
