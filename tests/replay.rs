//! `tailwater replay` as a user runs it: recordings in every format through real configs, the
//! report held against a golden one, mistakes said in words.
#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::path::{Path, PathBuf};

use tailwater::cli::{self, Exit, Terminal};
use tailwater::exporters::file;
use tailwater::model::Signal;

use support::{Built, batch_of};

fn fixture(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/replay");
    folder.join(name).to_string_lossy().into_owned()
}

/// Runs `tailwater replay` with these arguments: exit code, standard output, standard error.
fn replay(arguments: &[&str]) -> (Exit, String, String) {
    let line = cli::parse(["tailwater", "replay"].iter().chain(arguments)).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut terminal = Terminal::new(&mut out, &mut err, false);
    let exit = cli::run(&line.command.unwrap(), &line.config, &|_, _| {}, &mut terminal);
    (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

fn json(arguments: &[&str]) -> serde_json::Value {
    let (exit, out, err) = replay(&[arguments, &["--output", "json"]].concat());
    assert_eq!(exit, Exit::Ok, "{err}");
    serde_json::from_str(&out).unwrap()
}

/// A config of one pipeline with this sampler.
fn config(policies: &str) -> String {
    format!(
        "yaml:{{receivers: {{nop: }}, exporters: {{nop: }}, processors: {{tail_sampling: {{decision_wait: 5s, policies: \
         [{policies}]}}}}, service: {{telemetry: {{metrics: {{level: none}}}}, pipelines: {{traces: {{receivers: [nop], \
         processors: [tail_sampling], exporters: [nop]}}}}}}}}"
    )
}

const ALL: &str = "{name: all, type: always_sample}";

/// `UPDATE_GOLDEN=1 cargo test --test replay` writes the golden file anew.
#[test]
fn the_report_is_the_golden_one() {
    let (usual, slow) = (fixture("usual.yaml"), fixture("slow.yaml"));
    let (spans, labels, faults) = (fixture("spans.csv"), fixture("labels.csv"), fixture("faults.csv"));
    let arguments = ["--config", &usual, "--against", &slow, &spans, "--labels", &labels, "--labels", &faults];
    let (exit, out, err) = replay(&[&arguments[..], &["--target", "0.2"]].concat());
    assert_eq!(exit, Exit::Ok, "{err}");
    let golden = PathBuf::from(fixture("report.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &out).unwrap();
    }
    assert_eq!(out, std::fs::read_to_string(&golden).unwrap());
}

#[test]
fn every_format_is_replayed() {
    for (name, traces, spans) in [("jaeger.json", 1, 4), ("zipkin.json", 1, 4), ("spans.csv", 10, 82)] {
        let report = json(&["--config", &config(ALL), &fixture(name)]);
        let kept = &report["report"]["kept"];
        assert_eq!((kept["traces"].as_u64(), kept["spans"].as_u64()), (Some(traces), Some(spans)), "{name}");
        assert_eq!(report["report"]["estimate"], serde_json::json!([traces as f64, spans as f64]));
    }
}

#[tokio::test]
async fn what_our_file_exporter_writes_is_replayed() {
    let folder = tempfile::tempdir().unwrap();
    for (format, compression) in [("json", "none"), ("proto", "none"), ("json", "zstd"), ("proto", "zstd")] {
        let path = folder.path().join(format!("{format}-{compression}"));
        let compression = if compression == "none" { "" } else { ", compression: zstd" };
        let text = format!("{{path: {}, format: {format}{compression}}}", path.display());
        let exporter = Built::start(&text, file::Config::decode).await;
        let consumer = exporter.exporter.consumers.get(Signal::Traces).unwrap().clone();
        for spans in [3, 4] {
            consumer.consume(batch_of(spans)).await.unwrap();
        }
        let report = json(&["--config", &config(ALL), path.to_str().unwrap()]);
        assert_eq!(report["report"]["kept"]["spans"], 7, "{format}{compression}");
    }
    let whole_folder = json(&["--config", &config(ALL), folder.path().to_str().unwrap()]);
    assert_eq!(
        (whole_folder["files"].as_u64(), whole_folder["report"]["input"]["spans"].as_u64()),
        (Some(4), Some(28))
    );
}

#[test]
fn the_same_recording_gives_the_same_decisions_and_shards_change_none() {
    let folder = tempfile::tempdir().unwrap();
    let decisions = |name: &str, more: &[&str]| {
        let path = folder.path().join(name);
        let arguments =
            ["--config", &fixture("usual.yaml"), &fixture("spans.csv"), "--decisions", path.to_str().unwrap()];
        assert_eq!(replay(&[&arguments[..], more].concat()).0, Exit::Ok);
        std::fs::read_to_string(path).unwrap()
    };
    let first = decisions("a", &[]);
    assert_eq!(first, decisions("b", &[]));
    assert_eq!(first, decisions("c", &["--shards", "3"]));
    let lines: Vec<serde_json::Value> = first.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 10);
    assert!(lines.iter().all(|line| line["kept"] == (line["verdict"] == "sampled")));
    // The last trace is decided when the recording ends, the others after `decision_wait`.
    let waited = |line: &serde_json::Value| line["waited_ms"].as_f64().unwrap();
    let on_time = lines.iter().filter(|line| (10_000.0..=10_100.0).contains(&waited(line))).count();
    assert!(on_time >= 8 && lines.iter().all(|line| waited(line) <= 10_100.0), "{first}");
    let slow = lines.iter().find(|line| line["trace_id"] == "6f2af5d6aa4d70bc469ff49aa02aa400").unwrap();
    assert_eq!((slow["verdict"].as_str(), slow["policies"]["slow"].as_str()), (Some("sampled"), Some("sampled")));
    assert_eq!((slow["probability"].as_f64(), slow["duration_ms"].as_f64()), (Some(1.0), Some(351.714_331)));
}

#[test]
fn what_another_config_gains_and_loses_is_counted_and_named() {
    let few = config("{name: slow, type: latency, latency: {threshold_ms: 200}}");
    let many = config("{name: long, type: span_count, span_count: {min_spans: 10}}");
    let report = json(&["--config", &few, "--against", &many, &fixture("spans.csv")]);
    let versus = &report["against"]["versus"];
    let all = &versus["rows"][0];
    let traces = |report: &serde_json::Value| report["kept"]["traces"].as_u64().unwrap();
    let (both, gained, lost) =
        (all["both"].as_u64().unwrap(), all["gained"].as_u64().unwrap(), all["lost"].as_u64().unwrap());
    assert_eq!((both + lost, both + gained), (traces(&report["report"]), traces(&report["against"]["report"])));
    assert_eq!(versus["gained"].as_array().unwrap().len() as u64, gained);
    assert!(gained > 0, "{versus}");
}

#[test]
fn broken_records_stop_the_replay_or_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spans.csv");
    let text = std::fs::read_to_string(fixture("spans.csv")).unwrap();
    std::fs::write(&path, format!("{text}what,is,this\n")).unwrap();
    let arguments = ["--config", &config(ALL), path.to_str().unwrap()];
    let (exit, out, err) = replay(&arguments);
    assert_eq!((exit, out.as_str()), (Exit::Failure, ""));
    assert!(err.contains("line 84: fewer fields than columns; leave such records out with --skip-invalid"), "{err}");
    let (exit, out, err) = replay(&[&arguments[..], &["--skip-invalid"]].concat());
    assert!(exit == Exit::Ok && out.contains("1 broken record left out") && err.contains("line 84"), "{out}{err}");
}

#[test]
fn mistakes_are_said_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join("odd");
    std::fs::write(&odd, "<html>").unwrap();
    let (all, spans) = (config(ALL), fixture("spans.csv"));
    let logs = "yaml:{receivers: {nop: }, exporters: {nop: }, service: {pipelines: {logs: {receivers: [nop], exporters: [nop]}}}}";
    let two = all.replace(
        "pipelines: {",
        "pipelines: {traces/b: {receivers: [nop], processors: [tail_sampling], exporters: [nop]}, ",
    );
    let cases: [(&[&str], Exit, &str); 7] = [
        (&["--config", logs, &spans], Exit::Usage, "the config has no pipeline of traces"),
        (&["--config", &two, &spans], Exit::Usage, "choose one of several pipelines with --pipeline: traces, traces/b"),
        (&["--config", &two, &spans, "--pipeline", "traces/c"], Exit::Usage, "there is no pipeline \"traces/c\""),
        (&["--config", &all, "/no/such/file"], Exit::Failure, "cannot read /no/such/file: "),
        (
            &["--config", &all, odd.to_str().unwrap()],
            Exit::Failure,
            "the format is not recognized; it begins with \"<html>\"",
        ),
        (&["--config", &all, "--labels", &spans, &spans], Exit::Failure, "the header needs trace_id with label"),
        (&["--config", "yaml:{}", &spans], Exit::Usage, "the configuration is empty"),
    ];
    for (arguments, expected, words) in cases {
        let (exit, out, err) = replay(arguments);
        assert_eq!((exit, out.as_str()), (expected, ""), "{err}");
        assert!(err.contains(words), "{words}: {err}");
    }
    assert_eq!(replay(&["--config", &two, &spans, "--pipeline", "traces/b"]).0, Exit::Ok);
}
