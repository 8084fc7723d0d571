//! Assembly against the outside: CRISP's critical paths, Zipkin's traces, a naive twin over
//! hostile traces, and sizes that no recursion survives.

#![expect(clippy::unwrap_used, reason = "a fixture that does not read fails its test")]

#[path = "assembly/crisp.rs"]
mod crisp;
#[path = "assembly/hostile.rs"]
mod hostile;
#[path = "assembly/shapes.rs"]
mod shapes;
#[path = "assembly/sizes.rs"]
mod sizes;
#[path = "assembly/twin.rs"]
mod twin;
#[path = "assembly/zipkin.rs"]
mod zipkin;

use std::path::PathBuf;

use tailwater::assembly::SpanFacts;

const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
const CLIENT: u8 = 3;
const PRODUCER: u8 = 4;
const CONSUMER: u8 = 5;

/// A span of op `id`.
fn span(id: u64, parent: u64, kind: u8, start: u64, end: u64) -> SpanFacts {
    SpanFacts { span_id: id, parent_span_id: parent, start, end, op: id as u32, kind, status: 0 }
}

/// A JSON file below `tests/fixtures/assembly`.
fn fixture(name: &str) -> serde_json::Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/assembly").join(name);
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Small numbers for names, in the order in which they come.
#[derive(Default)]
struct Names(Vec<String>);

impl Names {
    fn number(&mut self, name: &str) -> usize {
        self.0.iter().position(|known| known == name).unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        })
    }
}
