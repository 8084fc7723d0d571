//! `tailwater explain` asks a running instance: for a kept trace, a dropped one, an unknown one.
#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

#[path = "support/tailwater.rs"]
#[expect(dead_code, reason = "other tests wait for more")]
mod tailwater_process;

use std::process::Output;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use serde_json::Value;
use tailwater_process::{PATIENCE, Tailwater, free_address};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

const SLOW: [u8; 16] = [0x11; 16];
const QUICK: [u8; 16] = [0x22; 16];
const NEVER: &str = "99999999-99999999-99999999-99999999";

fn span(trace: [u8; 16], millis: u64) -> Span {
    let start = 1_700_000_000_000_000_000;
    Span {
        trace_id: trace.to_vec(),
        span_id: vec![7; 8],
        name: "GET /".to_owned(),
        start_time_unix_nano: start,
        end_time_unix_nano: start + millis * 1_000_000,
        ..Span::default()
    }
}

async fn send(address: &str, spans: Vec<Span>) {
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

async fn ask(endpoint: &str, path: &str) -> Value {
    let mut stream = TcpStream::connect(endpoint).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

async fn explain(endpoint: &str, id: &str, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tailwater"));
    command.args(["explain", id, "--endpoint", endpoint]).args(more).output().await.unwrap()
}

/// Asks until the trace is decided.
async fn decided(endpoint: &str, id: &str) -> String {
    let asking = async {
        loop {
            let answer = explain(endpoint, id, &[]).await;
            if answer.status.success() {
                return String::from_utf8(answer.stdout).unwrap();
            }
            assert_eq!(answer.status.code(), Some(1), "{answer:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap()
}

#[tokio::test]
async fn kept_dropped_and_unknown_traces_are_answered() {
    let (http, admin) = (free_address(), free_address());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("decisions.jsonl");
    let config = format!(
        "receivers: {{otlp: {{protocols: {{http: {{endpoint: \"{http}\"}}}}}}}}\n\
         processors: {{tail_sampling: {{decision_wait: 1s, policies: [\
           {{name: slow, type: latency, latency: {{threshold_ms: 500}}}}, \
           {{name: failed, type: status_code, status_code: {{status_codes: [ERROR]}}}}]}}}}\n\
         exporters: {{nop: }}\n\
         extensions: {{admin: {{endpoint: \"{admin}\", decisions: {{remembered: 10, file: {{path: {}}}}}}}}}\n\
         service: {{telemetry: {{metrics: {{level: none}}}}, extensions: [admin], pipelines: {{traces: \
         {{receivers: [otlp], processors: [tail_sampling], exporters: [nop]}}}}}}\n",
        file.display()
    );
    let mut running = Tailwater::start(&config, &[]).await;
    let unknown = explain(&admin, NEVER, &[]).await;
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).starts_with("nothing has been decided yet"), "{unknown:?}");

    send(&http, vec![span(SLOW, 800), span(QUICK, 480)]).await;
    let kept = decided(&admin, &"11".repeat(16)).await;
    assert!(kept.contains("kept: by \"slow\"; p = 1\n"), "{kept}");
    let dropped = decided(&admin, &"22".repeat(16).to_uppercase()).await;
    let reason = "dropped: matched nothing; nearest: latency \"slow\": 480 ms, needs more than 500 ms; \
                  status_code \"failed\": needs ERROR, seen UNSET\n";
    assert!(dropped.contains(reason), "{dropped}");
    assert!(dropped.contains("by decision_wait") && dropped.contains("slow not_sampled; failed not_sampled"));

    let unknown = explain(&admin, NEVER, &["--output", "json"]).await;
    assert_eq!(unknown.status.code(), Some(1));
    let answer: Value = serde_json::from_slice(&unknown.stdout).unwrap();
    assert_eq!(answer["samplers"][0]["remembered"], 2);
    assert!(answer["error"].as_str().unwrap().contains("the memory goes back to 2"), "{answer}");

    running.signal("TERM").await;
    assert!(running.ended().await.success());
    let lines = std::fs::read_to_string(&file).unwrap();
    let outcomes: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["outcome"].clone()).collect();
    assert_eq!(outcomes.len(), 2, "{lines}");
    assert!(outcomes.contains(&"sampled".into()) && outcomes.contains(&"not_sampled".into()));
}

#[tokio::test]
async fn kept_and_dropped_traces_are_told_by_shape() {
    let (http, admin) = (free_address(), free_address());
    let config = format!(
        "receivers: {{otlp: {{protocols: {{http: {{endpoint: \"{http}\"}}}}}}}}\n\
         processors: {{tail_sampling: {{decision_wait: 1s, detect: true, policies: [\
           {{name: slow, type: latency, latency: {{threshold_ms: 500}}}}]}}}}\n\
         exporters: {{nop: }}\n\
         extensions: {{admin: {{endpoint: \"{admin}\"}}}}\n\
         service: {{telemetry: {{metrics: {{level: none}}}}, extensions: [admin], pipelines: {{traces: \
         {{receivers: [otlp], processors: [tail_sampling], exporters: [nop]}}}}}}\n"
    );
    let mut running = Tailwater::start(&config, &[]).await;
    send(&http, vec![span(SLOW, 800), span(QUICK, 480)]).await;
    let told = async {
        loop {
            let answer = ask(&admin, "/v1/shapes").await;
            let first = &answer["samplers"][0]["shapes"][0];
            if first["kept"] == 1 && first["dropped"] == 1 {
                return answer;
            }
            // A shard tells what it counted when it next sees traffic, such as a late span.
            send(&http, vec![Span { parent_span_id: vec![1; 8], ..span(SLOW, 800) }]).await;
            send(&http, vec![Span { parent_span_id: vec![1; 8], ..span(QUICK, 480) }]).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let answer = tokio::time::timeout(PATIENCE, told).await.unwrap();
    let sampler = &answer["samplers"][0];
    assert_eq!(sampler["processor"], "tail_sampling");
    assert_eq!(sampler["shapes"].as_array().unwrap().len(), 1, "{answer}");
    assert_eq!(sampler["shapes"][0]["root"]["name"], "GET /");
    assert_eq!(sampler["others"]["shapes"], 0);
    running.signal("TERM").await;
    assert!(running.ended().await.success());
}
