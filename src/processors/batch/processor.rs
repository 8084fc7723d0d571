//! The machine of `batch`: adds to a group, cuts batches off its front, and knows when the next
//! one is due.

use super::Config;
use super::groups::Groups;
use crate::metrics::{Counter, Gauge, Histogram};
use crate::model::{Batch, Instant, Now};
use crate::pipeline::{ConsumeError, Output, Processor, Settings};

/// Upper bounds of `batch_send_size`, the Collector's.
const SIZE_BUCKETS: [f64; 22] = [
    10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1e3, 2e3, 3e3, 4e3, 5e3, 6e3, 7e3, 8e3, 9e3, 10e3, 20e3, 30e3,
    50e3, 100e3,
];

/// See the module.
pub struct BatchProcessor {
    config: Config,
    groups: Groups,
    deadline: Option<Instant>,
    held_items: u64,
    metrics: BatchMetrics,
}

struct BatchMetrics {
    send_size: Histogram,
    size_trigger: Counter,
    timeout_trigger: Counter,
    cardinality: Gauge,
}

/// Why a batch goes out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trigger {
    Size,
    Timeout,
}

impl BatchMetrics {
    fn new(settings: &Settings) -> Self {
        let id = settings.id.to_string();
        let labels = [("processor", id.as_str())];
        let name = |what: &str| format!("otelcol_processor_batch_{what}");
        let metrics = &settings.metrics;
        Self {
            send_size: metrics.histogram(
                &name("batch_send_size"),
                "Number of items in a batch that was sent",
                &labels,
                &SIZE_BUCKETS,
            ),
            size_trigger: metrics.counter(
                &name("batch_size_trigger_send"),
                "Batches sent because they were large enough",
                &labels,
            ),
            timeout_trigger: metrics.counter(
                &name("timeout_trigger_send"),
                "Batches sent because their time was over",
                &labels,
            ),
            cardinality: metrics.gauge(
                &name("metadata_cardinality"),
                "Combinations of metadata values being batched",
                &labels,
            ),
        }
    }

    fn sent(&self, trigger: Trigger, items: u64) {
        match trigger {
            Trigger::Size => self.size_trigger.inc(),
            Trigger::Timeout => self.timeout_trigger.inc(),
        };
        self.send_size.observe(items as f64);
    }
}

impl BatchProcessor {
    /// A processor with nothing in it.
    pub fn new(config: Config, settings: &Settings) -> Self {
        let groups = Groups::new(config.metadata_keys.clone(), config.metadata_cardinality_limit);
        let metrics = BatchMetrics::new(settings);
        Self { config, groups, deadline: None, held_items: 0, metrics }
    }

    /// Sends everything of the groups that are due.
    fn flush(&mut self, is_due: impl Fn(Instant) -> bool) -> Output {
        let mut out = Output::new();
        for group in self.groups.iter_mut().filter(|group| group.deadline.is_some_and(&is_due)) {
            while group.items > 0 {
                let (batch, items) = group.cut(self.config.send_batch_max_size);
                self.metrics.sent(Trigger::Timeout, items);
                self.held_items -= items;
                out.push(batch);
            }
            group.deadline = None;
        }
        self.deadline = self.groups.earliest();
        out
    }
}

impl Processor for BatchProcessor {
    fn process(&mut self, batch: Batch, now: Now) -> Result<Output, ConsumeError> {
        let items = batch.item_count();
        let groups = self.groups.len();
        let Some(group) = self.groups.find(batch.signal(), batch.metadata()) else {
            return Err(ConsumeError::permanent("too many batcher metadata-value combinations"));
        };
        group.add(batch, items);
        let waits = !self.config.timeout.is_zero() && self.config.send_batch_size > 0;
        let mut out = Output::new();
        let mut sent = 0;
        while group.items > 0 && (!waits || group.items >= self.config.send_batch_size) {
            let (batch, items) = group.cut(self.config.send_batch_max_size);
            self.metrics.sent(Trigger::Size, items);
            sent += items;
            out.push(batch);
        }
        let was = group.deadline;
        if group.items == 0 {
            group.deadline = None;
        } else if sent > 0 || was.is_none() {
            group.deadline = Some(now.mono + self.config.timeout);
            group.compact();
        }
        self.held_items = self.held_items + items - sent;
        if group.deadline != was {
            self.deadline = self.groups.earliest();
        }
        if self.groups.len() != groups {
            self.metrics.cardinality.set(self.groups.len() as i64);
        }
        Ok(out)
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn on_deadline(&mut self, now: Now) -> Output {
        self.flush(|deadline| deadline <= now.mono)
    }

    fn drain(&mut self, _now: Now) -> Output {
        self.flush(|_| true)
    }

    fn held_items(&self) -> u64 {
        self.held_items
    }
}
