//! One controller for all shards of a processor.

use std::sync::{Mutex, PoisonError};

use super::config::Config;
use super::controller::Controller;
use super::offer::{Charge, Offer};
use super::snapshot::SnapshotError;
use crate::model::Instant;
use crate::processors::tail_sampling::detector::Finding;

/// The budget of one `adaptive` policy. Shards take its lock once a decided trace, and pay for
/// the trace before in the same go; with one shard the order of events is that of the stream.
#[derive(Debug, Default)]
pub struct Budget {
    controller: Mutex<Option<Controller>>,
}

impl Budget {
    /// Pays for what was decided, then offers for a trace of so many bytes; returns its cost too.
    pub(super) fn next(
        &self,
        config: &Config,
        settled: Option<Charge>,
        finding: &Finding,
        bytes: u64,
        now: Instant,
    ) -> (Offer, f64) {
        self.with(config, |controller| {
            if let Some(charge) = &settled {
                controller.settle(charge);
            }
            let cost = controller.cost(bytes);
            (controller.offer(finding, cost, now), cost)
        })
    }

    /// Adds what was learned to `out`; some kilobytes.
    pub fn save(&self, config: &Config, out: &mut Vec<u8>) {
        self.with(config, |controller| controller.save(out));
    }

    /// Goes on from what was saved.
    ///
    /// # Errors
    /// When the bytes are cut short or of another version; then nothing changes.
    pub fn load(&self, config: &Config, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.with(config, |controller| controller.load(bytes))
    }

    fn with<T>(&self, config: &Config, act: impl FnOnce(&mut Controller) -> T) -> T {
        let mut controller = self.controller.lock().unwrap_or_else(PoisonError::into_inner);
        act(controller.get_or_insert_with(|| Controller::new(config)))
    }
}
