//! A count that halves as time passes: how often something came lately.

use std::time::Duration;

use crate::model::UnixNanos;

/// A count and when it was brought up to date, to the second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DecayingCount {
    value: f32,
    seconds: u32,
}

impl DecayingCount {
    /// A count of `value` at `now`.
    pub fn new(value: f32, now: UnixNanos) -> Self {
        Self { value, seconds: seconds(now) }
    }

    /// The count at `now`; before the last addition it is what it was then.
    pub fn at(&self, now: UnixNanos, half_life: Duration) -> f64 {
        let elapsed = seconds(now).saturating_sub(self.seconds);
        match elapsed {
            0 => f64::from(self.value),
            _ => f64::from(self.value) * (-f64::from(elapsed) / half_life.as_secs_f64()).exp2(),
        }
    }

    /// Adds `more` at `now`; returns the count with it.
    pub fn add(&mut self, more: f32, now: UnixNanos, half_life: Duration) -> f64 {
        let value = self.at(now, half_life) + f64::from(more);
        *self = Self { value: value as f32, seconds: self.seconds.max(seconds(now)) };
        value
    }

    /// The value and the Unix second for which it holds.
    pub fn parts(&self) -> (f32, u32) {
        (self.value, self.seconds)
    }
}

fn seconds(now: UnixNanos) -> u32 {
    u32::try_from(now.0 / 1_000_000_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn at(seconds: u64) -> UnixNanos {
        UnixNanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_count_halves_in_its_half_life() {
        let mut count = DecayingCount::new(8.0, at(1_000));
        assert!((count.at(at(1_000 + 86_400), DAY) - 4.0).abs() < 1e-6);
        assert!((count.add(1.0, at(1_000 + 2 * 86_400), DAY) - 3.0).abs() < 1e-6);
        assert!((count.at(at(0), DAY) - 3.0).abs() < 1e-6, "time that runs back changes nothing");
    }

    proptest! {
        #[test]
        fn is_the_sum_of_what_is_left_of_each_addition(steps in proptest::collection::vec(0_u64..50_000, 1..40)) {
            let mut count = DecayingCount::default();
            let mut now = 1_700_000_000;
            let mut times = Vec::new();
            for step in steps {
                now += step;
                times.push(now);
                count.add(1.0, at(now), DAY);
            }
            let wanted: f64 = times.iter().map(|time| (-((now - time) as f64) / 86_400.0).exp2()).sum();
            prop_assert!((count.at(at(now), DAY) - wanted).abs() < 1e-4 * wanted);
        }
    }
}
