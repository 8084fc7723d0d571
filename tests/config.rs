//! Config files as users write them: those under `good` load, those under `bad` are refused with
//! the text beside them. `UPDATE_GOLDEN=1 cargo test --test config` writes those texts anew.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be read fails its test")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tailwater::config::{TEXT_BYTES_MAX, as_read, mask, parse_yaml, render, to_json, to_yaml};
use tailwater::service::{Loaded, load};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config").join(name)
}

/// Every YAML file of a folder, by name.
fn files(name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(name)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    assert!(!files.is_empty());
    files
}

fn variable(name: &str) -> Option<String> {
    let value = match name {
        "PORT" => "4317",
        "HOST" => "127.0.0.1",
        "EMPTY" => "",
        "LOOP" => "${env:LOOP}",
        "PIPELINE" => "{receivers: [nop], exporters: [nop]}",
        "OTLP_HEADER" => "Bearer: 0123",
        _ => return None,
    };
    Some(value.to_owned())
}

fn read_file(path: &Path) -> io::Result<String> {
    fs::read_to_string(if path.is_absolute() { path.to_owned() } else { folder("").join(path) })
}

fn load_file(path: &Path, sets: &[&str]) -> Loaded {
    let relative = path.strip_prefix(folder("")).unwrap().to_str().unwrap().to_owned();
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    load(&[relative], &sets, &variable, &read_file)
}

fn shown(loaded: &Loaded) -> String {
    let headline = if loaded.report.has_errors() { loaded.headline() } else { "no errors" };
    format!("{headline}\n{}", render(&loaded.report, &loaded.sources, false))
}

#[test]
fn good_files_load() {
    for path in files("good") {
        let loaded = load_file(&path, &[]);
        assert!(loaded.config.is_some(), "{}: {}", path.display(), shown(&loaded));
    }
}

#[test]
fn the_files_that_are_shipped_load_without_a_word() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|word| word == "yaml")).collect();
    assert!(!files.is_empty());
    for path in files {
        let path = path.to_str().unwrap().to_owned();
        let loaded = load(std::slice::from_ref(&path), &[], &variable, &read_file);
        assert!(loaded.config.is_some() && loaded.report.problems().is_empty(), "{path}: {}", shown(&loaded));
    }
}

#[test]
fn bad_files_are_refused_with_the_text_beside_them() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for path in files("bad") {
        let loaded = load_file(&path, &[]);
        assert!(loaded.config.is_none(), "{} loads", path.display());
        let (text, golden) = (shown(&loaded), path.with_extension("txt"));
        if update {
            fs::write(&golden, &text).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if text != expected {
            wrong.push(format!("{}\n--- expected\n{expected}--- found\n{text}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The configs that the Collector refuses in `conformance/`, and the word that the refusal names.
const WORDS: [(&str, &str); 31] = [
    ("invalid-empty-file", "empty"),
    ("invalid-yaml-syntax", "yaml"),
    ("invalid-top-level-key", "procesors"),
    ("invalid-no-pipelines", "pipeline"),
    ("invalid-no-exporters", "exporter"),
    ("invalid-key-case", "Timeout"),
    ("invalid-wrong-type", "send_batch_size"),
    ("invalid-string-for-number", "send_batch_size"),
    ("invalid-negative-for-unsigned", "send_batch_size"),
    ("invalid-bad-duration", "timeout"),
    ("invalid-batch-duplicate-metadata-key", "metadata_keys"),
    ("invalid-protocol", "htttp"),
    ("invalid-no-protocol", "protocol"),
    ("invalid-memory-limiter-no-limit", "limit_mib"),
    ("invalid-sampler-precision", "precision"),
    ("invalid-tail-empty-name", "name"),
    ("invalid-tail-regexp", "env"),
    ("invalid-tail-ottl", "ottl"),
    ("invalid-tail-ottl-function", "Nope"),
    ("invalid-tail-ottl-error-mode", "error_mode"),
    ("invalid-tail-nested-and", "policy"),
    ("invalid-attributes-unknown-action", "action"),
    ("invalid-attributes-extract-unnamed", "pattern"),
    ("invalid-filter-path", "nosuch"),
    ("invalid-groupbytrace-orphans", "orphans"),
    ("invalid-exporter-compression", "compression"),
    ("invalid-span-metrics-both-histograms", "histogram"),
    ("invalid-span-metrics-duplicate-dimension", "dimension"),
    ("invalid-extension-unknown", "zpages"),
    ("invalid-id-with-space", "bad id"),
    ("invalid-endpoint-without-port", "nonsense"),
];

#[test]
fn what_the_collector_refuses_is_refused_with_the_same_word() {
    for (name, word) in WORDS {
        let loaded = load_file(&folder("bad").join(format!("{name}.yaml")), &[]);
        assert!(loaded.config.is_none(), "{name} loads");
        assert!(shown(&loaded).contains(word), "{name} without {word:?}: {}", shown(&loaded));
    }
}

#[test]
fn every_golden_text_has_its_file() {
    for entry in fs::read_dir(folder("bad")).unwrap() {
        let path = entry.unwrap().path();
        assert!(path.with_extension("yaml").exists(), "{} has no config beside it", path.display());
    }
}

#[test]
fn a_printed_config_loads_as_the_same_config() {
    for path in files("good") {
        let loaded = load_file(&path, &[]);
        let root = as_read(&loaded.root.unwrap(), &loaded.report);
        let printed = to_yaml(&root);
        let read = parse_yaml(&printed, 0, &mut Default::default()).unwrap();
        assert_eq!(to_json(&read), to_json(&root), "{}", path.display());
        // Masking keeps the shape, so that a masked config can be compared with another.
        assert_eq!(to_yaml(&mask(&root, &loaded.report)).lines().count(), printed.lines().count());
    }
}

#[test]
fn a_secret_that_looks_like_yaml_is_text_and_stays_hidden() {
    let loaded = load_file(&folder("good").join("collector-agent.yaml"), &[]);
    let root = as_read(loaded.root.as_ref().unwrap(), &loaded.report);
    assert!(to_yaml(&root).contains("authorization: \"Bearer: 0123\"\n"), "{}", to_yaml(&root));
    let masked = to_yaml(&mask(&root, &loaded.report));
    assert!(masked.contains("authorization: \"[REDACTED]\"\n") && !masked.contains("Bearer"), "{masked}");
    // Also when no component has read it.
    let unread = to_yaml(&mask(loaded.root.as_ref().unwrap(), &loaded.report));
    assert!(!unread.contains("Bearer"), "{unread}");
}

#[test]
fn a_set_wins_over_the_file_and_is_named_in_its_error() {
    let path = folder("good").join("minimal.yaml");
    let good = load_file(&path, &["service.pipelines.logs={receivers: [nop], exporters: [nop]}"]);
    assert_eq!(good.config.unwrap().pipelines.len(), 2);
    let bad = load_file(&path, &["service.pipelines.traces.exporters=[nope]"]);
    let text = shown(&bad);
    assert!(text.contains("error: --set service.pipelines.traces.exporters=[nope]: "), "{text}");
}

#[test]
fn later_files_are_laid_over_earlier_ones() {
    let over = "yaml:service::pipelines::traces::exporters: [nop/other]\nexporters::nop/other:\n".to_owned();
    let loaded = load(&["good/minimal.yaml".to_owned(), over], &[], &variable, &read_file);
    let config = loaded.config.unwrap();
    let exporters: Vec<String> =
        config.pipelines.values().flat_map(|pipeline| &pipeline.exporters).map(ToString::to_string).collect();
    assert_eq!(exporters, ["nop/other"]);
}

#[test]
fn a_file_over_the_limit_is_refused() {
    let read_file = |_: &Path| Ok("#".repeat(TEXT_BYTES_MAX + 1));
    let loaded = load(&["long.yaml".to_owned()], &[], &variable, &read_file);
    assert!(loaded.config.is_none() && shown(&loaded).contains("yaml: 4194305 bytes of text"));
}
