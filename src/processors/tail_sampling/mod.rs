//! `tail_sampling`: holds the spans of a trace until they can be judged together, then keeps or
//! drops the trace as a whole. Knows the time only from its caller, and nothing of other shards.
//!
//! ```yaml
//! processors:
//!   tail_sampling:
//!     decision_wait: 10s
//!     policies:
//!       - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}
//!       - {name: slow, type: latency, latency: {threshold_ms: 500}}
//!       - {name: base, type: probabilistic, probabilistic: {sampling_percentage: 8}}
//! ```
//!
//! Semantics are the Collector's; where it is slack, this is exact:
//! - A trace is decided `decision_wait` after its first span (the Collector: up to a second
//!   later), to a tenth of a second. Less than a second counts as one, its shortest tick.
//! - A root span moves the decision to `decision_wait_after_root_received` and half a second
//!   later (the Collector: up to a second later; children still on their way count on that).
//! - An evicted trace is counted as dropped too early when it is evicted, not at its tick.
//! - With `block_on_overflow` a batch that finds no room is refused with a retryable error
//!   and taken when it comes again after a decision: whoever feeds the processor waits.
//! - Kept traces leave in batches of about a thousand spans, no trace cut, in the order in which
//!   their spans came; the Collector sends each trace alone. Client metadata ends here, as there.
//!
//! Memory: a waiting trace costs about 150 bytes beside its request, whose bytes are shared by
//! all its traces and let go when the last of them is decided. Kept spans are copied out when
//! they would keep more than twice their own size alive.
//!
//! Shards: traces are spread by id, and shards share `num_traces`, the cache sizes and limits by
//! the second evenly. With fewer than 1,024 traces to a shard there are fewer shards.

mod buffer;
mod config;
mod decider;
mod decision_cache;
mod hashing;
mod metrics;
mod output;
pub mod policy;
mod processor;
mod requests;
mod sizes;
mod slab;
mod trace;

pub use config::Config;
pub use config::decode;
pub use processor::TailSampler;
pub use trace::{Summary, Window};
