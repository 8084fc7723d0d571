//! Traces of Zipkin's own tests: shared ids, a wrong clock, messages, missing parents.

use tailwater::assembly::{Assembler, SpanFacts};

use super::twin::Twin;
use super::{CLIENT, CONSUMER, INTERNAL, Names, PRODUCER, SERVER, fixture};

/// The spans of a Zipkin v2 file in nanoseconds.
fn spans(name: &str) -> Vec<SpanFacts> {
    let mut ops = Names::default();
    let file = fixture(&format!("zipkin/{name}.json"));
    let read = |span: &serde_json::Value| {
        let id = |key: &str| span[key].as_str().map_or(0, |hex| u64::from_str_radix(hex, 16).unwrap());
        let start = span["timestamp"].as_u64().unwrap_or_default() * 1_000;
        SpanFacts {
            span_id: id("id"),
            parent_span_id: id("parentId"),
            start,
            end: start + span["duration"].as_u64().unwrap_or_default() * 1_000,
            op: ops.number(span["name"].as_str().unwrap_or_default()) as u32,
            kind: match span["kind"].as_str() {
                Some("SERVER") => SERVER,
                Some("CLIENT") => CLIENT,
                Some("PRODUCER") => PRODUCER,
                Some("CONSUMER") => CONSUMER,
                _ => INTERNAL,
            },
            status: 0,
        }
    };
    file.as_array().unwrap().iter().map(read).collect()
}

const ALL: [&str; 9] = [
    "ascend",
    "envoy",
    "messaging",
    "messaging-kafka",
    "messaging2",
    "simple-db-p6",
    "skew",
    "smartthings-oauth-authorization",
    "yelp",
];

#[test]
fn a_server_with_a_wrong_clock_moves_into_its_caller_and_takes_its_children_along() {
    let spans = spans("skew");
    let mut assembler = Assembler::new();
    let trace = assembler.assemble(&spans);
    let [below, server, root, client] = [0, 1, 2, 3];
    assert_eq!(trace.roots(), [root]);
    assert_eq!(trace.parent(client), Some(root));
    assert_eq!(trace.parent(server), Some(client), "one id, two spans");
    assert_eq!(trace.parent(below), Some(server), "the id's children are the server's");
    assert_eq!(trace.skew_corrected(), 1);
    // (94,539 - 93,577) / 2 µs after the client's start.
    assert_eq!(trace.start(server), spans[3].start + 481_000);
    assert_eq!(trace.start(below), trace.start(server) + 1_000);
    assert_eq!(trace.self_nanos(server), (93_577 - 65_000) * 1_000);
    assert_eq!(trace.self_nanos(client), (94_539 - 93_577) * 1_000);
    assert_eq!(trace.self_nanos(root), (99_411 - 94_539) * 1_000);
    assert_eq!(trace.duration_nanos(), 99_411_000);
}

#[test]
fn shared_ids_are_pairs_and_nothing_is_lost() {
    // (file, spans, duplicates, orphans): of the six spans with one id in the last, a client and
    // a server count.
    let expected = [
        ("ascend", 8, 0, 0),
        ("envoy", 1, 0, 0),
        ("yelp", 16, 0, 0),
        ("messaging2", 11, 0, 6),
        ("messaging-kafka", 28, 0, 0),
        ("smartthings-oauth-authorization", 175, 4, 0),
    ];
    let mut assembler = Assembler::new();
    for (name, count, duplicates, orphans) in expected {
        let spans = spans(name);
        let trace = assembler.assemble(&spans);
        assert_eq!((trace.len(), trace.duplicates(), trace.orphans()), (count, duplicates, orphans), "{name}");
        assert_eq!(trace.roots().len() as u32, 1 + orphans, "{name}");
        assert!(trace.main_root().is_some_and(|root| trace.is_root(root)), "{name}");
    }
}

#[test]
fn what_follows_a_message_does_not_count_against_its_producer() {
    let spans = spans("messaging-kafka");
    let mut assembler = Assembler::new();
    let mut trace = assembler.assemble(&spans);
    let producers: Vec<u32> = (0..28).filter(|row| spans[*row as usize].kind == PRODUCER).collect();
    assert!(producers.iter().any(|row| !trace.children(*row).is_empty()));
    for row in producers {
        assert_eq!(trace.self_nanos(row), trace.end(row) - trace.start(row), "row {row}");
    }
}

#[test]
fn every_file_is_as_the_twin_has_it() {
    let mut assembler = Assembler::new();
    for name in ALL {
        let spans = spans(name);
        let twin = Twin::new(&spans);
        let mut trace = assembler.assemble(&spans);
        for row in 0..spans.len() {
            let at = row as u32;
            assert_eq!(trace.parent(at), twin.parent.get(&row).map(|parent| *parent as u32), "{name}, row {row}");
            assert_eq!((trace.start(at), trace.end(at)), twin.times[row], "{name}, row {row}");
            assert_eq!(trace.self_nanos(at), twin.self_nanos[row], "{name}, row {row}");
        }
        let mut segments = Vec::new();
        trace.critical_path(&mut segments);
        let root = trace.main_root().unwrap();
        let total: u64 = segments.iter().map(|segment| segment.to - segment.from).sum();
        assert_eq!(total, trace.end(root) - trace.start(root), "{name}");
    }
}
