//! Conditions against what a real Collector answered: a table of conditions on one span, and the
//! recorded conformance cases of the `filter` processor, whose spans are dropped by conditions.

#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tailwater::config::{self, Node, Report};
use tailwater::model::{MemoryAccount, Request, Signal, SpanView, UnixNanos};
use tailwater::ottl::{Condition, Context, EvalError, EventView, Target};
use tailwater::wire::{Limits, scan};

const NOW: UnixNanos = UnixNanos(1_800_000_000_000_000_000);

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path)).unwrap()
}

fn request(base64: &str) -> Arc<Request> {
    let body = STANDARD.decode(base64.trim()).unwrap();
    scan(Signal::Traces, body.into(), &Limits::default(), &MemoryAccount::default()).unwrap()
}

/// The answer in the words of the table.
fn answer(text: &str, request: &Request) -> &'static str {
    let (text, context) = match text.strip_prefix('@') {
        Some(text) => (text, Context::SpanEvent),
        None => (text, Context::Span),
    };
    let Ok(condition) = Condition::parse(text, context) else { return "invalid" };
    let span = SpanView::new(request, 0).unwrap();
    let target = match context {
        Context::SpanEvent => Target::SpanEvent(span, EventView::of(&span).next().unwrap()),
        _ => Target::Span(span),
    };
    match condition.evaluate(&target, NOW) {
        Ok(true) => "true",
        Ok(false) => "false",
        Err(_) => "error",
    }
}

#[test]
fn every_condition_of_the_table_has_the_collectors_answer() {
    let request = request(&read("fixtures/ottl/request.b64"));
    let waiting = request.without_columns();
    let table = read("fixtures/ottl/conditions.tsv");
    let rows: Vec<_> = table.lines().filter(|line| !line.starts_with('#')).collect();
    let mut faults = Vec::new();
    for row in &rows {
        let (expected, text) = row.split_once('\t').unwrap();
        for (request, what) in [(&*request, "with columns"), (&waiting, "without columns")] {
            let answer = answer(text, request);
            if answer != expected {
                faults.push(format!("{text}: expected {expected}, found {answer} {what}"));
            }
        }
    }
    assert!(rows.len() > 800, "the table has {} rows", rows.len());
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// The conditions at a key of the `filter` section.
fn conditions(section: &Node, keys: &[&str], context: Context) -> Vec<Condition> {
    let node = keys.iter().try_fold(section, |node, key| node.entry(key));
    let Some(Node { value: config::Value::List(items), .. }) = node else { return Vec::new() };
    let text = |item: &Node| match &item.value {
        config::Value::Scalar(scalar) => scalar.text.clone(),
        _ => panic!("a condition is text"),
    };
    items.iter().map(|item| Condition::parse(&text(item), context).unwrap()).collect()
}

/// Whether a span is dropped; under `ignore` an error counts as false.
fn is_dropped(span: SpanView<'_>, conditions: &[Condition], propagates: bool) -> Result<bool, EvalError> {
    for condition in conditions {
        match condition.evaluate(&Target::Span(span), NOW) {
            Ok(true) => return Ok(true),
            Err(error) if propagates => return Err(error),
            Ok(false) | Err(_) => {}
        }
    }
    Ok(false)
}

/// Runs a `filter` case; `None` for one that is not about conditions of spans.
fn run(case: &Value, labels: &Value) -> Option<Value> {
    let yaml = case["config"]["file"].as_str().unwrap();
    let config = config::parse_yaml(yaml, 0, &mut Report::default()).unwrap();
    let filter = config.entry("processors")?.entry("filter")?;
    let mut of_spans = conditions(filter, &["traces", "span"], Context::Span);
    of_spans.extend(conditions(filter, &["trace_conditions"], Context::Span));
    let of_events = conditions(filter, &["traces", "spanevent"], Context::SpanEvent);
    if of_spans.is_empty() && of_events.is_empty() {
        return None;
    }
    let propagates = yaml.contains("error_mode: propagate");
    let mut kept: BTreeMap<String, u64> = BTreeMap::new();
    let mut refused = false;
    for step in case["steps"].as_array().unwrap() {
        for sent in step[1].as_array().unwrap() {
            let request = request(sent["request"].as_str().unwrap());
            for span in (0..request.index().rows()).filter_map(|row| SpanView::new(&request, row)) {
                match is_dropped(span, &of_spans, propagates) {
                    Ok(true) => {}
                    Ok(false) => {
                        let id = span.trace_id().to_string();
                        *kept.entry(labels[&id].as_str().unwrap_or(&id).to_owned()).or_default() += 1;
                    }
                    Err(_) => refused = true,
                }
            }
        }
    }
    if refused {
        return Some(serde_json::json!({"send": [503], "traces": {}}));
    }
    Some(serde_json::json!({"send": [200], "traces": kept}))
}

#[test]
fn filter_cases_keep_the_spans_that_the_collector_kept() {
    let corpus: Value = serde_json::from_str(&read("conformance/cases.json")).unwrap();
    let mut compared = 0;
    for case in corpus["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        if !name.starts_with("filter-") {
            continue;
        }
        if let Some(found) = run(case, &corpus["labels"]) {
            let expected: Value = serde_json::from_str(&read(&format!("conformance/answers/{name}.json"))).unwrap();
            assert_eq!(found["send"], expected["send"], "{name}");
            assert_eq!(found["traces"], expected["traces"], "{name}");
            compared += 1;
        }
    }
    assert!(compared >= 36, "only {compared} cases are about conditions of spans");
}

#[test]
fn an_error_names_the_place_what_is_wrong_and_what_is_known() {
    for (text, context, message) in [
        ("name == 1 and nope == 1", Context::Span, "column 15: unknown path \"nope\"; known in span: trace_id,"),
        ("event.name == 1", Context::Span, "column 1: unknown path \"event.name\"; known in span: trace_id,"),
        ("spanevent.name == 1", Context::Span, "column 1: paths of span do not start with \"spanevent\"; known: span,"),
        (
            "resource.name == 1",
            Context::Span,
            "column 1: unknown path \"resource.name\"; known in resource: attributes,",
        ),
        ("attributes[\"a\"].b == 1", Context::Span, "column 1: \"attributes\" cannot be indexed before the end"),
        ("name[0] == 1", Context::Span, "column 1: \"name\" cannot be indexed"),
        ("otelcol.client.addr == 1", Context::Span, "column 1: paths of \"otelcol\" (client metadata) are not"),
        ("Nope(name) == 1", Context::Span, "column 1: undefined function \"Nope\"; known: Base64Decode,"),
        ("true and SHA256(name) == 1", Context::Span, "column 10: function \"SHA256\" is not supported yet; known:"),
        ("IsRootSpan()", Context::SpanEvent, "column 1: IsRootSpan is a function of spans only"),
        ("kind == SPAN_KIND_X", Context::Span, "column 9: unknown enum \"SPAN_KIND_X\"; known: SPAN_KIND_UNSPECIFIED,"),
        ("IsMatch(name)", Context::Span, "column 1: an argument is missing; write IsMatch(target, pattern)"),
        ("IsMatch(name, \"(\")", Context::Span, "column 1: IsMatch: \"(\" is no valid pattern: unclosed group"),
        ("IsMatch(name, 1)", Context::Span, "column 15: argument \"pattern\" of IsMatch does not fit: expected string"),
        ("Trim(name, \"a\", 1) == 1", Context::Span, "column 17: no such argument; write Trim(target, [replacement])"),
        ("Concat(name, \"\") == 1", Context::Span, "column 8: argument \"vals\" of Concat must be a list in brackets"),
        (
            "span.name == 1",
            Context::Resource,
            "column 1: paths of resource do not start with \"span\"; known: resource",
        ),
        ("kind == SPAN_KIND_SERVER", Context::Scope, "column 1: unknown path \"kind\"; known in scope: name, version,"),
    ] {
        let error = Condition::parse(text, context).unwrap_err().to_string();
        assert!(error.starts_with(message), "{text}: {error}");
    }
}

#[test]
fn conditions_of_resources_and_scopes_see_their_own() {
    let request = request(&read("fixtures/ottl/request.b64"));
    let span = SpanView::new(&request, 0).unwrap();
    for (text, context, expected) in [
        ("attributes[\"service.name\"] == \"shop\"", Context::Resource, true),
        ("resource.attributes[\"host.cpus\"] == 9", Context::Resource, false),
        ("name == \"io.x\" and version == \"1.2\"", Context::Scope, true),
        ("scope.attributes[\"beta\"] == true and resource.attributes[\"host.cpus\"] == 8", Context::Scope, true),
        ("instrumentation_scope.schema_url == \"https://schema/s\"", Context::Scope, true),
    ] {
        let condition = Condition::parse(text, context).unwrap();
        let target = match context {
            Context::Resource => Target::Resource(span.resource()),
            _ => Target::Scope(span.scope(), span.resource()),
        };
        assert_eq!(condition.evaluate(&target, NOW), Ok(expected), "{text}");
    }
}

#[test]
fn now_is_what_the_caller_says() {
    let request = request(&read("fixtures/ottl/request.b64"));
    let target = Target::Span(SpanView::new(&request, 0).unwrap());
    let condition = Condition::parse("UnixNano(Now()) == 5", Context::Span).unwrap();
    assert_eq!(condition.evaluate(&target, UnixNanos(5)), Ok(true));
    assert_eq!(condition.evaluate(&target, UnixNanos(6)), Ok(false));
}
