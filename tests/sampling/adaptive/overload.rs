//! Under pressure only a part of the new traces is let in, and weights stay true.

use std::collections::BTreeMap;

use tailwater::model::{Chance, Outcome, TraceId, Trigger};
use tailwater::pipeline::DropReason;
use tailwater::sampling::{Randomness, Threshold, TraceState};

use super::fleet::Fleet;
use super::stream::{Trace, any_id, hash, id_of, lucky};

/// 200 traces may wait; from 100 on the valve closes.
const SMALL: &str = "{decision_wait: 1s, num_traces: 200, policies: [\
     {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}, \
     {name: learn, type: adaptive, adaptive: {sampling_percentage: 50, \
      overload: {watermark_percentage: 50, least_percentage: 1}}}]}";

const DRAWS: u64 = 16;

/// One span, and every tenth an error.
fn small(number: u64, id: TraceId) -> Trace {
    let trace = if number.is_multiple_of(10) { Trace::failed(number, id) } else { Trace::browse(number, id) };
    trace.only(1..2)
}

/// A sampler in which so many traces wait, let in while it was calm.
fn filled(yaml: &str, waiting: u64) -> Fleet {
    let mut fleet = Fleet::new(yaml);
    let traces: Vec<Trace> = (0..waiting).map(|number| small(number, lucky(number))).collect();
    fleet.send(&traces);
    assert_eq!(fleet.held(), waiting);
    fleet
}

fn th(text: &str) -> Option<Threshold> {
    TraceState::parse(text.as_bytes()).unwrap().threshold()
}

/// Ten times as many traces as fit, over and over, with calm between: the sums of the weights of
/// kept traces are those of all traces.
#[test]
fn weights_add_up_to_what_came_also_when_most_was_turned_away() {
    let (mut came, mut weights, mut turned_away) = ([0.0; 2], [0.0; 2], 0);
    let fair = "sampling_percentage: 80, shares: {anomaly: 0, novelty: 0, baseline: 100}";
    for draw in 0..DRAWS {
        let mut fleet = Fleet::new(&SMALL.replace("sampling_percentage: 50", fair));
        // In even steps over all draws, from a start of its own: less noise than by chance.
        let id = |number: u64| id_of(number, (hash(number) >> 8).wrapping_add((1 << 56) / DRAWS * draw));
        let mut number = 0;
        for rate in [50.0, 600.0, 1_200.0, 300.0, 50.0] {
            let traces = (2.0 * rate) as u64;
            fleet.play((number..number + traces).map(|number| small(number, id(number))), rate);
            number += traces;
        }
        fleet.stop();
        assert_eq!(fleet.dropped(DropReason::TooEarly), 0, "the valve closes before anything is evicted");
        turned_away += fleet.dropped(DropReason::Overload);
        (0..number).for_each(|number| came[usize::from(number.is_multiple_of(10))] += 1.0);
        for span in &fleet.out {
            let is_failed = span.status.is_some();
            weights[usize::from(is_failed)] += th(&span.trace_state).unwrap().adjusted_count();
        }
    }
    assert!(turned_away as f64 > 0.5 * (came[0] + came[1]), "{turned_away}");
    let all = (weights[0] + weights[1]) / (came[0] + came[1]);
    assert!((all - 1.0).abs() < 0.02, "{all}");
    let errors = weights[1] / came[1];
    assert!((errors - 1.0).abs() < 0.06, "errors, which a rule keeps: {errors}");
}

#[test]
fn a_trace_that_is_turned_away_is_recorded_once_and_stays_away() {
    let mut fleet = filled(SMALL, 150);
    let traces: Vec<Trace> = (1_000..1_200).map(|number| Trace::browse(number, any_id(number))).collect();
    fleet.send(&traces.iter().map(|trace| trace.clone().only(1..2)).collect::<Vec<_>>());
    let admitted = fleet.held() - 150;
    assert!((1..60).contains(&admitted), "a sixteenth of 200: {admitted}");
    // The waiting ones are decided, the valve opens, and the roots come.
    fleet.until(2.0);
    fleet.send(&traces.iter().map(|trace| trace.clone().only(0..1)).collect::<Vec<_>>());
    fleet.until(4.0);
    let records = fleet.records();
    let away: Vec<_> = records.values().filter(|record| record.outcome == Outcome::Overload).collect();
    assert_eq!(away.len() as u64, 200 - admitted);
    for record in &away {
        assert_eq!(record.chance.probability(), Some(1.0 / 16.0));
        assert_eq!((record.trigger, record.spans), (Trigger::Arrival, 1));
        let Chance::Threshold(rejected) = record.chance else { panic!("{record:?}") };
        assert!(!Threshold::from_rejected(rejected).keeps(Randomness::from_trace_id(record.trace_id)));
    }
    assert_eq!(fleet.dropped(DropReason::Overload), 2 * away.len() as u64, "no half trace is let in");
    let counted = format!("tailwater_tail_sampling_turned_away_traces_total {}\n", away.len());
    assert!(fleet.settings.metrics.encode().contains(&counted));
    fleet.send(&[Trace::browse(5_000, id_of(5_000, 0))]);
    assert_eq!(fleet.held(), 2, "it is open again");
}

#[test]
fn traces_that_wait_get_their_later_spans_whatever_the_pressure_is() {
    let mut fleet = filled(SMALL, 190);
    let before = fleet.held();
    let rest: Vec<Trace> = (0..190).map(|number| Trace::browse(number, lucky(number)).only(0..1)).collect();
    fleet.send(&rest);
    assert_eq!(fleet.held(), before + 190);
    assert_eq!(fleet.dropped(DropReason::Overload), 0);
}

#[test]
fn what_was_let_in_under_pressure_is_written_so_by_rules_too() {
    let mut fleet = filled(SMALL, 150);
    fleet.send(&[Trace::failed(7_001, lucky(7_001)), Trace::failed(7_002, lucky(7_002)).with_state("ot=th:ff;x:y")]);
    fleet.until(3.0);
    let kept = fleet.kept();
    let states = |number: u64| kept[&lucky(number)].iter().map(|span| &span.trace_state[..]).collect::<Vec<_>>();
    assert_eq!(states(7_001), ["ot=th:f"; 2]);
    assert_eq!(states(7_002), ["ot=th:ff;x:y"; 2], "it was rarer before it came here");
    assert_eq!(states(0), ["ot=th:0"], "let in while it was calm");
    fleet.send(&[Trace::failed(7_001, lucky(7_001)).only(1..2)]);
    assert_eq!(fleet.out.last().unwrap().trace_state, "ot=th:f", "late spans too");
}

#[test]
fn an_explicit_randomness_opens_and_shuts_the_valve() {
    let mut fleet = filled(SMALL, 150);
    fleet.send(&[
        Trace::failed(1, id_of(8_001, 0)).with_state("ot=rv:ffffffffffffff"),
        Trace::failed(2, lucky(8_002)).with_state("ot=rv:00000000000000"),
        // Its first span has no `rv`, its second has.
        Trace::failed(3, lucky(8_003)).only(1..2),
    ]);
    fleet.send(&[Trace::failed(3, lucky(8_003)).only(0..1).with_state("ot=rv:ffffffffffff00;x:y")]);
    fleet.until(3.0);
    let (kept, records) = (fleet.kept(), fleet.records());
    assert!(kept[&id_of(8_001, 0)].iter().all(|span| th(&span.trace_state) == Threshold::parse(b"f").ok()));
    assert_eq!(records[&lucky(8_002)].outcome, Outcome::Overload);
    assert_eq!(records[&lucky(8_003)].chance, Chance::Unknown, "it passed by one randomness and is decided by another");
    assert!(kept[&lucky(8_003)].iter().all(|span| th(&span.trace_state).is_none()));
}

#[test]
fn of_several_valves_the_strictest_counts_and_one_may_be_off() {
    let sampler = |more: &str| {
        let yaml = SMALL.replace("policies: [", &format!("policies: [{more}"));
        let mut fleet = filled(&yaml, 150);
        fleet.send(&(1_000..1_300).map(|number| small(number, any_id(number))).collect::<Vec<_>>());
        fleet.held() - 150
    };
    let alone = sampler("");
    assert_eq!(sampler("{name: calm, type: adaptive, adaptive: {overload: {enabled: false}}}, "), alone);
    let strict = "{name: strict, type: adaptive, adaptive: {overload: {watermark_percentage: 10}}}, ";
    let mut fleet = Fleet::new(&SMALL.replace("policies: [", &format!("policies: [{strict}")));
    fleet.send(&(0..150).map(|number| small(number, lucky(number))).collect::<Vec<_>>());
    fleet.send(&(1_000..1_300).map(|number| small(number, any_id(number))).collect::<Vec<_>>());
    assert!(fleet.held() - 150 < alone, "{} of {alone}", fleet.held() - 150);
}

#[test]
fn with_block_on_overflow_and_without_adaptive_policies_nothing_is_turned_away() {
    let blocks = SMALL.replace("{decision_wait", "{block_on_overflow: true, decision_wait");
    let rules = "{decision_wait: 1s, num_traces: 200, policies: [{name: all, type: always_sample}]}";
    for yaml in [&blocks[..], rules] {
        let mut fleet = filled(yaml, 150);
        fleet.send(&(1_000..1_040).map(|number| small(number, id_of(number, 0))).collect::<Vec<_>>());
        assert_eq!((fleet.held(), fleet.dropped(DropReason::Overload)), (190, 0));
    }
}

#[test]
fn memory_that_is_nearly_used_up_closes_the_valve() {
    let mut fleet = filled(SMALL, 50);
    let held = fleet.settings.account.held_bytes();
    fleet.settings.account.lower_limit(held + held / 4);
    fleet.send(&(1_000..1_040).map(|number| small(number, id_of(number, 0))).collect::<Vec<_>>());
    assert_eq!((fleet.held(), fleet.dropped(DropReason::Overload)), (50, 40));
    fleet.until(3.0);
    let outcomes = fleet.records().into_values().fold(BTreeMap::new(), |mut counts: BTreeMap<_, u64>, record| {
        *counts.entry(record.outcome == Outcome::Overload).or_default() += 1;
        counts
    });
    assert_eq!(outcomes, [(false, 50), (true, 40)].into());
}
