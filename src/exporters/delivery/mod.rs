//! How batches get to a backend: `sending_queue`, its batcher, `retry_on_failure` and `timeout`
//! around any exporter. Nothing here knows what a backend is.
//!
//! Every taken item ends in the ledger once: sent, or dropped with a reason. With the queue off,
//! errors go back to the caller, who still answers for the items.

mod attempts;
mod batcher;
mod config;
mod load;
pub(crate) mod partial_success;
mod retry;
mod sending_queue;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::task::JoinSet;

use attempts::Attempts;
pub use config::{BatchConfig, Config, QueueConfig, RetryConfig, Sizer};
use load::Books;
use sending_queue::SendingQueue;

use crate::model::{Batch, Instant, Signal};
use crate::pipeline::{
    BoxFuture, BuiltExporter, Clock, Component, ConsumeError, Consumer, Consumers, Exporter, Health, Settings,
    StartError,
};

/// An exporter with all that delivers to it.
struct Delivery {
    exporter: Arc<dyn Exporter>,
    queues: Vec<Arc<SendingQueue>>,
    books: Vec<Arc<Books>>,
    stopping: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
    clock: Arc<dyn Clock>,
}

/// Without a queue: attempts in the caller's task.
struct Direct {
    attempts: Arc<Attempts>,
    books: Arc<Books>,
}

/// Wraps an exporter: a consumer for each of `signals`, and one component for all.
pub fn build(settings: &Settings, config: &Config, exporter: Arc<dyn Exporter>, signals: &[Signal]) -> BuiltExporter {
    let id = settings.id.to_string();
    let (stopping, stopped) = watch::channel(false);
    let mut delivery = Delivery {
        exporter: exporter.clone(),
        queues: Vec::new(),
        books: Vec::new(),
        stopping,
        tasks: Mutex::default(),
        clock: settings.clock.clone(),
    };
    let mut consumers = Consumers::default();
    for &signal in signals {
        let labels = [("data_type", signal.as_str()), ("exporter", id.as_str())];
        let in_flight =
            settings.metrics.gauge("otelcol_exporter_in_flight_requests", "Attempts that are under way", &labels);
        let clock = settings.clock.clone();
        let attempts = Arc::new(Attempts::new(exporter.clone(), config, clock.clone(), stopped.clone(), in_flight));
        let books = Arc::new(Books::new(settings, signal));
        delivery.books.push(books.clone());
        match &config.sending_queue {
            None => consumers.set(signal, Arc::new(Direct { attempts, books })),
            Some(queue) => {
                let capacity =
                    settings.metrics.gauge("otelcol_exporter_queue_capacity", "What the queue can hold", &labels);
                capacity.set(i64::try_from(queue.queue_size).unwrap_or(i64::MAX));
                let queue = Arc::new(SendingQueue::new(queue, attempts, books, clock));
                delivery.queues.push(queue.clone());
                consumers.set(signal, queue);
            }
        }
    }
    BuiltExporter { component: Arc::new(delivery), consumers }
}

impl Component for Delivery {
    fn start(&self) -> BoxFuture<'_, Result<(), StartError>> {
        Box::pin(async {
            self.exporter.start().await?;
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            self.queues.iter().for_each(|queue| queue.start(&mut tasks));
            Ok(())
        })
    }

    /// Attempts go on with what is queued, once each and without waiting; what is left at the
    /// deadline is dropped.
    fn shutdown(&self, deadline: Instant) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.books.iter().for_each(|books| books.stop());
            self.stopping.send_replace(true);
            self.queues.iter().for_each(|queue| queue.close());
            let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
            let left = deadline.since(self.clock.now().mono);
            let ended = async { while tasks.join_next().await.is_some() {} };
            if tokio::time::timeout(left, ended).await.is_err() {
                tasks.shutdown().await;
            }
            self.queues.iter().for_each(|queue| queue.abandon());
            self.exporter.shutdown(deadline).await;
        })
    }

    fn health(&self) -> Health {
        if self.books.iter().any(|books| books.has_died()) {
            return Health::Failed("a batch was lost to a panic while it was sent".to_owned());
        }
        self.exporter.health()
    }
}

impl Consumer for Direct {
    fn consume(&self, batch: Batch) -> BoxFuture<'_, Result<(), ConsumeError>> {
        Box::pin(async move {
            let items = batch.item_count();
            match self.attempts.send(batch).await {
                Ok(()) => {
                    self.books.sent(items);
                    Ok(())
                }
                Err(failure) => {
                    self.books.failed(items);
                    Err(failure.error)
                }
            }
        })
    }
}
