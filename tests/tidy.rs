//! The rules of the house as a test: who may import whom, no catch-all names, nothing too long,
//! every file says what it is, every document tells the truth about paths.
//!
//! Each checker is a function from text to faults, and each is shown a bad sample: a rule that
//! cannot fail is no rule.

#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/floors.rs"]
mod floors;
#[path = "tidy/lengths.rs"]
mod lengths;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/words.rs"]
mod words;

use std::path::{Path, PathBuf};

/// The package's root.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` with this ending, with its path from the root, sorted.
fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                let name = path.strip_prefix(root()).unwrap_or(&path).to_string_lossy().into_owned();
                found.push((name, text));
            }
        }
    }
    found.sort();
    found
}

/// Every Rust file of the package, tests and benchmarks included.
fn rust_files() -> Vec<(String, String)> {
    ["src", "tests", "benches", "examples", "fuzz/fuzz_targets"]
        .iter()
        .flat_map(|folder| files(folder, ".rs"))
        .collect()
}

fn assert_no(faults: Vec<String>) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// Runs a checker of one file over many.
fn over(files: &[(String, String)], check: impl Fn(&str, &str) -> Vec<String>) -> Vec<String> {
    files.iter().flat_map(|(name, text)| check(name, text)).collect()
}

#[test]
fn imports_go_downwards_and_siblings_do_not_know_each_other() {
    assert_no(over(&files("src", ".rs"), floors::imports));
}

#[test]
fn every_folder_has_its_floor() {
    assert_no(floors::unknown_folders(&files("src", ".rs")));
}

#[test]
fn pure_folders_ask_nothing_of_the_world() {
    assert_no(over(&files("src", ".rs"), floors::impurities));
}

#[test]
fn no_file_has_a_catch_all_name() {
    assert_no(over(&rust_files(), words::catch_all_name));
}

#[test]
fn every_file_says_what_it_is() {
    assert_no(over(&rust_files(), words::opening));
}

#[test]
fn nothing_is_left_for_later_and_no_lint_is_silenced() {
    assert_no(over(&rust_files(), words::leftovers));
}

#[test]
fn files_and_functions_stay_short() {
    assert_no(lengths::ratchet(&files("src", ".rs")));
}

#[test]
fn every_path_named_in_a_document_exists() {
    let mut documents: Vec<_> = files("docs", ".md");
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        if let Ok(text) = std::fs::read_to_string(root().join(name)) {
            documents.push((name.to_owned(), text));
        }
    }
    let exists = |path: &str| root().join(path).exists() || root().join("src").join(path).exists();
    assert_no(over(&documents, |name, text| documents::missing_paths(name, text, &exists)));
}

#[test]
fn every_configuration_opens_with_what_it_is() {
    let configurations = files("config", ".yaml");
    assert!(!configurations.is_empty(), "config/ holds no configuration");
    assert_no(over(&configurations, documents::configuration));
}
