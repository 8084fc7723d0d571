//! Floor 1: consistent probability sampling as OpenTelemetry specifies it: 56 bits of randomness
//! against 56 bits of threshold, and how both travel in W3C `tracestate`; and the parts of a
//! budget that sets such thresholds: banks, rates, quantiles.
//!
//! Pure arithmetic on what the caller passes: no clock, no source of randomness, no bytes of OTLP.

mod baseline;
mod hex;
mod penalty;
mod randomness;
mod score_quantile;
mod threshold;
mod token_bank;
mod traffic;
mod tracestate;
mod valve;

pub use baseline::Baseline;
pub use hex::{HexDigits, HexError};
pub use penalty::RecentKeeps;
pub use randomness::Randomness;
pub use score_quantile::ScoreQuantile;
pub use threshold::{ProbabilityError, Threshold, keeps};
pub use token_bank::TokenBank;
pub use tracestate::{TraceState, TraceStateError, UpdateError};
pub use traffic::Traffic;
pub use valve::Valve;
