//! Splitting a batch by trace id: row numbers are sorted into shards, spans stay where they are.

use std::num::NonZeroUsize;

use crate::model::{Batch, Part, Rows};
use crate::routing::{shard_of, slot_of};

/// One batch a shard, in the order of shards; empty ones included. Rows of one trace always land
/// in the same shard. A batch of another signal than traces goes to shard 0 whole.
pub fn split_by_shard(batch: Batch, shards: NonZeroUsize) -> Vec<Batch> {
    let empty = Batch::new(batch.signal()).with_metadata(batch.metadata().cloned());
    let mut split = vec![empty; shards.get()];
    for part in batch.into_parts() {
        let Some(columns) = &part.request.index().spans else {
            split[0].push(part);
            continue;
        };
        let mut rows: Vec<Vec<u32>> = vec![Vec::new(); shards.get()];
        // Spans of one trace mostly stand together, so the hash is taken once a run.
        let (mut last, mut shard) = (None, 0);
        for row in part.rows() {
            let id = columns.trace_id[row as usize];
            if last != Some(id) {
                last = Some(id);
                shard = shard_of(slot_of(columns.trace_id(row)), shards);
            }
            rows[shard].push(row);
        }
        for (batch, rows) in split.iter_mut().zip(&rows) {
            batch.push(Part { request: part.request.clone(), rows: Rows::from_sorted(rows) });
        }
    }
    split
}
