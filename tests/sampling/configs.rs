//! What the config of a sampler may say, and what is said when it may not.

use serde_json::{Value as Json, json};
use tailwater::config::{Location, Node, Report, Section, Severity, Value};
use tailwater::processors::tail_sampling::policy::PolicyKind;
use tailwater::processors::tail_sampling::{Config, decode};

/// The config node that YAML would have given.
pub(crate) fn node(json: &Json) -> Node {
    let place = Location::default();
    let value = match json {
        Json::Null => Value::Null,
        Json::Array(items) => Value::List(items.iter().map(node).collect()),
        Json::Object(entries) => {
            Value::Map(entries.iter().map(|(key, value)| (key.clone(), place, node(value))).collect())
        }
        Json::String(text) => return Node::plain(text.as_str(), place),
        other => return Node::plain(other.to_string(), place),
    };
    Node { value, location: place }
}

fn read(config: Json) -> (Config, Vec<String>) {
    let (node, mut report) = (node(&config), Report::default());
    let mut section = Section::new("processors::tail_sampling", &node, &mut report);
    let config = decode(&mut section);
    section.finish();
    let problems = report.problems().iter();
    let texts = problems.map(|problem| match problem.severity {
        Severity::Error => format!("error {}: {}", problem.path, problem.message),
        Severity::Warning => format!("warning {}: {}", problem.path, problem.message),
        Severity::Note => format!("note {}: {}", problem.path, problem.message),
    });
    (config, texts.collect())
}

/// The only problem with one policy.
fn problem(policy: Json) -> String {
    let (_, mut problems) = read(json!({"policies": [policy]}));
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.remove(0)
}

#[test]
fn every_key_is_read() {
    let (config, problems) = read(json!({
        "decision_wait": "10s", "decision_wait_after_root_received": "2s", "num_traces": 7,
        "block_on_overflow": true, "sample_on_first_match": true, "drop_pending_traces_on_shutdown": true,
        "maximum_trace_size_bytes": 9, "sampling_strategy": "trace-complete",
        "decision_cache": {"sampled_cache_size": 3, "non_sampled_cache_size": 4},
        "policies": [
            {"name": "a", "type": "always_sample"},
            {"name": "b", "type": "rate_limiting", "rate_limiting": {"spans_per_second": 5}},
            {"name": "c", "type": "and", "and": {"and_sub_policy": [{"name": "a", "type": "always_sample"}]}},
            {"name": "d", "type": "drop", "drop": {"drop_sub_policy": [
                {"name": "e", "type": "probabilistic", "probabilistic": {"sampling_percentage": 12.5}},
                {"name": "f", "type": "span_count", "span_count": {"min_spans": 2, "max_spans": 3}},
            ]}},
        ],
    }));
    assert_eq!(problems, [""; 0]);
    assert_eq!((config.num_traces, config.sampled_cache_size, config.non_sampled_cache_size), (7, 3, 4));
    assert!(config.block_on_overflow && config.sample_on_first_match && config.drop_pending_traces_on_shutdown);
    assert_eq!(config.policies.len(), 4);
    let PolicyKind::RateLimiting(limit) = &config.policies[1].kind else { panic!("{:?}", config.policies[1]) };
    assert_eq!(limit.burst_capacity, 10, "twice the rate");
}

#[test]
fn a_policy_needs_a_name_of_its_own_and_a_type() {
    assert!(problem(json!({"type": "always_sample"})).contains("policy name cannot be empty"));
    assert!(problem(json!({"name": "a"})).contains("policy \"a\" has no type; known: adaptive, always_sample, and,"));
    let same = json!({"name": "a", "type": "always_sample"});
    let (_, problems) = read(json!({"policies": [same, same]}));
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("error processors::tail_sampling::policies[1]::name: duplicate policy name"));
}

#[test]
fn a_type_that_is_not_known_is_named() {
    let unknown = problem(json!({"name": "o", "type": "latecny"}));
    assert!(unknown.contains("unknown sampling policy type \"latecny\""), "{unknown}");
}

#[test]
fn a_policy_in_the_wrong_place_is_named() {
    let inner = json!({"name": "b", "type": "and", "and": {"and_sub_policy": []}});
    let nested = problem(json!({"name": "a", "type": "and", "and": {"and_sub_policy": [inner]}}));
    assert!(nested.contains("policy \"b\": the type \"and\" cannot stand inside another policy"), "{nested}");
}

/// Which types take which, by the types of the Collector's config.
#[test]
fn what_may_stand_where_is_what_the_collector_allows() {
    let policy = |outer: &str, inner: Json| match outer {
        "not" => json!({"name": "o", "type": "not", "not": {"not_sub_policy": inner}}),
        "composite" => json!({"name": "o", "type": "composite", "composite": {
            "max_total_spans_per_second": 9, "composite_sub_policy": [inner],
            "rate_allocation": [{"policy": "i", "percent": 50}],
        }}),
        _ => json!({"name": "o", "type": outer, outer: {format!("{outer}_sub_policy"): [inner]}}),
    };
    let leaf = json!({"name": "i", "type": "always_sample"});
    for (outer, allowed) in [("and", &["not"][..]), ("drop", &["not"]), ("not", &[]), ("composite", &["and", "not"])] {
        assert_eq!(read(json!({"policies": [policy(outer, leaf.clone())]})).1, [""; 0], "a plain policy in {outer}");
        for inner in ["and", "drop", "not", "composite"] {
            let mut nested = policy(inner, leaf.clone());
            nested["name"] = "i".into();
            let (config, problems) = read(json!({"policies": [policy(outer, nested)]}));
            assert_eq!(problems.is_empty(), allowed.contains(&inner), "{inner} in {outer}: {problems:?}");
            assert!(!problems.is_empty() || config.policies.len() == 1);
        }
    }
}

#[test]
fn span_ingest_takes_policies_whose_answer_cannot_turn() {
    let with = |policy: Json| {
        let config = json!({"sampling_strategy": "span-ingest", "policies": [policy]});
        read(config).1
    };
    let latency = |upper: u64| json!({"name": "p", "type": "latency", "latency": {"threshold_ms": 5, "upper_threshold_ms": upper}});
    let count =
        |most: u64| json!({"name": "p", "type": "span_count", "span_count": {"min_spans": 5, "max_spans": most}});
    assert_eq!(with(latency(0)), [""; 0]);
    assert_eq!(with(count(0)), [""; 0]);
    let limit = json!({"name": "l", "type": "rate_limiting", "rate_limiting": {"spans_per_second": 1}});
    let inside = json!({"name": "p", "type": "and", "and": {"and_sub_policy": [limit]}});
    for policy in [latency(9), count(9), inside] {
        let problems = with(policy);
        let text = "error tail::sampling_strategy: sampling_strategy \"span-ingest\" requires all policies to be stateless, but policy \"p\" is stateful";
        let text = text.replace("tail::", "processors::tail_sampling::");
        assert!(problems.len() == 1 && problems[0].starts_with(&text), "{problems:?}");
    }
}

#[test]
fn what_the_collector_passes_over_in_silence_is_warned_of() {
    let numeric = |keys: Json| problem(json!({"name": "n", "type": "numeric_attribute", "numeric_attribute": keys}));
    assert!(numeric(json!({"key": "a", "max_value": 5, "min_value": 0})).starts_with("warning processors::tail_sampling::policies[0]::numeric_attribute::min_value: policy \"n\": 0 counts as not set"));
    assert!(numeric(json!({"key": "a"})).contains("keeps nothing"));
    let composite = |order: Json, shares: Json| {
        problem(json!({"name": "c", "type": "composite", "composite": {
            "max_total_spans_per_second": 9, "policy_order": order, "rate_allocation": shares,
            "composite_sub_policy": [{"name": "a", "type": "always_sample"}],
        }}))
    };
    let share = json!([{"policy": "a", "percent": 1}]);
    assert!(composite(json!(["b"]), share.clone()).contains("policy_order has no effect"));
    assert!(composite(json!(["a"]), json!([])).contains("\"a\" has no share and keeps nothing"));
    let stranger = json!([{"policy": "a", "percent": 1}, {"policy": "b", "percent": 1}]);
    assert!(composite(json!(["a"]), stranger).contains("the share of \"b\" has no effect"));
}

#[test]
fn bad_values_name_their_policy() {
    let empty = problem(json!({"name": "s", "type": "status_code"}));
    assert!(empty.contains("policy \"s\" expects at least one status code"), "{empty}");
    let code = problem(json!({"name": "s", "type": "status_code", "status_code": {"status_codes": ["error"]}}));
    assert!(code.contains("policy \"s\": unknown status code \"error\""), "{code}");
    let expression = json!({"key": "k", "values": ["ok", "("], "enabled_regex_matching": true});
    let expression = problem(json!({"name": "env", "type": "string_attribute", "string_attribute": expression}));
    assert!(expression.contains("policy \"env\": \"(\" is no regular expression: unclosed group"), "{expression}");
}

#[test]
fn keys_that_do_nothing_or_are_not_built_say_so() {
    let policies = json!([{"name": "a", "type": "always_sample", "latency": {"threshold_ms": 5}}]);
    let (_, problems) = read(json!({
        "policies": policies, "num_shards": 4, "expected_new_traces_per_sec": 10, "tail_storage": "x",
        "sampling_strategy": "span-digest", "num_traces": 0,
    }));
    let wanted = [
        ("error", "sampling_strategy: unknown value \"span-digest\"; did you mean \"span-ingest\"?"),
        ("warning", "policies[0]::latency: accepted and ignored"),
        ("error", "tail_storage: not supported yet"),
        ("warning", "expected_new_traces_per_sec: accepted and ignored"),
        ("warning", "num_shards: accepted and ignored"),
        ("error", "num_traces: num_traces is 0"),
    ];
    assert_eq!(problems.len(), wanted.len(), "{problems:#?}");
    for (problem, (severity, text)) in problems.iter().zip(wanted) {
        assert!(problem.starts_with(severity) && problem.contains(text), "{problem} has {text}");
    }
}

#[test]
fn policies_are_required() {
    assert!(read(json!({})).1[0].contains("policies are missing"));
}
