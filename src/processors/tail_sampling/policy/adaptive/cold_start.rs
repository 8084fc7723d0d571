//! The first traces of each kind: until its root operation is known, about one a second is kept.

/// Root operations that are told apart.
const SLOTS: usize = 256;
/// Kept traces a second and root operation.
const PER_SECOND: f64 = 1.0;
/// Seconds of the whole budget that all of this may cost.
const LOAN_SECONDS: f64 = 300.0;

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    root: u32,
    is_used: bool,
    level: f64,
    at: f64,
}

/// What was kept of operations that are still being learned.
#[derive(Clone, Debug)]
pub(super) struct ColdStart {
    slots: Box<[Slot; SLOTS]>,
    /// Spent so far, in tokens of the budget.
    spent: f64,
}

impl ColdStart {
    pub(super) fn new() -> Self {
        Self { slots: Box::new([Slot::default(); SLOTS]), spent: 0.0 }
    }

    /// The chance for a trace with a root operation that is not known yet. `income` is that of
    /// the whole budget, by the second.
    pub(super) fn chance(&mut self, root: u32, at: f64, cost: f64, income: f64) -> f64 {
        let left = (LOAN_SECONDS * income - self.spent) / (5.0 * cost);
        if left <= 0.0 {
            return 0.0;
        }
        let slot = &mut self.slots[root as usize % SLOTS];
        if slot.root != root || !slot.is_used {
            *slot = Slot { root, is_used: true, level: 1.0, at };
        }
        slot.level = (slot.level + (at - slot.at).max(0.0) * PER_SECOND).min(1.0);
        slot.at = at;
        let chance = slot.level.min(left).min(1.0);
        slot.level -= chance;
        self.spent += chance * cost;
        chance
    }

    pub(super) fn spent(&self) -> f64 {
        self.spent
    }

    pub(super) fn restore(&mut self, spent: f64) {
        self.spent = spent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_one_a_second_of_each_root_is_kept_while_the_loan_lasts() {
        let mut cold = ColdStart::new();
        let mut kept = [0.0; 2];
        for number in 0..1_000 {
            let root = number % 2;
            kept[root as usize] += cold.chance(root, f64::from(number) * 0.01, 1.0, 10.0);
        }
        kept.iter().for_each(|kept| assert!((9.0..=12.0).contains(kept), "{kept}"));
        let more: f64 = (0..10_000).map(|number| cold.chance(number % 200, 10.0 + f64::from(number), 1.0, 10.0)).sum();
        assert!(more < 3_001.0, "{more}");
        assert!(cold.spent() <= 3_000.0);
    }
}
