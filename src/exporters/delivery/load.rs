//! What the queue holds: a batch together with everyone who is to be told what became of it.
//! A load answers for its items in the ledger however it ends, a panic and an abort included.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::attempts::Failure;
use crate::metrics::{Counter, Gauge};
use crate::model::{Batch, Signal};
use crate::pipeline::{ConsumeError, DropReason, Ledger, Settings};

/// The counters of one signal of one exporter.
pub(super) struct Books {
    signal: Signal,
    ledger: Arc<Ledger>,
    sent: Counter,
    failed: Counter,
    enqueue_failed: Counter,
    queue_size: Gauge,
    stopping: AtomicBool,
    died: AtomicBool,
}

/// Items on their way through the queue.
pub(super) struct Load {
    /// What is sent.
    pub(super) batch: Batch,
    items: u64,
    shares: Vec<Share>,
    books: Arc<Books>,
}

/// How many items of a load belong to one call of the pipeline.
struct Share {
    ticket: Arc<Ticket>,
    items: u64,
}

/// One call of the pipeline: its room in the queue, and its answer if it waits for one.
struct Ticket {
    _room: OwnedSemaphorePermit,
    size: u64,
    answer: Option<Answer>,
    books: Arc<Books>,
}

struct Answer {
    caller: Mutex<Option<oneshot::Sender<Result<(), ConsumeError>>>>,
    error: Mutex<Option<ConsumeError>>,
    sent: AtomicU64,
}

impl Books {
    /// Resolves the counters.
    pub(super) fn new(settings: &Settings, signal: Signal) -> Self {
        let id = settings.id.to_string();
        let counter = |what: &str, help: &str| {
            let name = format!("otelcol_exporter_{what}_{}", signal.items());
            settings.metrics.counter(&name, help, &[("exporter", &id)])
        };
        let labels = [("data_type", signal.as_str()), ("exporter", id.as_str())];
        Self {
            signal,
            ledger: settings.ledger.clone(),
            sent: counter("sent", "Items that the backend has taken"),
            failed: counter("send_failed", "Items that could not be sent"),
            enqueue_failed: counter("enqueue_failed", "Items that found no room in the queue"),
            queue_size: settings.metrics.gauge("otelcol_exporter_queue_size", "What the queue holds", &labels),
            stopping: AtomicBool::new(false),
            died: AtomicBool::new(false),
        }
    }

    /// From now on what is dropped unsent is dropped for the shutdown.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether a batch was lost to a panic.
    pub(super) fn has_died(&self) -> bool {
        self.died.load(Ordering::Relaxed)
    }

    /// The backend took them.
    pub(super) fn sent(&self, items: u64) {
        self.sent.inc_by(items);
        self.ledger.sent(self.signal, items);
    }

    /// The backend took them, and someone else still answers for them.
    pub(super) fn copied(&self, items: u64) {
        self.ledger.copied(self.signal, items);
    }

    /// They were not sent; who answers for them is told elsewhere.
    pub(super) fn failed(&self, items: u64) {
        self.failed.inc_by(items);
    }

    /// The queue had no room.
    pub(super) fn enqueue_failed(&self, items: u64) {
        self.enqueue_failed.inc_by(items);
    }
}

impl Load {
    /// Takes a batch into the queue; `size` is what it takes of the room. With `caller`, the
    /// caller keeps answering for the items until it is told.
    pub(super) fn new(
        batch: Batch,
        room: OwnedSemaphorePermit,
        size: u64,
        caller: Option<oneshot::Sender<Result<(), ConsumeError>>>,
        books: &Arc<Books>,
    ) -> Self {
        let items = batch.item_count();
        let answer = caller.map(|caller| Answer {
            caller: Mutex::new(Some(caller)),
            error: Mutex::default(),
            sent: AtomicU64::new(0),
        });
        if answer.is_none() {
            books.ledger.waiting_changed(books.signal, items.cast_signed());
        }
        books.queue_size.inc_by(size.cast_signed());
        let ticket = Arc::new(Ticket { _room: room, size, answer, books: books.clone() });
        Self { batch, items, shares: vec![Share { ticket, items }], books: books.clone() }
    }

    /// Items in the load.
    pub(super) fn items(&self) -> u64 {
        self.items
    }

    /// Joins another load to the end of this one.
    pub(super) fn merge(&mut self, mut other: Self) {
        let batch = std::mem::replace(&mut other.batch, Batch::new(self.books.signal));
        self.batch.append(batch);
        self.items += std::mem::take(&mut other.items);
        self.shares.append(&mut other.shares);
    }

    /// Cuts `items` off the front; a metric is not cut, so there may be some more.
    pub(super) fn split_off_front(&mut self, items: u64) -> Self {
        let batch = self.batch.split_off_front(items);
        let mut left = batch.item_count();
        self.items -= left;
        let mut front = Self { batch, items: left, shares: Vec::new(), books: self.books.clone() };
        let mut whole = 0;
        for share in &mut self.shares {
            let taken = share.items.min(left);
            front.shares.push(Share { ticket: share.ticket.clone(), items: taken });
            share.items -= taken;
            left -= taken;
            whole += usize::from(share.items == 0);
            if left == 0 {
                break;
            }
        }
        self.shares.drain(..whole);
        front
    }

    /// Says what became of the load.
    pub(super) fn settle(mut self, result: Result<(), Failure>) {
        self.close(result);
    }

    /// Gives the load back to its caller, who is told by other means.
    pub(super) fn give_back(mut self) {
        for share in std::mem::take(&mut self.shares) {
            if share.ticket.answer.is_none() {
                self.books.ledger.waiting_changed(self.books.signal, -share.items.cast_signed());
            }
        }
    }

    fn close(&mut self, result: Result<(), Failure>) {
        let (books, items) = (&self.books, std::mem::take(&mut self.items));
        match &result {
            Ok(()) => books.sent(items),
            Err(_) => books.failed(items),
        }
        let mut owned = 0;
        for share in self.shares.drain(..) {
            match (&share.ticket.answer, &result) {
                (None, _) => owned += share.items,
                (Some(answer), Ok(())) => {
                    answer.sent.fetch_add(share.items, Ordering::Relaxed);
                }
                (Some(answer), Err(failure)) => {
                    let mut error = answer.error.lock().unwrap_or_else(PoisonError::into_inner);
                    *error = Some(failure.error.clone());
                }
            }
        }
        books.ledger.waiting_changed(books.signal, -owned.cast_signed());
        if let Err(failure) = &result {
            books.ledger.dropped(books.signal, failure.reason, owned);
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if self.shares.is_empty() {
            return;
        }
        let failure = if self.books.stopping.load(Ordering::Relaxed) {
            let error = ConsumeError::retryable("the exporter was shut down before the batch was sent", None);
            Failure { error: error.exhausted(), reason: DropReason::ShutdownDeadline }
        } else {
            self.books.died.store(true, Ordering::Relaxed);
            let error = ConsumeError::retryable("the exporter failed while it sent the batch", None);
            Failure { error: error.exhausted(), reason: DropReason::TaskDied }
        };
        self.close(Err(failure));
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.books.queue_size.dec_by(self.size.cast_signed());
        let Some(answer) = &self.answer else { return };
        let error = answer.error.lock().unwrap_or_else(PoisonError::into_inner).take();
        let result = error.map_or(Ok(()), Err);
        let caller = answer.caller.lock().unwrap_or_else(PoisonError::into_inner).take();
        let is_failed = result.is_err();
        let is_gone = caller.is_none_or(|caller| caller.send(result).is_err());
        if is_failed || is_gone {
            // The caller answers for all of it and may send it again: what the backend has
            // already taken is a copy.
            self.books.copied(answer.sent.load(Ordering::Relaxed));
        }
    }
}
