//! From the record of a decision to words and to JSON. Makes text only when somebody asks.

use std::time::Duration;

use serde_json::{Value, json};

use super::decision_log::{Explains, ShapeTraffic};
use crate::model::{Chance, Class, DecisionRecord, Finding, Operation, Outcome, PolicyVerdict, UnixNanos};

/// One sentence: what became of the trace, and why.
pub fn explain(record: &DecisionRecord, explains: &dyn Explains) -> String {
    match record.outcome {
        Outcome::Sampled => kept(record, explains),
        Outcome::NotSampled => {
            let nearest = explains.nearest(record);
            let nearest = if nearest.is_empty() { String::new() } else { format!("; nearest: {}", nearest.join("; ")) };
            format!("dropped: matched nothing{nearest}")
        }
        Outcome::Dropped => {
            let by = names(record, explains, |verdict| verdict == PolicyVerdict::Dropped);
            format!("dropped: {by} drops such traces, whatever others keep")
        }
        Outcome::TooEarly => format!(
            "dropped before its decision: num_traces was reached when it had waited {}; raise num_traces",
            time(record.waited)
        ),
        Outcome::TooLarge => format!(
            "dropped: it outgrew maximum_trace_size_bytes with {} spans, {} bytes of messages",
            number(record.spans.into()),
            number(record.bytes)
        ),
        Outcome::PendingAtShutdown => format!(
            "dropped undecided: the pipeline stopped when it had waited {}, and drop_pending_traces_on_shutdown is on",
            time(record.waited)
        ),
        Outcome::Overload => format!(
            "turned away: the sampler was overloaded and let new traces in with {} only",
            probability(record.chance)
        ),
    }
}

fn kept(record: &DecisionRecord, explains: &dyn Explains) -> String {
    let keeps = |verdict| matches!(verdict, PolicyVerdict::Sampled | PolicyVerdict::InvertSampled);
    let by = names(record, explains, keeps);
    let reason = record.finding.as_deref().and_then(|finding| reason(finding, record));
    match reason {
        Some(reason) => format!("kept: {reason}; by {by}; {}", probability(record.chance)),
        None => format!("kept: by {by}; {}", probability(record.chance)),
    }
}

/// What an adaptive policy saw, when it has a class for it.
fn reason(finding: &Finding, record: &DecisionRecord) -> Option<String> {
    let operation = finding.operation.as_deref().map(operation);
    let operation = operation.unwrap_or_else(|| "an operation".to_owned());
    Some(match finding.class? {
        Class::Anomaly => {
            let age = match finding.reference_age.is_zero() {
                true => "so far".to_owned(),
                false => time(finding.reference_age),
            };
            let learned = format!("n = {}, {age}", number(finding.samples));
            format!(
                "anomaly; {operation} spent {} of its own time, its p97.5 is {} ({learned}); {:.0} % of this trace",
                nanos(finding.observed_nanos),
                nanos(finding.expected_nanos),
                finding.share * 100.0
            )
        }
        Class::Error => format!("error; {operation} failed"),
        Class::NewOperation => format!("new operation; {operation} was hardly seen before"),
        Class::NewShape => {
            let root = finding.root.as_deref().map_or(operation, self::operation);
            format!("new shape; this set of calls below {root} was hardly seen before")
        }
        Class::Baseline => {
            let took = nanos(u64::try_from(record.duration_nanos).unwrap_or(0));
            format!("baseline; nothing odd in {} spans and {took}", number(record.spans.into()))
        }
    })
}

/// Everything that is known of a decision.
pub fn decision_json(record: &DecisionRecord, explains: &dyn Explains) -> Value {
    let policies = explains.policies();
    let policies = policies.iter().enumerate().filter_map(|(place, name)| {
        let verdict = record.policies.of(place);
        (verdict != PolicyVerdict::NotAsked).then(|| json!({"name": name, "verdict": verdict.as_str()}))
    });
    let statuses = [(1, "UNSET"), (2, "OK"), (4, "ERROR")];
    let statuses = statuses.iter().filter(|(bit, _)| record.statuses & bit != 0).map(|(_, word)| *word);
    json!({
        "trace_id": record.trace_id.to_string(),
        "outcome": record.outcome.as_str(),
        "explanation": explain(record, explains),
        "decided": timestamp(record.decided),
        "waited_ms": millis(u64::try_from(record.waited.as_nanos()).unwrap_or(u64::MAX)),
        "trigger": record.trigger.as_str(),
        "probability": record.chance.probability().filter(|_| is_drawn(record.outcome)),
        "spans": record.spans,
        "bytes": record.bytes,
        "duration_ms": record.duration_nanos as f64 / 1e6,
        "statuses": statuses.collect::<Vec<_>>(),
        "policies": policies.collect::<Vec<_>>(),
        "finding": record.finding.as_deref().map(finding_json),
    })
}

fn finding_json(finding: &Finding) -> Value {
    let [anomaly, novelty, baseline] = finding.probabilities;
    json!({
        "class": finding.class.map(Class::as_str),
        "score_ms": millis(finding.excess_nanos),
        "tau_ms": finding.tau_nanos.filter(|tau| *tau < u64::MAX).map(millis),
        "operation": finding.operation.as_deref().map(operation_json),
        "caller": finding.caller.as_deref().map(operation_json),
        "observed_ms": millis(finding.observed_nanos),
        "expected_ms": millis(finding.expected_nanos),
        "samples": finding.samples,
        "reference_age_s": finding.reference_age.as_secs(),
        "share": finding.share,
        "root": finding.root.as_deref().map(operation_json),
        "shape": format!("{:016x}", finding.shape),
        "probabilities": {"anomaly": anomaly, "novelty": novelty, "baseline": baseline},
    })
}

/// The traffic of a shape; its number is written as in [`decision_json`].
pub fn shape_json(traffic: &ShapeTraffic) -> Value {
    json!({
        "shape": format!("{:016x}", traffic.shape),
        "root": traffic.root.as_deref().map(operation_json),
        "kept": traffic.kept,
        "dropped": traffic.dropped,
    })
}

fn operation_json(operation: &Operation) -> Value {
    json!({"service": &*operation.service, "name": &*operation.name, "kind": operation.kind})
}

/// `service/name`; a service alone or a name alone where the other is missing.
pub fn operation(operation: &Operation) -> String {
    match (&*operation.service, &*operation.name) {
        ("", name) => name.to_owned(),
        (service, "") => service.to_owned(),
        (service, name) => format!("{service}/{name}"),
    }
}

/// Whether the recorded chance is that of the outcome.
const fn is_drawn(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Sampled | Outcome::Overload)
}

fn names(record: &DecisionRecord, explains: &dyn Explains, is_meant: impl Fn(PolicyVerdict) -> bool) -> String {
    let names = explains.policies();
    let meant = names.iter().enumerate().filter(|(place, _)| is_meant(record.policies.of(*place)));
    let meant: Vec<String> = meant.map(|(_, name)| format!("{name:?}")).collect();
    if meant.is_empty() { "a policy beyond those that are remembered".to_owned() } else { meant.join(", ") }
}

/// `p = 0.02`; as many digits as tell it apart from 0 and 1.
fn probability(chance: Chance) -> String {
    match chance.probability() {
        None => "p is not known".to_owned(),
        Some(p) => format!("p = {}", short(p)),
    }
}

/// A share with two digits that count: `1`, `0.25`, `0.02`, `0.0031`.
pub fn short(share: f64) -> String {
    let zeros = if share > 0.0 { (-share.log10()).ceil().clamp(1.0, 12.0) as usize } else { 1 };
    trimmed(format!("{share:.*}", zeros + 1))
}

/// Without zeros at the end of a fraction.
fn trimmed(text: String) -> String {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

fn millis(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

/// A duration for people: three digits at most and a unit.
fn nanos(nanos: u64) -> String {
    let (value, unit) = match nanos {
        0..1_000 => (nanos as f64, "ns"),
        1_000..1_000_000 => (nanos as f64 / 1e3, "µs"),
        1_000_000..1_000_000_000 => (nanos as f64 / 1e6, "ms"),
        _ => (nanos as f64 / 1e9, "s"),
    };
    let digits = if value < 10.0 { 1 } else { 0 };
    format!("{} {unit}", trimmed(format!("{value:.digits$}")))
}

/// A wait or an age for people.
fn time(time: Duration) -> String {
    match time.as_secs() {
        0..60 => nanos(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)),
        60..7_200 => format!("{} min", time.as_secs() / 60),
        _ => format!("{} h", time.as_secs() / 3_600),
    }
}

/// `18,240`.
fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// RFC 3339 in UTC.
pub fn timestamp(time: UnixNanos) -> String {
    jiff::Timestamp::from_nanosecond(time.0.into()).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{PolicyVerdicts, TraceId, Trigger};

    struct Two;

    impl Explains for Two {
        fn policies(&self) -> Vec<String> {
            vec!["health".to_owned(), "slow".to_owned(), "adaptive".to_owned()]
        }

        fn nearest(&self, _: &DecisionRecord) -> Vec<String> {
            vec!["latency \"slow\": 480 ms, needs more than 500 ms".to_owned(), "baseline p = 0.02".to_owned()]
        }
    }

    fn record(outcome: Outcome, verdicts: [PolicyVerdict; 3]) -> DecisionRecord {
        let mut policies = PolicyVerdicts::default();
        verdicts.into_iter().enumerate().for_each(|(place, verdict)| policies.set(place, verdict));
        DecisionRecord {
            trace_id: TraceId([0xab; 16]),
            decided: UnixNanos(1_700_000_000_000_000_000),
            waited: Duration::from_millis(3_200),
            outcome,
            trigger: Trigger::DecisionWait,
            chance: Chance::Certain,
            spans: 1_234,
            bytes: 400_000,
            duration_nanos: 480_000_000,
            statuses: 0b101,
            policies,
            finding: None,
        }
    }

    fn finding(class: Class) -> Box<Finding> {
        let operation = |service: &str, name: &str| {
            Some(std::sync::Arc::new(Operation { service: service.into(), name: name.into(), kind: 2 }))
        };
        Box::new(Finding {
            class: Some(class),
            excess_nanos: 717_000_000,
            tau_nanos: Some(20_000_000),
            operation: operation("checkout", "POST"),
            caller: None,
            observed_nanos: 812_000_000,
            expected_nanos: 95_400_000,
            samples: 18_240,
            reference_age: Duration::from_secs(45 * 60),
            share: 0.714,
            root: operation("front", "GET /"),
            shape: 0xfeed,
            probabilities: [1.0, 0.0, 0.02],
        })
    }

    const NONE: [PolicyVerdict; 3] = [PolicyVerdict::NotSampled; 3];

    #[test]
    fn a_kept_trace_says_its_class_in_numbers() {
        let mut verdicts = NONE;
        verdicts[2] = PolicyVerdict::Sampled;
        let mut record = record(Outcome::Sampled, verdicts);
        for (class, reason) in [
            (
                Class::Anomaly,
                "anomaly; checkout/POST spent 812 ms of its own time, its p97.5 is 95 ms (n = 18,240, 45 min); \
                 71 % of this trace",
            ),
            (Class::Error, "error; checkout/POST failed"),
            (Class::NewOperation, "new operation; checkout/POST was hardly seen before"),
            (Class::NewShape, "new shape; this set of calls below front/GET / was hardly seen before"),
            (Class::Baseline, "baseline; nothing odd in 1,234 spans and 480 ms"),
        ] {
            record.finding = Some(finding(class));
            record.chance = Chance::Threshold((1 << 56) - (1 << 54));
            assert_eq!(explain(&record, &Two), format!("kept: {reason}; by \"adaptive\"; p = 0.25"));
        }
        let mut fresh = finding(Class::Anomaly);
        fresh.reference_age = Duration::ZERO;
        record.finding = Some(fresh);
        assert!(explain(&record, &Two).contains("(n = 18,240, so far)"));
    }

    #[test]
    fn a_trace_kept_by_rules_names_them() {
        let verdicts = [PolicyVerdict::NotSampled, PolicyVerdict::Sampled, PolicyVerdict::Sampled];
        let mut record = record(Outcome::Sampled, verdicts);
        assert_eq!(explain(&record, &Two), "kept: by \"slow\", \"adaptive\"; p = 1");
        record.chance = Chance::Unknown;
        assert_eq!(explain(&record, &Two), "kept: by \"slow\", \"adaptive\"; p is not known");
    }

    #[test]
    fn a_dropped_trace_says_what_came_nearest() {
        assert_eq!(
            explain(&record(Outcome::NotSampled, NONE), &Two),
            "dropped: matched nothing; nearest: latency \"slow\": 480 ms, needs more than 500 ms; baseline p = 0.02"
        );
    }

    #[test]
    fn every_other_end_says_which_key_to_change() {
        let verdicts = [PolicyVerdict::Dropped, PolicyVerdict::NotAsked, PolicyVerdict::NotAsked];
        let said = |outcome, word: &str| {
            let text = explain(&record(outcome, verdicts), &Two);
            assert!(text.contains(word), "{text}");
        };
        said(Outcome::Dropped, "\"health\" drops such traces");
        said(Outcome::TooEarly, "waited 3.2 s; raise num_traces");
        said(Outcome::TooLarge, "maximum_trace_size_bytes with 1,234 spans, 400,000 bytes");
        said(Outcome::PendingAtShutdown, "drop_pending_traces_on_shutdown");
        said(Outcome::Overload, "p = 1");
    }

    #[test]
    fn json_holds_the_numbers_and_only_verdicts_that_were_given() {
        let verdicts = [PolicyVerdict::NotSampled, PolicyVerdict::Error, PolicyVerdict::NotAsked];
        let mut record = record(Outcome::NotSampled, verdicts);
        record.finding = Some(finding(Class::Anomaly));
        let json = decision_json(&record, &Two);
        assert_eq!(json["decided"], "2023-11-14T22:13:20Z");
        assert_eq!(json["probability"], Value::Null, "nobody drew a lot for it");
        assert_eq!(json["statuses"], json!(["UNSET", "ERROR"]));
        let policies = json!([
            {"name": "health", "verdict": "not_sampled"}, {"name": "slow", "verdict": "error"},
        ]);
        assert_eq!(json["policies"], policies);
        assert_eq!((&json["finding"]["score_ms"], &json["finding"]["tau_ms"]), (&json!(717.0), &json!(20.0)));
        record.finding = Some(Box::new(Finding { tau_nanos: Some(u64::MAX), ..*finding(Class::Anomaly) }));
        assert_eq!(decision_json(&record, &Two)["finding"]["tau_ms"], Value::Null, "no threshold is known yet");
    }

    #[test]
    fn shares_keep_two_digits_that_count() {
        for (share, text) in [(1.0, "1"), (0.25, "0.25"), (0.02, "0.02"), (0.00314, "0.0031"), (0.0, "0")] {
            assert_eq!(short(share), text);
        }
    }

    #[test]
    fn times_and_numbers_are_short() {
        assert_eq!([0, 950, 1_500, 12_340_000].map(nanos), ["0 ns", "950 ns", "1.5 µs", "12 ms"]);
        assert_eq!([5, 90, 7_300].map(|seconds| time(Duration::from_secs(seconds))), ["5 s", "1 min", "2 h"]);
        assert_eq!([7, 1_000, 1_234_567].map(number), ["7", "1,000", "1,234,567"]);
    }
}
