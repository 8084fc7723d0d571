//! Floor 1: how good a sample of traces is, as numbers over plain slices. Knows neither spans nor
//! samplers: who asks has one entry a trace.
//!
//! The measures are those that the literature on trace sampling uses, so that figures can be held
//! beside others'. Slices that stand for the same traces have the same length; where one is
//! shorter, the rest of the others is not looked at. A measure that is not defined on its input
//! (a recall without anything to find) is `None`.
//!
//! Invariant: pure, and total on any floats.

mod counts;
mod detection;
mod distribution;

pub use counts::{CountErrors, count_error, count_errors, coverage, rate_error};
pub use detection::{area_under_curve, average_precision, faults_found, precision, recall, slowest};
pub use distribution::{ks, weighted_ks};

/// `part / whole`; `None` of nothing.
pub fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
