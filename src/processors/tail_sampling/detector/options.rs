//! What can be chosen about the detector, with the defaults of the measurements behind it.

use std::time::Duration;

/// Bytes of state that one operation takes in a process of one shard, its name aside.
pub const OPERATION_BYTES: u64 = 1_536;
/// Bytes that each further shard adds to them.
pub const SHARD_OPERATION_BYTES: u64 = 576;

/// Choices. Every limit has an effect that is stated here.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Length of a window; windows are aligned to the wall clock.
    pub window: Duration,
    /// What is left of a reference when a window is merged into it.
    pub decay: f32,
    /// The share of spans that are not beyond an operation's threshold.
    pub quantile: f64,
    /// Spans before an operation has a threshold.
    pub warm_up: u32,
    /// Spans below which a window stays open beyond its end. With `warm_up * (1 - decay)` no
    /// operation falls back below its warm-up by being rare, and none by being idle.
    pub window_spans_min: u32,
    /// For how long at most windows with unusual excess are kept out of the reference; zero merges
    /// every window. Longer: incidents alarm longer, and so does a lasting change.
    pub freeze: Duration,
    /// How many times its usual share of spans beyond the threshold an operation must have for
    /// its window to be unusual.
    pub freeze_factor: f32,
    /// Least excess that matters.
    pub min_duration: Duration,
    /// Least excess that matters, as a share of the median duration of traces with the same root.
    pub min_share: f64,
    /// Half-life of the counts behind novelty and recent errors.
    pub half_life: Duration,
    /// Up to this count an operation or shape is reported as new, and an error as rare.
    pub novel_count_max: f64,
    /// Services with names of their own; the spans of further ones count as of `<other>`.
    pub services_max: usize,
    /// Operations of a service; further ones count as its operation `<other>`.
    pub operations_per_service_max: u32,
    /// For the state of all operations; beyond, new ones count as `<other>`.
    pub memory_bytes: u64,
    /// Shapes, errors and new operations that are remembered; those not seen for longest go.
    pub novelties_max: usize,
    /// After so long without a span an operation is forgotten; times in which the sampler saw
    /// nothing at all do not count.
    pub idle: Duration,
    /// The same for operations of a service that has no room left.
    pub idle_when_full: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(15 * 60),
            decay: 0.9,
            quantile: 0.975,
            warm_up: 50,
            window_spans_min: 5,
            freeze: Duration::from_secs(2 * 3_600),
            freeze_factor: 3.0,
            min_duration: Duration::from_millis(5),
            min_share: 0.1,
            half_life: Duration::from_secs(24 * 3_600),
            novel_count_max: 1_000.0,
            services_max: 1_000,
            operations_per_service_max: 2_000,
            memory_bytes: 32 << 20,
            novelties_max: 32_768,
            idle: Duration::from_secs(7 * 24 * 3_600),
            idle_when_full: Duration::from_secs(3_600),
        }
    }
}

impl Options {
    /// Operations that `memory_bytes` has room for among so many shards; at least 16.
    pub fn operations_max(&self, shards: usize) -> usize {
        let bytes = OPERATION_BYTES + SHARD_OPERATION_BYTES * (shards.max(1) as u64 - 1);
        usize::try_from(self.memory_bytes / bytes).unwrap_or(usize::MAX).clamp(16, 1 << 24)
    }

    /// Number of the window that a wall time is in.
    pub(super) fn window_of(&self, nanos: u64) -> u64 {
        nanos / (self.window.as_nanos() as u64).max(1)
    }

    /// How many windows a time spans, rounded up.
    pub(super) fn windows_in(&self, time: Duration) -> u64 {
        time.as_nanos().div_ceil(self.window.as_nanos().max(1)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_shared_by_operations() {
        let options = Options { memory_bytes: 15 << 20, ..Options::default() };
        assert_eq!(options.operations_max(1), 10_240);
        assert!(options.operations_max(8) < 3_000);
        assert_eq!(Options { memory_bytes: 0, ..options }.operations_max(1), 16);
    }
}
