//! Merging and splitting of loads by size: `sending_queue.batch`. Pure: it is told the time, and
//! says when it wants to be called.

use std::collections::BTreeMap;

use super::attempts::compacted;
use super::config::{BatchConfig, Sizer};
use super::load::Load;
use crate::model::{Batch, Instant, Signal};

/// Values of the metadata keys, in their order.
type Partition = Vec<Vec<String>>;

/// Loads that wait to become large enough, one a partition.
pub(super) struct Batcher {
    config: BatchConfig,
    pending: BTreeMap<Partition, Pending>,
}

struct Pending {
    load: Load,
    size: u64,
    deadline: Instant,
}

impl Batcher {
    /// Holds nothing yet.
    pub(super) fn new(config: BatchConfig) -> Self {
        Self { config, pending: BTreeMap::new() }
    }

    /// Takes a load; returns what is to be sent now.
    pub(super) fn add(&mut self, mut load: Load, now: Instant) -> Vec<Load> {
        let partition = self.partition(&load.batch);
        let size = size_of(&load.batch, self.config.sizer);
        let mut pending = match self.pending.remove(&partition) {
            None => Pending { load, size, deadline: now + self.config.flush_timeout },
            Some(mut pending) => {
                take_compacted(&mut load);
                pending.load.merge(load);
                pending.size += size;
                pending
            }
        };
        let mut ready = Vec::new();
        while self.config.max_size > 0 && pending.size > self.config.max_size {
            let items = match self.config.sizer {
                Sizer::Bytes => items_within(&pending.load.batch, self.config.max_size),
                Sizer::Items | Sizer::Requests => self.config.max_size,
            };
            ready.push(pending.load.split_off_front(items));
            pending.size = size_of(&pending.load.batch, self.config.sizer);
            pending.deadline = now + self.config.flush_timeout;
            if pending.load.batch.is_empty() {
                pending.load.settle(Ok(()));
                return ready;
            }
        }
        if pending.size >= self.config.min_size {
            ready.push(pending.load);
        } else {
            take_compacted(&mut pending.load);
            self.pending.insert(partition, pending);
        }
        ready
    }

    /// When the oldest load has waited long enough.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.pending.values().map(|pending| pending.deadline).min()
    }

    /// Returns what has waited long enough.
    pub(super) fn on_deadline(&mut self, now: Instant) -> Vec<Load> {
        self.pending.extract_if(.., |_, pending| pending.deadline <= now).map(|(_, pending)| pending.load).collect()
    }

    /// Returns everything.
    pub(super) fn drain(&mut self) -> Vec<Load> {
        std::mem::take(&mut self.pending).into_values().map(|pending| pending.load).collect()
    }

    fn partition(&self, batch: &Batch) -> Partition {
        let keys = self.config.metadata_keys.iter();
        keys.map(|key| batch.metadata().map_or_else(Vec::new, |metadata| metadata.values(key).to_vec())).collect()
    }
}

fn take_compacted(load: &mut Load) {
    let batch = std::mem::replace(&mut load.batch, Batch::new(Signal::Traces));
    load.batch = compacted(batch);
}

/// What a batch counts as.
pub(super) fn size_of(batch: &Batch, sizer: Sizer) -> u64 {
    match sizer {
        Sizer::Requests => 1,
        Sizer::Items => batch.item_count(),
        Sizer::Bytes => batch.selected_bytes(),
    }
}

/// How many items from the front take at most `bytes`; at least one.
fn items_within(batch: &Batch, bytes: u64) -> u64 {
    let (mut items, mut left) = (0, bytes);
    for part in batch.parts() {
        let index = part.request.index();
        for row in part.rows() {
            let length = u64::from(index.item(row).length);
            if length > left && items > 0 {
                return items;
            }
            left = left.saturating_sub(length);
            items += index.items_of(row);
        }
    }
    items.max(1)
}
