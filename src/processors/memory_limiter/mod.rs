//! `memory_limiter`: refuses whole batches, to be sent again later, while the process holds more
//! telemetry than it may. Knows nothing of who holds it.
//!
//! ```yaml
//! processors:
//!   memory_limiter:
//!     check_interval: 1s
//!     limit_mib: 400
//! ```
//!
//! What is limited are the bytes of telemetry that this process holds (bodies and their indexes,
//! counted exactly), where the Collector asks the Go runtime for its heap. There is nothing to
//! collect, so there is no hard limit beside the soft one, and the count is read at each batch
//! instead of once a `check_interval`.

mod config;
mod limiter;
mod total_memory;

pub use config::decode;
pub use config::{Config, Limit};
pub use limiter::MemoryLimiter;
