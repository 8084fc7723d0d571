//! When to try again: the Collector's exponential backoff. Pure: it is told the time and the
//! state of its random numbers.

use std::time::Duration;

use super::config::RetryConfig;
use crate::model::Instant;

/// The waits of one batch.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    config: RetryConfig,
    interval: Duration,
    give_up_at: Option<Instant>,
    random: u64,
}

/// Shortest wait between attempts: `initial_interval: 0s` must not keep a core busy.
const WAIT_MIN: Duration = Duration::from_millis(1);

impl Backoff {
    /// Starts with the first attempt, at `now`. Any `seed` will do; two batches should not share it.
    pub(crate) fn new(config: &RetryConfig, now: Instant, seed: u64) -> Self {
        let limit = Some(config.max_elapsed_time).filter(|limit| !limit.is_zero());
        Self {
            interval: config.initial_interval,
            give_up_at: limit.map(|limit| now + limit),
            config: config.clone(),
            random: seed,
        }
    }

    /// How long to wait after a failure at `now`; at least what the server asked for. `None` when
    /// the next attempt would come after `max_elapsed_time`.
    pub(crate) fn next(&mut self, now: Instant, server: Option<Duration>) -> Option<Duration> {
        let spread = self.config.randomization_factor * (2.0 * self.unit() - 1.0);
        let backoff = self.interval.mul_f64((1.0 + spread).max(0.0));
        let grown = Duration::try_from_secs_f64(self.interval.as_secs_f64() * self.config.multiplier);
        self.interval = grown.unwrap_or(Duration::MAX).min(self.config.max_interval);
        let wait = backoff.max(server.unwrap_or_default()).max(WAIT_MIN);
        match self.give_up_at {
            Some(end) if now + wait > end => None,
            _ => Some(wait),
        }
    }

    /// A number in 0..1 (splitmix64).
    fn unit(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn steady() -> RetryConfig {
        RetryConfig { randomization_factor: 0.0, ..RetryConfig::default() }
    }

    #[test]
    fn waits_grow_by_the_multiplier_up_to_the_longest() {
        let config = RetryConfig { multiplier: 2.0, max_elapsed_time: Duration::ZERO, ..steady() };
        let mut backoff = Backoff::new(&config, Instant(0), 1);
        let waits: Vec<_> = (0..5).map(|_| backoff.next(Instant(0), None).unwrap()).collect();
        assert_eq!(waits, [secs(5), secs(10), secs(20), secs(30), secs(30)]);
    }

    #[test]
    fn the_server_is_given_the_time_that_it_asks_for() {
        let mut backoff = Backoff::new(&steady(), Instant(0), 1);
        assert_eq!(backoff.next(Instant(0), Some(secs(60))), Some(secs(60)));
        assert_eq!(backoff.next(Instant(0), Some(secs(1))), Some(secs(5).mul_f64(1.5)));
    }

    #[test]
    fn it_gives_up_when_the_next_attempt_would_be_too_late() {
        let config = RetryConfig { max_elapsed_time: secs(12), ..steady() };
        let mut backoff = Backoff::new(&config, Instant(0), 1);
        assert_eq!(backoff.next(Instant(0), None), Some(secs(5)));
        assert_eq!(backoff.next(Instant(0) + secs(5), None), None);
        let mut asked = Backoff::new(&config, Instant(0), 1);
        assert_eq!(asked.next(Instant(0), Some(secs(13))), None);
    }

    proptest! {
        #[test]
        fn a_wait_stays_within_its_spread(seed: u64, factor in 0.0..=1.0_f64, step in 0..8_usize) {
            let config =
                RetryConfig { randomization_factor: factor, max_elapsed_time: Duration::ZERO, ..RetryConfig::default() };
            let mut backoff = Backoff::new(&config, Instant(0), seed);
            let mut middle = config.initial_interval.as_secs_f64();
            for _ in 0..step {
                backoff.next(Instant(0), None);
                middle = (middle * config.multiplier).min(config.max_interval.as_secs_f64());
            }
            let wait = backoff.next(Instant(0), None).unwrap().as_secs_f64();
            prop_assert!(wait >= middle * (1.0 - factor) - 1e-6 && wait <= middle * (1.0 + factor) + 1e-6);
        }
    }
}
