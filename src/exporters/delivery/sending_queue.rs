//! The queue between a pipeline and the attempts: `sending_queue`. What it holds is bounded by
//! `queue_size`, batches under way included; consumers take from it in order.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot};
use tokio::task::JoinSet;

use super::attempts::{Attempts, Failure, compacted};
use super::batcher::{Batcher, size_of};
use super::config::QueueConfig;
use super::load::{Books, Load};
use crate::model::{Batch, Instant};
use crate::pipeline::{BoxFuture, Clock, ConsumeError, Consumer};

/// The queue of one signal.
pub(super) struct SendingQueue {
    config: QueueConfig,
    attempts: Arc<Attempts>,
    books: Arc<Books>,
    clock: Arc<dyn Clock>,
    room: Arc<Semaphore>,
    /// What the pipeline gave.
    incoming: Line,
    /// What the batcher made of it; unused without one.
    batched: Line,
    warned: Mutex<Warned>,
}

/// Shortest time between two warnings of dropped items.
const QUIET: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Warned {
    /// Dropped since the last warning.
    items: u64,
    quiet_until: Instant,
}

/// Loads in a row. Bounded by the room that each of them holds.
#[derive(Default)]
struct Line {
    state: Mutex<LineState>,
    wake: Notify,
}

#[derive(Default)]
struct LineState {
    loads: VecDeque<Load>,
    is_closed: bool,
    /// Takers that wait at this moment.
    idle: usize,
}

impl Line {
    fn state(&self) -> std::sync::MutexGuard<'_, LineState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a load, or gives it back when the line is closed.
    fn push(&self, load: Load) -> Result<(), Load> {
        let mut state = self.state();
        if state.is_closed {
            return Err(load);
        }
        state.loads.push_back(load);
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    fn take(&self) -> Option<Load> {
        let mut state = self.state();
        let load = state.loads.pop_front();
        if !state.loads.is_empty() {
            drop(state);
            self.wake.notify_one();
        }
        load
    }

    /// The next load; `None` when the line is closed and empty.
    async fn next(&self) -> Option<Load> {
        loop {
            if let Some(load) = self.take() {
                return Some(load);
            }
            if self.state().is_closed {
                self.wake.notify_one();
                return None;
            }
            let _idle = Idle::new(self);
            self.wake.notified().await;
        }
    }

    fn has_idle_taker(&self) -> bool {
        let state = self.state();
        state.idle > state.loads.len()
    }

    fn close(&self) {
        self.state().is_closed = true;
        self.wake.notify_waiters();
        self.wake.notify_one();
    }
}

struct Idle<'a>(&'a Line);

impl<'a> Idle<'a> {
    fn new(line: &'a Line) -> Self {
        line.state().idle += 1;
        Self(line)
    }
}

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.0.state().idle -= 1;
    }
}

impl SendingQueue {
    /// Starts nothing yet.
    pub(super) fn new(config: &QueueConfig, attempts: Arc<Attempts>, books: Arc<Books>, clock: Arc<dyn Clock>) -> Self {
        let room = usize::try_from(config.queue_size).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self {
            config: config.clone(),
            attempts,
            books,
            clock,
            room: Arc::new(Semaphore::new(room)),
            incoming: Line::default(),
            batched: Line::default(),
            warned: Mutex::default(),
        }
    }

    /// Starts the consumers, and the batcher if there is one.
    pub(super) fn start(self: &Arc<Self>, tasks: &mut JoinSet<()>) {
        if self.config.batch.is_some() {
            let queue = self.clone();
            tasks.spawn(async move { queue.batch_loads().await });
        }
        for _ in 0..self.config.num_consumers {
            let queue = self.clone();
            tasks.spawn(async move { queue.send_loads().await });
        }
    }

    /// Takes nothing more; consumers end when the queue is empty.
    pub(super) fn close(&self) {
        self.room.close();
        self.incoming.close();
    }

    /// Drops what is left; every load says so in the ledger.
    pub(super) fn abandon(&self) {
        for line in [&self.incoming, &self.batched] {
            let loads = std::mem::take(&mut line.state().loads);
            drop(loads);
        }
    }

    async fn send_loads(&self) {
        let line = if self.config.batch.is_some() { &self.batched } else { &self.incoming };
        while let Some(mut load) = line.next().await {
            let batch = std::mem::replace(&mut load.batch, Batch::new(crate::model::Signal::Traces));
            // A panic loses this batch, counted when `load` is dropped, and not the consumer.
            if let Ok(result) = AssertUnwindSafe(self.attempts.send(batch)).catch_unwind().await {
                if let Err(failure) = &result {
                    self.warn(load.items(), failure);
                }
                load.settle(result);
            }
        }
    }

    /// Says that items were dropped, at most once in ten seconds; the rest is summed up.
    fn warn(&self, items: u64, failure: &Failure) {
        let now = self.clock.now().mono;
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        warned.items += items;
        if now < warned.quiet_until {
            return;
        }
        let items = std::mem::take(&mut warned.items);
        warned.quiet_until = now + QUIET;
        drop(warned);
        let reason = failure.reason.as_str();
        tracing::warn!(target: "exporter", items, reason, "exporting failed, dropping data: {}", failure.error);
    }

    async fn batch_loads(&self) {
        let Some(config) = &self.config.batch else { return };
        let mut batcher = Batcher::new(config.clone());
        loop {
            let ready = match batcher.deadline() {
                None => self.incoming.next().await.map(|load| batcher.add(load, self.clock.now().mono)),
                Some(deadline) => {
                    let wait = deadline.since(self.clock.now().mono);
                    match tokio::time::timeout(wait, self.incoming.next()).await {
                        Ok(load) => load.map(|load| batcher.add(load, self.clock.now().mono)),
                        Err(_) => Some(batcher.on_deadline(self.clock.now().mono)),
                    }
                }
            };
            let is_closed = ready.is_none();
            for load in ready.unwrap_or_else(|| batcher.drain()) {
                // A closed line drops the load, which counts it.
                drop(self.batched.push(load));
            }
            if is_closed {
                self.batched.close();
                return;
            }
        }
    }

    async fn room_for(&self, size: u64) -> Result<OwnedSemaphorePermit, ConsumeError> {
        let stopped = || ConsumeError::retryable("the exporter is being shut down", None).exhausted();
        if size > self.config.queue_size {
            let text = format!("element size too large: {size} is more than queue_size {}", self.config.queue_size);
            return Err(ConsumeError::permanent(text));
        }
        let permits = u32::try_from(size).unwrap_or(u32::MAX);
        if self.config.block_on_overflow {
            return self.room.clone().acquire_many_owned(permits).await.map_err(|_| stopped());
        }
        self.room.clone().try_acquire_many_owned(permits).map_err(|error| match error {
            TryAcquireError::NoPermits => ConsumeError::retryable("sending queue is full", None),
            TryAcquireError::Closed => stopped(),
        })
    }

    async fn take(&self, batch: Batch) -> Result<(), ConsumeError> {
        let size = size_of(&batch, self.config.sizer);
        let items = batch.item_count();
        let room = self.room_for(size).await.inspect_err(|_| self.books.enqueue_failed(items))?;
        let (caller, answer) = match self.config.wait_for_result {
            true => {
                let (caller, answer) = oneshot::channel();
                (Some(caller), Some(answer))
            }
            false => (None, None),
        };
        let batch = if self.incoming.has_idle_taker() { batch } else { compacted(batch) };
        let load = Load::new(batch, room, size, caller, &self.books);
        if let Err(load) = self.incoming.push(load) {
            load.give_back();
            self.books.enqueue_failed(items);
            return Err(ConsumeError::retryable("the exporter is being shut down", None).exhausted());
        }
        let Some(answer) = answer else { return Ok(()) };
        let mut awaited = Awaited { answer, books: &self.books, items };
        (&mut awaited.answer).await.unwrap_or_else(|_| {
            Err(ConsumeError::retryable("the exporter was shut down before the batch was sent", None).exhausted())
        })
    }
}

/// The answer that a caller waits for. A caller that goes away when it was already given still
/// answers for the items, so that what was sent is a copy.
struct Awaited<'a> {
    answer: oneshot::Receiver<Result<(), ConsumeError>>,
    books: &'a Books,
    items: u64,
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.answer.close();
        if let Ok(Ok(())) = self.answer.try_recv() {
            self.books.copied(self.items);
        }
    }
}

impl Consumer for SendingQueue {
    fn consume(&self, batch: Batch) -> BoxFuture<'_, Result<(), ConsumeError>> {
        Box::pin(self.take(batch))
    }
}
