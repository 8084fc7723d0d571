//! The score in plain words: for each operation a histogram of self time, and a trace's score is
//! the self time above the operation's p97.5, summed over its spans.

use super::histogram::Histogram;
use super::self_time::self_times;
use crate::stream::{Stream, Trace};

/// Three bits of the mantissa: 8 buckets an octave.
const BITS: u32 = 3;

/// What can be chosen about the score.
#[derive(Clone, Debug)]
pub(crate) struct ScoreConfig {
    /// Quantile of the reference above which self time is excess.
    pub(crate) quantile: f64,
    /// What is left of the reference at a rotation.
    pub(crate) decay: f64,
    /// Nanoseconds between rotations.
    pub(crate) window: u64,
    /// Observations before an operation has a threshold.
    pub(crate) warm_up: f64,
    /// Whether a window without any observation of an operation fades its reference.
    pub(crate) idle_fades: bool,
    /// Values are learned as at most so many times the threshold; infinite for no clipping.
    pub(crate) clip: f64,
}

impl Default for ScoreConfig {
    fn default() -> Self {
        Self {
            quantile: 0.975,
            decay: 0.9,
            window: 900_000_000_000,
            warm_up: 50.0,
            idle_fades: false,
            clip: f64::INFINITY,
        }
    }
}

/// What is known of an operation.
#[derive(Clone)]
struct Baseline {
    reference: Histogram,
    current: Histogram,
    /// Nanoseconds; infinite while nothing is known.
    threshold: f64,
}

/// The score of one trace.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scored {
    /// Sum of the excess, in nanoseconds.
    pub(crate) excess: f64,
    /// The span with the largest excess, if any has one.
    pub(crate) top: Option<usize>,
}

/// Learns and scores, trace by trace.
pub(crate) struct Scorer {
    config: ScoreConfig,
    baselines: Vec<Baseline>,
    next_rotation: u64,
}

/// Scores a stream from its start.
pub(crate) fn scores(stream: &Stream, config: ScoreConfig) -> Vec<Scored> {
    let mut scorer = Scorer::new(config, stream);
    stream.traces.iter().map(|trace| scorer.score(trace, &mut |_, _| ())).collect()
}

/// The excess of every span of a stream that has some, in nanoseconds: trace by trace, with the
/// span's place in its trace.
pub(crate) fn excesses(stream: &Stream) -> Vec<Vec<(usize, f64)>> {
    let mut scorer = Scorer::new(ScoreConfig::default(), stream);
    let of = |trace: &Trace| {
        let mut found = Vec::new();
        scorer.score(trace, &mut |place, excess| found.push((place, excess)));
        found
    };
    stream.traces.iter().map(of).collect()
}

impl Scorer {
    fn new(config: ScoreConfig, stream: &Stream) -> Self {
        let empty = Histogram::new(BITS);
        let empty = Baseline { reference: empty.clone(), current: empty, threshold: f64::INFINITY };
        let first = stream.traces.first().map_or(0, Trace::end);
        Self { next_rotation: first + config.window, config, baselines: vec![empty; stream.operations.len()] }
    }

    /// Scores a trace by what came before it, then learns from it. `see` is told every excess.
    fn score(&mut self, trace: &Trace, see: &mut dyn FnMut(usize, f64)) -> Scored {
        while trace.end() >= self.next_rotation {
            self.baselines.iter_mut().for_each(|baseline| baseline.rotate(&self.config));
            self.next_rotation += self.config.window;
        }
        let times = self_times(&trace.spans);
        let (mut scored, mut largest) = (Scored::default(), 0.0);
        for (place, (span, time)) in trace.spans.iter().zip(&times).enumerate() {
            let excess = *time as f64 - self.baselines[span.operation as usize].threshold;
            if excess > 0.0 {
                see(place, excess);
                scored.excess += excess;
                if excess > largest {
                    (largest, scored.top) = (excess, Some(place));
                }
            }
        }
        for (span, time) in trace.spans.iter().zip(times) {
            self.baselines[span.operation as usize].learn(time as f64, &self.config);
        }
        scored
    }
}

impl Baseline {
    fn learn(&mut self, time: f64, config: &ScoreConfig) {
        self.current.add(time.min(config.clip * self.threshold));
        // Until the first rotation the window itself is all there is.
        if self.reference.total() == 0.0 && self.current.total() >= config.warm_up {
            self.threshold = self.current.quantile(config.quantile);
        }
    }

    fn rotate(&mut self, config: &ScoreConfig) {
        if self.current.total() == 0.0 && !config.idle_fades {
            return;
        }
        self.reference.scale(config.decay);
        self.reference.merge(&self.current);
        self.current = Histogram::new(BITS);
        let is_known = self.reference.total() >= config.warm_up;
        self.threshold = if is_known { self.reference.quantile(config.quantile) } else { f64::INFINITY };
    }
}
