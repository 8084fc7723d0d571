//! What the budget offers for a trace, and what is paid for it in the end.

use super::super::Choice;
use crate::model::Class;
use crate::processors::tail_sampling::detector::Contribution;

/// How likely a trace is kept, by every reason that holds. All of it was settled by earlier traces.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Offer {
    /// The first reason that holds.
    pub class: Class,
    /// For its error.
    pub error: f64,
    /// For its excess.
    pub anomaly: f64,
    /// For a new operation or shape.
    pub novelty: f64,
    /// As one of all; while operations are being learned, more than planned.
    pub baseline: f64,
    /// What the baseline's share pays of that.
    pub planned: f64,
    /// What the excess had to exceed, in nanoseconds.
    pub tau_nanos: u64,
    /// Stands for the reason, where repeats of it may count for less; else 0.
    pub reason: u64,
}

/// What a decided trace costs, by who pays.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Charge {
    /// Cost of the whole trace: 1, or its bytes.
    pub cost: f64,
    /// Paid by the bank of anomalies and errors.
    pub anomaly: f64,
    /// Part of that for an error alone.
    pub error: f64,
    /// Paid by the share of what is new.
    pub novelty: f64,
    /// Paid by the baseline.
    pub baseline: f64,
    /// The reason that it was kept for; 0 for none.
    pub kept_for: u64,
}

impl Offer {
    /// The largest of all that hold.
    pub fn probability(&self) -> f64 {
        self.anomaly.max(self.error).max(self.novelty).max(self.baseline)
    }

    /// What a trace of this cost is expected to take. It is the probability that is paid for, not
    /// the draw: the mean is the same, without the noise.
    pub fn charge(&self, cost: f64, is_kept: bool) -> Charge {
        let below = self.planned.max(self.novelty);
        let rest = self.anomaly.max(below);
        Charge {
            cost,
            anomaly: cost * (self.probability() - below),
            error: cost * (self.error - rest).max(0.0),
            novelty: cost * (self.novelty - self.planned).max(0.0),
            baseline: cost * self.planned,
            kept_for: if is_kept { self.reason } else { 0 },
        }
    }

    /// The offer as a record of the decision; `arrived` is the probability with which the trace
    /// came here at all.
    pub fn choice(&self, arrived: f64) -> Choice {
        let of = |probability: f64| (probability * arrived) as f32;
        Choice {
            class: self.class,
            tau_nanos: self.tau_nanos,
            probabilities: [of(self.anomaly.max(self.error)), of(self.novelty), of(self.baseline)],
        }
    }
}

impl Charge {
    /// All of it.
    pub fn total(&self) -> f64 {
        self.anomaly + self.novelty + self.baseline
    }
}

/// What stands for an anomaly's reason: its operation, apart from the 0 for none.
pub(super) fn reason_of(top: &Contribution) -> u64 {
    u64::from(top.op) + 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_paid_is_the_probability(parts in prop::array::uniform5(0.0_f64..=1.0), cost in 0.1_f64..1e6) {
            let [error, anomaly, novelty, baseline, planned] = parts;
            let offer = Offer {
                class: Class::Anomaly, error, anomaly, novelty,
                baseline: baseline.max(planned), planned, tau_nanos: 0, reason: 9,
            };
            let charge = offer.charge(cost, true);
            prop_assert!((charge.total() - offer.probability() * cost).abs() <= 1e-9 * cost);
            prop_assert!(charge.error <= charge.anomaly + 1e-9 * cost);
            for part in [charge.error, charge.anomaly, charge.novelty, charge.baseline] {
                prop_assert!(part >= 0.0);
            }
        }
    }
}
