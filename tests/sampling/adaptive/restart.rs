//! What a sampler has learned goes on in the next one.

use tailwater::model::{Class, DecisionRecord, Outcome};

use super::fleet::Fleet;
use super::stream::{Trace, any_id, lucky};

const YAML: &str = "{decision_wait: 1s, state_file: nowhere.state, policies: [\
     {name: learn, type: adaptive, adaptive: {sampling_percentage: 10}}]}";

const ODD: u64 = 1 << 32;

/// What the first minute after a start looks like.
fn first_minute(fleet: &mut Fleet) -> (f64, [DecisionRecord; 2]) {
    fleet.play((5_000..5_060).map(|number| Trace::everyday(number, any_id(number))), 1.0);
    fleet.play([Trace::hidden(ODD, lucky(ODD)), Trace::reshaped(ODD + 1, lucky(ODD + 1))], 1.0);
    fleet.stop();
    let records = fleet.records();
    let everyday = (5_000..5_060).filter(|number| records[&any_id(*number)].outcome == Outcome::Sampled).count();
    (everyday as f64 / 60.0, [ODD, ODD + 1].map(|number| records[&lucky(number)].clone()))
}

fn class(record: &DecisionRecord) -> Option<Class> {
    record.finding.as_ref().and_then(|finding| finding.class)
}

#[test]
fn a_sampler_that_goes_on_has_no_cold_start_and_knows_what_it_saw() {
    let mut before = Fleet::new(YAML);
    before.play((0..1_200).map(|number| Trace::everyday(number, any_id(number))), 1.0);
    // Seen so often that it is nothing new.
    before.play((0..300).map(|number| Trace::reshaped(9_000 + number, any_id(9_000 + number))), 1.0);
    before.stop();
    let saved = before.learned.as_ref().unwrap().save(before.now);

    let mut after = Fleet::new(YAML);
    after.until(before.seconds() + 60.0);
    after.learned.as_ref().unwrap().load(&saved, after.now).unwrap();
    let (share, [hidden, reshaped]) = first_minute(&mut after);
    assert_eq!(class(&hidden), Some(Class::Anomaly), "{hidden:?}");
    let finding = hidden.finding.unwrap();
    assert!(finding.samples > 200 && (21_000_000..25_000_000).contains(&finding.expected_nanos), "{finding:?}");
    assert_ne!(class(&reshaped), Some(Class::NewShape), "{reshaped:?}");

    let mut cold = Fleet::new(YAML);
    cold.until(before.seconds() + 60.0);
    let (cold_share, [_, reshaped]) = first_minute(&mut cold);
    assert_eq!(class(&reshaped), Some(Class::NewShape));
    assert!(share < 0.3 && cold_share > 2.0 * share, "{share} and, cold, {cold_share}");
}

#[test]
fn what_is_damaged_is_refused_and_the_sampler_learns_anew() {
    let mut fleet = Fleet::new(YAML);
    let learned = fleet.learned.clone().unwrap();
    let saved = learned.save(fleet.now);
    assert!(learned.load(&saved[..saved.len() - 1], fleet.now).is_err());
    assert!(learned.load(b"", fleet.now).is_err());
    fleet.play((0..100).map(|number| Trace::everyday(number, any_id(number))), 2.0);
    fleet.stop();
    assert_eq!(fleet.records().len(), 100);
}
