//! `adaptive`: keeps what is odd, what failed and what is new, and a fair sample of the rest,
//! within one budget; every probability is known before the draw and written on what is kept.
//!
//! ```yaml
//! - {name: learn, type: adaptive, adaptive: {traces_per_second: 10}}
//! ```
//!
//! What a trace is comes from the detector as a `Finding`; how likely it is kept is set here, and
//! only by what came before it:
//! - **anomaly**: its excess is above tau, the quantile of past excesses that the bank of tokens
//!   can pay for; the bank saves in quiet hours and is spent in incidents.
//! - **error**: out of the same bank, up to half of what it earns.
//! - **novelty**: 3 of the number of times that its operation or shape was seen.
//! - **baseline**: what its share of the budget allows, of everything.
//!
//! The probability is the largest of these, the reason shown the first that holds. When tokens
//! run short probabilities fall; nothing is dropped behind their back.
//!
//! Shards of a processor share one budget behind a lock that is held once a decided trace, for
//! some ten nanoseconds: traffic by shard may be as uneven as it likes. Several `adaptive`
//! policies have a budget each. Only traces on which the policy votes count as its traffic: what
//! earlier policies took (`sample_on_first_match`), or others of an `and` refused, costs it
//! nothing; an `and` therefore asks its `adaptive` after its rules.

mod budget;
mod cold_start;
mod config;
mod controller;
mod incoming;
mod marks;
mod offer;
mod pace;
mod policy;
mod snapshot;
#[cfg(test)]
mod tests;

pub use budget::Budget;
pub(super) use config::decode;
pub use config::{Config, Deduplicate, Overload, Rate, Shares};
pub use controller::Controller;
pub use incoming::Incoming;
pub use offer::{Charge, Offer};
pub use policy::Adaptive;
pub use snapshot::SnapshotError;
