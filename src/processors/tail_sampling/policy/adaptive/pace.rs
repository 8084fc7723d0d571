//! How fast the bank is spent: how far it may be overdrawn, how much is called odd at its level,
//! and what of its income goes to the baseline because nothing odd is there to be bought.

use crate::sampling::TokenBank;

/// Part of the depth that the bank may always be overdrawn by; it rests at zero.
const OVERDRAFT: f64 = 0.15;
/// But never by more than this part of what was earned so far: over any time, what is kept is
/// above the budget by no more.
const OVERDRAFT_EARNED: f64 = 0.055;
/// And not by the last tokens, over which probabilities fall: small budgets feel them.
const OVERDRAFT_LEFT: f64 = 5.0;
/// While all is new more is lent, up to so many times what was earned so far.
const LENT_EARNED: f64 = 2.0;
/// Part of the anomaly share that is called odd when the bank is overdrawn to the limit, and when
/// it is full; at zero it is all of the share.
const K_EMPTY: f64 = 0.15;
const K_FULL: f64 = 3.0;
/// While all is new the bank is empty because nothing was earned yet, not because of incidents.
const K_COLD: f64 = 0.7;

/// Set by what the bank holds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Pace {
    /// Tokens that the bank may be overdrawn by.
    pub(super) credit: f64,
    /// What is called odd, in parts of the anomaly share.
    pub(super) k: f64,
    /// Level over the least overdraft, 0 to 1: how much would be idle if there is nothing to buy.
    idle: f64,
}

impl Pace {
    /// For a bank that earned so much, of which `cold` is what is left of the first period, 1 to
    /// 0. Loans grow and end within that period, so that the first incident does not take it all.
    pub(super) fn of(bank: &TokenBank, earned: f64, cold: f64) -> Self {
        let depth = bank.depth().max(f64::MIN_POSITIVE);
        let overdraft = (OVERDRAFT * depth).min(OVERDRAFT_EARNED * earned - OVERDRAFT_LEFT).max(f64::MIN_POSITIVE);
        let lent = ((1.0 - OVERDRAFT) * depth * 4.0 * cold * (1.0 - cold)).min(LENT_EARNED * earned);
        let level = bank.level();
        let k = match level < 0.0 {
            true => K_EMPTY.powf((-level / overdraft).min(1.0)),
            // The root makes a little in the bank count, so that little lies idle.
            false => K_FULL.powf((level / depth).min(1.0).cbrt()),
        };
        let k = if cold > 0.0 { k.max(K_COLD) } else { k };
        Self { credit: overdraft + lent, k, idle: (level / overdraft).clamp(0.0, 1.0) }
    }

    /// Part of the income that should go elsewhere, where a part `found` of all traces could be
    /// bought and the share would pay for a part `odd`.
    pub(super) fn unused(&self, found: f64, odd: f64) -> f64 {
        (1.0 - found / (self.k * odd)).max(0.0) * self.idle
    }

    /// Marks as much as a full bank does, whatever is in it: for what is odd beyond doubt.
    pub(super) fn strong(&self) -> f64 {
        self.k.max(K_FULL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(level: f64, earned: f64, cold: f64) -> Pace {
        let mut bank = TokenBank::new(100.0);
        bank.spend(-level);
        Pace::of(&bank, earned, cold)
    }

    #[test]
    fn the_share_is_spent_at_zero_more_when_there_is_more_and_less_in_debt() {
        assert_eq!(pace(0.0, 1e6, 0.0).k, 1.0);
        assert!((pace(100.0, 1e6, 0.0).k - K_FULL).abs() < 1e-9);
        assert!((pace(-15.0, 1e6, 0.0).k - K_EMPTY).abs() < 1e-9);
        assert_eq!(pace(-90.0, 1e6, 0.0).k, pace(-15.0, 1e6, 0.0).k);
        let levels: Vec<f64> = (-15..100).map(|level| pace(f64::from(level), 1e6, 0.0).k).collect();
        assert!(levels.is_sorted());
    }

    #[test]
    fn what_may_be_overdrawn_is_a_small_part_of_what_was_earned() {
        assert!((pace(0.0, 200.0, 0.0).credit - 6.0).abs() < 1e-9);
        assert!((pace(0.0, 1e6, 0.0).credit - 15.0).abs() < 1e-9);
        assert!((pace(0.0, 1e6, 0.5).credit - 100.0).abs() < 1e-9, "a loan in the middle of the first period");
        assert!((pace(0.0, 10.0, 0.9).credit - 20.0).abs() < 1e-9, "a small one in the beginning");
        assert_eq!(pace(0.0, 1e6, 1.0).credit, 15.0);
        assert!(pace(0.0, 0.0, 1.0).credit < 1e-300);
    }

    #[test]
    fn income_flows_on_only_where_too_little_is_odd_and_the_bank_is_not_overdrawn() {
        assert_eq!(pace(-5.0, 1e6, 0.0).unused(0.0, 0.1), 0.0);
        assert_eq!(pace(50.0, 1e6, 0.0).unused(1.0, 0.1), 0.0);
        assert_eq!(pace(50.0, 1e6, 0.0).unused(0.0, 0.1), 1.0);
        let half = pace(15.0, 1e6, 0.0);
        assert!((half.unused(half.k * 0.05, 0.1) - 0.5).abs() < 1e-9);
    }
}
