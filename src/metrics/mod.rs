//! Floor 3: the instruments that every part counts with, and their one registry. Knows neither
//! pipelines nor sockets; `telemetry` serves what is counted here.

mod registry;

pub use registry::{Counter, Gauge, Histogram, Metrics};
