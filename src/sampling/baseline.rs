//! The probability that keeps a fixed share of everything: what is earned, over what comes. A
//! pool takes up the difference between what was planned and what came, so that the mean is met.

use super::TokenBank;

/// Seconds over which the pool is brought back to zero.
const HORIZON: f64 = 120.0;
/// The probability is not lowered below this part of the planned one: the rest of a debt waits,
/// since a rare heavy weight costs estimates more than a late repayment.
const LEAST: f64 = 0.25;

/// Sets the baseline's probability. Tokens are traces or bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Baseline {
    pool: TokenBank,
    probability: f64,
}

impl Baseline {
    /// Keeps nothing until it is told what comes.
    pub fn new() -> Self {
        Self { pool: TokenBank::default(), probability: 0.0 }
    }

    /// The probability for the traces that come next.
    pub fn probability(&self) -> f64 {
        self.probability
    }

    /// Tokens that were earned and not spent; below zero when more came than was expected.
    pub fn pool(&self) -> f64 {
        self.pool.level()
    }

    /// Adds income; returns what is more than the pool holds.
    pub fn earn(&mut self, tokens: f64) -> f64 {
        self.pool.earn(tokens)
    }

    /// Takes what traces of the baseline were expected to cost.
    pub fn spend(&mut self, tokens: f64) {
        self.pool.spend(tokens);
    }

    /// Plans anew: `income` tokens a second for what costs `traffic` a second; the pool holds up
    /// to `horizons` times what is earned within two minutes. Returns what finds no room in it.
    pub fn plan(&mut self, income: f64, traffic: f64, horizons: f64) -> f64 {
        let over = self.pool.set_depth(income * HORIZON * horizons);
        self.probability = match income > 0.0 && traffic > 0.0 {
            false if income > 0.0 => 1.0,
            false => 0.0,
            true => {
                let mended = (income + self.pool.level() / HORIZON) / traffic;
                mended.max(income / traffic * LEAST).min(1.0)
            }
        };
        over
    }
}

impl Default for Baseline {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs so many seconds; returns what was spent.
    fn run(baseline: &mut Baseline, seconds: u32, income: f64, traffic: f64, believed: f64) -> f64 {
        let mut spent = 0.0;
        for _ in 0..seconds {
            baseline.earn(income);
            baseline.plan(income, believed, 1.0);
            let cost = baseline.probability() * traffic;
            baseline.spend(cost);
            spent += cost;
        }
        spent
    }

    #[test]
    fn the_mean_is_met_even_when_the_traffic_is_misjudged() {
        for believed in [70.0, 100.0, 170.0] {
            let mut baseline = Baseline::new();
            let spent = run(&mut baseline, 86_400, 2.5, 100.0, believed);
            assert!((spent / (86_400.0 * 2.5) - 1.0).abs() < 0.01, "believed {believed}: {spent}");
        }
    }

    #[test]
    fn more_budget_than_traffic_keeps_everything_and_less_than_nothing_does_not_exist() {
        let mut baseline = Baseline::new();
        run(&mut baseline, 100, 10.0, 1.0, 1.0);
        assert_eq!(baseline.probability(), 1.0);
        baseline.plan(0.0, 1.0, 1.0);
        assert_eq!(baseline.probability(), 0.0);
        baseline.plan(1.0, 0.0, 1.0);
        assert_eq!(baseline.probability(), 1.0, "what comes first is kept");
    }

    #[test]
    fn a_debt_lowers_the_probability_to_a_quarter_at_most() {
        let mut baseline = Baseline::new();
        baseline.spend(1e9);
        baseline.plan(1.0, 100.0, 1.0);
        assert!((baseline.probability() - 0.0025).abs() < 1e-12);
    }
}
