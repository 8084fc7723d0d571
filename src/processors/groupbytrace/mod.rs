//! `groupbytrace`: holds the spans of a trace for a while and hands them on together, one batch a
//! trace. Knows the time only from its caller, and nothing of other shards.
//!
//! ```yaml
//! processors:
//!   groupbytrace:
//!     wait_duration: 10s
//!     num_traces: 100000
//! ```
//!
//! As in the Collector, a trace leaves `wait_duration` after its first span, a span that comes
//! later begins a trace anew, and beyond `num_traces` the oldest trace is dropped and counted.
//! Where it differs:
//! - At the end what waits is handed on; the Collector loses it.
//! - An evicted trace counts as an incomplete release at once, not when its time would have come.
//! - Traces are spread by id over one shard a core, which share `num_traces` evenly; `num_workers`
//!   has no meaning. With fewer than 1,024 traces to a shard there are fewer shards.
//!
//! Client metadata ends here, as there. Memory: a waiting trace costs about 150 bytes beside its
//! requests, whose bytes are shared by all their traces.

mod buffer;
mod config;
mod metrics;
mod processor;

pub use config::{Config, decode};
pub use processor::GroupByTrace;
