//! Floor 3: what we say about ourselves: metrics with the Collector's names, logs, own spans.

mod logging;
mod own_traces;
mod process;
mod serve;

pub use crate::metrics::{Counter, Gauge, Histogram, Metrics};
pub use logging::{AlreadySet, LogFormat, LogSettings, Sampling, install};
pub use own_traces::{OwnTraces, OwnTracesError};
pub use process::watch_process;
pub use serve::{MetricsPage, metrics_site};
