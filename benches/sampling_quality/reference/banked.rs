//! The sampler in plain words: anomalies, rare shapes and a baseline under one budget with a bank.

use std::collections::HashMap;

use super::facts::Facts;
use super::histogram::Histogram;

/// Five bits of the mantissa: 32 buckets an octave.
const BITS: u32 = 5;
/// Past scores before there is a tau.
const SCORES_MIN: f64 = 50.0;
/// Tokens below which the chance of an anomaly falls.
const LOW: f64 = 5.0;
/// Nanoseconds of excess below which nothing is odd.
const LEAST: f64 = 5e6;
/// Part of the root's median duration below which excess is not odd.
const LEAST_SHARE: f64 = 0.1;
/// How fast what anomalies leave in the bank flows to the baseline above the even fill.
const FLOW: f64 = 3.0;
/// Of a rare shape so many are kept for sure.
const SHAPE_COUNT: f64 = 3.0;
const SHAPE_HALF_LIFE: f64 = 24.0 * 3.6e12;

/// What can be chosen about the sampler.
#[derive(Clone, Debug)]
pub(crate) struct BankedConfig {
    /// Share of the traces to keep.
    pub(crate) budget: f64,
    /// Part of the budget for rare shapes.
    pub(crate) novelty: f64,
    /// Part of the budget for the baseline.
    pub(crate) baseline: f64,
    /// The bank holds the budget of so many traces.
    pub(crate) depth: f64,
    /// Fill of the bank at the start, 0 to 1.
    pub(crate) start: f64,
    /// Fill that is lent on top of it at the start, and taken back over `credit_period` depths.
    pub(crate) credit: f64,
    pub(crate) credit_period: f64,
    /// Fill at which as much is marked as the budget pays for: k = 1.
    pub(crate) even: f64,
    /// k with an empty and with a full bank; geometric between them and `even`.
    pub(crate) k_empty: f64,
    pub(crate) k_full: f64,
    /// Excess of so many median durations is marked by `k_full` at any fill; infinite for none.
    pub(crate) strong: f64,
    /// Half-life of past scores, in traces.
    pub(crate) half_life: f64,
}

impl BankedConfig {
    /// Section 4 as it is written: a start where k is 1, and nothing lent.
    pub(crate) fn as_written(budget: f64, depth: f64) -> Self {
        Self {
            budget,
            novelty: 0.15,
            baseline: 0.25,
            depth,
            start: 0.27,
            credit: 0.0,
            credit_period: 1.0,
            even: 0.27,
            k_empty: 0.25,
            k_full: 3.0,
            strong: f64::INFINITY,
            half_life: 2_000.0,
        }
    }

    /// With strong anomalies apart, and a bank that is full at the start but lent.
    pub(crate) fn credited(budget: f64, depth: f64) -> Self {
        Self { start: 0.15, credit: 0.8, credit_period: 1.5, even: 0.3, strong: 2.5, ..Self::as_written(budget, depth) }
    }

    /// The whole budget for anomalies.
    #[must_use]
    pub(crate) fn score_alone(self) -> Self {
        Self { novelty: 0.0, baseline: 0.0, ..self }
    }
}

/// Decides trace by trace.
pub(crate) struct Banked {
    config: BankedConfig,
    tokens: f64,
    credit: f64,
    novelty_tokens: f64,
    scores: Histogram,
    /// Count and last time of each shape.
    shapes: HashMap<u64, (f64, u64)>,
}

impl Banked {
    pub(crate) fn new(config: BankedConfig) -> Self {
        let full = config.depth * config.budget;
        Self {
            tokens: (config.start + config.credit) * full,
            credit: config.credit * full,
            novelty_tokens: 1.0,
            scores: Histogram::new(BITS),
            shapes: HashMap::new(),
            config,
        }
    }

    fn full(&self) -> f64 {
        self.config.depth * self.config.budget
    }

    /// The probability of a trace that ends at `end` with this `excess`; then it is learnt from.
    /// Neither depends on the randomness of any trace.
    pub(crate) fn probability(&mut self, end: u64, facts: &Facts, excess: f64) -> f64 {
        self.take_back();
        let anomaly = self.anomaly(facts, excess);
        self.scores.scale((-1.0 / self.config.half_life).exp2());
        self.scores.add(excess);
        let baseline = self.baseline();
        let probability = anomaly.max(self.novelty(end, facts)).max(baseline);
        self.tokens = (self.tokens + self.config.budget - probability).min(self.full());
        probability
    }

    /// The baseline's own share, and what anomalies cannot use: where too few traces have an
    /// excess worth the name, the bank would fill and less than the budget be kept.
    fn baseline(&self) -> f64 {
        let config = &self.config;
        if config.baseline == 0.0 {
            return 0.0;
        }
        let even = (config.even + self.credit / self.full()).min(0.98);
        let above = ((self.tokens / self.full() - even) / (1.0 - even)).max(0.0);
        let unused = (FLOW * above).min(1.0) * (1.0 - config.novelty - config.baseline);
        config.budget * (config.baseline + unused)
    }

    fn take_back(&mut self) {
        let all = self.config.credit * self.full();
        let step = (all / (self.config.credit_period * self.config.depth)).min(self.credit);
        self.credit -= step;
        self.tokens = (self.tokens - step).max(0.0);
    }

    /// Budgets that are marked at this fill of the bank.
    fn k(&self) -> f64 {
        let config = &self.config;
        let fill = (self.tokens / self.full()).clamp(0.0, 1.0);
        let even = (config.even + 0.5 * self.credit / self.full()).min(0.98);
        if fill < even {
            config.k_empty.powf(1.0 - fill / even)
        } else {
            config.k_full.powf((fill - even) / (1.0 - even))
        }
    }

    fn anomaly(&self, facts: &Facts, excess: f64) -> f64 {
        if self.scores.total() < SCORES_MIN || excess < LEAST || excess < LEAST_SHARE * facts.median {
            return 0.0;
        }
        let is_strong = excess >= self.config.strong * facts.median.max(LEAST);
        let k = if is_strong { self.k().max(self.config.k_full) } else { self.k() };
        let share = self.config.budget * (1.0 - self.config.novelty - self.config.baseline);
        let tau = self.scores.quantile((1.0 - k * share).max(0.0));
        if excess > tau { (self.tokens / LOW).clamp(0.0, 1.0) } else { 0.0 }
    }

    fn novelty(&mut self, end: u64, facts: &Facts) -> f64 {
        let rate = self.config.budget * self.config.novelty;
        if rate == 0.0 {
            return 0.0;
        }
        let (count, last) = self.shapes.entry(facts.shape).or_insert((0.0, end));
        *count = *count * (-(end.saturating_sub(*last) as f64) / SHAPE_HALF_LIFE).exp2() + 1.0;
        *last = end;
        let wanted = (SHAPE_COUNT / *count).min(1.0).min(self.novelty_tokens.max(0.0));
        self.novelty_tokens = (self.novelty_tokens + rate - wanted).min((rate * self.config.depth).max(1.0));
        wanted
    }
}
