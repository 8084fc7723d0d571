//! Config and OTLP/JSON in, OTLP/JSON out, through the whole service: the receiver's port, the
//! graph, and files. Each case is a folder of `tests/fixtures/pipeline`; `UPDATE_GOLDEN=1` writes
//! what comes out over what is expected.
#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;
#[expect(dead_code, reason = "nothing is fetched here")]
#[path = "support/http.rs"]
mod web;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use support::backend::Backend;
use tailwater::config::render;
use tailwater::model::{MemoryAccount, Signal};
use tailwater::pipeline::{Ledger, LedgerReading, SystemClock};
use tailwater::service::{Environment, Running, Service, load};
use tailwater::telemetry::Metrics;

/// Starts a service with one shard, so that traces are decided in their order.
async fn started(config: &str, variables: &BTreeMap<&str, String>) -> Running {
    let variable = |name: &str| variables.get(name).cloned();
    let no_file = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    let loaded = load(&[format!("yaml:{config}")], &[], &variable, &no_file);
    let is_clean = loaded.report.problems().is_empty();
    assert!(is_clean, "{}", render(&loaded.report, &loaded.sources, false));
    let environment = Environment {
        clock: Arc::new(SystemClock::new()),
        metrics: Arc::new(Metrics::default()),
        ledger: Arc::new(Ledger::default()),
        account: MemoryAccount::default(),
        shards: NonZeroUsize::MIN,
    };
    Service::build_in(&loaded.config.unwrap(), environment).unwrap().start().await.unwrap()
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// The counts of every signal that moved; the books must be even.
fn books(readings: &[LedgerReading; 3]) -> Value {
    let moved = Signal::ALL.into_iter().zip(readings).filter(|(_, reading)| **reading != LedgerReading::default());
    let shown = moved.map(|(signal, reading)| {
        assert_eq!((reading.residual(), reading.waiting, reading.refused), (0, 0, 0), "{signal}: {reading:?}");
        let dropped: BTreeMap<&str, u64> =
            reading.dropped.iter().map(|(reason, items)| (reason.as_str(), *items)).collect();
        let counts = json!({
            "received": reading.received, "copied": reading.copied, "sent": reading.sent, "dropped": dropped,
        });
        (signal.as_str().to_owned(), counts)
    });
    Value::Object(shown.collect())
}

/// Every file of a folder, its lines as JSON.
fn written(folder: &Path) -> Value {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let text = std::fs::read_to_string(entry.path()).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (entry.file_name().into_string().unwrap(), Value::Array(lines))
    });
    Value::Object(files.collect())
}

/// Runs the case in a folder of this name.
async fn check(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pipeline").join(name);
    let text = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    let input: BTreeMap<String, Vec<Value>> = serde_json::from_str(&text("input.json")).unwrap();
    let (out, otlp) = (tempfile::tempdir().unwrap(), free_address());
    let variables = BTreeMap::from([("IN", otlp.clone()), ("OUT", out.path().to_str().unwrap().to_owned())]);
    let mut running = started(&text("config.yaml"), &variables).await;
    for (signal, requests) in input {
        for request in requests {
            let answer = web::post(&otlp, &format!("/v1/{signal}"), "application/json", request.to_string()).await;
            assert_eq!((answer.status.as_u16(), answer.text()), (200, "{\"partialSuccess\":{}}"));
        }
    }
    let outcome = running.shutdown(Duration::from_secs(10)).await;
    let came = json!({"ledger": books(&outcome.readings), "files": written(out.path())});
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let text = format!("{}\n", serde_json::to_string_pretty(&came).unwrap());
        std::fs::write(folder.join("golden.json"), text).unwrap();
        return;
    }
    let golden: Value = serde_json::from_str(&text("golden.json")).unwrap();
    assert!(came == golden, "{name}: UPDATE_GOLDEN=1 accepts this:\n{came:#}");
}

#[tokio::test]
async fn every_field_of_a_span_passes_through() {
    check("pass_through").await;
}

#[tokio::test]
async fn every_policy_keeps_its_traces() {
    check("sampling").await;
}

#[tokio::test]
async fn requests_are_merged_into_one_batch() {
    check("batch_merge").await;
}

#[tokio::test]
async fn a_large_request_is_split_into_batches() {
    check("batch_split").await;
}

#[tokio::test]
async fn a_connector_joins_pipelines() {
    check("forward").await;
}

#[tokio::test]
async fn two_exporters_get_the_same() {
    check("fan_out").await;
}

#[tokio::test]
async fn one_receiver_feeds_pipelines_of_every_signal() {
    check("signals").await;
}

#[tokio::test]
async fn a_request_from_a_newer_protocol_leaves_byte_for_byte_as_it_came() {
    let (backend, otlp) = (Backend::http().await, free_address());
    let config = format!(
        "receivers: {{otlp: {{protocols: {{http: {{endpoint: \"{otlp}\"}}}}}}}}\n\
         exporters: {{otlp_http: {{endpoint: \"http://127.0.0.1:{}\", compression: none}}}}\n\
         service: {{telemetry: {{metrics: {{level: none}}}}, pipelines: {{\
         traces: {{receivers: [otlp], exporters: [otlp_http]}}, \
         metrics: {{receivers: [otlp], exporters: [otlp_http]}}}}}}\n",
        backend.port()
    );
    let mut running = started(&config, &BTreeMap::new()).await;
    // Field 1000 as a number, as bytes and as four bytes, behind what is known.
    let unknown = [0xc0, 0x3e, 42, 0xc2, 0x3e, 3, b'n', b'e', b'w', 0xc5, 0x3e, 1, 2, 3, 4];
    let known = [0x0a, 16].iter().copied().chain([7; 16]).chain([0x12, 8]).chain([9; 8]);
    let span: Vec<u8> = known.chain(unknown).collect();
    let traces = [&unknown[..], &within(&within(&within(&span, 0x12), 0x12), 0x0a), &unknown].concat();
    let point = [&unknown[..], &[0x31, 5, 0, 0, 0, 0, 0, 0, 0]].concat();
    let metric = [&[0x0a, 1, b'm'][..], &unknown, &within(&within(&point, 0x0a), 0x2a)].concat();
    let metrics = within(&within(&within(&metric, 0x12), 0x12), 0x0a);
    for (path, body) in [("/v1/traces", &traces), ("/v1/metrics", &metrics)] {
        assert_eq!(web::post(&otlp, path, "application/x-protobuf", body.clone()).await.status, 200);
    }
    let outcome = running.shutdown(Duration::from_secs(10)).await;
    let books = books(&outcome.readings);
    assert_eq!((&books["traces"]["sent"], &books["metrics"]["sent"]), (&json!(1), &json!(1)));
    let seen: BTreeMap<String, Vec<u8>> =
        backend.take().into_iter().map(|seen| (seen.path, seen.body.to_vec())).collect();
    assert_eq!(seen, BTreeMap::from([("/v1/metrics".to_owned(), metrics), ("/v1/traces".to_owned(), traces)]));
}

/// A message as a field of another; `tag` says which.
fn within(message: &[u8], tag: u8) -> Vec<u8> {
    let length = u8::try_from(message.len()).unwrap();
    assert!(length < 128, "one byte of length");
    [&[tag, length][..], message].concat()
}
