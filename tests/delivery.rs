//! Queue, batcher, retry and timeout around a scripted exporter, in paused time: exact instants,
//! and a conservation line whose residual is zero however a batch ends.

#![expect(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use support::{Built, batch_of, decode, select, settings, with_metadata};
use tailwater::exporters::delivery::{self, Config};
use tailwater::model::{Batch, Instant, Signal};
use tailwater::pipeline::{
    BoxFuture, Clock, Code, Component, ConsumeError, DropReason, Exporter, Health, LedgerReading, Settings,
};
use tokio::sync::Semaphore;

/// What the double does with one attempt.
#[derive(Clone, Debug)]
enum Act {
    Take,
    Fail(ConsumeError),
    /// Never ends by itself.
    Hang,
    Panic,
}

/// An exporter that does as it is told and notes when it was asked for what.
struct Scripted {
    acts: Mutex<VecDeque<Act>>,
    usual: Act,
    seen: Mutex<Vec<(Duration, u64)>>,
    batches: Mutex<Vec<Batch>>,
    clock: Arc<dyn Clock>,
    /// Attempts pass this gate one by one.
    gate: Semaphore,
}

impl Component for Scripted {}

impl Exporter for Scripted {
    fn export(&self, batch: Batch) -> BoxFuture<'_, Result<(), ConsumeError>> {
        Box::pin(async move {
            self.gate.acquire().await.unwrap().forget();
            let now = self.clock.now().mono.since(Instant(0));
            self.seen.lock().unwrap().push((now, batch.item_count()));
            self.batches.lock().unwrap().push(batch);
            let act = self.acts.lock().unwrap().pop_front().unwrap_or_else(|| self.usual.clone());
            match act {
                Act::Take => Ok(()),
                Act::Fail(error) => Err(error),
                Act::Hang => std::future::pending().await,
                Act::Panic => panic!("as the script says"),
            }
        })
    }
}

struct Rig {
    double: Arc<Scripted>,
    built: Built,
}

impl Rig {
    /// Steady retry (no jitter) unless `text` says otherwise.
    async fn start(text: &str, acts: impl IntoIterator<Item = Act>) -> Self {
        Self::gated(text, acts, Semaphore::MAX_PERMITS).await
    }

    async fn gated(text: &str, acts: impl IntoIterator<Item = Act>, passes: usize) -> Self {
        let (config, problems) = decode(text, |section| {
            let timeout = section.duration("timeout", Duration::from_secs(5));
            Config::decode(section, timeout)
        });
        assert_eq!(problems, Vec::<String>::new());
        let settings: Settings = settings("otlp/test");
        let double = Arc::new(Scripted {
            acts: Mutex::new(acts.into_iter().collect()),
            usual: Act::Take,
            seen: Mutex::default(),
            batches: Mutex::default(),
            clock: settings.clock.clone(),
            gate: Semaphore::new(passes),
        });
        let exporter = delivery::build(&settings, &config, double.clone(), &[Signal::Traces]);
        exporter.component.start().await.unwrap();
        Self { double, built: Built { settings, exporter } }
    }

    /// Instants of the attempts, in milliseconds, with their items.
    fn seen(&self) -> Vec<(u128, u64)> {
        self.double.seen.lock().unwrap().iter().map(|(at, items)| (at.as_millis(), *items)).collect()
    }

    fn reading(&self) -> LedgerReading {
        let reading = self.built.reading();
        assert_eq!(reading.residual(), 0, "{reading:?}");
        reading
    }

    fn dropped(&self, reason: DropReason) -> u64 {
        self.reading().dropped.get(&reason).copied().unwrap_or(0)
    }
}

fn busy() -> Act {
    Act::Fail(ConsumeError::retryable("busy", None))
}

fn busy_for(seconds: u64) -> Act {
    Act::Fail(ConsumeError::retryable("busy", Some(Duration::from_secs(seconds))))
}

async fn wait(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

const NO_QUEUE: &str = "sending_queue: {enabled: false}\n";
const STEADY: &str = "retry_on_failure: {randomization_factor: 0, initial_interval: 1s, multiplier: 2}\n";

#[tokio::test(start_paused = true)]
async fn without_a_queue_errors_go_back_to_the_caller() {
    let text = format!("{NO_QUEUE}retry_on_failure: {{enabled: false}}");
    let error = ConsumeError::permanent("bad").with_code(Code::InvalidArgument);
    let rig = Rig::start(&text, [Act::Fail(error), busy(), Act::Take]).await;
    assert_eq!(rig.built.send(batch_of(2)).await.unwrap_err().code(), Code::InvalidArgument);
    assert!(rig.built.send(batch_of(2)).await.unwrap_err().is_retryable());
    rig.built.send(batch_of(2)).await.unwrap();
    let reading = rig.reading();
    assert_eq!((reading.sent, reading.refused), (2, 4));
    assert_eq!(rig.built.metric("otelcol_exporter_send_failed_spans_total"), 4);
    assert_eq!(rig.built.metric("otelcol_exporter_sent_spans_total"), 2);
}

#[tokio::test(start_paused = true)]
async fn retries_wait_for_the_backoff_or_for_the_server_whichever_is_longer() {
    let rig = Rig::start(&format!("{NO_QUEUE}{STEADY}"), [busy(), busy_for(10), busy_for(1), Act::Take]).await;
    rig.built.send(batch_of(1)).await.unwrap();
    assert_eq!(rig.seen(), [(0, 1), (1000, 1), (11_000, 1), (15_000, 1)]);
    assert_eq!(rig.reading().sent, 1);
}

#[tokio::test(start_paused = true)]
async fn retrying_ends_before_max_elapsed_time_and_the_error_says_so() {
    let text = format!(
        "{NO_QUEUE}retry_on_failure: {{randomization_factor: 0, initial_interval: 1s, multiplier: 2, max_interval: 5s, max_elapsed_time: 6s}}"
    );
    let rig = Rig::start(&text, [busy(), busy(), busy(), busy()]).await;
    let error = rig.built.send(batch_of(1)).await.unwrap_err();
    assert_eq!(rig.seen(), [(0, 1), (1000, 1), (3000, 1)]);
    assert!(!error.is_retryable() && error.code() == Code::Unavailable);
    assert_eq!(error.message(), "no more retries left: busy");
    assert_eq!(rig.reading().refused, 1);
}

#[tokio::test(start_paused = true)]
async fn a_permanent_error_is_not_tried_again() {
    let rig = Rig::start(STEADY, [Act::Fail(ConsumeError::permanent("no"))]).await;
    rig.built.send(batch_of(4)).await.unwrap();
    wait(60_000).await;
    assert_eq!(rig.seen(), [(0, 4)]);
    assert_eq!(rig.dropped(DropReason::Rejected), 4);
    assert_eq!(rig.built.metric("otelcol_exporter_send_failed_spans_total"), 4);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_too_long_is_given_up_and_tried_again() {
    let rig = Rig::start(&format!("timeout: 2s\n{STEADY}"), [Act::Hang, Act::Take]).await;
    rig.built.send(batch_of(1)).await.unwrap();
    wait(10_000).await;
    assert_eq!(rig.seen(), [(0, 1), (3000, 1)]);
    assert_eq!(rig.reading().sent, 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_and_counts_what_is_under_way() {
    let text = "sending_queue: {queue_size: 2, num_consumers: 1}\nretry_on_failure: {enabled: false}";
    let rig = Rig::gated(text, [], 0).await;
    rig.built.send(batch_of(1)).await.unwrap();
    wait(1).await;
    rig.built.send(batch_of(1)).await.unwrap();
    assert_eq!(rig.built.metric("otelcol_exporter_queue_size"), 2);
    assert_eq!(rig.built.metric("otelcol_exporter_queue_capacity"), 2);
    assert_eq!(rig.built.metric("otelcol_exporter_in_flight_requests"), 1);
    let error = rig.built.send(batch_of(5)).await.unwrap_err();
    assert_eq!((error.message(), error.code()), ("sending queue is full", Code::Unavailable));
    assert!(error.is_retryable());
    assert_eq!(rig.built.metric("otelcol_exporter_enqueue_failed_spans_total"), 5);
    assert_eq!(rig.reading().waiting, 2);
    rig.double.gate.add_permits(2);
    wait(1).await;
    assert_eq!((rig.reading().sent, rig.reading().waiting, rig.reading().refused), (2, 0, 5));
    assert_eq!(rig.built.metric("otelcol_exporter_queue_size"), 0);
}

#[tokio::test(start_paused = true)]
async fn with_block_on_overflow_the_caller_waits_for_room() {
    let text = "timeout: 0s\nsending_queue: {queue_size: 3, sizer: items, num_consumers: 1, block_on_overflow: true}";
    let rig = Rig::gated(text, [], 0).await;
    rig.built.send(batch_of(3)).await.unwrap();
    let second = rig.built.send(batch_of(2));
    tokio::pin!(second);
    assert!(tokio::time::timeout(Duration::from_secs(9), &mut second).await.is_err());
    rig.double.gate.add_permits(2);
    second.await.unwrap();
    wait(1).await;
    assert_eq!(rig.seen(), [(9000, 3), (9000, 2)]);
    assert_eq!(rig.reading().sent, 5);
}

#[tokio::test(start_paused = true)]
async fn a_batch_larger_than_the_queue_is_refused_for_good() {
    let rig = Rig::start("sending_queue: {queue_size: 3, sizer: items, block_on_overflow: true}", []).await;
    let error = rig.built.send(batch_of(4)).await.unwrap_err();
    assert!(!error.is_retryable() && error.message().starts_with("element size too large"));
    assert_eq!(rig.reading().refused, 4);
}

#[tokio::test(start_paused = true)]
async fn with_wait_for_result_the_caller_learns_what_became_of_its_batch() {
    let text = "sending_queue: {wait_for_result: true}\nretry_on_failure: {enabled: false}";
    let rig = Rig::start(text, [Act::Take, busy(), Act::Fail(ConsumeError::permanent("no"))]).await;
    rig.built.send(batch_of(1)).await.unwrap();
    assert!(rig.built.send(batch_of(2)).await.unwrap_err().is_retryable());
    assert!(!rig.built.send(batch_of(3)).await.unwrap_err().is_retryable());
    let reading = rig.reading();
    assert_eq!((reading.sent, reading.refused, reading.dropped.len()), (1, 5, 0));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_before_its_result_leaves_no_residual() {
    let rig = Rig::gated("sending_queue: {wait_for_result: true}", [], 0).await;
    let caller = tokio::time::timeout(Duration::from_secs(1), rig.built.send(batch_of(2)));
    assert!(caller.await.is_err());
    rig.built.settings.ledger.refused(Signal::Traces, 2);
    rig.double.gate.add_permits(1);
    wait(1).await;
    assert_eq!((rig.reading().sent, rig.reading().copied), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_with_its_result_unread_leaves_no_residual() {
    let rig = Rig::gated("sending_queue: {wait_for_result: true}", [], 0).await;
    let mut caller = Box::pin(rig.built.send(batch_of(2)));
    assert!(futures_util::poll!(&mut caller).is_pending());
    rig.double.gate.add_permits(1);
    wait(1).await;
    drop(caller);
    rig.built.settings.ledger.refused(Signal::Traces, 2);
    assert_eq!((rig.reading().sent, rig.reading().copied), (2, 2));
}

const BATCHED: &str = "sending_queue: {num_consumers: 1, batch: {flush_timeout: 200ms, min_size: 10, max_size: 12}}\n";

#[tokio::test(start_paused = true)]
async fn a_batch_goes_out_at_its_smallest_size_or_when_time_is_up() {
    let rig = Rig::start(BATCHED, []).await;
    for count in [4, 5, 1] {
        rig.built.send(batch_of(count)).await.unwrap();
    }
    wait(100).await;
    rig.built.send(batch_of(3)).await.unwrap();
    wait(150).await;
    rig.built.send(batch_of(3)).await.unwrap();
    wait(1000).await;
    assert_eq!(rig.seen(), [(0, 10), (300, 6)]);
    assert_eq!(rig.reading().sent, 16);
}

#[tokio::test(start_paused = true)]
async fn what_is_above_the_largest_size_is_split() {
    let rig = Rig::start(BATCHED, []).await;
    rig.built.send(batch_of(9)).await.unwrap();
    rig.built.send(batch_of(20)).await.unwrap();
    wait(1000).await;
    assert_eq!(rig.seen(), [(0, 12), (0, 12), (200, 5)]);
    let names: usize = rig.double.batches.lock().unwrap().iter().map(|batch| batch.parts().len()).sum();
    assert_eq!((names, rig.reading().sent), (4, 29));
}

#[tokio::test(start_paused = true)]
async fn a_split_batch_fails_its_caller_as_a_whole_and_what_was_sent_is_a_copy() {
    let text = "sending_queue: {num_consumers: 1, wait_for_result: true, batch: {flush_timeout: 200ms, min_size: 4, max_size: 4}}\nretry_on_failure: {enabled: false}";
    let rig = Rig::start(text, [Act::Take, Act::Fail(ConsumeError::permanent("no")), Act::Take]).await;
    let error = rig.built.send(batch_of(10)).await.unwrap_err();
    assert_eq!(error.message(), "no");
    let reading = rig.reading();
    assert_eq!((reading.sent, reading.copied, reading.refused), (6, 6, 10));
}

#[tokio::test(start_paused = true)]
async fn sizes_in_bytes_split_between_spans() {
    let bytes = batch_of(1).selected_bytes();
    let text = format!(
        "sending_queue: {{num_consumers: 1, queue_size: 100000, sizer: bytes, batch: {{flush_timeout: 1s, min_size: {bytes}, max_size: {}}}}}",
        bytes + 10
    );
    let rig = Rig::start(&text, []).await;
    rig.built.send(batch_of(7)).await.unwrap();
    wait(2000).await;
    let sizes: Vec<u64> = rig.double.batches.lock().unwrap().iter().map(Batch::selected_bytes).collect();
    assert!(sizes.len() > 3 && sizes.iter().all(|size| *size <= bytes + 10), "{sizes:?}");
    assert_eq!(rig.reading().sent, 7);
}

#[tokio::test(start_paused = true)]
async fn batches_of_different_metadata_stay_apart() {
    let text = "sending_queue: {num_consumers: 1, batch: {flush_timeout: 200ms, min_size: 4, partition: {metadata_keys: [X-Tenant]}}}";
    let rig = Rig::start(text, []).await;
    for (tenant, count) in [("a", 3), ("b", 2), ("a", 1), ("b", 1)] {
        rig.built.send(with_metadata(batch_of(count), &[("x-tenant", tenant)])).await.unwrap();
    }
    wait(1000).await;
    assert_eq!(rig.seen(), [(0, 4), (200, 3)]);
    let batches = rig.double.batches.lock().unwrap();
    let tenants: Vec<_> = batches.iter().map(|batch| batch.metadata().unwrap().values("x-tenant").to_vec()).collect();
    assert_eq!(tenants, [["a"], ["b"]]);
}

#[tokio::test(start_paused = true)]
async fn shutdown_sends_what_is_queued_and_stops_waiting_for_retries() {
    let text = format!("sending_queue: {{num_consumers: 1}}\n{STEADY}");
    let rig = Rig::start(&text, [busy()]).await;
    for count in [1, 2, 3] {
        rig.built.send(batch_of(count)).await.unwrap();
    }
    wait(500).await;
    assert_eq!(rig.reading().waiting, 6);
    rig.built.stop(10).await;
    assert_eq!(rig.seen(), [(0, 1), (500, 2), (500, 3)]);
    assert_eq!((rig.reading().sent, rig.reading().waiting), (5, 0));
    assert_eq!(rig.dropped(DropReason::ShutdownDeadline), 1);
    let error = rig.built.send(batch_of(1)).await.unwrap_err();
    assert!(!error.is_retryable() && rig.reading().refused == 1, "{error}");
}

#[tokio::test(start_paused = true)]
async fn shutdown_flushes_the_batcher() {
    let rig = Rig::start(BATCHED, []).await;
    rig.built.send(batch_of(3)).await.unwrap();
    wait(1).await;
    rig.built.stop(10).await;
    assert_eq!((rig.seen(), rig.reading().sent), (vec![(1, 3)], 3));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_sent_by_the_deadline_is_dropped_and_counted() {
    let text = "timeout: 0s\nsending_queue: {num_consumers: 1}";
    let rig = Rig::start(text, [Act::Hang]).await;
    rig.built.send(batch_of(1)).await.unwrap();
    rig.built.send(batch_of(7)).await.unwrap();
    wait(1).await;
    rig.built.stop(3).await;
    assert_eq!(rig.built.settings.clock.now().mono.since(Instant(0)), Duration::from_millis(3001));
    assert_eq!(rig.dropped(DropReason::ShutdownDeadline), 8);
    assert_eq!(rig.reading().waiting, 0);
    assert_eq!(rig.built.metric("otelcol_exporter_send_failed_spans_total"), 8);
    assert_eq!(rig.built.metric("otelcol_exporter_queue_size"), 0);
    assert_eq!(rig.built.metric("otelcol_exporter_in_flight_requests"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_its_batch_and_shows_in_the_health() {
    let rig = Rig::start("sending_queue: {num_consumers: 1}", [Act::Panic, Act::Take]).await;
    assert_eq!(rig.built.exporter.component.health(), Health::Ok);
    rig.built.send(batch_of(2)).await.unwrap();
    rig.built.send(batch_of(3)).await.unwrap();
    wait(1).await;
    assert_eq!((rig.dropped(DropReason::TaskDied), rig.reading().sent), (2, 3));
    assert!(matches!(rig.built.exporter.component.health(), Health::Failed(_)));
}

#[tokio::test(start_paused = true)]
async fn a_waiting_batch_lets_go_of_the_large_request_that_it_selects_little_of() {
    let rig = Rig::gated("sending_queue: {num_consumers: 1}", [], 0).await;
    let large = batch_of(1000);
    let account = large.parts()[0].request.account().clone();
    rig.built.send(batch_of(1)).await.unwrap();
    wait(1).await;
    rig.built.send(select(&large, &[3, 500])).await.unwrap();
    drop(large);
    assert!(account.held_bytes() < 2000, "{} bytes are held", account.held_bytes());
    rig.double.gate.add_permits(2);
    wait(1).await;
    assert_eq!(rig.reading().sent, 3);
}

#[tokio::test]
async fn stop_without_start_and_stop_twice_are_harmless() {
    let settings = settings("otlp");
    let double = Rig::start("", []).await;
    double.built.stop(1).await;
    double.built.stop(1).await;
    let (config, _) = decode("", |section| Config::decode(section, Duration::from_secs(5)));
    let built = delivery::build(&settings, &config, double.double.clone(), &Signal::ALL);
    built.component.shutdown(Instant(0)).await;
}

/// One step of a random run: how many spans, and what the backend does with its next attempt.
fn step() -> impl Strategy<Value = (usize, u8, u64)> {
    (1..30_usize, 0..5_u8, 0..400_u64)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn nothing_is_lost_or_invented_whatever_happens(
        steps in proptest::collection::vec(step(), 1..25),
        queue in prop_oneof![
            Just("{enabled: false}"),
            Just("{num_consumers: 2, queue_size: 6}"),
            Just("{num_consumers: 2, wait_for_result: true}"),
            Just("{num_consumers: 2, queue_size: 60, sizer: items, batch: {min_size: 10, max_size: 15}}"),
            Just("{num_consumers: 3, wait_for_result: true, batch: {min_size: 10, max_size: 15}}"),
        ],
        drain in 0..3_u64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async move {
            let text = format!("sending_queue: {queue}\ntimeout: 1s\nretry_on_failure: {{initial_interval: 300ms, max_elapsed_time: 30s}}");
            let acts = steps.iter().map(|(_, act, _)| match act {
                0 => busy(),
                1 => Act::Fail(ConsumeError::permanent("no")),
                2 => Act::Hang,
                _ => Act::Take,
            });
            let rig = Rig::start(&text, acts).await;
            let total: u64 = steps.iter().map(|(count, ..)| *count as u64).sum();
            let sends = steps.iter().scan(0, |at, (count, _, pause)| {
                *at += pause;
                Some((*count, *at))
            });
            let built = &rig.built;
            let sends = sends.map(|(count, at)| async move {
                wait(at).await;
                let _ = built.send(batch_of(count)).await;
            });
            futures_util::future::join_all(sends).await;
            rig.built.stop(drain).await;
            let reading = rig.reading();
            assert_eq!(reading.received, total);
            assert_eq!(reading.waiting, 0, "{reading:?}");
        });
    }
}
