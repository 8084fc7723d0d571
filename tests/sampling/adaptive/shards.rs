//! However many shards there are, the same is kept, beyond noise.

use tailwater::model::{Class, Outcome};

use super::fleet::Fleet;
use super::stream::{Trace, any_id, id_of, lucky};

const TRACES: u64 = 3_000;

/// Everyday traffic, in which now and then the stock is slow.
fn traffic() -> impl Iterator<Item = Trace> {
    (0..TRACES).map(|number| match number {
        1_000.. if number.is_multiple_of(100) => Trace::hidden(number, lucky(number)),
        _ => Trace::everyday(number, any_id(number)),
    })
}

#[test]
fn shards_keep_the_same_share_and_the_same_anomalies_as_one() {
    let yaml = "{decision_wait: 1s, policies: [{name: learn, type: adaptive, adaptive: {sampling_percentage: 10}}]}";
    let mut shares = Vec::new();
    for shards in [1, 2, 4] {
        let mut fleet = Fleet::of_shards(yaml, shards);
        fleet.play(traffic(), 2.0);
        fleet.stop();
        let records = fleet.records();
        for number in (1_000..TRACES).step_by(100) {
            // The front of an id tells its number; behind, `lucky` is the same for all.
            let record = &records[&id_of(number, u64::MAX)];
            let class = record.finding.as_ref().and_then(|finding| finding.class);
            assert_eq!(
                (record.outcome, class),
                (Outcome::Sampled, Some(Class::Anomaly)),
                "{shards} shards: {record:?}"
            );
        }
        shares
            .push(records.values().filter(|record| record.outcome == Outcome::Sampled).count() as f64 / TRACES as f64);
    }
    for share in &shares {
        assert!((share / shares[0] - 1.0).abs() < 0.1 && (0.03..0.1).contains(share), "{shares:?}");
    }
}
