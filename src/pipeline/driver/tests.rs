//! The drivers under paused time: what is taken is handed on, dropped with a reason, or waiting.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::model::{Instant, Now};
use crate::pipeline::{
    BoxFuture, Component, ConsumeError, Consumer, DropReason, FanOut, Health, Ledger, Output, Processor, SystemClock,
};
use crate::testing::{Sink, batch_of, settings, settings_at, traces_of};

/// Holds everything for a second, then lets it go; has no room for trace 5 beside others, refuses
/// trace 9, panics at trace 66.
#[derive(Default)]
struct Hold {
    held: Vec<Batch>,
    due: Option<Instant>,
}

impl Processor for Hold {
    fn process(&mut self, batch: Batch, now: Now) -> Result<Output, ConsumeError> {
        let traces = traces_of(&batch);
        assert!(!traces.contains(&66), "trace 66 kills");
        if traces.contains(&5) && !self.held.is_empty() {
            return Err(ConsumeError::retryable("no room", None));
        }
        if traces.contains(&9) {
            return Err(ConsumeError::permanent("trace 9"));
        }
        self.due.get_or_insert(now.mono + Duration::from_secs(1));
        self.held.push(batch);
        Ok(Output::new())
    }

    fn deadline(&self) -> Option<Instant> {
        self.due
    }

    fn on_deadline(&mut self, now: Now) -> Output {
        match self.due {
            Some(due) if due <= now.mono => self.drain(now),
            _ => Output::new(),
        }
    }

    fn drain(&mut self, _: Now) -> Output {
        self.due = None;
        std::mem::take(&mut self.held)
    }

    fn held_items(&self) -> u64 {
        self.held.iter().map(Batch::item_count).sum()
    }
}

struct Fixture {
    ledger: Arc<Ledger>,
    sink: Arc<Sink>,
    consumer: Arc<dyn Consumer>,
    component: Arc<dyn Component>,
    clock: Arc<SystemClock>,
}

impl Fixture {
    fn detached(shards: usize) -> Self {
        Self::before(shards, |sink| sink)
    }

    fn before(shards: usize, next: impl FnOnce(Arc<Sink>) -> Arc<dyn Consumer>) -> Self {
        let ledger = Arc::new(Ledger::default());
        let sink = Sink::new(ledger.clone());
        let clock = Arc::new(SystemClock::new());
        let processors = (0..shards).map(|_| Box::<Hold>::default() as Box<dyn Processor>).collect();
        let settings = settings_at(ledger.clone(), clock.clone());
        let (consumer, component) = Detached::drive(processors, next(sink.clone()), &settings, Signal::Traces);
        Self { ledger, sink, consumer, component, clock }
    }

    async fn send(&self, traces: &[u8]) -> Result<(), ConsumeError> {
        self.ledger.received(Signal::Traces, traces.len() as u64);
        let sent = self.consumer.consume(batch_of(traces)).await;
        if sent.is_err() {
            self.ledger.refused(Signal::Traces, traces.len() as u64);
        }
        sent
    }

    async fn stop_within(&self, drain: Duration) {
        self.component.shutdown(crate::pipeline::Clock::now(&*self.clock).mono + drain).await;
    }

    fn waiting(&self) -> i64 {
        self.ledger.read(Signal::Traces).waiting
    }

    fn dropped(&self, reason: DropReason) -> u64 {
        self.ledger.read(Signal::Traces).dropped.get(&reason).copied().unwrap_or_default()
    }

    fn assert_balanced(&self) {
        let reading = self.ledger.read(Signal::Traces);
        assert_eq!(reading.residual(), 0, "{reading:?}");
    }
}

/// Lets every ready task run, without moving the clock.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_held_counts_as_waiting_and_leaves_at_its_deadline() {
    let fixture = Fixture::detached(1);
    fixture.component.start().await.unwrap();
    fixture.send(&[1, 2, 3]).await.unwrap();
    settle().await;
    assert_eq!((fixture.waiting(), fixture.sink.sizes()), (3, vec![]));
    tokio::time::advance(Duration::from_millis(999)).await;
    settle().await;
    assert!(fixture.sink.sizes().is_empty());
    tokio::time::advance(Duration::from_millis(2)).await;
    settle().await;
    assert_eq!((fixture.waiting(), fixture.sink.sizes()), (0, vec![3]));
    fixture.assert_balanced();
}

#[tokio::test(start_paused = true)]
async fn shutdown_drains_what_is_held() {
    let fixture = Fixture::detached(2);
    fixture.component.start().await.unwrap();
    fixture.send(&[1, 2, 3, 200, 250]).await.unwrap();
    fixture.stop_within(Duration::from_secs(5)).await;
    let mut traces = fixture.sink.traces();
    traces.sort_unstable();
    assert_eq!(traces, [1, 2, 3, 200, 250]);
    fixture.assert_balanced();
    assert!(fixture.send(&[4]).await.unwrap_err().is_retryable(), "a stopped pipeline refuses");
    fixture.assert_balanced();
}

#[tokio::test(start_paused = true)]
async fn a_retryable_refusal_downstream_is_tried_again_until_it_succeeds() {
    let fixture = Fixture::detached(1);
    fixture.sink.will_answer((0..5).map(|_| ConsumeError::retryable("sending queue is full", None)));
    fixture.component.start().await.unwrap();
    fixture.send(&[1, 2]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(fixture.sink.sizes(), [2]);
    fixture.assert_balanced();
}

#[tokio::test(start_paused = true)]
async fn a_permanent_refusal_downstream_is_counted_with_its_reason() {
    let fixture = Fixture::detached(1);
    fixture.sink.will_answer([ConsumeError::permanent("no"), ConsumeError::retryable("late", None).exhausted()]);
    fixture.component.start().await.unwrap();
    fixture.send(&[1, 2]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    fixture.send(&[3]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!((fixture.dropped(DropReason::Rejected), fixture.dropped(DropReason::RetriesExhausted)), (2, 1));
    fixture.assert_balanced();
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_the_processor_after_the_acknowledgement_is_counted() {
    let fixture = Fixture::detached(1);
    fixture.component.start().await.unwrap();
    fixture.send(&[9, 9]).await.unwrap();
    settle().await;
    assert_eq!(fixture.dropped(DropReason::Rejected), 2);
    fixture.assert_balanced();
}

#[tokio::test(start_paused = true)]
async fn a_processor_without_room_gets_the_batch_again_once_it_has_some() {
    let fixture = Fixture::detached(1);
    fixture.component.start().await.unwrap();
    fixture.send(&[1, 2]).await.unwrap();
    fixture.send(&[5]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(fixture.sink.traces(), [1, 2, 5]);
    fixture.assert_balanced();
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_shutdown_holds_and_what_is_left_is_counted() {
    let fixture = Fixture::detached(1);
    fixture.sink.will_answer((0..10_000).map(|_| ConsumeError::retryable("down", Some(Duration::from_secs(1)))));
    fixture.component.start().await.unwrap();
    fixture.send(&[1, 2, 3, 4]).await.unwrap();
    let before = crate::pipeline::Clock::now(&*fixture.clock).mono;
    fixture.stop_within(Duration::from_secs(3)).await;
    assert!(crate::pipeline::Clock::now(&*fixture.clock).mono.since(before) < Duration::from_secs(4));
    assert_eq!(fixture.dropped(DropReason::ShutdownDeadline), 4);
    fixture.assert_balanced();
}

#[tokio::test(start_paused = true)]
async fn a_dead_shard_is_noticed_and_its_items_are_counted() {
    let fixture = Fixture::detached(1);
    fixture.component.start().await.unwrap();
    fixture.send(&[1, 2]).await.unwrap();
    fixture.send(&[66]).await.unwrap();
    settle().await;
    assert_eq!(fixture.component.health(), Health::Failed("shard 0 has died".to_owned()));
    assert_eq!(fixture.dropped(DropReason::TaskDied), 3);
    assert!(fixture.send(&[3]).await.unwrap_err().is_retryable());
    fixture.assert_balanced();
}

#[tokio::test(start_paused = true)]
async fn a_branch_that_refuses_is_tried_again_alone() {
    let mut fixture = Fixture::detached(1);
    let (left, right) = (fixture.sink.clone(), Sink::new(fixture.ledger.clone()));
    let refusals = (0..3).map(|_| ConsumeError::retryable("full", None));
    left.will_answer(refusals.chain([ConsumeError::permanent("no")]));
    let both = FanOut::join(vec![left.clone(), right.clone()], fixture.ledger.clone());
    let settings = settings_at(fixture.ledger.clone(), fixture.clock.clone());
    let hold = Box::<Hold>::default() as Box<dyn Processor>;
    (fixture.consumer, fixture.component) = Detached::drive(vec![hold], both, &settings, Signal::Traces);
    fixture.component.start().await.unwrap();
    fixture.send(&[1, 2]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    fixture.send(&[3]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!((left.sizes(), right.sizes()), (vec![1], vec![2, 1]), "no branch gets a batch twice");
    assert_eq!((fixture.dropped(DropReason::Rejected), fixture.waiting()), (2, 0));
    fixture.assert_balanced();
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_shard_had_given_out_is_still_handed_on_and_counted_once() {
    let fixture = Fixture::detached(1);
    fixture.sink.will_answer((0..5).map(|_| ConsumeError::retryable("down", None)));
    fixture.component.start().await.unwrap();
    fixture.send(&[1, 2]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    fixture.send(&[3]).await.unwrap();
    fixture.send(&[66]).await.unwrap();
    settle().await;
    assert_eq!((fixture.dropped(DropReason::TaskDied), fixture.waiting()), (2, 2));
    fixture.stop_within(Duration::from_secs(10)).await;
    assert_eq!((fixture.sink.traces(), fixture.waiting()), (vec![1, 2], 0));
    fixture.assert_balanced();
}

#[tokio::test(start_paused = true)]
async fn behind_a_next_consumer_that_dies_nothing_more_is_acknowledged() {
    struct Dying;
    impl Consumer for Dying {
        fn consume(&self, _: Batch) -> crate::pipeline::BoxFuture<'_, Result<(), ConsumeError>> {
            Box::pin(async { panic!("it dies") })
        }
    }
    let fixture = Fixture::before(1, |_| Arc::new(Dying));
    fixture.component.start().await.unwrap();
    fixture.send(&[1, 2]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    fixture.send(&[3]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(fixture.component.health(), Health::Failed("shard 0 has died".to_owned()));
    assert!(fixture.send(&[4]).await.unwrap_err().is_retryable());
    assert_eq!((fixture.dropped(DropReason::TaskDied), fixture.waiting()), (3, 0));
    fixture.assert_balanced();
}

#[tokio::test]
async fn an_inline_processor_hands_the_answer_of_the_next_consumer_back() {
    let ledger = Arc::new(Ledger::default());
    let sink = Sink::new(ledger.clone());
    /// Lets everything through.
    struct Pass;
    impl Processor for Pass {
        fn process(&mut self, batch: Batch, _: Now) -> Result<Output, ConsumeError> {
            Ok(vec![batch])
        }
    }
    let (consumer, _) = Inline::drive(Box::new(Pass), sink.clone(), &settings(ledger), Signal::Traces);
    sink.will_answer([ConsumeError::permanent("bad")]);
    assert_eq!(consumer.consume(batch_of(&[1])).await.unwrap_err().message(), "bad");
    consumer.consume(batch_of(&[1, 2])).await.unwrap();
    assert_eq!(sink.sizes(), [2]);
}

#[tokio::test]
async fn fan_out_keeps_the_ledger_balanced_when_some_or_all_fail() {
    let ledger = Arc::new(Ledger::default());
    let (left, right) = (Sink::new(ledger.clone()), Sink::new(ledger.clone()));
    let both = FanOut::join(vec![left.clone(), right.clone()], ledger.clone());
    let error = || ConsumeError::retryable("full", None);
    for (left_fails, right_fails) in [(false, false), (true, false), (false, true), (true, true)] {
        left.will_answer(left_fails.then(error));
        right.will_answer(right_fails.then(|| ConsumeError::permanent("no")));
        ledger.received(Signal::Traces, 2);
        if let Err(error) = both.consume(batch_of(&[1, 2])).await {
            assert_eq!(error.is_retryable(), left_fails, "a retryable error wins");
            ledger.refused(Signal::Traces, 2);
        }
        assert_eq!(ledger.read(Signal::Traces).residual(), 0);
    }
}

#[tokio::test]
async fn fan_out_keeps_the_ledger_balanced_when_its_caller_goes_away() {
    struct Stuck;
    impl Consumer for Stuck {
        fn consume(&self, _: Batch) -> BoxFuture<'_, Result<(), ConsumeError>> {
            Box::pin(std::future::pending())
        }
    }
    let ledger = Arc::new(Ledger::default());
    let taker = Sink::new(ledger.clone());
    let both = FanOut::join(vec![taker.clone(), Arc::new(Stuck)], ledger.clone());
    ledger.received(Signal::Traces, 2);
    let mut call = both.consume(batch_of(&[1, 2]));
    assert!(futures_util::poll!(&mut call).is_pending());
    drop(call);
    ledger.refused(Signal::Traces, 2);
    let reading = ledger.read(Signal::Traces);
    assert_eq!((reading.sent, reading.residual()), (2, 0), "{reading:?}");
}

#[test]
fn a_trace_is_never_split_over_shards() {
    let traces: Vec<u8> = (0..=255).chain(0..=255).collect();
    for shards in [1, 2, 3, 7] {
        let split = split_by_shard(batch_of(&traces), NonZeroUsize::new(shards).unwrap());
        assert_eq!(split.len(), shards);
        let mut owner = [None; 256];
        for (shard, batch) in split.iter().enumerate() {
            for trace in traces_of(batch) {
                assert_eq!(*owner[usize::from(trace)].get_or_insert(shard), shard);
            }
        }
        assert_eq!(split.iter().map(Batch::item_count).sum::<u64>(), 512);
    }
}
