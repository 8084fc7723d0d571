//! How often each shape, new operation and error came lately: a shard's own table, and how it
//! agrees with the table that all shards share.

use std::time::Duration;

use crate::model::UnixNanos;
use crate::sketch::{DecayingCount, Generations};

/// What a shard knows of one key.
#[derive(Clone, Copy, Debug, Default)]
struct Local {
    count: DecayingCount,
    /// Not handed over yet.
    fresh: u32,
    kept: u32,
    dropped: u32,
    root: u32,
    is_touched: bool,
}

/// What all shards know of one key.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shared {
    pub(super) count: DecayingCount,
    pub(super) kept: u64,
    pub(super) dropped: u64,
    /// Operation of the root; of shapes only.
    pub(super) root: u32,
    /// When it was changed last, in exchanges.
    sequence: u64,
}

/// The table that all shards share.
#[derive(Debug)]
pub(super) struct SharedNovelties {
    pub(super) table: Generations<Shared>,
    sequence: u64,
}

/// A shard's table.
pub(super) struct Novelties {
    table: Generations<Local>,
    touched: Vec<u64>,
    half_life: Duration,
    /// The last exchange.
    sequence: u64,
}

impl SharedNovelties {
    pub(super) fn new(capacity: usize) -> Self {
        Self { table: Generations::new(capacity), sequence: 0 }
    }
}

impl Novelties {
    pub(super) fn new(capacity: usize, half_life: Duration) -> Self {
        Self { table: Generations::new(capacity), touched: Vec::new(), half_life, sequence: 0 }
    }

    /// Counts a key; returns how often it came lately, this time included.
    pub(super) fn count(&mut self, key: u64, root: u32, now: UnixNanos) -> f64 {
        let half_life = self.half_life;
        let local = self.touch(key);
        local.fresh = local.fresh.saturating_add(1);
        local.root = root;
        local.count.add(1.0, now, half_life)
    }

    /// What became of a trace of this shape.
    pub(super) fn decided(&mut self, key: u64, is_kept: bool) {
        let local = self.touch(key);
        let count = if is_kept { &mut local.kept } else { &mut local.dropped };
        *count = count.saturating_add(1);
    }

    fn touch(&mut self, key: u64) -> &mut Local {
        let local = self.table.entry(key);
        if !local.is_touched {
            local.is_touched = true;
            self.touched.push(key);
        }
        local
    }

    /// Hands over what came since the last time and takes what others handed over.
    pub(super) fn exchange(&mut self, shared: &mut SharedNovelties, has_others: bool, now: UnixNanos) {
        if !self.touched.is_empty() {
            shared.sequence += 1;
        }
        for key in self.touched.drain(..) {
            // What was forgotten since it was touched is not told.
            let Some(local) = self.table.peek_mut(key) else { continue };
            let known = shared.table.entry(key);
            known.count.add(local.fresh as f32, now, self.half_life);
            known.kept += u64::from(local.kept);
            known.dropped += u64::from(local.dropped);
            known.root = local.root;
            known.sequence = shared.sequence;
            *local = Local { count: known.count, root: local.root, ..Local::default() };
        }
        if has_others || self.sequence == 0 {
            for (key, known) in shared.table.iter().filter(|(_, known)| known.sequence > self.sequence) {
                let local = self.table.entry(key);
                (local.count, local.root) = (known.count, known.root);
            }
        }
        self.sequence = shared.sequence;
    }
}

impl SharedNovelties {
    /// Adds a count of a snapshot.
    pub(super) fn restore(&mut self, key: u64, value: f32, now: UnixNanos, half_life: Duration) {
        self.sequence = self.sequence.max(1);
        let known = self.table.entry(key);
        known.count.add(value, now, half_life);
        known.sequence = self.sequence;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn at(seconds: u64) -> UnixNanos {
        UnixNanos((1_700_000_000 + seconds) * 1_000_000_000)
    }

    #[test]
    fn a_new_shape_is_new_in_one_shard_only() {
        let mut shared = SharedNovelties::new(100);
        let mut shards = [Novelties::new(100, DAY), Novelties::new(100, DAY)];
        assert_eq!(shards[0].count(7, 1, at(0)), 1.0);
        for shard in &mut shards {
            shard.exchange(&mut shared, true, at(1));
        }
        assert!((shards[1].count(7, 1, at(1)) - 2.0).abs() < 0.001);
        assert!((shards[0].count(7, 1, at(1)) - 2.0).abs() < 0.001);
        for _ in 0..2 {
            for shard in &mut shards {
                shard.exchange(&mut shared, true, at(2));
            }
        }
        for shard in &mut shards {
            assert!((shard.count(7, 1, at(2)) - 4.0).abs() < 0.001, "each exchange counts once");
        }
    }

    #[test]
    fn decisions_are_added_up() {
        let mut shared = SharedNovelties::new(100);
        let mut shard = Novelties::new(100, DAY);
        for number in 0..5 {
            shard.count(7, 1, at(0));
            shard.decided(7, number == 0);
        }
        shard.exchange(&mut shared, false, at(0));
        shard.exchange(&mut shared, false, at(0));
        let known = shared.table.peek(7).unwrap();
        assert_eq!((known.kept, known.dropped, known.count.parts().0), (1, 4, 5.0));
    }

    #[test]
    fn a_count_of_a_snapshot_is_there_from_the_start() {
        let mut shared = SharedNovelties::new(100);
        shared.restore(7, 9.0, at(0), DAY);
        let mut shard = Novelties::new(100, DAY);
        shard.exchange(&mut shared, false, at(0));
        assert_eq!(shard.count(7, 1, at(0)), 10.0);
    }
}
