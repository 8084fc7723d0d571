//! From the records of decisions to words: which policy came nearest to keeping a trace. Only
//! what the record holds is said; a policy that looks at attributes says what it looks for.

use std::sync::Arc;

use super::config::Config;
use super::detector::{Baselines, ShapeCounts};
use super::policy::{PolicyConfig, PolicyKind, probabilistic, span_count};
use crate::model::{DecisionRecord, PolicyVerdict};
use crate::pipeline::{Explains, ShapeTraffic, short};

/// Policies that are named at most for one trace.
const MISSES_MAX: usize = 4;

/// The policies of a sampler in the order of their evaluation, and what it counts by shape.
pub(super) struct Policies {
    policies: Vec<PolicyConfig>,
    shapes: Option<Arc<Baselines>>,
}

/// By how much a policy did not keep a trace.
struct Miss {
    /// 1 is a hit, 0 is as far away as can be; nothing where there is no distance.
    closeness: Option<f64>,
    text: String,
}

impl Policies {
    pub(super) fn of(config: &Config) -> Self {
        let is_drop = |policy: &&PolicyConfig| matches!(policy.kind, PolicyKind::Drop(_));
        let (drops, others): (Vec<_>, Vec<_>) = config.policies.iter().partition(is_drop);
        Self { policies: drops.into_iter().chain(others).cloned().collect(), shapes: None }
    }

    /// The same, and it tells the traffic of every shape that is known to `baselines`.
    pub(super) fn with_shapes(self, baselines: &Arc<Baselines>) -> Self {
        Self { shapes: Some(baselines.clone()), ..self }
    }
}

impl Explains for Policies {
    fn policies(&self) -> Vec<String> {
        self.policies.iter().map(|policy| policy.name.clone()).collect()
    }

    fn nearest(&self, record: &DecisionRecord) -> Vec<String> {
        let asked = self.policies.iter().enumerate().filter(|(place, policy)| {
            record.policies.of(*place) != PolicyVerdict::NotAsked && !matches!(policy.kind, PolicyKind::Drop(_))
        });
        let mut misses: Vec<(Option<f64>, String)> = asked
            .map(|(place, policy)| {
                let miss = miss(policy, record, record.policies.of(place));
                (miss.closeness, format!("{} {:?}: {}", policy.kind.type_name(), policy.name, miss.text))
            })
            .collect();
        // Stable: policies without a distance stay in their order, behind those with one.
        misses.sort_by(|left, right| right.0.unwrap_or(-1.0).total_cmp(&left.0.unwrap_or(-1.0)));
        misses.truncate(MISSES_MAX);
        misses.into_iter().map(|(_, text)| text).collect()
    }

    fn shapes(&self) -> Vec<ShapeTraffic> {
        let Some(baselines) = &self.shapes else { return Vec::new() };
        let named = |counts: ShapeCounts| ShapeTraffic {
            shape: counts.shape,
            root: baselines.operation_of(counts.root_op),
            kept: counts.kept,
            dropped: counts.dropped,
        };
        let mut shapes: Vec<ShapeTraffic> = baselines.shapes().into_iter().map(named).collect();
        shapes.sort_unstable_by_key(|known| (std::cmp::Reverse(known.traces()), known.shape));
        shapes
    }
}

fn miss(policy: &PolicyConfig, record: &DecisionRecord, verdict: PolicyVerdict) -> Miss {
    let plain = |text: &str| Miss { closeness: None, text: text.to_owned() };
    if verdict == PolicyVerdict::Error {
        return plain("the evaluation failed");
    }
    match &policy.kind {
        PolicyKind::Latency(config) => latency(config.threshold_ms, config.upper_threshold_ms, record),
        PolicyKind::SpanCount(config) => spans(config, record),
        PolicyKind::Probabilistic(config) => share(config, record),
        PolicyKind::StatusCode(config) => {
            plain(&format!("needs {}, seen {}", statuses(config.statuses), statuses(record.statuses)))
        }
        PolicyKind::BytesLimiting(config) => {
            plain(&format!("no tokens were left for its bytes at {} bytes a second", config.bytes_per_second))
        }
        PolicyKind::Composite(config) => plain(&format!(
            "no sub-policy kept it within its share of {} spans a second",
            config.max_total_spans_per_second
        )),
        PolicyKind::Not(policy) => plain(&format!("the opposite of {} {:?}", policy.kind.type_name(), policy.name)),
        PolicyKind::RateLimiting(config) => plain(&format!(
            "no tokens were left for {} spans at {} spans a second",
            record.spans, config.spans_per_second
        )),
        PolicyKind::And(policies) => {
            let names: Vec<String> = policies.iter().map(|policy| format!("{:?}", policy.name)).collect();
            plain(&format!("needs all of {}", names.join(", ")))
        }
        PolicyKind::Adaptive(_) => offer(record),
        PolicyKind::AlwaysSample | PolicyKind::Drop(_) => plain("was overruled"),
        PolicyKind::OttlCondition(_) => plain("no span met one of its conditions"),
        kind => plain(&looks_for(kind)),
    }
}

/// What an adaptive policy offered, and what the score lacked.
fn offer(record: &DecisionRecord) -> Miss {
    const CHANNELS: [&str; 3] = ["as odd", "as new", "as baseline"];
    let Some(finding) = &record.finding else { return Miss { closeness: None, text: "nothing was found".to_owned() } };
    let offers = CHANNELS.iter().zip(finding.probabilities);
    let (channel, p) = offers.fold(("", 0.0), |best, (channel, p)| if p > best.1 { (*channel, p) } else { best });
    let excess = finding.excess_nanos as f64 / 1e6;
    let tau = finding.tau_nanos.filter(|tau| *tau > 0 && *tau < u64::MAX);
    let needs = tau.map_or(String::new(), |tau| format!(", needs more than {:.0} ms to be odd", tau as f64 / 1e6));
    let offered =
        if p > 0.0 { format!("{channel} with p = {}, not drawn", short(p.into())) } else { "no offer".to_owned() };
    Miss { closeness: Some(f64::from(p)), text: format!("{offered}; {excess:.0} ms beyond what is usual{needs}") }
}

/// What a policy looks for in spans and resources.
fn looks_for(kind: &PolicyKind) -> String {
    let (text, inverted) = match kind {
        PolicyKind::NumericAttribute(config) => {
            let bound = |word: &str, bound: i64| if bound == 0 { String::new() } else { format!(" {word} {bound}") };
            let bounds = bound("from", config.min_value) + &bound("to", config.max_value);
            (format!("{:?}{bounds}", config.key), config.invert_match)
        }
        PolicyKind::BooleanAttribute(config) => {
            (format!("{:?} that is {}", config.key, config.value), config.invert_match)
        }
        PolicyKind::StringAttribute(config) => {
            let verb = if config.enabled_regex_matching { "matches" } else { "is" };
            (format!("{:?} that {verb} one of {:?}", config.key, config.values), config.invert_match)
        }
        PolicyKind::TraceState(config) => {
            (format!("tracestate {:?} that is one of {:?}", config.key, config.values), false)
        }
        _ => ("span with the W3C flag \"sampled\"".to_owned(), false),
    };
    if inverted { format!("needs no {text}") } else { format!("saw no {text}") }
}

fn latency(above_ms: i64, up_to_ms: i64, record: &DecisionRecord) -> Miss {
    let took = record.duration_nanos / 1_000_000;
    if took > above_ms {
        let closeness = Some(ratio(up_to_ms, took));
        return Miss { closeness, text: format!("{took} ms, needs at most {up_to_ms} ms") };
    }
    Miss { closeness: Some(ratio(took, above_ms)), text: format!("{took} ms, needs more than {above_ms} ms") }
}

fn spans(config: &span_count::Config, record: &DecisionRecord) -> Miss {
    let spans = i64::from(record.spans);
    if spans < config.min_spans {
        let closeness = Some(ratio(spans, config.min_spans));
        return Miss { closeness, text: format!("{spans} spans, needs {}", config.min_spans) };
    }
    let closeness = Some(ratio(config.max_spans, spans));
    Miss { closeness, text: format!("{spans} spans, needs at most {}", config.max_spans) }
}

fn share(config: &probabilistic::Config, record: &DecisionRecord) -> Miss {
    let (kept, at) = (config.sampling_percentage, probabilistic::place(config, record.trace_id) * 100.0);
    let text = format!("keeps {} % of all ids, this one stands at {} %", percent(kept), percent(at));
    Miss { closeness: Some((kept / at).clamp(0.0, 1.0)), text }
}

fn percent(share: f64) -> String {
    if share >= 1.0 { format!("{share:.0}") } else { short(share) }
}

fn ratio(part: i64, whole: i64) -> f64 {
    if whole <= 0 { 0.0 } else { (part as f64 / whole as f64).clamp(0.0, 1.0) }
}

fn statuses(bits: u8) -> String {
    let words = [(1, "UNSET"), (2, "OK"), (4, "ERROR"), (128, "another code")];
    let words: Vec<&str> = words.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, word)| *word).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(" or ") }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::policy::{adaptive, latency, numeric_attribute, rate_limiting, status_code, string_attribute};
    use super::*;
    use crate::model::{Chance, Class, Finding, Outcome, PolicyVerdicts, TraceId, Trigger, UnixNanos};

    fn policy(name: &str, kind: PolicyKind) -> PolicyConfig {
        PolicyConfig { name: name.to_owned(), kind }
    }

    fn record(asked: usize) -> DecisionRecord {
        let mut policies = PolicyVerdicts::default();
        (0..asked).for_each(|place| policies.set(place, PolicyVerdict::NotSampled));
        DecisionRecord {
            trace_id: TraceId([7; 16]),
            decided: UnixNanos(0),
            waited: Duration::ZERO,
            outcome: Outcome::NotSampled,
            trigger: Trigger::DecisionWait,
            chance: Chance::Certain,
            spans: 7,
            bytes: 700,
            duration_nanos: 480_900_000,
            statuses: 0b011,
            policies,
            finding: None,
        }
    }

    fn slow(threshold_ms: i64, upper_threshold_ms: i64) -> PolicyKind {
        PolicyKind::Latency(latency::Config { threshold_ms, upper_threshold_ms })
    }

    fn said(kinds: Vec<PolicyKind>) -> Vec<String> {
        let asked = kinds.len();
        let policies = kinds.into_iter().map(|kind| policy("a", kind)).collect();
        Policies::of(&Config { policies, ..Config::default() }).nearest(&record(asked))
    }

    #[test]
    fn the_nearest_policy_comes_first_and_says_its_number() {
        let big = PolicyKind::SpanCount(span_count::Config { min_spans: 10, max_spans: 0 });
        let errors = PolicyKind::StatusCode(status_code::Config { statuses: 4 });
        assert_eq!(
            said(vec![errors, big, slow(500, 0)]),
            [
                "latency \"a\": 480 ms, needs more than 500 ms",
                "span_count \"a\": 7 spans, needs 10",
                "status_code \"a\": needs ERROR, seen UNSET or OK",
            ]
        );
    }

    #[test]
    fn upper_bounds_are_named_when_they_are_what_failed() {
        let small = PolicyKind::SpanCount(span_count::Config { min_spans: 1, max_spans: 5 });
        assert_eq!(said(vec![slow(100, 400)]), ["latency \"a\": 480 ms, needs at most 400 ms"]);
        assert_eq!(said(vec![small]), ["span_count \"a\": 7 spans, needs at most 5"]);
    }

    #[test]
    fn a_share_says_where_the_id_stands() {
        let base = probabilistic::Config { hash_salt: String::new(), sampling_percentage: 0.5 };
        let [text] = <[String; 1]>::try_from(said(vec![PolicyKind::Probabilistic(base)])).unwrap();
        assert!(text.starts_with("probabilistic \"a\": keeps 0.5 % of all ids, this one stands at "), "{text}");
    }

    #[test]
    fn an_adaptive_policy_says_its_offer_and_what_the_score_lacked() {
        let mut record = record(1);
        let kind = PolicyKind::Adaptive(adaptive::Config::default());
        let policies = Policies::of(&Config { policies: vec![policy("learn", kind)], ..Config::default() });
        assert_eq!(policies.nearest(&record), ["adaptive \"learn\": nothing was found"]);
        record.finding = Some(Box::new(Finding {
            class: Some(Class::Baseline),
            excess_nanos: 4_200_000,
            tau_nanos: Some(35_000_000),
            operation: None,
            caller: None,
            observed_nanos: 0,
            expected_nanos: 0,
            samples: 0,
            reference_age: Duration::ZERO,
            share: 0.0,
            root: None,
            shape: 0,
            probabilities: [0.0, 0.0, 0.02],
        }));
        let said = "adaptive \"learn\": as baseline with p = 0.02, not drawn; 4 ms beyond what is usual, needs more than \
                    35 ms to be odd";
        assert_eq!(policies.nearest(&record), [said]);
    }

    #[test]
    fn policies_that_were_not_asked_are_not_named() {
        let limit = PolicyKind::RateLimiting(rate_limiting::Config { spans_per_second: 5, burst_capacity: 10 });
        let policies = vec![policy("first", limit), policy("second", slow(500, 0))];
        let policies = Policies::of(&Config { policies, ..Config::default() });
        assert_eq!(
            policies.nearest(&record(1)),
            ["rate_limiting \"first\": no tokens were left for 7 spans at 5 spans a second"]
        );
    }

    #[test]
    fn drop_policies_stand_first_and_are_no_near_miss() {
        let policies = vec![policy("slow", slow(500, 0)), policy("health", PolicyKind::Drop(Vec::new()))];
        let policies = Policies::of(&Config { policies, ..Config::default() });
        assert_eq!(policies.policies(), ["health", "slow"]);
        assert_eq!(policies.nearest(&record(2)).len(), 1);
    }

    #[test]
    fn policies_of_attributes_say_what_they_look_for() {
        let numeric = |min_value, max_value, invert_match| {
            let config = numeric_attribute::Config { key: "code".to_owned(), min_value, max_value, invert_match };
            looks_for(&PolicyKind::NumericAttribute(config))
        };
        assert_eq!(numeric(400, 499, false), "saw no \"code\" from 400 to 499");
        assert_eq!(numeric(0, 499, true), "needs no \"code\" to 499");
        let text = PolicyKind::StringAttribute(string_attribute::Config {
            key: "env".to_owned(),
            values: vec!["prod".to_owned()],
            ..string_attribute::Config::default()
        });
        assert_eq!(looks_for(&text), "saw no \"env\" that is one of [\"prod\"]");
        assert_eq!(looks_for(&PolicyKind::TraceFlags), "saw no span with the W3C flag \"sampled\"");
    }
}
