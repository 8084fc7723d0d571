//! Laws of `batch` over random arrivals.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prop::collection::vec;
use proptest::prelude::*;
use prost::Message;
use tailwater::model::{Batch, Part, Rows, Signal};
use tailwater::processors::batch::{BatchProcessor, Config};
use tailwater::wire::{Limits, scan};

use crate::driver::{Driver, settings};

fn batcher(config: Config) -> Driver {
    let settings = settings();
    Driver::new(Box::new(BatchProcessor::new(config, &settings)), settings)
}

/// A request of spans with these numbers.
fn request(numbers: impl Iterator<Item = u64>) -> Vec<u8> {
    let spans = numbers.map(|number| Span {
        trace_id: vec![1; 16],
        span_id: number.to_be_bytes().to_vec(),
        name: "y".repeat(50),
        ..Span::default()
    });
    let scope = ScopeSpans { spans: spans.collect(), ..ScopeSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans: vec![scope], ..Default::default() }] }
        .encode_to_vec()
}

fn numbers(batch: &Batch) -> Vec<u64> {
    let rows = batch.parts().iter().flat_map(|part| {
        let columns = part.request.index().spans.as_ref().unwrap();
        part.rows().map(|row| u64::from_be_bytes(columns.span_id(row).0))
    });
    rows.collect()
}

proptest! {
    #[test]
    fn items_are_conserved_in_order_and_batches_keep_their_limits(
        size in 0..20_u64,
        max in prop_oneof![Just(0_u64), 0..15_u64],
        timeout in prop_oneof![Just(0_u64), 1..300_u64],
        arrivals in vec((1..50_u64, 0..400_u64), 1..20),
    ) {
        let max = if max == 0 { 0 } else { size + max };
        let mut driver = batcher(Config {
            timeout: Duration::from_millis(timeout),
            send_batch_size: size,
            send_batch_max_size: max,
            ..Config::default()
        });
        let mut sent = 0;
        for (spans, pause) in arrivals {
            driver.send(&request(sent..sent + spans), None).unwrap();
            sent += spans;
            let waits = timeout > 0 && size > 0;
            let most = if waits { size - 1 } else { 0 };
            prop_assert!(driver.processor.held_items() <= most);
            prop_assert_eq!(driver.processor.deadline().is_some(), driver.processor.held_items() > 0);
            driver.sleep(Duration::from_millis(pause));
            prop_assert!(pause < timeout || driver.processor.held_items() == 0, "nothing waits beyond the timeout");
        }
        driver.stop();
        prop_assert_eq!(driver.out.iter().flat_map(numbers).collect::<Vec<_>>(), (0..sent).collect::<Vec<_>>());
        prop_assert!(driver.out.iter().all(|batch| max == 0 || batch.item_count() <= max));
    }
}

#[test]
fn the_timeout_counts_from_the_first_item_after_a_flush() {
    let mut driver = batcher(Config { send_batch_size: 10, ..Config::default() });
    driver.send(&request(0..4), None).unwrap();
    driver.sleep(Duration::from_millis(150));
    driver.send(&request(4..6), None).unwrap();
    driver.sleep(Duration::from_millis(49));
    assert_eq!(driver.out.len(), 0);
    driver.sleep(Duration::from_millis(1));
    assert_eq!(driver.out.iter().map(Batch::item_count).collect::<Vec<_>>(), [6]);
    assert_eq!(driver.processor.deadline(), None);
    let text = driver.settings.metrics.encode();
    assert!(text.contains("batch_timeout_trigger_send_total{processor=\"tail_sampling\"} 1"), "{text}");
}

#[test]
fn few_rows_of_a_large_request_do_not_keep_it_alive() {
    let mut driver = batcher(Config::default());
    let account = driver.settings.account.clone();
    let request = scan(Signal::Traces, request(0..1_000).into(), &Limits::default(), &account).unwrap();
    let large = account.held_bytes();
    let mut batch = Batch::new(Signal::Traces);
    batch.push(Part { request, rows: Rows::Range { start: 500, end: 510 } });
    driver.give(batch).unwrap();
    assert!(account.held_bytes() * 20 < large, "{} bytes are held of {large}", account.held_bytes());
    driver.stop();
    assert_eq!(numbers(&driver.out[0]), (500..510).collect::<Vec<_>>());
}

#[test]
fn a_combination_of_metadata_too_many_is_refused_for_good() {
    let metadata = |tenant: &str| {
        Some(std::sync::Arc::new(tailwater::model::ClientMetadata::new([("X-Tenant".to_owned(), tenant.to_owned())])))
    };
    let mut driver = batcher(Config {
        metadata_keys: vec!["x-tenant".to_owned()],
        metadata_cardinality_limit: 2,
        ..Config::default()
    });
    driver.send(&request(0..1), metadata("a")).unwrap();
    driver.send(&request(1..2), metadata("b")).unwrap();
    driver.send(&request(2..3), metadata("a")).unwrap();
    let error = driver.send(&request(3..4), metadata("c")).unwrap_err();
    assert!(!error.is_retryable());
    assert_eq!(error.message(), "too many batcher metadata-value combinations");
    driver.stop();
    assert_eq!(driver.out.iter().map(numbers).collect::<Vec<_>>(), [vec![0, 2], vec![1]]);
    let tenants: Vec<_> =
        driver.out.iter().map(|batch| batch.metadata().unwrap().values("x-tenant")[0].clone()).collect();
    assert_eq!(tenants, ["a", "b"]);
}
