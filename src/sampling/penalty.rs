//! How often the same reason kept a trace lately: repeats are worth less than something new
//! where budgets are tight.

/// Reasons that are remembered; a newer one takes the place of one that falls on the same slot.
const SLOTS: usize = 1_024;
/// Seconds until a keep counts half.
const HALF_LIFE: f64 = 180.0;

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    reason: u64,
    keeps: f32,
    /// Seconds since the caller's origin.
    at: f64,
}

/// Fading counts of keeps by reason. 24 KiB.
#[derive(Clone, Debug)]
pub struct RecentKeeps {
    slots: Box<[Slot; SLOTS]>,
}

impl Default for RecentKeeps {
    fn default() -> Self {
        Self { slots: Box::new([Slot::default(); SLOTS]) }
    }
}

impl RecentKeeps {
    /// Notes that a trace was kept for a reason, at so many seconds.
    pub fn note(&mut self, reason: u64, at: f64) {
        let keeps = self.count(reason, at) + 1.0;
        self.slots[slot(reason)] = Slot { reason, keeps: keeps as f32, at };
    }

    /// Keeps for the same reason, half as many for each three minutes that went by.
    pub fn count(&self, reason: u64, at: f64) -> f64 {
        let slot = &self.slots[slot(reason)];
        if slot.reason != reason {
            return 0.0;
        }
        f64::from(slot.keeps) * (-(at - slot.at).max(0.0) / HALF_LIFE).exp2()
    }
}

fn slot(reason: u64) -> usize {
    (reason.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_fade_by_half_in_three_minutes() {
        let mut recent = RecentKeeps::default();
        (0..9).for_each(|_| recent.note(7, 100.0));
        assert!((recent.count(7, 100.0) - 9.0).abs() < 1e-6);
        assert!((recent.count(7, 280.0) - 4.5).abs() < 1e-6);
        assert_eq!(recent.count(8, 100.0), 0.0);
        assert!(recent.count(7, 1e9) < 1e-9);
        assert!((recent.count(7, 0.0) - 9.0).abs() < 1e-6, "time that runs backwards fades nothing");
    }

    #[test]
    fn any_number_of_reasons_fits() {
        let mut recent = RecentKeeps::default();
        (0..100_000_u64).for_each(|reason| recent.note(reason, 1.0));
        let known = (0..100_000_u64).filter(|reason| recent.count(*reason, 1.0) > 0.0).count();
        assert!((900..=SLOTS).contains(&known), "{known}");
    }
}
