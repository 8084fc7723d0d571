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
    assert!(problem(json!({"name": "a"})).contains("policy \"a\" has no type; known: always_sample, and,"));
    let same = json!({"name": "a", "type": "always_sample"});
    let (_, problems) = read(json!({"policies": [same, same]}));
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("error processors::tail_sampling::policies[1]::name: duplicate policy name"));
}

#[test]
fn a_type_that_is_not_built_is_told_from_one_that_is_not_known() {
    let not_yet = problem(json!({"name": "o", "type": "ottl_condition", "ottl_condition": {"span": ["true"]}}));
    assert!(
        not_yet.contains("policy \"o\": policy type \"ottl_condition\" is not supported yet; known: "),
        "{not_yet}"
    );
    let unknown = problem(json!({"name": "o", "type": "latecny"}));
    assert!(unknown.contains("unknown sampling policy type \"latecny\""), "{unknown}");
}

#[test]
fn and_and_drop_stand_only_at_the_top() {
    let inner = json!({"name": "b", "type": "and", "and": {"and_sub_policy": []}});
    let nested = problem(json!({"name": "a", "type": "and", "and": {"and_sub_policy": [inner]}}));
    assert!(nested.contains("policy \"b\": the type \"and\" cannot stand inside another policy"), "{nested}");
}

#[test]
fn bad_values_name_their_policy() {
    let empty = problem(json!({"name": "s", "type": "status_code"}));
    assert!(empty.contains("policy \"s\" expects at least one status code"), "{empty}");
    let code = problem(json!({"name": "s", "type": "status_code", "status_code": {"status_codes": ["error"]}}));
    assert!(code.contains("policy \"s\": unknown status code \"error\""), "{code}");
}

#[test]
fn keys_that_do_nothing_or_are_not_built_say_so() {
    let policies = json!([{"name": "a", "type": "always_sample", "latency": {"threshold_ms": 5}}]);
    let (_, problems) = read(json!({
        "policies": policies, "num_shards": 4, "expected_new_traces_per_sec": 10, "tail_storage": "x",
        "sampling_strategy": "span-ingest", "num_traces": 0,
    }));
    let wanted = [
        ("warning", "policies[0]::latency: accepted and ignored"),
        ("error", "tail_storage: not supported yet"),
        ("warning", "expected_new_traces_per_sec: accepted and ignored"),
        ("warning", "num_shards: accepted and ignored"),
        ("error", "sampling_strategy: \"span-ingest\" is not supported yet"),
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
