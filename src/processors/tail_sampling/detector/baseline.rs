//! What one operation usually does: the reference of its self time, and how a finished window
//! becomes part of it. Knows neither names nor shards.

use std::time::Duration;

use super::options::Options;
use crate::sketch::{Counts, Histogram};

/// No threshold yet: nothing is beyond it.
pub(super) const UNKNOWN: u64 = u64::MAX;

/// What shards need of a baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Published {
    /// Nanoseconds of self time that are usual at most; [`UNKNOWN`] while cold.
    pub(super) threshold: u64,
    /// Spans that it was learned from.
    pub(super) samples: u32,
    /// Unix second of the first of them; 0 for none.
    pub(super) since: u32,
    /// Whether values are clipped when they are learned.
    pub(super) clips: bool,
    /// Whether the threshold may still come within the running window.
    pub(super) is_cold: bool,
}

/// Quantiles of an operation's self time, in nanoseconds. Spans beyond four times the p97.5 were
/// counted as that, so the highest may be higher still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "quantiles name themselves")]
pub struct Quantiles {
    pub p50: u64,
    pub p97_5: u64,
    pub p99: u64,
    pub p99_9: u64,
    /// Spans that they come from.
    pub samples: u64,
}

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Baseline {
    reference: Option<Box<Histogram>>,
    /// Values that are not part of the reference yet.
    fresh: Counts,
    threshold: u64,
    /// How many of the fresh values were beyond the threshold.
    exceeded: u32,
    /// The weight of the reference.
    total: f32,
    /// The share of values beyond the threshold in usual windows.
    usual: f32,
    /// Unix second of the start of the first window in the reference; 0 for none.
    since: u32,
    /// Unix second of the start of the first of the unusual windows in a row; 0 for none.
    unusual_since: u32,
    /// Fresh values at which a threshold is taken from them, while there is no reference.
    next_early: u32,
    /// Of the version of the service before this one.
    previous: Option<Box<Quantiles>>,
}

/// The fields of a baseline that a snapshot holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Saved {
    pub(super) reference: Histogram,
    pub(super) usual: f32,
    pub(super) since: u32,
}

impl Baseline {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            reference: None,
            fresh: Counts::default(),
            threshold: UNKNOWN,
            exceeded: 0,
            total: 0.0,
            usual: usual_share(options),
            since: 0,
            unusual_since: 0,
            next_early: options.warm_up,
            previous: None,
        }
    }

    /// Adds values of the running window.
    pub(super) fn add(&mut self, fill: impl FnOnce(&mut Counts), exceeded: u32) {
        fill(&mut self.fresh);
        self.exceeded = self.exceeded.saturating_add(exceeded);
    }

    /// While there is no reference: a threshold from the running window, when it holds enough
    /// values, and again each time they have doubled. Returns whether there is one now.
    pub(super) fn take_early(&mut self, options: &Options) -> bool {
        if self.reference.is_some() {
            return false;
        }
        let total = self.fresh.total();
        if total < u64::from(self.next_early) {
            return false;
        }
        self.next_early = u32::try_from(total).unwrap_or(u32::MAX).saturating_mul(2);
        self.threshold = self.fresh.quantile(options.quantile).unwrap_or(UNKNOWN);
        true
    }

    /// Ends a window that began at Unix second `start` and ended by `end`.
    ///
    /// A window with few values stays open, an empty one changes nothing: an operation that rests
    /// for a night is still known in the morning. One with unusually many values beyond the
    /// threshold is left out, so that an incident does not raise its own bar, until `freeze` has
    /// passed: then the change is there to stay.
    pub(super) fn rotate(&mut self, start: u32, end: u32, options: &Options) {
        let total = self.fresh.total();
        let needed = if self.reference.is_some() { options.window_spans_min } else { options.warm_up };
        if total < u64::from(needed.max(1)) {
            return;
        }
        let is_unusual = self.is_unusual(total, options);
        let exceeded = std::mem::take(&mut self.exceeded);
        let fresh = std::mem::take(&mut self.fresh);
        if !is_unusual {
            self.unusual_since = 0;
        } else if self.unusual_since == 0 || self.unusual_since > start {
            // A clock that ran back does not make the freeze longer.
            self.unusual_since = start.max(1);
        }
        if is_unusual && u64::from(end.saturating_sub(self.unusual_since)) < options.freeze.as_secs() {
            return;
        }
        if self.reference.is_some() && !is_unusual {
            let share = exceeded as f32 / total as f32;
            self.usual = (0.9 * self.usual + 0.1 * share).max(usual_share(options));
        }
        let reference = self.reference.get_or_insert_default();
        reference.decay_and_add(options.decay, &fresh);
        if self.since == 0 {
            self.since = start.max(1);
        }
        self.measure(options);
    }

    /// Few values say little: three beyond the threshold are no incident.
    fn is_unusual(&self, total: u64, options: &Options) -> bool {
        let bound = options.freeze_factor * self.usual * total as f32 + 3.0;
        self.reference.is_some() && self.threshold != UNKNOWN && self.exceeded as f32 > bound
    }

    fn measure(&mut self, options: &Options) {
        let Some(reference) = &self.reference else { return };
        self.total = reference.total() as f32;
        if self.total >= options.warm_up as f32 {
            self.threshold = reference.quantile(options.quantile).unwrap_or(UNKNOWN);
        }
    }

    /// Another version of the service runs: what was known is kept to compare with, and learning
    /// begins anew. The old threshold serves until there is a new one.
    pub(super) fn restart(&mut self, options: &Options) {
        let fresh = Self::new(options);
        let previous = self.quantiles(options).map(Box::new);
        *self = Self { previous, fresh: std::mem::take(&mut self.fresh), threshold: self.threshold, ..fresh };
    }

    pub(super) fn published(&self, options: &Options) -> Published {
        let samples = if self.reference.is_some() { self.total as u32 } else { early_samples(self, options) };
        Published {
            threshold: self.threshold,
            samples,
            since: self.since,
            clips: self.unusual_since == 0 && self.reference.is_some(),
            is_cold: self.reference.is_none(),
        }
    }

    /// Quantiles of the reference, before there is one of the running window; none without values.
    pub(super) fn quantiles(&self, options: &Options) -> Option<Quantiles> {
        let of = |share: f64| match &self.reference {
            Some(reference) => reference.quantile(share),
            None => self.fresh.quantile(share),
        };
        let samples = match &self.reference {
            Some(_) => self.total as u64,
            None => self.fresh.total(),
        };
        Some(Quantiles { p50: of(0.5)?, p97_5: of(options.quantile)?, p99: of(0.99)?, p99_9: of(0.999)?, samples })
    }

    /// Quantiles under the version of the service before this one.
    pub(super) fn previous(&self) -> Option<Quantiles> {
        self.previous.as_deref().copied()
    }

    /// The median of what is known, in nanoseconds; [`UNKNOWN`] while cold.
    pub(super) fn median(&self) -> u64 {
        match &self.reference {
            Some(reference) => reference.quantile(0.5).unwrap_or(UNKNOWN),
            None if self.threshold == UNKNOWN => UNKNOWN,
            None => self.fresh.quantile(0.5).unwrap_or(UNKNOWN),
        }
    }

    /// What a snapshot holds of it; values of a cold operation as if they were a reference.
    pub(super) fn save(&self) -> Option<Saved> {
        let reference = match &self.reference {
            Some(reference) => Histogram::clone(reference),
            None if self.fresh.is_empty() => return None,
            None => {
                let mut early = Histogram::default();
                early.decay_and_add(1.0, &self.fresh);
                early
            }
        };
        Some(Saved { reference, usual: self.usual, since: self.since })
    }

    /// Adds what a snapshot holds.
    pub(super) fn merge(&mut self, saved: &Saved, options: &Options) {
        self.reference.get_or_insert_default().merge(&saved.reference);
        self.usual = self.usual.max(saved.usual.clamp(usual_share(options), 1.0));
        self.since = if self.since == 0 { saved.since } else { self.since.min(saved.since) }.max(1);
        self.measure(options);
    }
}

/// The share that is beyond a quantile by its definition.
fn usual_share(options: &Options) -> f32 {
    (1.0 - options.quantile) as f32
}

fn early_samples(baseline: &Baseline, options: &Options) -> u32 {
    let total = baseline.fresh.total();
    if total < u64::from(options.warm_up) { 0 } else { u32::try_from(total).unwrap_or(u32::MAX) }
}

/// How long ago a Unix second was.
pub(super) fn age(since: u32, now_nanos: u64) -> Duration {
    match since {
        0 => Duration::ZERO,
        since => Duration::from_secs((now_nanos / 1_000_000_000).saturating_sub(since.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sketch::bucket_of;

    const WINDOW: u32 = 900;
    const MILLI: u64 = 1_000_000;

    /// Runs windows of `count` values each, of which each is `nanos(number)`; returns thresholds.
    struct Run {
        baseline: Baseline,
        options: Options,
        now: u32,
    }

    impl Run {
        fn new() -> Self {
            let options = Options::default();
            Self { baseline: Baseline::new(&options), options, now: 900_000_000 }
        }

        fn window(&mut self, count: u64, nanos: impl Fn(u64) -> u64) -> u64 {
            let threshold = self.baseline.threshold;
            let exceeded = (0..count).filter(|number| nanos(*number) > threshold).count() as u32;
            let fill = |counts: &mut Counts| (0..count).for_each(|number| counts.add(bucket_of(nanos(number)), 1));
            self.baseline.add(fill, exceeded);
            self.baseline.rotate(self.now, self.now + WINDOW, &self.options);
            self.now += WINDOW;
            self.baseline.threshold
        }
    }

    /// 10 ms and a little more, up to 20 ms.
    fn usual(number: u64) -> u64 {
        10 * MILLI + number % 100 * MILLI / 10
    }

    #[test]
    fn nothing_is_known_before_the_warm_up() {
        let mut run = Run::new();
        assert_eq!(run.window(49, usual), UNKNOWN);
        assert!(run.baseline.published(&run.options).is_cold);
        assert_ne!(run.window(1, usual), UNKNOWN, "an open window goes on");
        assert_eq!(run.baseline.published(&run.options).samples, 50);
    }

    #[test]
    fn the_running_window_serves_until_the_first_rotation() {
        let mut run = Run::new();
        for number in 0..400 {
            run.baseline.add(|counts| counts.add(bucket_of(usual(number)), 1), 0);
            let wanted = [50, 100, 200, 400].contains(&(number + 1));
            assert_eq!(run.baseline.take_early(&run.options), wanted, "after {} values", number + 1);
        }
        let early = run.baseline.threshold;
        assert!((19 * MILLI..22 * MILLI).contains(&early), "{early}");
        run.window(0, usual);
        assert!(!run.baseline.take_early(&run.options));
        assert_eq!(run.baseline.threshold, early);
    }

    #[test]
    fn an_empty_window_changes_nothing() {
        let mut run = Run::new();
        run.window(1_000, usual);
        let before = run.baseline.clone();
        for _ in 0..200 {
            run.window(0, usual);
        }
        assert_eq!(run.baseline, before);
    }

    #[test]
    fn a_rare_operation_stays_known() {
        let mut run = Run::new();
        run.window(60, usual);
        for _ in 0..400 {
            assert_ne!(run.window(1, usual), UNKNOWN);
            assert!(run.baseline.total >= 49.0, "{}", run.baseline.total);
        }
    }

    #[test]
    fn an_incident_does_not_raise_its_own_bar() {
        let mut run = Run::new();
        let before = (0..8).map(|_| run.window(1_000, usual)).last().unwrap();
        for _ in 0..6 {
            let threshold = run.window(1_000, |number| usual(number) * if number % 3 == 0 { 20 } else { 1 });
            assert_eq!(threshold, before);
        }
        let after = run.window(1_000, usual);
        assert!(after <= before + before / 8, "{before} {after}");
    }

    #[test]
    fn a_lasting_change_is_learned_after_the_freeze_and_stops_to_alarm() {
        let mut run = Run::new();
        let before = (0..8).map(|_| run.window(1_000, usual)).last().unwrap();
        let learned = (1..20).find(|_| run.window(1_000, |number| 10 * usual(number)) > 5 * before);
        assert_eq!(learned, Some(8), "two hours are eight windows");
        for _ in 0..12 {
            run.window(1_000, |number| 10 * usual(number));
        }
        assert!(run.baseline.published(&run.options).clips, "the change has become usual");
        let threshold = run.baseline.threshold;
        assert!(threshold > 190 * MILLI && threshold < 230 * MILLI, "{threshold}");
    }

    #[test]
    fn a_clock_that_runs_back_does_not_make_the_freeze_longer() {
        let mut run = Run::new();
        let before = (0..8).map(|_| run.window(1_000, usual)).last().unwrap();
        run.now += 1_000_000;
        run.window(1_000, |number| 10 * usual(number));
        run.now -= 1_000_000;
        let learned = (1..20).find(|_| run.window(1_000, |number| 10 * usual(number)) > 5 * before);
        assert_eq!(learned, Some(8));
    }

    #[test]
    fn without_a_freeze_a_change_is_learned_at_once() {
        let mut run = Run::new();
        run.options.freeze = Duration::ZERO;
        let before = (0..8).map(|_| run.window(1_000, usual)).last().unwrap();
        assert!(run.window(1_000, |number| 10 * usual(number)) > 5 * before);
    }

    #[test]
    fn another_version_learns_anew_and_the_old_one_is_kept_to_compare() {
        let mut run = Run::new();
        let before = (0..8).map(|_| run.window(1_000, usual)).last().unwrap();
        run.baseline.restart(&run.options);
        assert_eq!(run.baseline.threshold, before, "the old threshold serves at first");
        assert_eq!(run.baseline.previous().unwrap().p97_5, before);
        assert!(run.window(100, |number| 3 * usual(number)) > 2 * before);
        assert_eq!(run.baseline.published(&run.options).samples, 100);
    }

    #[test]
    fn values_beyond_the_last_bucket_have_no_threshold() {
        let mut run = Run::new();
        assert_eq!(run.window(100, |_| u64::MAX), UNKNOWN);
        assert_eq!(run.baseline.quantiles(&run.options), None);
        assert_eq!(run.baseline.median(), UNKNOWN);
    }

    #[test]
    fn a_snapshot_adds_to_what_is_known() {
        let mut run = Run::new();
        run.window(1_000, usual);
        let saved = run.baseline.save().unwrap();
        let mut other = Baseline::new(&run.options);
        other.merge(&saved, &run.options);
        assert_eq!(other.threshold, run.baseline.threshold);
        other.merge(&saved, &run.options);
        assert_eq!((other.threshold, other.total), (run.baseline.threshold, 2_000.0));
        assert_eq!(Baseline::new(&run.options).save(), None);
    }
}
