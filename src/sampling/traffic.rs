//! How much traffic there is: traces and their cost by the second, from counts over short ticks.
//! The window adapts: it holds some hundred traces, so that thin traffic is not all noise and
//! thick traffic is known within seconds.

/// Traces that a window should hold.
const TRACES_WANTED: f64 = 200.0;
/// Shortest window, in seconds.
const WINDOW_MIN: f64 = 10.0;
/// Silence counts as at most so many seconds: a night without traffic says nothing of the day.
const SILENCE_MAX: f64 = 60.0;
/// A tick with so many times the known rate starts the count anew.
const SPIKE: f64 = 3.0;
/// And has at least so many traces.
const SPIKE_TRACES: f64 = 30.0;

/// Fading counts of traffic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Traffic {
    traces: f64,
    cost: f64,
    seconds: f64,
    window_max: f64,
    follows_spikes: bool,
}

impl Traffic {
    /// For controlling: follows a spike at once, and looks back 10 s to `window_max` seconds.
    pub fn fast(window_max: f64) -> Self {
        Self { traces: 0.0, cost: 0.0, seconds: 0.0, window_max, follows_spikes: true }
    }

    /// For the long run: looks back `window` seconds, whatever happens.
    pub fn slow(window: f64) -> Self {
        Self { follows_spikes: false, ..Self::fast(window) }
    }

    /// Takes in a tick of some seconds with so many traces of so much cost.
    pub fn tick(&mut self, seconds: f64, traces: f64, cost: f64) {
        let seconds = seconds.clamp(1e-3, SILENCE_MAX);
        let is_spike = traces >= SPIKE_TRACES && traces / seconds > SPIKE * self.rate();
        if self.follows_spikes && is_spike {
            (self.traces, self.cost, self.seconds) = (traces, cost, seconds);
            return;
        }
        let kept = (-seconds / self.window()).exp();
        self.traces = self.traces * kept + traces;
        self.cost = self.cost * kept + cost;
        self.seconds = self.seconds * kept + seconds;
    }

    /// Whether anything came.
    pub fn is_known(&self) -> bool {
        self.traces > 0.0
    }

    /// Traces a second; 0 when nothing came.
    pub fn rate(&self) -> f64 {
        if self.seconds > 0.0 { self.traces / self.seconds } else { 0.0 }
    }

    /// Cost a second; 0 when nothing came.
    pub fn cost_rate(&self) -> f64 {
        if self.seconds > 0.0 { self.cost / self.seconds } else { 0.0 }
    }

    /// Mean cost of a trace; 0 when nothing came.
    pub fn mean_cost(&self) -> f64 {
        if self.traces > 0.0 { self.cost / self.traces } else { 0.0 }
    }

    /// The three fading sums: traces, cost, seconds.
    pub fn sums(&self) -> [f64; 3] {
        [self.traces, self.cost, self.seconds]
    }

    /// Goes on from sums of an earlier run; leaves itself alone when they make no sense.
    pub fn restore(&mut self, [traces, cost, seconds]: [f64; 3]) {
        let is_sane = |sum: f64| sum.is_finite() && sum >= 0.0;
        if is_sane(traces) && is_sane(cost) && is_sane(seconds) && seconds > 0.0 {
            (self.traces, self.cost, self.seconds) = (traces, cost, seconds);
        }
    }

    fn window(&self) -> f64 {
        if !self.follows_spikes {
            return self.window_max;
        }
        let rate = self.rate();
        let wanted = if rate > 0.0 { TRACES_WANTED / rate } else { self.window_max };
        wanted.clamp(WINDOW_MIN.min(self.window_max), self.window_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steady(traffic: &mut Traffic, seconds: u32, rate: f64) {
        (0..seconds).for_each(|_| traffic.tick(1.0, rate, 2.0 * rate));
    }

    #[test]
    fn steady_traffic_is_known_exactly() {
        for rate in [0.05, 0.6, 40.0, 50_000.0] {
            let mut traffic = Traffic::fast(600.0);
            steady(&mut traffic, 3_000, rate);
            assert!((traffic.rate() / rate - 1.0).abs() < 1e-9, "{rate}");
            assert!((traffic.mean_cost() - 2.0).abs() < 1e-9);
        }
    }

    #[test]
    fn a_spike_is_seen_at_once_and_forgotten_soon() {
        let mut traffic = Traffic::fast(600.0);
        steady(&mut traffic, 1_000, 1.0);
        traffic.tick(1.0, 100.0, 200.0);
        assert!(traffic.rate() > 90.0, "{}", traffic.rate());
        steady(&mut traffic, 60, 1.0);
        assert!(traffic.rate() < 4.0, "{}", traffic.rate());
        let mut slow = Traffic::slow(14_400.0);
        steady(&mut slow, 10_000, 1.0);
        slow.tick(1.0, 100.0, 200.0);
        assert!(slow.rate() < 1.02, "the long run takes no notice");
    }

    #[test]
    fn a_night_of_silence_leaves_the_rate_of_the_day() {
        let mut slow = Traffic::slow(14_400.0);
        steady(&mut slow, 7_000, 2.0);
        slow.tick(72_000.0, 1.0, 2.0);
        assert!(slow.rate() > 1.9, "{}", slow.rate());
    }

    #[test]
    fn no_traffic_is_no_rate_and_nonsense_is_not_restored() {
        let mut traffic = Traffic::fast(600.0);
        assert_eq!((traffic.rate(), traffic.cost_rate(), traffic.mean_cost()), (0.0, 0.0, 0.0));
        for sums in [[f64::NAN, 1.0, 1.0], [1.0, -1.0, 1.0], [1.0, 1.0, 0.0]] {
            traffic.restore(sums);
            assert!(!traffic.is_known());
        }
        traffic.restore([10.0, 20.0, 5.0]);
        assert_eq!((traffic.rate(), traffic.sums()), (2.0, [10.0, 20.0, 5.0]));
    }
}
