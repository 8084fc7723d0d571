//! The `otlp` receiver: OTLP over gRPC and over HTTP, for all three signals.
//!
//! ```yaml
//! receivers:
//!   otlp:
//!     protocols:
//!       grpc:
//!       http:
//! ```
//!
//! A request's bytes become one batch and go to the pipelines by one call; what that call answers
//! is what the client sees. `grpc` and `http` know their protocol, `intake` what is common.

mod config;
mod cors;
mod grpc;
mod http;
mod intake;
mod observe;
mod receiver;

pub use config::{Config, HttpConfig, Limits, decode};
pub use receiver::Receiver;
