//! From findings to probabilities, within a budget. Pure: time is an argument, randomness does
//! not come here at all, and a trace never changes what is offered for itself.

use super::cold_start::ColdStart;
use super::config::{Config, Deduplicate, Rate};
use super::marks::Marks;
use super::offer::{Charge, Offer, reason_of};
use super::pace::Pace;
use crate::model::{Class, Instant};
use crate::processors::tail_sampling::detector::{Finding, NoveltyKind};
use crate::sampling::{Baseline, RecentKeeps, ScoreQuantile, TokenBank, Traffic};

/// Seconds after which the plan is made anew.
const TICK: f64 = 1.0;
/// Excesses that must be known before a quantile of them means something.
const SCORES_MIN: f64 = 20.0;
/// Traces after which an excess weighs half; where two hours bring more traces, these count.
const SCORES_HALF_LIFE: f64 = 10_000.0;
const SCORES_HALF_LIFE_SECONDS: f64 = 7_200.0;
/// Traces' worth of tokens below which a probability falls.
const EASE: f64 = 5.0;
/// Errors may take so much of the anomaly share.
const ERRORS_PART: f64 = 0.5;
/// An error that the caller does not see is worth so much less.
const INNER_ERROR: f64 = 4.0;
/// Keeps of a new thing at probability 1.
const NOVELTY_KEEPS: f64 = 3.0;
/// Seconds of income that the novelty share may save; the rest goes to the bank.
const NOVELTY_SECONDS: f64 = 600.0;
/// Least depth of the ceiling's bucket, in traces.
const CEILING_TRACES: f64 = 20.0;
/// Budgets below this part of the traffic are tight enough to count repeats for less.
const TIGHT: f64 = 0.02;
/// Longest window of the traffic that the baseline is planned by, in seconds.
const TRAFFIC_WINDOW: f64 = 600.0;

/// What was set at the last tick.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// What is odd.
    pub(super) marks: Marks,
    pace: Pace,
    /// Part of the bank's income that flows to the baseline.
    flow: f64,
    /// How much repeats of a reason count for less, 0 to 1.
    pub(super) penalty: f64,
    /// Mean cost of a trace.
    pub(super) mean_cost: f64,
    /// Income of the whole budget by the second.
    pub(super) income: f64,
}

/// What came since the last tick.
#[derive(Clone, Copy, Debug, Default)]
struct Tick {
    started: f64,
    traces: f64,
    cost: f64,
}

/// One budget and all that it knows.
#[derive(Clone, Debug)]
pub struct Controller {
    pub(super) config: Config,
    /// Seconds of this run and of earlier ones, as of `origin`.
    pub(super) age: f64,
    origin: Option<Instant>,
    /// Tokens that the bank was given since the beginning.
    earned: f64,
    tick: Tick,
    pub(super) plan: Plan,
    pub(super) fast: Traffic,
    pub(super) slow: Traffic,
    pub(super) scores: ScoreQuantile,
    pub(super) durations: ScoreQuantile,
    pub(super) bank: TokenBank,
    pub(super) errors: TokenBank,
    novelty: TokenBank,
    ceiling: TokenBank,
    pub(super) baseline: Baseline,
    pub(super) cold: ColdStart,
    keeps: RecentKeeps,
}

impl Controller {
    /// Knows nothing yet.
    pub fn new(config: &Config) -> Self {
        let income = match config.rate {
            Rate::Traces(rate) | Rate::Bytes(rate) => rate,
            Rate::Part(_) => 0.0,
        };
        let mut baseline = Baseline::new();
        match config.rate {
            Rate::Part(part) => baseline.plan(part * config.shares.baseline, 1.0, 1.0),
            _ => baseline.plan(income * config.shares.baseline, 0.0, 1.0),
        };
        let window = config.bank.as_secs_f64().max(1.0);
        Self {
            age: 0.0,
            origin: None,
            earned: 0.0,
            tick: Tick::default(),
            plan: Plan { income, ..Plan::default() },
            fast: Traffic::fast(TRAFFIC_WINDOW),
            slow: Traffic::slow(window),
            scores: ScoreQuantile::new(SCORES_HALF_LIFE),
            durations: ScoreQuantile::new(SCORES_HALF_LIFE),
            bank: TokenBank::new(income * config.shares.anomaly * window),
            errors: TokenBank::new(income * config.shares.anomaly * ERRORS_PART * window),
            novelty: TokenBank::default(),
            ceiling: TokenBank::full(income * config.ceiling),
            baseline,
            cold: ColdStart::new(),
            keeps: RecentKeeps::default(),
            config: config.clone(),
        }
    }

    /// What a trace with this finding costs: 1, or its bytes.
    pub fn cost(&self, bytes: u64) -> f64 {
        match self.config.rate {
            Rate::Bytes(_) => bytes.max(1) as f64,
            Rate::Traces(_) | Rate::Part(_) => 1.0,
        }
    }

    /// Pays for a trace that was decided.
    pub fn settle(&mut self, charge: &Charge) {
        self.tick.traces += 1.0;
        self.tick.cost += charge.cost;
        self.bank.spend(charge.anomaly);
        self.errors.spend(charge.error);
        self.novelty.spend(charge.novelty);
        self.baseline.spend(charge.baseline);
        self.ceiling.spend(charge.total());
        if charge.kept_for != 0 {
            self.keeps.note(charge.kept_for, self.tick.started);
        }
    }

    /// What may be given for a trace; then learns from it.
    pub fn offer(&mut self, finding: &Finding, cost: f64, now: Instant) -> Offer {
        let at = self.seconds(now);
        if at - self.tick.started >= TICK {
            self.close_tick(at);
        }
        if self.plan.mean_cost == 0.0 {
            self.plan.mean_cost = cost;
            self.refill_ceiling(self.plan.income, CEILING_TRACES * cost);
        }
        let worth = self.worth(finding, at);
        let offer = self.weigh(finding, worth, cost, at);
        self.scores.add(if finding.is_candidate { worth } else { 0 });
        self.durations.add(finding.duration_nanos);
        offer
    }

    /// Seconds since the controller began to learn.
    fn seconds(&mut self, now: Instant) -> f64 {
        let origin = *self.origin.get_or_insert_with(|| {
            self.tick.started = self.age;
            now
        });
        self.age + now.since(origin).as_secs_f64()
    }

    /// Seconds at the last tick.
    pub(super) fn known_age(&self) -> f64 {
        self.tick.started
    }

    /// Goes on after so many seconds of earlier runs, whose traffic was restored, with bank and
    /// errors as full as given, and so many seconds of income spent on learning.
    pub(super) fn resume(&mut self, age: f64, [bank, errors]: [f64; 2], cold_seconds: f64) {
        (self.age, self.origin, self.tick) = (age, None, Tick { started: age, ..Tick::default() });
        let income = match self.config.rate {
            Rate::Traces(rate) | Rate::Bytes(rate) => rate,
            Rate::Part(part) => part * self.slow.cost_rate(),
        };
        self.plan.income = income;
        self.earned = income * self.config.shares.anomaly * age;
        self.plan.mean_cost = self.fast.mean_cost();
        self.refill_ceiling(income, 0.0);
        self.ceiling = TokenBank::full(self.ceiling.depth());
        self.divide(income, 0.0);
        self.bank.spend(self.bank.level() - bank * self.bank.depth());
        self.errors.spend(self.errors.level() - errors * self.errors.depth());
        self.cold.restore(cold_seconds * income);
        self.set_tau(age);
    }

    fn weigh(&mut self, finding: &Finding, worth: u64, cost: f64, at: f64) -> Offer {
        let ease = (EASE * self.plan.mean_cost).max(cost);
        let roof = self.ceiling.chance(0.0, ease);
        let planned = self.baseline.probability() * roof;
        let is_new = !finding.is_warm && self.config.shares.baseline > 0.0;
        let learning = if is_new { self.cold.chance(finding.root_op, at, cost, self.plan.income) } else { 0.0 };
        let baseline = planned.max(learning * roof);
        let (error, error_reason) = self.weigh_error(finding, ease);
        let (anomaly, anomaly_reason) = self.weigh_anomaly(finding, worth, ease);
        let novelty = self.weigh_novelty(finding, cost) * roof;
        let (class, reason) = match &finding.novelty {
            _ if error > 0.0 => (Class::Error, error_reason),
            _ if anomaly > 0.0 => (Class::Anomaly, anomaly_reason),
            Some(new) if novelty > planned => match new.kind {
                NoveltyKind::Operation => (Class::NewOperation, 0),
                NoveltyKind::Shape => (Class::NewShape, 0),
            },
            _ => (Class::Baseline, 0),
        };
        let (error, anomaly) = (error * roof, anomaly * roof);
        Offer { class, error, anomaly, novelty, baseline, planned, tau_nanos: self.plan.marks.tau, reason }
    }

    /// The less telling an error is, and the more often it came, the more must be in the bank.
    fn weigh_error(&self, finding: &Finding, ease: f64) -> (f64, u64) {
        let Some(error) = &finding.error else { return (0.0, 0) };
        if self.config.shares.anomaly == 0.0 {
            return (0.0, 0);
        }
        let rank = if error.on_exit_path { 1.0 } else { INNER_ERROR };
        let repeats = 1.0 + error.recent.max(1.0).log10();
        let ease = ease * rank * repeats;
        let own = self.errors.chance(self.plan.pace.credit * ERRORS_PART, ease);
        (own.min(self.bank.chance(self.plan.pace.credit, ease)), error.key.max(1))
    }

    fn weigh_anomaly(&self, finding: &Finding, worth: u64, ease: f64) -> (f64, u64) {
        if !finding.is_candidate || !self.plan.marks.is_odd(worth) {
            return (0.0, 0);
        }
        (self.bank.chance(self.plan.pace.credit, ease), finding.top.map_or(0, |top| reason_of(&top)))
    }

    /// The excess, less where its reason kept traces lately and budgets are tight; what is not
    /// odd anyway is spared the arithmetic.
    fn worth(&self, finding: &Finding, at: f64) -> u64 {
        let Some(top) = finding.top.filter(|_| self.plan.penalty > 0.0 && finding.excess_nanos > self.plan.marks.tau)
        else {
            return finding.excess_nanos;
        };
        let repeats = 1.0 + self.plan.penalty * self.keeps.count(reason_of(&top), at);
        (finding.excess_nanos as f64 / repeats) as u64
    }

    fn weigh_novelty(&self, finding: &Finding, cost: f64) -> f64 {
        let Some(new) = finding.novelty.filter(|_| self.config.shares.novelty > 0.0) else { return 0.0 };
        (NOVELTY_KEEPS / new.count.max(1.0)).min(1.0) * self.novelty.chance(0.0, self.plan.mean_cost.max(cost))
    }

    fn close_tick(&mut self, at: f64) {
        let Tick { started, traces, cost } = self.tick;
        let seconds = at - started;
        self.tick = Tick { started: at, traces: 0.0, cost: 0.0 };
        self.fast.tick(seconds, traces, cost);
        self.slow.tick(seconds, traces, cost);
        if self.fast.is_known() {
            self.plan.mean_cost = self.fast.mean_cost();
        }
        let (income, earned) = match self.config.rate {
            Rate::Traces(rate) | Rate::Bytes(rate) => (rate, rate * seconds),
            Rate::Part(part) => (part * self.slow.cost_rate(), part * cost),
        };
        self.plan.income = income;
        self.refill_ceiling(income, self.config.ceiling * earned);
        self.divide(income, earned);
        self.set_tau(at);
    }

    fn refill_ceiling(&mut self, income: f64, tokens: f64) {
        let depth = (income * self.config.ceiling).max(CEILING_TRACES * self.plan.mean_cost);
        self.ceiling.set_depth(depth);
        self.ceiling.earn(tokens);
    }

    /// Gives every share its part of what was earned. What novelty and the baseline leave goes to
    /// the bank, and what that cannot use or hold to the baseline: a budget is there to be used.
    fn divide(&mut self, income: f64, earned: f64) {
        let shares = self.config.shares;
        let depth = income * shares.anomaly * self.config.bank.as_secs_f64();
        let novelty_depth = (income * shares.novelty * NOVELTY_SECONDS).max(NOVELTY_KEEPS * self.plan.mean_cost);
        let own = earned * shares.anomaly;
        let flow = own * self.plan.flow;
        let mut spare = self.novelty.set_depth(novelty_depth) + self.novelty.earn(earned * shares.novelty);
        spare += self.baseline.earn(earned * shares.baseline);
        let over = self.bank.set_depth(depth) + self.bank.earn(own + spare - flow);
        self.errors.set_depth(depth * ERRORS_PART);
        self.errors.earn(own * ERRORS_PART);
        self.earned += own;
        let traffic = self.fast.cost_rate();
        let income = match self.config.rate {
            Rate::Part(part) => part * traffic,
            _ => income,
        };
        let share = shares.baseline + shares.anomaly * self.plan.flow;
        let horizons = if over > 0.0 && share > 0.0 { 1.0 / share } else { 1.0 };
        let spilled = self.baseline.earn(flow + over) + self.baseline.plan(income * share, traffic, horizons);
        self.bank.earn(spilled);
    }

    fn set_tau(&mut self, at: f64) {
        let cold = (1.0 - at / self.config.bank.as_secs_f64()).max(0.0);
        self.plan.pace = Pace::of(&self.bank, self.earned, cold);
        self.bank.call_in(self.plan.pace.credit);
        self.errors.call_in(self.plan.pace.credit * ERRORS_PART);
        let part = self.part();
        self.plan.penalty = match self.config.deduplicate {
            Deduplicate::Always => 1.0,
            Deduplicate::Auto if part <= TIGHT => 1.0,
            Deduplicate::Auto | Deduplicate::Never => 0.0,
        };
        let half_life = SCORES_HALF_LIFE.max(self.slow.rate() * SCORES_HALF_LIFE_SECONDS);
        self.scores.set_half_life(half_life);
        self.durations.set_half_life(half_life);
        let odd = part * self.config.shares.anomaly;
        if self.scores.count() >= SCORES_MIN && odd > 0.0 {
            self.mark(odd, cold > 0.0);
        }
    }

    fn mark(&mut self, odd: f64, is_cold: bool) {
        let Plan { pace, penalty, .. } = self.plan;
        let median = self.durations.above(0.5);
        let mut marks = Marks::of(&self.scores, pace.k * odd);
        if is_cold {
            marks = marks.expecting(odd, median);
        }
        // A tight budget cannot pay for repeats of what is odd beyond doubt.
        if penalty == 0.0 {
            let usual = median.max(self.config.min_duration.as_nanos() as u64);
            marks = marks.with_strong(&self.scores, pace.strong() * odd, usual);
        }
        self.plan.marks = marks;
        self.plan.flow = pace.unused(self.scores.nonzero(), odd);
    }

    /// The budget as a part of what comes.
    fn part(&self) -> f64 {
        let traffic = self.fast.cost_rate();
        match self.config.rate {
            Rate::Part(part) => part,
            Rate::Traces(rate) | Rate::Bytes(rate) if traffic > 0.0 => (rate / traffic).min(1.0),
            Rate::Traces(_) | Rate::Bytes(_) => 1.0,
        }
    }
}
