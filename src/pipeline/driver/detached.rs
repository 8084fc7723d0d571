//! Processors in tasks of their own: one a shard, each with its bounded channel and its timer.

use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinHandle;
use tokio::time::{Sleep, sleep, timeout};

use super::forward::forward;
use super::{Driven, Flow, split_by_shard};
use crate::metrics::Counter;
use crate::model::{Batch, Instant, Now, Signal};
use crate::pipeline::{
    BoxFuture, Clock, Component, ComponentId, ConsumeError, Consumer, DropReason, Health, Ledger, Processor, Settings,
    StartError,
};

/// Batches that wait for a shard. When full, callers wait: that is backpressure.
const INBOX_BATCHES: usize = 8;
/// Batches that wait for the next consumer. When full, the shard waits.
const OUTBOX_BATCHES: usize = 8;

/// Shortest wait before a processor without room is asked again.
const ROOM_WAIT: Duration = Duration::from_millis(10);

/// Drives one processor a shard, each in a task of its own; see [`super::Inline`] for the other
/// way. A caller's `Ok` means that its rows are in the channels of their shards.
pub struct Detached {
    shards: Vec<Shard>,
    next: Arc<dyn Consumer>,
    clock: Arc<dyn Clock>,
    flow: Arc<Flow>,
}

struct Shard {
    waiting: Arc<Waiting>,
    /// The processor, until `start` takes it.
    processor: Mutex<Option<Box<dyn Processor>>>,
    inbox: Mutex<Option<Sender<Batch>>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// Items that a shard answers for. What its two tasks hold is counted apart: when one of them
/// dies, the other still hands on what it has.
pub(super) struct Waiting {
    id: ComponentId,
    signal: Signal,
    ledger: Arc<Ledger>,
    /// In the inbox and in the processor.
    held: AtomicI64,
    /// In the outbox, and on their way to the next consumer.
    leaving: AtomicI64,
    is_dead: AtomicBool,
    refusals: Counter,
}

impl Waiting {
    fn changed(&self, part: &AtomicI64, difference: i64) {
        part.fetch_add(difference, Ordering::Relaxed);
        self.ledger.waiting_changed(self.signal, difference);
    }

    pub(super) fn id(&self) -> &ComponentId {
        &self.id
    }

    /// Each branch beyond the first answers for a copy.
    pub(super) fn copied(&self, items: u64) {
        self.ledger.copied(self.signal, items);
        self.changed(&self.leaving, items.cast_signed());
    }

    /// The next consumer has taken items.
    pub(super) fn left(&self, items: u64) {
        self.changed(&self.leaving, -items.cast_signed());
    }

    /// Items on their way out were lost.
    pub(super) fn dropped(&self, reason: DropReason, items: u64) {
        self.ledger.dropped(self.signal, reason, items);
        self.left(items);
    }

    pub(super) fn refused_downstream(&self, error: &ConsumeError) {
        self.refusals.inc();
        tracing::debug!(processor = %self.id, %error, "the next consumer refused a batch; trying again");
    }

    /// Whatever is still counted in a part is lost for this reason.
    fn give_up(&self, part: &AtomicI64, reason: DropReason) {
        let items = part.swap(0, Ordering::Relaxed);
        self.ledger.dropped(self.signal, reason, items.max(0).unsigned_abs());
        self.ledger.waiting_changed(self.signal, -items);
    }
}

impl Detached {
    /// Puts processors, one a shard, in front of a consumer. Nothing runs before `start`.
    pub fn drive(
        processors: Vec<Box<dyn Processor>>,
        next: Arc<dyn Consumer>,
        settings: &Settings,
        signal: Signal,
    ) -> Driven {
        let id = settings.id.to_string();
        let refusals = settings.metrics.counter(
            "tailwater_processor_downstream_refusals",
            "Times that the next consumer refused a batch which was then tried again",
            &[("processor", &id)],
        );
        let shard = |processor| Shard {
            waiting: Arc::new(Waiting {
                id: settings.id.clone(),
                signal,
                ledger: settings.ledger.clone(),
                held: AtomicI64::new(0),
                leaving: AtomicI64::new(0),
                is_dead: AtomicBool::new(false),
                refusals: refusals.clone(),
            }),
            processor: Mutex::new(Some(processor)),
            inbox: Mutex::new(None),
            tasks: Mutex::new(Vec::new()),
        };
        let detached = Arc::new(Self {
            shards: processors.into_iter().map(shard).collect(),
            next,
            clock: settings.clock.clone(),
            flow: Arc::new(Flow::new(settings, signal)),
        });
        (detached.clone(), detached)
    }

    fn split(&self, batch: Batch) -> Vec<Batch> {
        match NonZeroUsize::new(self.shards.len()) {
            Some(shards) if shards.get() > 1 => split_by_shard(batch, shards),
            _ => vec![batch],
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Consumer for Detached {
    fn consume(&self, batch: Batch) -> BoxFuture<'_, Result<(), ConsumeError>> {
        Box::pin(async move {
            self.flow.came(batch.item_count());
            let batches = self.split(batch);
            // A place in every shard is taken before anything is put: never half a batch.
            let mut places = Vec::with_capacity(batches.len());
            for (shard, batch) in self.shards.iter().zip(batches) {
                if !batch.is_empty() {
                    let inbox = locked(&shard.inbox).clone().ok_or_else(stopped)?;
                    places.push((inbox.reserve_owned().await.map_err(|_| stopped())?, shard, batch));
                }
            }
            for (place, shard, batch) in places {
                shard.waiting.changed(&shard.waiting.held, batch.item_count().cast_signed());
                place.send(batch);
            }
            Ok(())
        })
    }
}

fn stopped() -> ConsumeError {
    ConsumeError::retryable("the pipeline is stopping, or a shard of it has died", None)
}

impl Component for Detached {
    fn start(&self) -> BoxFuture<'_, Result<(), StartError>> {
        Box::pin(async move {
            for shard in &self.shards {
                let Some(processor) = locked(&shard.processor).take() else {
                    return Err(StartError::new("a processor can be started only once"));
                };
                let (inbox, batches) = mpsc::channel(INBOX_BATCHES);
                let (outbox, outgoing) = mpsc::channel(OUTBOX_BATCHES);
                let run = Run {
                    processor,
                    outbox,
                    clock: self.clock.clone(),
                    flow: self.flow.clone(),
                    waiting: shard.waiting.clone(),
                };
                let forwarding = forward(outgoing, self.next.clone(), shard.waiting.clone());
                locked(&shard.tasks).extend([
                    tokio::spawn(supervise(run.run(batches), shard.waiting.clone(), |waiting| &waiting.held)),
                    tokio::spawn(supervise(forwarding, shard.waiting.clone(), |waiting| &waiting.leaving)),
                ]);
                *locked(&shard.inbox) = Some(inbox);
            }
            Ok(())
        })
    }

    fn shutdown(&self, deadline: Instant) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.shards.iter().for_each(|shard| drop(locked(&shard.inbox).take()));
            for shard in &self.shards {
                let tasks = std::mem::take(&mut *locked(&shard.tasks));
                for mut task in tasks {
                    let left = deadline.since(self.clock.now().mono);
                    if timeout(left, &mut task).await.is_err() {
                        task.abort();
                        // An aborted task reports that it was; there is nothing else to learn.
                        let _ = task.await;
                    }
                }
                for part in [&shard.waiting.held, &shard.waiting.leaving] {
                    shard.waiting.give_up(part, DropReason::ShutdownDeadline);
                }
            }
        })
    }

    fn health(&self) -> Health {
        match self.shards.iter().position(|shard| shard.waiting.is_dead.load(Ordering::Relaxed)) {
            Some(shard) => Health::Failed(format!("shard {shard} has died")),
            None => Health::Ok,
        }
    }
}

/// Waits for a task's work and notices when it panics: health says so and the part that it held
/// is counted.
async fn supervise(work: impl Future<Output = ()> + Send, waiting: Arc<Waiting>, part: fn(&Waiting) -> &AtomicI64) {
    if AssertUnwindSafe(work).catch_unwind().await.is_err() {
        waiting.is_dead.store(true, Ordering::Relaxed);
        tracing::error!(processor = %waiting.id, "a shard has died; what it held is lost and readiness is off");
        waiting.give_up(part(&waiting), DropReason::TaskDied);
    }
}

/// One shard at work.
struct Run {
    processor: Box<dyn Processor>,
    outbox: Sender<Batch>,
    clock: Arc<dyn Clock>,
    flow: Arc<Flow>,
    waiting: Arc<Waiting>,
}

impl Run {
    async fn run(mut self, mut batches: Receiver<Batch>) {
        let mut timer = std::pin::pin!(sleep(Duration::MAX));
        let mut armed = None;
        loop {
            self.arm(timer.as_mut(), &mut armed);
            tokio::select! {
                biased;
                () = self.outbox.closed() => break,
                batch = batches.recv() => match batch {
                    Some(batch) => self.take(batch).await,
                    None => break,
                },
                () = timer.as_mut(), if armed.is_some() => armed = None,
            }
            self.do_what_is_due().await;
        }
        let held = self.processor.held_items();
        let output = self.processor.drain(self.clock.now());
        self.give(output, held, 0).await;
        // Nothing is left, unless the forwarder has died and the inbox was not emptied.
        self.waiting.give_up(&self.waiting.held, DropReason::TaskDied);
    }

    /// Sets the timer anew only when the processor's deadline has moved.
    fn arm(&self, timer: std::pin::Pin<&mut Sleep>, armed: &mut Option<Instant>) {
        let deadline = self.processor.deadline();
        if deadline != *armed {
            if let Some(deadline) = deadline {
                #[expect(clippy::disallowed_methods, reason = "tokio's own timer wants tokio's instant")]
                timer.reset(tokio::time::Instant::now() + deadline.since(self.clock.now().mono));
            }
            *armed = deadline;
        }
    }

    /// Feeds a batch that was acknowledged. A processor that has no room for now gets it again
    /// when it said; the full inbox behind it holds back the callers meanwhile.
    async fn take(&mut self, batch: Batch) {
        let items = batch.item_count();
        loop {
            let held = self.processor.held_items();
            match self.processor.process(batch.clone(), self.clock.now()) {
                Ok(output) => return self.give(output, held, items).await,
                Err(error) if error.is_retryable() => {
                    sleep(error.retry_after().unwrap_or(ROOM_WAIT).max(ROOM_WAIT)).await;
                    self.do_what_is_due().await;
                }
                Err(error) => {
                    tracing::error!(processor = %self.waiting.id, items, %error, "dropping acknowledged data that the processor refused");
                    self.waiting.ledger.dropped(self.waiting.signal, DropReason::Rejected, items);
                    return self.waiting.changed(&self.waiting.held, -items.cast_signed());
                }
            }
        }
    }

    async fn do_what_is_due(&mut self) {
        let now: Now = self.clock.now();
        if self.processor.deadline().is_some_and(|deadline| deadline <= now.mono) {
            let held = self.processor.held_items();
            let output = self.processor.on_deadline(now);
            self.give(output, held, 0).await;
        }
    }

    /// Books what the step changed (`came` items left the inbox), then hands the output on.
    async fn give(&mut self, output: Vec<Batch>, held_before: u64, came: u64) {
        self.flow.went(&output);
        let held = self.processor.held_items().cast_signed() - held_before.cast_signed();
        self.waiting.changed(&self.waiting.held, held - came.cast_signed());
        for batch in output {
            let items = batch.item_count();
            self.waiting.changed(&self.waiting.leaving, items.cast_signed());
            if self.outbox.send(batch).await.is_err() {
                // The forwarder ends before this side only when it has died.
                self.waiting.dropped(DropReason::TaskDied, items);
            }
        }
    }
}
