//! One file a type of policy: traces, and which of them each config keeps.
//!
//! `traces` are sent in their order, each in a request of its own, a resource a span; `cases` have
//! `policies`, and where they need it `keys` of `tail_sampling` beside them, `gates`, and a
//! `warning` that the config must draw. Keys of a span: `resource`, `attributes`, `scope`, `ms`,
//! `start` (ms), `status`, `state`, `flags`, `name`, `kind`, `child`.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;
use serde_json::{Map, Value as Json};
use tailwater::config::{Gates, Node, Report, Section, Value, parse_yaml, to_json};
use tailwater::model::TraceId;
use tailwater::processors::tail_sampling::{TailSampler, decode};

use crate::driver::{Driver, settings, trace_ids};

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sampling/policies");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The id that a trace's name gives: itself, where it is one.
fn id_of(name: &str) -> TraceId {
    TraceId::parse(name).unwrap_or_else(|_| {
        let mut id = [0x5a; 16];
        id.iter_mut().zip(name.bytes()).for_each(|(byte, letter)| *byte = letter);
        TraceId(id)
    })
}

fn any_value(json: &Json) -> AnyValue {
    let value = match json {
        Json::Bool(value) => any_value::Value::BoolValue(*value),
        Json::String(text) => any_value::Value::StringValue(text.clone()),
        number => match number.as_i64() {
            Some(int) => any_value::Value::IntValue(int),
            None => any_value::Value::DoubleValue(number.as_f64().unwrap()),
        },
    };
    AnyValue { value: Some(value) }
}

fn attributes(json: Option<&Json>) -> Vec<KeyValue> {
    let map = json.and_then(Json::as_object).cloned().unwrap_or_else(Map::new);
    let pairs = map.iter().map(|(key, value)| KeyValue {
        key: key.clone(),
        value: Some(any_value(value)),
        ..KeyValue::default()
    });
    pairs.collect()
}

fn group(id: TraceId, number: u64, span: &Json) -> ResourceSpans {
    let known = "resource attributes scope ms start status state flags name kind child";
    for key in span.as_object().unwrap().keys() {
        assert!(known.split(' ').any(|known| known == key), "a span has no key {key}");
    }
    let uint = |key: &str| span[key].as_u64().unwrap_or(0);
    let text = |key: &str| span[key].as_str().unwrap_or_default().to_owned();
    let start = 1_000_000_000 + uint("start") * 1_000_000;
    let code = ["UNSET", "OK", "ERROR"].iter().position(|word| *word == text("status")).unwrap_or(0);
    let proto = Span {
        trace_id: id.0.to_vec(),
        span_id: (number + 1).to_be_bytes().to_vec(),
        parent_span_id: if span["child"] == true { vec![1; 8] } else { Vec::new() },
        trace_state: text("state"),
        name: text("name"),
        kind: uint("kind") as i32,
        start_time_unix_nano: start,
        end_time_unix_nano: start + uint("ms") * 1_000_000,
        attributes: attributes(span.get("attributes")),
        status: Some(Status { code: code as i32, ..Status::default() }),
        flags: uint("flags") as u32,
        ..Span::default()
    };
    let scope = InstrumentationScope { name: text("scope"), ..InstrumentationScope::default() };
    ResourceSpans {
        resource: Some(Resource { attributes: attributes(span.get("resource")), ..Resource::default() }),
        scope_spans: vec![ScopeSpans { scope: Some(scope), spans: vec![proto], ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    }
}

/// Names and requests, in the order of the file.
fn requests(traces: &Node) -> Vec<(String, Vec<u8>)> {
    let Value::Map(traces) = &traces.value else { panic!("traces is a map") };
    let request = |(name, _, spans): &(String, _, Node)| {
        let spans = to_json(spans);
        let groups = (0..).zip(spans.as_array().unwrap()).map(|(number, span)| group(id_of(name), number, span));
        let request = ExportTraceServiceRequest { resource_spans: groups.collect() };
        (name.clone(), request.encode_to_vec())
    };
    traces.iter().map(request).collect()
}

/// The section that a case stands for: its `policies`, and its `keys`.
fn section(case: &Node) -> Node {
    let mut entries = Vec::new();
    for (key, at, node) in map(case) {
        match (key.as_str(), &node.value) {
            ("policies", _) => entries.push((key.clone(), *at, node.clone())),
            ("keys", Value::Map(keys)) => entries.extend(keys.iter().cloned()),
            _ => {}
        }
    }
    Node { value: Value::Map(entries), location: case.location }
}

fn map(node: &Node) -> &[(String, tailwater::config::Location, Node)] {
    let Value::Map(entries) = &node.value else { panic!("{} is no map", node.describe()) };
    entries
}

/// Names of the traces that a case keeps, and what its config drew.
fn kept(case: &Node, requests: &[(String, Vec<u8>)]) -> (BTreeSet<String>, Vec<String>) {
    let (node, mut report) = (section(case), Report::default());
    let mut section = Section::new("tail_sampling", &node, &mut report);
    let mut config = decode(&mut section);
    section.finish();
    config.decision_wait = Duration::from_secs(1);
    assert!(!report.has_errors(), "{:?}", report.problems());
    let mut gates = Gates::default();
    for gate in to_json(case)["gates"].as_array().into_iter().flatten() {
        let (id, is_on) =
            gate.as_str().unwrap().strip_prefix('-').map_or((gate.as_str().unwrap(), true), |id| (id, false));
        gates.set(&format!("processor.tailsamplingprocessor.{id}"), is_on);
    }
    let mut settings = settings();
    settings.gates = Arc::new(gates);
    let sampler = TailSampler::new(&config, &settings, NonZeroUsize::MIN);
    let mut driver = Driver::new(Box::new(sampler), settings);
    requests.iter().for_each(|(_, body)| driver.send(body, None).unwrap());
    driver.sleep(Duration::from_secs(3));
    driver.stop();
    let ids: BTreeSet<TraceId> = driver.out.iter().flat_map(trace_ids).collect();
    let names = requests.iter().filter(|(name, _)| ids.contains(&id_of(name))).map(|(name, _)| name.clone());
    let warnings = report.problems().iter().map(|problem| problem.message.clone());
    (names.collect(), warnings.collect())
}

#[test]
fn each_policy_keeps_what_its_file_says() {
    let mut wrong = Vec::new();
    for path in files() {
        let text = std::fs::read_to_string(&path).unwrap();
        let root = parse_yaml(&text, 0, &mut Report::default()).unwrap();
        let requests = requests(root.entry("traces").unwrap());
        let Some(Value::List(cases)) = root.entry("cases").map(|node| &node.value) else { panic!("no cases") };
        for case in cases {
            let facts = to_json(case);
            let name = format!("{}: {}", path.file_name().unwrap().to_string_lossy(), facts["name"]);
            let keep: BTreeSet<String> =
                facts["keep"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
            let (kept, warnings) = kept(case, &requests);
            if kept != keep {
                wrong.push(format!("{name}: kept {kept:?}, wanted {keep:?}"));
            }
            match facts["warning"].as_str() {
                Some(word) if warnings.iter().any(|warning| warning.contains(word)) => {}
                None if warnings.is_empty() => {}
                wanted => wrong.push(format!("{name}: warnings {warnings:?}, wanted {wanted:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
