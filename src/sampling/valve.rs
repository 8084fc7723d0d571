//! The overload valve: under pressure only a part of the new traces is let in, by the same
//! randomness and thresholds as every sampler, so that what is let in still has a known weight.

use super::{Randomness, Threshold};

/// Probability of letting in at full pressure is this to the power of the steps above.
const STEP: f64 = 0.5;
/// Halvings between the watermark and full pressure.
const HALVINGS: f64 = 8.0;

/// Decides which new traces are let in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Valve {
    watermark: f64,
    least: f64,
    threshold: Threshold,
}

impl Valve {
    /// Open up to a pressure of `watermark`, 0 to 1; never lets in less than `least` of what comes.
    pub fn new(watermark: f64, least: f64) -> Self {
        Self { watermark, least: least.clamp(Threshold::PROBABILITY_MIN, 1.0), threshold: Threshold::ALWAYS }
    }

    /// Adjusts to a pressure, 0 to 1: what is held against what may be held. The part let in
    /// halves with each eighth of the way from the watermark to 1, in whole halvings, so that all
    /// who see about the same pressure set the same threshold.
    pub fn set_pressure(&mut self, pressure: f64) {
        let room = (1.0 - self.watermark).max(1e-6);
        let above = ((pressure - self.watermark) / room).clamp(0.0, 1.0);
        let halvings = (above * HALVINGS).ceil();
        // Closing is at once; opening waits until the pressure has fallen by half a step more.
        let reopened = (above * HALVINGS + 0.5).ceil().min(HALVINGS);
        let (shut, open) = (self.of(halvings), self.of(if above > 0.0 { reopened } else { 0.0 }));
        self.threshold = if shut >= self.threshold { shut } else { self.threshold.min(open) };
    }

    fn of(&self, halvings: f64) -> Threshold {
        Threshold::from_probability(STEP.powf(halvings).max(self.least)).unwrap_or(Threshold::ALWAYS)
    }

    /// What a trace must pass now; goes with the trace, as it is part of its weight.
    pub fn threshold(&self) -> Threshold {
        self.threshold
    }

    /// Whether it lets in everything.
    pub fn is_open(&self) -> bool {
        self.threshold == Threshold::ALWAYS
    }

    /// Whether a new trace of this randomness is let in. The randomness must be the one that the
    /// trace is decided by later: `rv` where the trace carries it, else that of its id.
    pub fn admits(&self, randomness: Randomness) -> bool {
        self.threshold.keeps(randomness)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_open_up_to_the_watermark_and_nearly_shut_when_full() {
        let mut valve = Valve::new(0.8, 0.001);
        valve.set_pressure(0.8);
        assert!(valve.is_open() && valve.admits(Randomness::from_bits(0)));
        valve.set_pressure(0.9);
        assert_eq!(valve.threshold().probability(), 1.0 / 16.0);
        valve.set_pressure(1.0);
        assert_eq!(valve.threshold().probability(), 1.0 / 256.0);
        assert!(valve.admits(Randomness::MAX), "something always passes");
        valve.set_pressure(f64::NAN);
        assert!(valve.admits(Randomness::MAX));
    }

    #[test]
    fn it_never_lets_in_less_than_its_least() {
        let mut valve = Valve::new(0.8, 0.1);
        valve.set_pressure(2.0);
        assert!((valve.threshold().probability() - 0.1).abs() < 1e-9);
    }

    #[test]
    fn it_opens_later_than_it_shuts_so_it_does_not_flutter() {
        let mut valve = Valve::new(0.0, 1e-6);
        valve.set_pressure(0.26);
        let shut = valve.threshold();
        assert_eq!(shut.probability(), 0.125);
        valve.set_pressure(0.24);
        assert_eq!(valve.threshold(), shut, "a little less pressure changes nothing");
        valve.set_pressure(0.18);
        assert_eq!(valve.threshold().probability(), 0.25);
        valve.set_pressure(0.0);
        assert!(valve.is_open());
    }

    #[test]
    fn the_part_that_is_let_in_is_the_probability() {
        let mut valve = Valve::new(0.5, 0.001);
        valve.set_pressure(0.6);
        let randomness = |number: u64| Randomness::from_bits(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 8);
        let passed = (0..100_000).filter(|number| valve.admits(randomness(*number))).count() as f64;
        assert!((passed / 100_000.0 / valve.threshold().probability() - 1.0).abs() < 0.02);
    }
}
