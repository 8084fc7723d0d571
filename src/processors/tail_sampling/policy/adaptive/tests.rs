//! The controller as a whole, on made-up streams.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::model::{Class, Instant};
use crate::processors::tail_sampling::detector::{Contribution, Finding, Novelty, NoveltyKind, TraceError};
use crate::sampling::{Randomness, Threshold};

const MS: u64 = 1_000_000;
const DAY: f64 = 86_400.0;

/// A trace without anything special.
fn plain() -> Finding {
    Finding {
        excess_nanos: 0,
        top: None,
        is_candidate: false,
        error: None,
        novelty: None,
        root_op: 1,
        shape: 1,
        duration_nanos: 100 * MS,
        is_warm: true,
        is_complete: true,
    }
}

fn slow(excess_ms: u64, op: u32) -> Finding {
    let top = Contribution {
        op,
        caller: None,
        observed_nanos: excess_ms * MS,
        expected_nanos: MS,
        samples: 1_000,
        reference_age: Duration::from_secs(900),
        share: 0.5,
    };
    Finding { excess_nanos: excess_ms * MS, top: Some(top), is_candidate: excess_ms >= 10, ..plain() }
}

fn failed(on_exit_path: bool, recent: f64) -> Finding {
    Finding { error: Some(TraceError { op: 3, on_exit_path, key: 77, recent }), ..plain() }
}

/// SplitMix64.
fn hash(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// Everyday traffic: heavy-tailed excesses, now and then a new shape.
fn everyday(number: u64) -> Finding {
    let uniform = (hash(number) >> 11) as f64 / (1_u64 << 53) as f64;
    let excess_ms = (2.0 / (uniform + 1e-6)) as u64;
    let novelty = Novelty { kind: NoveltyKind::Shape, op: 1, count: 1.0 + (number % 5_000) as f64 };
    Finding { novelty: Some(novelty), duration_nanos: (50 + hash(number) % 100) * MS, ..slow(excess_ms.min(5_000), 5) }
}

/// A stream driven through a controller.
struct Run {
    controller: Controller,
    seed: u64,
    traces: u64,
    /// Sum of the probabilities, kept traces, sum of their weights.
    expected: f64,
    kept: u64,
    weights: f64,
}

impl Run {
    fn new(config: &Config, seed: u64) -> Self {
        Self { controller: Controller::new(config), seed, traces: 0, expected: 0.0, kept: 0, weights: 0.0 }
    }

    fn step(&mut self, finding: &Finding, at: f64) -> (Offer, bool) {
        let offer = self.controller.offer(finding, 1.0, Instant((at * 1e9) as u64));
        let randomness = Randomness::from_bits(hash(self.traces ^ self.seed << 40));
        let threshold = Threshold::from_probability(offer.probability()).unwrap_or(Threshold::NEVER);
        let is_kept = threshold.keeps(randomness);
        self.controller.settle(&offer.charge(1.0, is_kept));
        self.traces += 1;
        self.expected += offer.probability();
        self.kept += u64::from(is_kept);
        self.weights += if is_kept { threshold.adjusted_count() } else { 0.0 };
        (offer, is_kept)
    }

    /// Steady traffic of `rate` traces a second between two times.
    fn steady(&mut self, from: f64, to: f64, rate: f64) {
        for number in 0..((to - from) * rate) as u64 {
            self.step(&everyday(self.traces), from + number as f64 / rate);
        }
    }
}

fn config(rate: Rate) -> Config {
    Config { rate, ..Config::default() }
}

fn alone(rate: Rate) -> Config {
    Config { shares: Shares { anomaly: 1.0, novelty: 0.0, baseline: 0.0 }, ..config(rate) }
}

#[test]
fn the_budget_is_met_over_a_day_of_steady_traffic() {
    for (rate, budget) in
        [(0.6, Rate::Traces(0.06)), (4.0, Rate::Traces(0.4)), (4.0, Rate::Part(0.02)), (2.0, Rate::Part(0.1))]
    {
        let part = match budget {
            Rate::Part(part) => part,
            Rate::Traces(traces) | Rate::Bytes(traces) => traces / rate,
        };
        let mut run = Run::new(&config(budget), 1);
        run.steady(0.0, DAY, rate);
        let expected = run.expected / run.traces as f64 / part;
        assert!((expected - 1.0).abs() < 0.05, "{budget:?} at {rate}/s: {expected}");
    }
}

#[test]
fn how_traces_fall_on_shards_changes_nothing() {
    let expected = |weights: &[u64]| {
        let config = config(Rate::Part(0.1));
        let mut settled: Vec<Option<Charge>> = vec![None; weights.len()];
        let all: u64 = weights.iter().sum();
        let mut expected = 0.0;
        for number in 0..20_000_u64 {
            let mut place = hash(number) % all;
            let shard = weights.iter().position(|weight| {
                let is_here = place < *weight;
                place = place.saturating_sub(*weight);
                is_here
            });
            let shard = shard.unwrap_or(0);
            let (finding, now) = (everyday(number), Instant(number * 500_000_000));
            let (offer, cost) = config.budget().next(&config, settled[shard].take(), &finding, 1, now);
            settled[shard] = Some(offer.charge(cost, false));
            expected += offer.probability();
        }
        expected / 2_000.0
    };
    let single = expected(&[1]);
    for weights in [&[1, 1][..], &[97, 1, 1, 1], &[1; 16]] {
        let found = expected(weights);
        assert!((found / single - 1.0).abs() < 0.02, "{weights:?}: {found} instead of {single}");
    }
}

#[test]
fn an_and_asks_its_adaptive_policy_last() {
    use crate::processors::tail_sampling::policy::{PolicyConfig, PolicyKind, adaptive_last};
    let policy = |name: &str, kind| PolicyConfig { name: name.to_owned(), kind };
    let written = [
        policy("learn", PolicyKind::Adaptive(Config::default())),
        policy("all", PolicyKind::AlwaysSample),
        policy("long", PolicyKind::SpanCount(Default::default())),
    ];
    let names: Vec<String> = adaptive_last(&written).into_iter().map(|policy| policy.name).collect();
    assert_eq!(names, ["all", "long", "learn"]);
}

#[test]
fn bytes_are_a_budget_too() {
    let mut controller = Controller::new(&config(Rate::Bytes(1_000.0)));
    let mut expected = 0.0;
    for number in 0..86_400_u64 {
        let bytes = 500 + hash(number) % 9_000;
        let cost = controller.cost(bytes);
        let offer = controller.offer(&everyday(number), cost, Instant(number * 1_000_000_000));
        controller.settle(&offer.charge(cost, false));
        expected += offer.probability() * cost;
    }
    let rate = expected / 86_400.0;
    assert!((rate / 1_000.0 - 1.0).abs() < 0.05, "{rate} bytes a second");
}

#[test]
fn a_trace_that_costs_more_than_there_is_has_a_chance_by_its_cost() {
    let mut controller = Controller::new(&config(Rate::Bytes(1_000.0)));
    let new = Novelty { kind: NoveltyKind::Shape, op: 1, count: 1.0 };
    let mut offer = |number: u64, finding: &Finding, bytes: f64| {
        let offer = controller.offer(finding, bytes, Instant(number * 1_000_000_000));
        controller.settle(&offer.charge(bytes, false));
        offer
    };
    for number in 0..20_000 {
        offer(number, &everyday(number), 10_000.0);
    }
    let usual = offer(20_000, &Finding { novelty: Some(new), ..plain() }, 10_000.0);
    let giant = offer(20_001, &Finding { novelty: Some(new), ..slow(5_000, 9) }, 100e6);
    assert!(usual.novelty > 0.5, "{usual:?}");
    assert!(giant.probability() * 100e6 < 0.2 * 14_400.0 * 1_000.0, "an eighth of the bank's depth at most: {giant:?}");
}

#[test]
fn what_nothing_odd_can_be_bought_with_goes_to_a_fair_sample() {
    let mut run = Run::new(&alone(Rate::Part(0.1)), 1);
    for number in 0..86_400_u64 {
        let finding = if number % 25 == 0 { slow(100 + number % 900, 5) } else { plain() };
        run.step(&finding, number as f64);
    }
    let (odd, _) = run.step(&slow(500, 5), DAY);
    let (rest, _) = run.step(&plain(), DAY);
    assert_eq!(odd.anomaly, 1.0, "all that is odd is kept");
    assert!((0.05..0.08).contains(&rest.probability()), "and of the rest what is left: {rest:?}");
    let rate = run.expected / run.traces as f64 / 0.1;
    assert!((rate - 1.0).abs() < 0.05, "{rate}");
}

#[test]
fn weights_add_up_to_the_truth_over_thirty_seeds() {
    let mut mean = 0.0;
    for seed in 0..30 {
        let mut run = Run::new(&config(Rate::Part(0.1)), seed);
        run.steady(0.0, 3_000.0, 2.0);
        mean += run.weights / run.traces as f64 / 30.0;
    }
    assert!((mean - 1.0).abs() < 0.02, "{mean}");
}

#[test]
fn a_budget_above_the_traffic_keeps_everything() {
    let mut run = Run::new(&config(Rate::Traces(10.0)), 1);
    run.steady(0.0, 1_000.0, 0.6);
    assert_eq!(run.kept, run.traces);
}

#[test]
fn the_bank_saves_in_quiet_hours_and_is_spent_in_an_incident() {
    let mut run = Run::new(&alone(Rate::Traces(0.1)), 1);
    run.steady(0.0, 12.0 * 3_600.0, 1.0);
    let mut kept = 0;
    for second in 0..600 {
        kept += u32::from(run.step(&slow(4_000 + second % 7, 9), 12.0 * 3_600.0 + second as f64).1);
    }
    assert!(kept > 120, "twice the income of ten minutes, at least: {kept}");
    let depth = run.controller.bank.depth();
    assert!(run.controller.bank.level() > -0.16 * depth, "and no more than there was and may be overdrawn");
}

#[test]
fn an_incident_right_at_the_start_is_paid_on_credit_and_the_day_still_balances() {
    let mut run = Run::new(&alone(Rate::Traces(0.1)), 1);
    let mut kept = 0;
    for second in 0..5_400_u64 {
        let finding = if second % 4 == 0 { slow(3_000, 9) } else { everyday(second) };
        kept += u64::from(run.step(&finding, second as f64).1);
    }
    assert!(kept > 700, "the income was 540: {kept}");
    run.steady(5_400.0, DAY, 1.0);
    let rate = run.expected / DAY / 0.1;
    assert!((rate - 1.0).abs() < 0.05, "{rate}");
}

#[test]
fn the_ceiling_and_the_pool_hold_against_a_spike() {
    let mut run = Run::new(&config(Rate::Traces(1.0)), 1);
    run.steady(0.0, 1_000.0, 10.0);
    let before = run.expected;
    run.steady(1_000.0, 1_020.0, 1_000.0);
    let during = run.expected - before;
    assert!(during < 20.0 * 10.0 + 40.0, "ten times the mean at most: {during}");
    run.steady(1_020.0, 5_000.0, 10.0);
    assert!(run.expected < 5_000.0 * 1.1, "{}", run.expected);
}

#[test]
fn an_error_storm_takes_half_of_the_anomaly_share_at_most() {
    let mut run = Run::new(&config(Rate::Traces(1.0)), 1);
    let mut errors = 0.0;
    for number in 0..400_000_u64 {
        let finding = if number % 2 == 0 { failed(true, 50.0) } else { plain() };
        let at = number as f64 / 10.0;
        let (offer, _) = run.step(&finding, at);
        if at > 20_000.0 && offer.class == Class::Error {
            errors += offer.charge(1.0, false).error / 20_000.0;
        }
    }
    assert!((0.2..0.33).contains(&errors), "{errors} of 0.6 a second");
}

#[test]
fn an_error_that_the_caller_sees_ranks_above_a_handled_one() {
    let mut run = Run::new(&config(Rate::Traces(1.0)), 1);
    for number in 0..300_000_u64 {
        run.step(&failed(number % 4 == 0, 1.0), number as f64 / 10.0);
    }
    let (outer, _) = run.step(&failed(true, 1.0), 30_001.0);
    let (inner, _) = run.step(&failed(false, 1.0), 30_001.0);
    let (repeated, _) = run.step(&failed(true, 1_000.0), 30_001.0);
    assert!(outer.error > 2.0 * inner.error && outer.error > 2.0 * repeated.error, "{outer:?} {inner:?} {repeated:?}");
}

#[test]
fn the_reason_is_the_first_that_holds() {
    let mut run = Run::new(&config(Rate::Part(0.2)), 1);
    run.steady(0.0, 2_000.0, 2.0);
    let new = |kind| Some(Novelty { kind, op: 2, count: 1.0 });
    let cases = [
        (Finding { error: failed(true, 1.0).error, ..slow(4_000, 8) }, Class::Error),
        (Finding { novelty: new(NoveltyKind::Shape), ..slow(4_000, 8) }, Class::Anomaly),
        (Finding { novelty: new(NoveltyKind::Shape), ..plain() }, Class::NewShape),
        (Finding { novelty: new(NoveltyKind::Operation), ..plain() }, Class::NewOperation),
        (plain(), Class::Baseline),
    ];
    for (finding, class) in cases {
        let (offer, _) = run.step(&finding, 2_000.0);
        assert_eq!(offer.class, class);
        assert!(offer.probability() > 0.0);
    }
}

#[test]
fn operations_that_are_not_known_yet_are_kept_once_a_second() {
    let mut run = Run::new(&config(Rate::Traces(2.0)), 1);
    for number in 0..60_000_u64 {
        run.step(&Finding { is_warm: false, root_op: (number % 3) as u32, ..plain() }, number as f64 / 1_000.0);
    }
    assert!((150..400).contains(&run.kept), "{} of three operations in a minute", run.kept);
}

#[test]
fn repeats_of_a_reason_count_for_less_where_the_budget_is_tight() {
    let keeps = |deduplicate| {
        let mut run = Run::new(&Config { deduplicate, ..alone(Rate::Part(0.01)) }, 1);
        run.steady(0.0, 20_000.0, 2.0);
        run.controller.bank.earn(150.0);
        let incident = Finding { excess_nanos: run.controller.plan.marks.tau / 10 * 13, ..slow(900, 40) };
        (0..200).filter(|number| run.step(&incident, 20_000.0 + f64::from(*number) * 5.0).1).count()
    };
    let (with, without) = (keeps(Deduplicate::Auto), keeps(Deduplicate::Never));
    assert!(with > 0 && 2 * with < without, "{with} and {without}");
}

#[test]
fn what_is_learned_survives_a_restart_and_damage_is_refused() {
    let config = config(Rate::Part(0.1));
    let mut run = Run::new(&config, 1);
    run.steady(0.0, 20_000.0, 1.0);
    let mut saved = Vec::new();
    run.controller.save(&mut saved);
    assert!(saved.len() < 6_000, "{} bytes", saved.len());
    let mut next = Controller::new(&config);
    next.load(&saved).unwrap();
    let probe = slow(700, 4);
    let (old, new) =
        (run.controller.offer(&probe, 1.0, Instant(20_002_000_000_000)), next.offer(&probe, 1.0, Instant(5)));
    assert!((old.baseline / new.baseline - 1.0).abs() < 0.2, "{old:?} {new:?}");
    assert!((old.tau_nanos as f64 / new.tau_nanos as f64 - 1.0).abs() < 0.1, "{old:?} {new:?}");
    assert!((run.controller.bank.fill() - next.bank.fill()).abs() < 0.05);
    for length in 0..saved.len() {
        assert!(Controller::new(&config).load(&saved[..length]).is_err(), "{length}");
    }
    saved[0] = 9;
    assert_eq!(next.load(&saved), Err(SnapshotError::Version(9)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A trace's probability is a function of earlier traces: whatever its own draw, it is the
    /// same, and nothing that comes makes it leave 0 to 1.
    #[test]
    fn probabilities_stay_probabilities_whatever_comes(
        steps in prop::collection::vec((0_u64..1 << 62, any::<u64>(), 0_u8..4, any::<bool>(), 1.0_f64..1e6), 1..300),
        part in 0.0001_f64..1.0,
        kind in 0_u8..3,
    ) {
        let rate = match kind {
            0 => Rate::Part(part),
            1 => Rate::Traces(part * 100.0),
            _ => Rate::Bytes(part * 1e6),
        };
        let mut controller = Controller::new(&config(rate));
        for (excess, at, novelty, error, cost) in steps {
            let finding = Finding {
                excess_nanos: excess,
                duration_nanos: excess,
                is_warm: novelty != 0,
                novelty: Some(Novelty { kind: NoveltyKind::Shape, op: 0, count: f64::from(novelty) }),
                error: error.then_some(TraceError { op: 0, on_exit_path: novelty == 1, key: at, recent: cost }),
                ..slow(20, novelty.into())
            };
            let offer = controller.offer(&finding, cost, Instant(at));
            prop_assert!((0.0..=1.0).contains(&offer.probability()), "{:?}", offer);
            let charge = offer.charge(cost, error);
            prop_assert!(charge.total().is_finite());
            controller.settle(&charge);
        }
    }

    /// Any bytes are refused or taken, and leave a controller that works.
    #[test]
    fn saved_bytes_may_be_anything(mut bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Some(first) = bytes.first_mut() {
            *first = 1;
        }
        let mut controller = Controller::new(&config(Rate::Part(0.1)));
        let _ = controller.load(&bytes);
        for number in 0..50_u64 {
            let offer = controller.offer(&everyday(number), 1.0, Instant(number * 100_000_000));
            prop_assert!((0.0..=1.0).contains(&offer.probability()), "{:?}", offer);
            controller.settle(&offer.charge(1.0, false));
        }
    }
}
