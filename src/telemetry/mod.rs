//! Floor 3: what we say about ourselves: metrics with the Collector's names, logs, own spans.

mod metrics;

pub use metrics::{Counter, Gauge, Histogram, Metrics};
