//! `batch`: collects items until there are enough, or until the oldest has waited long enough.
//! Knows nothing of the exporter that gets the batches.
//!
//! ```yaml
//! processors:
//!   batch:
//!     timeout: 200ms
//!     send_batch_size: 8192
//! ```
//!
//! As in the Collector, with two differences. The timeout counts from the first item after a
//! flush (the Collector's timer runs on while nothing waits, so its wait is anything up to the
//! timeout). And `send_batch_max_size` does not cut a metric in two: a batch of metrics may hold
//! up to one metric's data points more.

mod config;
mod groups;
mod processor;

pub use config::Config;
pub use config::decode;
pub use processor::BatchProcessor;
