//! A purse with a limit: tokens are earned at a rate and spent at once. Holds no clock; who earns
//! says how much.

/// Tokens of any unit: traces or bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TokenBank {
    level: f64,
    depth: f64,
    /// Overdrawn, beside the level.
    debt: f64,
}

/// Part of what is earned that repays debt; the rest goes on being spent.
const REPAID: f64 = 0.5;

impl TokenBank {
    /// Empty, with room for `depth` tokens.
    pub fn new(depth: f64) -> Self {
        Self { level: 0.0, depth: depth.max(0.0), debt: 0.0 }
    }

    /// Full.
    pub fn full(depth: f64) -> Self {
        Self { level: depth.max(0.0), depth: depth.max(0.0), debt: 0.0 }
    }

    /// Tokens inside; below zero when more was spent than there was.
    pub fn level(&self) -> f64 {
        self.level
    }

    /// Tokens inside less all that is owed.
    pub fn balance(&self) -> f64 {
        self.level - self.debt
    }

    /// Takes back credit beyond `credit`: what was drawn of it becomes debt, which half of the
    /// income repays, so that spending never stops.
    pub fn call_in(&mut self, credit: f64) {
        let over = (-credit - self.level).max(0.0);
        self.level += over;
        self.debt += over;
    }

    /// Room for so many.
    pub fn depth(&self) -> f64 {
        self.depth
    }

    /// How full it is, 0 to 1.
    pub fn fill(&self) -> f64 {
        if self.depth > 0.0 { (self.level / self.depth).clamp(0.0, 1.0) } else { 0.0 }
    }

    /// Changes the room; returns what finds none any more.
    pub fn set_depth(&mut self, depth: f64) -> f64 {
        self.depth = depth.max(0.0);
        self.spill()
    }

    /// Adds tokens; returns what found no room.
    pub fn earn(&mut self, tokens: f64) -> f64 {
        let repaid = (tokens * REPAID).min(self.debt);
        self.debt -= repaid;
        self.level += tokens - repaid;
        self.spill()
    }

    /// Takes tokens, also such as are not there: what was promised is paid.
    pub fn spend(&mut self, tokens: f64) {
        self.level -= tokens;
    }

    /// The chance with which something may be paid now: 1 while there is `ease` or more, credit
    /// counted, and falling to 0 with what is left. Falls smoothly, so that the chance settles
    /// where income and spending meet.
    pub fn chance(&self, credit: f64, ease: f64) -> f64 {
        let left = self.level + credit;
        if left >= ease { 1.0 } else { (left / ease).max(0.0) }
    }

    fn spill(&mut self) -> f64 {
        let over = (self.level - self.depth).max(0.0);
        self.level -= over;
        over
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_is_lost_but_what_spills(steps in prop::collection::vec((0.0_f64..10.0, 0.0_f64..10.0, 1.0_f64..30.0), 1..100)) {
            let mut bank = TokenBank::new(5.0);
            let (mut earned, mut spent, mut spilled) = (0.0, 0.0, 0.0);
            for (income, cost, depth) in steps {
                earned += income;
                spilled += bank.earn(income) + bank.set_depth(depth);
                spent += cost;
                bank.spend(cost);
                bank.call_in(depth / 2.0);
                prop_assert!(bank.level() >= -depth / 2.0 - 1e-9);
                prop_assert!(bank.level() <= bank.depth());
                prop_assert!((0.0..=1.0).contains(&bank.fill()));
                prop_assert!((0.0..=1.0).contains(&bank.chance(1.0, 5.0)));
            }
            prop_assert!((earned - spent - spilled - bank.balance()).abs() < 1e-9);
        }
    }

    #[test]
    fn the_chance_settles_where_income_meets_spending() {
        let mut bank = TokenBank::full(100.0);
        let mut last = 0.0;
        for _ in 0..5_000 {
            bank.earn(0.25);
            last = bank.chance(0.0, 5.0);
            bank.spend(last);
        }
        assert!((last - 0.25).abs() < 1e-3, "{last}");
    }

    #[test]
    fn a_debt_is_repaid_from_half_of_the_income() {
        let mut bank = TokenBank::new(100.0);
        bank.spend(30.0);
        bank.call_in(0.0);
        assert_eq!((bank.level(), bank.balance()), (0.0, -30.0));
        let spent: f64 = (0..100)
            .map(|_| {
                bank.earn(0.5);
                let chance = bank.chance(0.0, 5.0);
                bank.spend(chance);
                chance
            })
            .sum();
        assert!((20.0..25.0).contains(&spent), "{spent}");
        assert!((bank.level() - bank.balance() - 5.0).abs() < 1e-9, "25 of 30 are repaid");
    }

    #[test]
    fn credit_lets_it_go_below_zero_and_no_further() {
        let mut bank = TokenBank::new(100.0);
        for _ in 0..10_000 {
            bank.spend(bank.chance(50.0, 5.0));
        }
        assert!((-50.0..-49.9).contains(&bank.level()), "{}", bank.level());
        assert_eq!(bank.fill(), 0.0);
        assert_eq!(TokenBank::new(0.0).chance(0.0, 0.0), 1.0, "what costs nothing is always paid");
    }
}
