//! What waits, by the combination of metadata values that it came with. Without `metadata_keys`
//! there is one combination: none.

use std::sync::Arc;

use crate::model::{Batch, ClientMetadata, Instant, Signal};
use crate::wire;

/// Items of one combination of metadata values.
pub(super) struct Group {
    /// What waits; its metadata goes out with every batch of the group.
    pending: Batch,
    /// Items in `pending`.
    pub(super) items: u64,
    /// When the oldest of them has waited long enough.
    pub(super) deadline: Option<Instant>,
}

/// Every group that ever was; the Collector, too, forgets none.
pub(super) struct Groups {
    keys: Vec<String>,
    limit: u64,
    groups: Vec<(Vec<Vec<String>>, Group)>,
}

impl Groups {
    /// Groups by the values of `keys`, at most `limit` of them; 0 for no limit.
    pub(super) fn new(keys: Vec<String>, limit: u64) -> Self {
        Self { keys, limit, groups: Vec::new() }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    /// The group of a batch with this metadata; `None` when it would be one too many.
    pub(super) fn find(&mut self, signal: Signal, metadata: Option<&Arc<ClientMetadata>>) -> Option<&mut Group> {
        let values: Vec<Vec<String>> = self
            .keys
            .iter()
            .map(|key| metadata.map(|metadata| metadata.values(key).to_vec()).unwrap_or_default())
            .collect();
        let position = match self.groups.iter().position(|(known, _)| *known == values) {
            Some(position) => position,
            None if self.limit > 0 && !self.keys.is_empty() && self.groups.len() as u64 >= self.limit => return None,
            None => {
                let pending = Batch::new(signal).with_metadata(self.metadata_of(&values));
                self.groups.push((values, Group { pending, items: 0, deadline: None }));
                self.groups.len() - 1
            }
        };
        Some(&mut self.groups[position].1)
    }

    /// Every group, in the order of their first request.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Group> {
        self.groups.iter_mut().map(|(_, group)| group)
    }

    /// When the first group is due.
    pub(super) fn earliest(&self) -> Option<Instant> {
        self.groups.iter().filter_map(|(_, group)| group.deadline).min()
    }

    fn metadata_of(&self, values: &[Vec<String>]) -> Option<Arc<ClientMetadata>> {
        let headers = self
            .keys
            .iter()
            .zip(values)
            .flat_map(|(key, values)| values.iter().map(|value| (key.clone(), value.clone())));
        (!self.keys.is_empty()).then(|| Arc::new(ClientMetadata::new(headers)))
    }
}

impl Group {
    /// Adds a batch of so many items.
    pub(super) fn add(&mut self, batch: Batch, items: u64) {
        self.items += items;
        self.pending.append(thin(batch));
    }

    /// Takes a batch of at most `max` items off the front, or all for 0, with its number of items.
    pub(super) fn cut(&mut self, max: u64) -> (Batch, u64) {
        let front = if max > 0 && self.items > max {
            self.pending.split_off_front(max)
        } else {
            let empty = Batch::new(self.pending.signal()).with_metadata(self.pending.metadata().cloned());
            std::mem::replace(&mut self.pending, empty)
        };
        let items = front.item_count();
        self.items -= items;
        (front, items)
    }

    /// Copies out what waits, where it keeps much larger requests alive.
    pub(super) fn compact(&mut self) {
        let empty = Batch::new(self.pending.signal());
        self.pending = thin(std::mem::replace(&mut self.pending, empty));
    }
}

/// What may wait without keeping more than twice its own bytes alive.
fn thin(batch: Batch) -> Batch {
    if batch.parts().iter().all(|part| part.is_whole()) || batch.held_bytes() <= 2 * batch.selected_bytes() {
        return batch;
    }
    wire::compact(batch)
}
