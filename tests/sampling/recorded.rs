//! The cases of the conformance corpus that use only the policies of this build: recorded
//! requests in; kept traces, batch sizes and own metrics as OpenTelemetry Collector 0.155 gave
//! them, with fed instants instead of waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use serde_json::Value as Json;
use tailwater::config::{Report, Section};
use tailwater::model::{Batch, ClientMetadata};
use tailwater::pipeline::{PipelineId, Processor, ProcessorConfig, Settings, Shape};
use tailwater::processors::{batch, tail_sampling};
use tailwater::telemetry::Metrics;

use crate::configs::node;
use crate::driver::{Driver, settings, trace_ids};

struct Fixture {
    labels: BTreeMap<String, String>,
    requests: BTreeMap<String, Vec<u8>>,
    cases: Vec<Json>,
}

fn fixture() -> Fixture {
    let requests: Json = serde_json::from_str(include_str!("../fixtures/sampling/requests.json")).unwrap();
    let cases: Json = serde_json::from_str(include_str!("../fixtures/sampling/cases.json")).unwrap();
    let text = |json: &Json| json.as_str().unwrap().to_owned();
    let map = |key: &str| requests[key].as_object().unwrap().clone();
    let decode = |json: &Json| base64::engine::general_purpose::STANDARD.decode(text(json)).unwrap();
    Fixture {
        labels: map("labels").iter().map(|(id, label)| (id.clone(), text(label))).collect(),
        requests: map("requests").iter().map(|(name, body)| (name.clone(), decode(body))).collect(),
        cases: cases.as_array().unwrap().clone(),
    }
}

/// What a case configures.
fn build(kind: &str, config: &Json, settings: &Settings) -> Box<dyn Processor> {
    let (node, mut report) = (node(config), Report::default());
    let mut section = Section::new(format!("processors::{kind}"), &node, &mut report);
    let config: Box<dyn ProcessorConfig> = match kind {
        "batch" => Box::new(batch::decode(&mut section)),
        _ => Box::new(tail_sampling::decode(&mut section)),
    };
    section.finish();
    assert!(!report.has_errors(), "{:?}", report.problems());
    let built = config.build(settings, &PipelineId::parse("traces").unwrap()).unwrap();
    let Shape::Detached(mut processors) = built.shape else { panic!("the processor is detached") };
    assert_eq!(processors.len(), 1, "so few traces are not sharded");
    processors.remove(0)
}

/// Spans that came out, by the label of their trace.
fn kept(driver: &Driver, labels: &BTreeMap<String, String>) -> Json {
    let mut kept: BTreeMap<String, u64> = BTreeMap::new();
    for id in driver.out.iter().flat_map(trace_ids) {
        let id = id.to_string();
        *kept.entry(labels.get(&id).cloned().unwrap_or(id)).or_default() += 1;
    }
    serde_json::to_value(kept).unwrap()
}

/// Plays a case; returns what came out in the shape of its recorded answer.
fn play(fixture: &Fixture, case: &Json) -> (Json, Driver) {
    let settings = settings();
    let processor = build(case["processor"].as_str().unwrap(), &case["config"], &settings);
    let mut driver = Driver::new(processor, settings);
    let mut answer = serde_json::Map::new();
    for step in case["steps"].as_array().unwrap() {
        if let Some(requests) = step["send"].as_array() {
            let metadata = step["headers"].as_object().map(|headers| {
                let headers = headers.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()));
                Arc::new(ClientMetadata::new(headers))
            });
            for name in requests {
                driver.send(&fixture.requests[name.as_str().unwrap()], metadata.clone()).unwrap();
            }
        } else if let Some(wait) = step["sleep_ms"].as_u64() {
            driver.sleep(Duration::from_millis(wait));
        } else {
            answer.insert(step["mark"].as_str().unwrap().to_owned(), kept(&driver, &fixture.labels));
        }
    }
    for part in case["answer"].as_object().unwrap().keys().filter(|part| *part == "metrics") {
        answer.insert(part.clone(), own_metrics(&driver.settings.metrics, &case["answer"][part]));
    }
    driver.stop();
    for part in case["answer"].as_object().unwrap().keys() {
        let value = match part.as_str() {
            "traces" => kept(&driver, &fixture.labels),
            "count" => {
                let kept = kept(&driver, &fixture.labels);
                let spans: u64 = kept.as_object().unwrap().values().filter_map(Json::as_u64).sum();
                serde_json::json!({"traces": kept.as_object().unwrap().len(), "spans": spans})
            }
            "sizes" => {
                let mut sizes: Vec<u64> = driver.out.iter().map(Batch::item_count).collect();
                sizes.sort_unstable();
                serde_json::to_value(sizes).unwrap()
            }
            _ => continue,
        };
        answer.insert(part.clone(), value);
    }
    (Json::Object(answer), driver)
}

/// The wanted series as they are now, in the words of the recorded answer.
fn own_metrics(metrics: &Metrics, wanted: &Json) -> Json {
    let mut found = serde_json::Map::new();
    for line in metrics.encode().lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let name = name.strip_suffix("_total").unwrap_or(name);
        let mut labels: Vec<String> =
            labels.trim_end_matches('}').split(',').map(|label| label.replace('"', "")).collect();
        labels.sort();
        let key = format!("{name}{{{}}}", labels.join(","));
        let value: f64 = value.parse().unwrap();
        if value != 0.0 && wanted.get(&key).is_some() {
            found.insert(key, value.into());
        }
    }
    Json::Object(found)
}

#[test]
fn kept_traces_and_batch_sizes_are_those_of_the_collector() {
    let fixture = fixture();
    let mut wrong = Vec::new();
    for case in &fixture.cases {
        let (got, _) = play(&fixture, case);
        if got != case["answer"] {
            wrong.push(format!("{}: got {got}\n   wanted {}", case["name"], case["answer"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases differ:\n{}", wrong.len(), fixture.cases.len(), wrong.join("\n"));
}

#[test]
fn requests_are_let_go_when_their_traces_are_decided() {
    let fixture = fixture();
    for case in &fixture.cases {
        let (_, mut driver) = play(&fixture, case);
        driver.out.clear();
        assert_eq!(driver.settings.account.held_bytes(), 0, "{}", case["name"]);
    }
}
