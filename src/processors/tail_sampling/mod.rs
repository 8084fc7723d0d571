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
//! With `sampling_strategy: span-ingest` policies are asked of the spans of each resource as they
//! come, and of nothing later; what none of them kept by its decision time is dropped.
//!
//! Kept spans are the bytes that came, but for what they are to say of their sampling. With an
//! adaptive policy, or the gate `usetracestate`, `ot=th` in `tracestate`: it only rises, and is
//! erased where nobody can say how likely the span was to come through. With the gate
//! `recordpolicy`, the Collector's scope attributes `tailsampling.policy`, `….composite_policy` and
//! `….cached_decision`. What an adaptive policy saw, on the root, or else on the first span:
//! `tailwater.class`, `.operation`, `.observed` and `.expected` (milliseconds), `.n`, `.share` and
//! `.probability`.
//!
//! Memory: a waiting trace costs about 150 bytes beside its request, whose bytes are shared by
//! all its traces and let go when the last of them is decided. Kept spans are copied out when
//! they would keep more than twice their own size alive.
//!
//! Overload: with an adaptive policy, and without `block_on_overflow`, only a part of the new
//! traces is let in while `num_traces` or the limit of a `memory_limiter` is nearly reached, by
//! trace id and before anything is held of them. The part belongs to the probability that is
//! recorded and written, so that weights stay true; waiting traces are left alone.
//!
//! Shards: traces are spread by id, and shards share `num_traces`, the cache sizes and limits by
//! the second evenly. With fewer than 1,024 traces to a shard there are fewer shards.

mod admission;
mod buffer;
mod config;
mod decider;
mod decision_cache;
pub mod detector;
mod explain;
mod facts;
mod gates;
mod hashing;
mod ingest;
mod learned;
mod lru;
mod metrics;
mod notes;
mod output;
pub mod policy;
mod processor;
mod records;
mod requests;
mod sizes;
mod slab;
mod trace;
mod watch;

pub use config::{Config, SamplingStrategy, decode};
pub use processor::TailSampler;
pub use trace::{Summary, Window};
