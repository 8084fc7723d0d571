//! Replays the corpus of every fuzz target on stable Rust, through the functions that the fuzzer
//! runs.

#[path = "../fuzz/src/lib.rs"]
pub mod targets;

use std::path::Path;

#[test]
fn every_file_of_every_corpus_passes_its_target() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    for (name, target) in targets::TARGETS {
        assert!(fuzz.join(format!("fuzz_targets/{name}.rs")).is_file(), "{name} has no fuzz target");
        let files: Vec<_> = std::fs::read_dir(fuzz.join("corpus").join(name))
            .unwrap_or_else(|error| panic!("corpus of {name}: {error}"))
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(!files.is_empty(), "{name} has no corpus");
        for file in files {
            let data = std::fs::read(&file).unwrap();
            if std::panic::catch_unwind(|| target(&data)).is_err() {
                panic!("{} fails", file.display());
            }
        }
    }
}
