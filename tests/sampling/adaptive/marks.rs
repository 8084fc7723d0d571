//! What is kept for which reason, and what its spans say of it.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use tailwater::model::{Chance, Class, DecisionRecord, Finding, Outcome, PolicyVerdict, TraceId};
use tailwater::sampling::{Randomness, Threshold, TraceState};

use super::fleet::{Fleet, read};
use super::stream::{Trace, any_id, hash, id_of, lucky};

const TENTH: &str =
    "{decision_wait: 1s, policies: [{name: learn, type: adaptive, adaptive: {sampling_percentage: 10}}]}";

/// The numbers of odd traces start here.
const ODD: u64 = 1 << 32;

fn everyday(numbers: std::ops::Range<u64>) -> impl Iterator<Item = Trace> {
    numbers.map(|number| Trace::everyday(number, any_id(number)))
}

/// A sampler that has seen five minutes of everyday traffic.
fn warm(yaml: &str) -> Fleet {
    let mut fleet = Fleet::new(yaml);
    fleet.play(everyday(0..600), 2.0);
    fleet
}

fn class(record: &DecisionRecord) -> Option<Class> {
    record.finding.as_ref().and_then(|finding| finding.class)
}

fn finding(record: &DecisionRecord) -> &Finding {
    record.finding.as_ref().unwrap()
}

/// The threshold that a span carries.
fn th(span: &Span) -> Option<Threshold> {
    TraceState::parse(span.trace_state.as_bytes()).unwrap().threshold()
}

/// The threshold that a kept trace was recorded with.
fn recorded(record: &DecisionRecord) -> Option<Threshold> {
    assert_eq!(record.outcome, Outcome::Sampled);
    match record.chance {
        Chance::Certain => Some(Threshold::ALWAYS),
        Chance::Threshold(rejected) => Some(Threshold::from_rejected(rejected)),
        Chance::Unknown => None,
    }
}

fn own(span: &Span) -> Vec<(&str, &Option<Value>)> {
    let own = span.attributes.iter().filter(|attribute| attribute.key.starts_with("tailwater."));
    own.map(|attribute| (&attribute.key[..], &attribute.value.as_ref().unwrap().value)).collect()
}

#[test]
fn odd_traces_are_kept_and_the_record_names_the_cause() {
    let mut fleet = warm(TENTH);
    let odd = [
        Trace::hidden(ODD, lucky(ODD)),
        Trace::failed(ODD + 1, lucky(ODD + 1)),
        Trace::reshaped(ODD + 2, lucky(ODD + 2)),
    ];
    fleet.play(odd, 1.0);
    fleet.play(everyday(1_000..1_010), 2.0);
    fleet.stop();
    let records = fleet.records();
    let [hidden, failed, reshaped] = [0, 1, 2].map(|number| &records[&lucky(ODD + number)]);
    for (record, expected) in [(hidden, Class::Anomaly), (failed, Class::Error), (reshaped, Class::NewShape)] {
        assert_eq!((record.outcome, class(record)), (Outcome::Sampled, Some(expected)), "{record:?}");
        assert!(record.chance.probability().unwrap() > 0.9, "{record:?}");
    }
    let named = |record: &DecisionRecord| {
        let operation = finding(record).operation.clone().unwrap();
        (operation.service.to_string(), operation.name.to_string())
    };
    let of = |service: &str, name: &str| (service.to_owned(), name.to_owned());
    assert_eq!(named(hidden), of("stock", "GET /stock"));
    assert_eq!(named(failed), of("catalogue", "list"));
    assert_eq!(named(reshaped), of("frontend", "POST /checkout"));
    let caller = finding(hidden).caller.clone().unwrap();
    assert_eq!(&*caller.service, "frontend");
    assert_eq!(finding(hidden).observed_nanos, 52_000_000);
    let expected = finding(hidden).expected_nanos;
    assert!((21_000_000..25_000_000).contains(&expected), "p97.5 of 18 to 22 ms, in buckets of 9 %: {expected}");
    let share = records.values().filter(|record| record.outcome == Outcome::Sampled).count() as f64 / 613.0;
    assert!((0.05..0.25).contains(&share), "{share}");
}

/// Over three hours everything becomes slower by four fifths: that is a new norm, not an incident.
#[test]
fn what_becomes_slower_bit_by_bit_is_no_anomaly() {
    let mut fleet = Fleet::new(TENTH);
    let slower = |number: u64| 1.0 + 0.8 * (number as f64 / 10_800.0).min(1.0);
    fleet.play((0..12_600).map(|number| Trace::browse(number, any_id(number)).stretched(slower(number))), 1.0);
    fleet.stop();
    let records = fleet.records();
    let late: Vec<_> = (10_800..12_600).map(|number| &records[&any_id(number)]).collect();
    let odd = late.iter().filter(|record| class(record) == Some(Class::Anomaly)).count();
    assert!(odd < 180, "{odd} of 1800");
    let share = records.values().filter(|record| record.outcome == Outcome::Sampled).count() as f64 / 12_600.0;
    // In its first hours the bank gives credit, here for 3 % of all.
    assert!((0.08..0.14).contains(&share), "{share}");
}

#[test]
fn every_span_carries_the_recorded_probability_and_only_the_root_says_why() {
    let mut fleet = warm(TENTH);
    let odd = (ODD..ODD + 30).map(|number| match number % 3 {
        0 => Trace::hidden(number, lucky(number)),
        1 => Trace::failed(number, lucky(number)),
        _ => Trace::reshaped(number, lucky(number)),
    });
    let odd: Vec<Trace> = odd.collect();
    fleet.play(odd.clone(), 2.0);
    fleet.stop();
    let sent: Vec<Trace> = everyday(0..600).chain(odd).collect();
    let (records, kept) = (fleet.records(), fleet.kept());
    assert!(kept.len() > 50, "{}", kept.len());
    for trace in sent {
        let record = &records[&trace.id];
        let Some(spans) = kept.get(&trace.id) else {
            assert_ne!(record.outcome, Outcome::Sampled);
            continue;
        };
        let probability = record.chance.probability().unwrap();
        assert_eq!(spans.len(), trace.calls.len());
        for (span, came) in spans.iter().zip(trace.spans()) {
            assert_eq!(th(span), recorded(record));
            let own = own(span);
            assert_eq!(own.is_empty(), !span.parent_span_id.is_empty(), "only the root: {span:?}");
            if let Some((_, value)) = own.iter().find(|(key, _)| *key == "tailwater.probability") {
                assert_eq!(**value, Some(Value::DoubleValue(probability)));
            } else {
                assert!(own.is_empty());
            }
            let mut rest = (*span).clone();
            rest.trace_state = String::new();
            rest.attributes.retain(|attribute| !attribute.key.starts_with("tailwater."));
            assert_eq!(rest, came, "everything else is as it came");
        }
    }
}

#[test]
fn late_spans_carry_the_same_threshold_from_the_memory_and_from_the_cache() {
    for cache in ["", "decision_cache: {sampled_cache_size: 1000, non_sampled_cache_size: 1000}, "] {
        let yaml = TENTH.replace("{decision_wait", &format!("{{{cache}decision_wait"));
        let mut fleet = warm(&yaml);
        fleet.until(310.0);
        let before = fleet.out.len();
        let late = everyday(0..600).map(|trace| trace.only(1..2));
        fleet.send(&late.collect::<Vec<_>>());
        let (records, late) = (fleet.records(), fleet.out.split_off(before));
        assert!(!late.is_empty());
        let kept = records.values().filter(|record| record.outcome == Outcome::Sampled).count();
        assert_eq!(late.len(), kept, "a late span of each kept trace, and of no other");
        for span in &late {
            let id = TraceId(span.trace_id[..].try_into().unwrap());
            assert_eq!(th(span), recorded(&records[&id]));
            assert!(own(span).is_empty());
        }
        let from_cache = if cache.is_empty() { 0 } else { kept };
        let line = format!("early_releases_from_cache_decision_total{{sampled=\"true\"}} {from_cache}\n");
        assert!(fleet.settings.metrics.encode().contains(&line), "{line}");
    }
}

#[test]
fn an_and_keeps_what_its_rule_matches_at_the_probability_of_its_adaptive() {
    let mut fleet = Fleet::new(
        "{decision_wait: 1s, policies: [{name: both, type: and, and: {and_sub_policy: [\
         {name: learn, type: adaptive, adaptive: {sampling_percentage: 30, \
         shares: {anomaly: 0, novelty: 0, baseline: 100}}}, \
         {name: prod, type: string_attribute, string_attribute: {key: env, values: [prod]}}]}}]}",
    );
    let env = |number: u64| if number.is_multiple_of(2) { "prod" } else { "test" };
    fleet.play((0..2_000).map(|number| Trace::everyday(number, any_id(number)).with_env(env(number))), 5.0);
    fleet.stop();
    let records = fleet.records();
    let mut kept = 0;
    for number in 0..2_000 {
        let record = &records[&any_id(number)];
        if record.outcome == Outcome::Sampled {
            assert_eq!(env(number), "prod");
            assert!(matches!(record.chance, Chance::Threshold(_) | Chance::Certain), "{record:?}");
            kept += 1;
        }
    }
    assert!((220..400).contains(&kept), "30 % of the 1,000 that the rule matches: {kept}");
    fleet.out.iter().for_each(|span| assert!(th(span).is_some()));
}

#[test]
fn what_a_rule_keeps_is_certain_and_the_rest_is_not() {
    for first_match in [false, true] {
        let mut fleet = Fleet::new(&format!(
            "{{decision_wait: 1s, sample_on_first_match: {first_match}, policies: [\
             {{name: errors, type: status_code, status_code: {{status_codes: [ERROR]}}}}, \
             {{name: learn, type: adaptive, adaptive: {{sampling_percentage: 10}}}}]}}"
        ));
        let of = |number: u64| match number % 20 {
            7 => Trace::failed(number, any_id(number)),
            _ => Trace::everyday(number, any_id(number)),
        };
        fleet.play((0..1_000).map(of), 2.0);
        fleet.stop();
        let (records, kept) = (fleet.records(), fleet.kept());
        let mut certain = 0;
        for (id, spans) in &kept {
            let record = &records[id];
            let is_failed = record.policies.of(0) == PolicyVerdict::Sampled;
            certain += usize::from(is_failed);
            assert_eq!(record.policies.of(1) == PolicyVerdict::NotAsked, first_match && is_failed);
            spans.iter().for_each(|span| match is_failed {
                true => assert_eq!(span.trace_state, "ot=th:0"),
                false => assert_eq!(th(span), recorded(record)),
            });
        }
        assert_eq!(certain, 50);
        let low = kept.keys().filter(|id| recorded(&records[*id]).unwrap() > Threshold::ALWAYS).count();
        assert!((30..250).contains(&low), "{low}");
    }
}

/// Traces that an earlier sampler let through with a quarter, and whose randomness fits.
#[test]
fn an_earlier_threshold_is_never_lowered() {
    let mut fleet = Fleet::new(
        "{decision_wait: 1s, policies: [{name: learn, type: adaptive, adaptive: \
         {sampling_percentage: 40, shares: {anomaly: 0, novelty: 0, baseline: 100}}}, \
         {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}]}",
    );
    let quarter = Threshold::parse(b"c").unwrap();
    let passed = |number: u64| id_of(number, 0xc0_0000_0000_0000 | hash(number) >> 10);
    let of = |number: u64| match number % 10 {
        7 => Trace::failed(number, passed(number)).with_state("ot=th:c,x=y"),
        _ => Trace::everyday(number, passed(number)).with_state("ot=th:c,x=y"),
    };
    fleet.play((0..1_000).map(of), 2.0);
    fleet.stop();
    let (records, kept) = (fleet.records(), fleet.kept());
    let mut raised = 0;
    for (id, spans) in &kept {
        let threshold = th(spans[0]).unwrap();
        assert!(threshold >= quarter && threshold.keeps(Randomness::from_trace_id(*id)));
        assert!(spans.iter().all(|span| span.trace_state.ends_with(",x=y") && th(span) == Some(threshold)));
        let by_rule = records[id].policies.of(1) == PolicyVerdict::Sampled;
        if by_rule {
            assert_eq!(threshold, quarter, "a rule keeps all that came, which was a quarter");
        }
        raised += usize::from(threshold > quarter);
    }
    assert!(raised > 100, "{raised}");
    assert!((200..600).contains(&kept.len()), "about 40 % of what came: {}", kept.len());
    let cases = records.values().filter(|record| record.outcome == Outcome::NotSampled);
    for record in cases {
        let offered = finding(record).probabilities.iter().fold(0.0_f32, |most, p| most.max(*p));
        assert!(offered <= 0.25, "{record:?}");
    }
}

#[test]
fn an_explicit_randomness_decides_whatever_the_id_is() {
    let mut fleet = Fleet::new(TENTH);
    let of = |number: u64| match number % 2 {
        0 => Trace::everyday(number, id_of(number, 0)).with_state("ot=rv:ffffffffffffff"),
        _ => Trace::everyday(number, lucky(number)).with_state("ot=rv:00000000000000"),
    };
    // A minute in which all is new, and may be kept for certain.
    fleet.play((0..800).map(of), 2.0);
    fleet.stop();
    for (id, record) in fleet.records() {
        let number = u64::from_be_bytes(id.0[..8].try_into().unwrap());
        match number % 2 {
            0 => assert_eq!(record.outcome, Outcome::Sampled),
            _ => assert!(record.outcome == Outcome::NotSampled || record.chance == Chance::Certain, "{record:?}"),
        }
    }
    let spans = fleet.out.iter().filter(|span| span.trace_state.contains("rv:ffffffffffffff"));
    assert!(spans.clone().count() > 800);
    spans.for_each(|span| assert!(th(span).is_some() && span.trace_state.starts_with("ot="), "{span:?}"));
}

#[test]
fn beside_a_policy_whose_chance_nobody_knows_only_what_the_other_keeps_alone_has_a_threshold() {
    let mut fleet = Fleet::new(
        "{decision_wait: 1s, policies: [{name: learn, type: adaptive, adaptive: {sampling_percentage: 30}}, \
         {name: half, type: probabilistic, probabilistic: {sampling_percentage: 30}}]}",
    );
    let arrived =
        |number: u64| Trace::everyday(number, id_of(number, hash(number) | 1 << 55)).with_state("ot=th:8;k:v");
    fleet.play((0..1_000).map(arrived), 2.0);
    fleet.stop();
    let (records, mut seen) = (fleet.records(), [0; 2]);
    for (id, spans) in fleet.kept() {
        let record = &records[&id];
        let is_known = record.policies.of(1) != PolicyVerdict::Sampled;
        seen[usize::from(is_known)] += 1;
        for span in spans {
            assert!(span.trace_state.contains("k:v"));
            assert_eq!(th(span), recorded(record));
            assert_eq!(th(span).is_some(), is_known, "{record:?}");
        }
    }
    assert!(seen.iter().all(|count| *count > 50), "{seen:?}");
}

#[test]
fn the_detector_alone_marks_odd_traces_that_others_keep_and_counts_all() {
    let mut fleet = warm("{decision_wait: 1s, detect: true, policies: [{name: all, type: always_sample}]}");
    fleet.play([Trace::hidden(ODD, lucky(ODD)), Trace::failed(ODD + 1, lucky(ODD + 1))], 1.0);
    fleet.play(everyday(700..710), 2.0);
    fleet.stop();
    let kept = fleet.kept();
    let said = |id: TraceId, key: &str| {
        let roots: Vec<_> = kept[&id].iter().filter(|span| !own(span).is_empty()).collect();
        assert!(roots.iter().all(|span| span.parent_span_id.is_empty()));
        own(roots.first()?).into_iter().find(|(known, _)| *known == key).and_then(|(_, value)| value.clone())
    };
    let word = |text: &str| Some(Value::StringValue(text.to_owned()));
    assert_eq!(said(lucky(ODD), "tailwater.class"), word("anomaly"));
    assert_eq!(said(lucky(ODD), "tailwater.operation"), word("stock/GET /stock"));
    assert_eq!(said(lucky(ODD), "tailwater.observed"), Some(Value::DoubleValue(52.0)));
    assert_eq!(said(lucky(ODD + 1), "tailwater.class"), word("error"));
    assert_eq!(said(any_id(705), "tailwater.class"), None, "an ordinary trace says nothing");
    assert!(fleet.out.iter().all(|span| span.trace_state.is_empty()), "no policy has a probability");
    let text = fleet.settings.metrics.encode();
    for line in ["odd_traces_total{class=\"anomaly\"} 1\n", "odd_traces_total{class=\"error\"} 1\n"] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn shapes_are_counted_whether_kept_or_dropped() {
    let mut fleet = warm(TENTH);
    fleet.stop();
    let shapes = fleet.shapes();
    let named: Vec<_> =
        shapes.iter().map(|known| (known.root.clone().unwrap().name.to_string(), known.traces())).collect();
    assert_eq!(named, [("GET /".to_owned(), 400), ("POST /checkout".to_owned(), 200)]);
    let kept: u64 = shapes.iter().map(|known| known.kept).sum();
    let sampled = fleet.records().values().filter(|record| record.outcome == Outcome::Sampled).count();
    assert_eq!(kept, sampled as u64);
}

#[test]
fn span_ingest_cannot_be_adaptive() {
    let (_, problems) = read(&TENTH.replace("{decision_wait", "{sampling_strategy: span-ingest, decision_wait"));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("\"learn\" is stateful; write trace-complete"), "{problems:?}");
}
