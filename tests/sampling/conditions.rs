//! The conformance cases of `ottl_condition`: recorded requests in, and the traces kept that
//! OpenTelemetry Collector 0.155 kept.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use tailwater::config::{Report, Section, parse_yaml};
use tailwater::pipeline::{PipelineId, Processor, ProcessorConfig, Settings, Shape};
use tailwater::processors::tail_sampling;

use crate::driver::{Driver, settings, trace_ids};

fn read(path: &str) -> Json {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(path);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The sampler of a whole config.
fn build(yaml: &str, settings: &Settings) -> Box<dyn Processor> {
    let mut report = Report::default();
    let config = parse_yaml(yaml, 0, &mut report).unwrap();
    let node = config.entry("processors").and_then(|processors| processors.entry("tail_sampling")).unwrap();
    let mut section = Section::new("processors::tail_sampling", node, &mut report);
    let config: Box<dyn ProcessorConfig> = Box::new(tail_sampling::decode(&mut section));
    section.finish();
    assert!(!report.has_errors(), "{:?}", report.problems());
    let built = config.build(settings, &PipelineId::parse("traces").unwrap()).unwrap();
    let Shape::Detached(mut processors) = built.shape else { panic!("the processor is detached") };
    processors.remove(0)
}

fn play(case: &Json, labels: &Json) -> Json {
    let settings = settings();
    let mut driver = Driver::new(build(case["config"]["file"].as_str().unwrap(), &settings), settings);
    for step in case["steps"].as_array().unwrap() {
        match step[0].as_str().unwrap() {
            "send" => {
                for sent in step[1].as_array().unwrap() {
                    driver.send(&STANDARD.decode(sent["request"].as_str().unwrap()).unwrap(), None).unwrap();
                }
            }
            "sleep" => driver.sleep(Duration::from_secs_f64(step[1].as_f64().unwrap())),
            other => panic!("unknown step {other}"),
        }
    }
    driver.stop();
    let mut kept: BTreeMap<String, u64> = BTreeMap::new();
    for id in driver.out.iter().flat_map(trace_ids) {
        let id = id.to_string();
        *kept.entry(labels[&id].as_str().unwrap_or(&id).to_owned()).or_default() += 1;
    }
    serde_json::to_value(kept).unwrap()
}

#[test]
fn conditions_keep_the_traces_that_the_collector_kept() {
    let corpus = read("cases.json");
    let cases = corpus["cases"].as_array().unwrap().iter();
    let named = cases.filter(|case| case["name"].as_str().unwrap().starts_with("tail-ottl-"));
    let mut compared = 0;
    for case in named {
        let name = case["name"].as_str().unwrap();
        assert_eq!(play(case, &corpus["labels"]), read(&format!("answers/{name}.json"))["traces"], "{name}");
        compared += 1;
    }
    assert_eq!(compared, 11);
}
