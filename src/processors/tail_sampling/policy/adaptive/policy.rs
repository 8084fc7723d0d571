//! The policy of one shard: asks the shared budget, draws once, and says what it cost.

use super::config::Config;
use super::incoming::Incoming;
use super::offer::{Charge, Offer};
use crate::model::{Chance, Now};
use crate::processors::tail_sampling::policy::{Ballot, Policy, TraceView, Verdict};
use crate::sampling::Threshold;

/// See the module.
pub struct Adaptive {
    config: Config,
    /// What the trace that was decided last has cost; paid when the next one comes.
    settled: Option<Charge>,
    /// For the trace that is being decided, with its cost.
    offer: Option<(Offer, f64)>,
}

impl Adaptive {
    /// For one shard; those that are made of one config share its budget.
    pub fn new(config: &Config) -> Self {
        Self { config: config.clone(), settled: None, offer: None }
    }
}

/// Draws: returns the threshold and whether the trace is kept.
fn draw(incoming: &Incoming, part: f64) -> (Threshold, bool) {
    let threshold = incoming.proportional(part);
    (threshold, threshold.keeps(incoming.randomness))
}

impl Policy for Adaptive {
    fn observe(&mut self, trace: &TraceView<'_>, now: Now) {
        let Some(finding) = trace.finding() else {
            self.offer = None;
            return;
        };
        let bytes = trace.summary().bytes;
        self.offer = Some(self.config.budget().next(&self.config, self.settled.take(), finding, bytes, now.mono));
    }

    fn evaluate(&mut self, trace: &TraceView<'_>, ballot: &mut Ballot, _: Now) -> Verdict {
        let Some((offer, cost)) = self.offer.take() else { return Verdict::NotSampled };
        let incoming = trace.incoming();
        let (threshold, is_kept) = draw(&incoming, offer.probability());
        ballot.choice = Some(offer.choice(incoming.threshold.probability()));
        ballot.chance = match threshold == Threshold::ALWAYS {
            true => Chance::Certain,
            false => Chance::Threshold(threshold.rejected()),
        };
        self.settled = Some(offer.charge(cost, is_kept));
        if is_kept { Verdict::Sampled } else { Verdict::NotSampled }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TraceId;
    use crate::sampling::Randomness;

    #[test]
    fn a_trace_is_kept_as_often_as_its_probability_says() {
        for part in [0.013, 0.2, 0.9] {
            let draws = 200_000_u64;
            let kept = (0..draws).filter(|number| {
                let randomness = Randomness::from_bits(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 8);
                draw(&Incoming { threshold: Threshold::ALWAYS, randomness }, part).1
            });
            let found = kept.count() as f64 / draws as f64;
            assert!((found / part - 1.0).abs() < 0.02, "{part}: {found}");
        }
    }

    #[test]
    fn what_came_through_a_sampler_is_thinned_by_the_part_and_not_drawn_twice() {
        let threshold = Threshold::parse(b"c").unwrap();
        let came = (0..400_000_u64)
            .map(|number| Randomness::from_bits(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 8))
            .filter(|randomness| threshold.keeps(*randomness));
        let mut counts = [0.0; 2];
        for randomness in came {
            let (out, is_kept) = draw(&Incoming { threshold, randomness }, 0.5);
            assert!(out >= threshold);
            counts[0] += 1.0;
            counts[1] += if is_kept { out.adjusted_count() } else { 0.0 };
        }
        assert!((counts[0] / 100_000.0 - 1.0_f64).abs() < 0.02);
        assert!((counts[1] / 400_000.0 - 1.0).abs() < 0.02, "weights stand for all 400,000: {}", counts[1]);
        assert!(Incoming::read(TraceId([0xff; 16]), std::iter::empty()).randomness == Randomness::MAX);
    }
}
