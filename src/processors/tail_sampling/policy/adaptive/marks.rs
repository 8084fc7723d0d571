//! Which excesses are odd: above a quantile of past ones; while little is known, above what is
//! expected; beyond doubt, whatever the bank holds.

use crate::sampling::ScoreQuantile;

/// An excess above so many median durations is odd beyond doubt.
const STRONG: f64 = 4.0;
/// Before much is known excesses are expected to be as heavy-tailed as this: a part `p` of all
/// traces has an excess above `PRIOR / p` times the median duration.
const PRIOR: f64 = 0.1;
/// But not beyond so many times the median, however tight the budget: credit is for such.
const PRIOR_MAX: f64 = 8.0;

/// Nanoseconds that an excess is measured by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Marks {
    /// What an excess must exceed.
    pub(super) tau: u64,
    /// What suffices for one that is beyond doubt.
    strong_tau: u64,
    /// From where on it is that.
    strong_from: u64,
}

impl Default for Marks {
    /// Nothing is odd.
    fn default() -> Self {
        Self { tau: u64::MAX, strong_tau: u64::MAX, strong_from: u64::MAX }
    }
}

impl Marks {
    /// So that about this part of all traces is odd.
    pub(super) fn of(scores: &ScoreQuantile, part: f64) -> Self {
        Self { tau: scores.above(part), ..Self::default() }
    }

    /// Lowers tau to what is expected where a part `odd` of all traces can be paid for.
    #[must_use]
    pub(super) fn expecting(self, odd: f64, median: u64) -> Self {
        let prior = median as f64 * (PRIOR / odd).min(PRIOR_MAX);
        Self { tau: self.tau.min(prior as u64), ..self }
    }

    /// Of excesses several times as long as traces usually take, this part is odd too.
    #[must_use]
    pub(super) fn with_strong(self, scores: &ScoreQuantile, part: f64, usual: u64) -> Self {
        Self { strong_tau: scores.above(part), strong_from: (usual as f64 * STRONG) as u64, ..self }
    }

    /// Whether an excess of so many nanoseconds is odd.
    pub(super) fn is_odd(&self, excess: u64) -> bool {
        excess > self.tau || (excess > self.strong_from && excess > self.strong_tau)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_odd_before_anything_is_known() {
        assert!(!Marks::default().is_odd(u64::MAX));
        assert!(!Marks::of(&ScoreQuantile::new(10.0), 0.5).is_odd(u64::MAX));
    }

    #[test]
    fn the_part_that_was_asked_for_is_odd() {
        let mut scores = ScoreQuantile::new(1e9);
        (1..=1_000).for_each(|score| scores.add(score * 1_000));
        let odd = (1..=1_000).filter(|score| Marks::of(&scores, 0.1).is_odd(score * 1_000)).count();
        assert!((90..=110).contains(&odd), "{odd}");
        let expecting = Marks::of(&scores, 0.1).expecting(0.1, 100_000);
        assert!(expecting.is_odd(101_000) && !expecting.is_odd(99_000));
        assert_eq!(Marks::of(&scores, 0.1).expecting(1e-9, 100_000).tau, 800_000, "eight medians at most");
    }

    #[test]
    fn what_is_beyond_doubt_has_a_tau_of_its_own() {
        let mut scores = ScoreQuantile::new(1e9);
        (1..=1_000).for_each(|score| scores.add(score * 1_000));
        let marks = Marks::of(&scores, 0.1).with_strong(&scores, 0.3, 190_000);
        assert!(marks.is_odd(770_000) && !marks.is_odd(650_000), "{marks:?}");
        assert!(!Marks::of(&scores, 0.1).is_odd(770_000));
        let slow = Marks::of(&scores, 0.1).with_strong(&scores, 0.3, 200_000);
        assert!(!slow.is_odd(770_000), "not where traces take that long");
    }
}
