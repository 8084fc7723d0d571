//! The recorded probability is the true one: the same traffic is drawn again and again, each time
//! with other randomness, and kept traces are counted.

use std::collections::BTreeMap;

use tailwater::model::{Outcome, TraceId};

use super::fleet::Fleet;
use super::stream::{Trace, hash, id_of};

const TRACES: u64 = 300;
const DRAWS: u64 = 64;

/// The ids of a trace over all draws have randomness in even steps, from a start of its own: how
/// often it is kept is then its probability, to one draw.
fn id(number: u64, draw: u64) -> TraceId {
    id_of(number << 16 | draw, (hash(number) >> 8).wrapping_add((1 << 56) / DRAWS * draw))
}

/// Everyday and odd traffic, such as comes within three minutes.
fn trace(number: u64, id: TraceId) -> Trace {
    match number {
        100.. if number.is_multiple_of(17) => Trace::hidden(number, id),
        100.. if number.is_multiple_of(23) => Trace::failed(number, id),
        200.. if number.is_multiple_of(41) => Trace::reshaped(number, id),
        _ => Trace::everyday(number, id),
    }
}

#[derive(Default)]
struct Seen {
    kept: u64,
    weights: f64,
    probability: Option<f64>,
}

#[test]
fn traces_are_kept_as_often_as_recorded_and_their_weights_add_up() {
    // Repeats of a reason count for less only where that is asked for: it would make what is
    // offered for a trace depend on the draws before it, and each recorded probability with it.
    let yaml = "{decision_wait: 1s, policies: [{name: learn, type: adaptive, adaptive: \
                {sampling_percentage: 25, deduplicate_reasons: false}}]}";
    let mut seen: BTreeMap<u64, Seen> = BTreeMap::new();
    for draw in 0..DRAWS {
        let mut fleet = Fleet::new(yaml);
        fleet.play((0..TRACES).map(|number| trace(number, id(number, draw))), 2.0);
        fleet.stop();
        for (id, record) in fleet.records() {
            if record.outcome != Outcome::Sampled {
                continue;
            }
            let seen = seen.entry(u64::from_be_bytes(id.0[..8].try_into().unwrap()) >> 16).or_default();
            let probability = record.chance.probability().unwrap();
            assert_eq!(*seen.probability.get_or_insert(probability), probability, "it does not depend on the draw");
            seen.kept += 1;
            seen.weights += 1.0 / probability;
        }
    }
    let mut small = 0;
    for (number, seen) in &seen {
        let expected = seen.probability.unwrap() * DRAWS as f64;
        assert!((seen.kept as f64 - expected).abs() <= 1.0, "trace {number}: {} instead of {expected}", seen.kept);
        small += usize::from(expected < 0.5 * DRAWS as f64);
    }
    assert!(small > 150, "{small}: most are kept now and then");
    // What is never kept in any draw is missing from the sum, and from the truth it is not.
    let weights: f64 = seen.values().map(|seen| seen.weights).sum();
    let truth = (TRACES * DRAWS) as f64;
    assert!((weights / truth - 1.0).abs() < 0.02, "{weights} instead of {truth}");
}
