//! The only place that asks what time it is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::model::{Instant, Now, UnixNanos};

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Both clocks, read together.
    fn now(&self) -> Now;
}

/// The machine's clocks. Follows tokio's clock, so that a paused runtime pauses it too.
#[derive(Clone, Debug)]
pub struct SystemClock {
    origin: tokio::time::Instant,
}

/// A clock that moves only when told to.
#[derive(Debug, Default)]
pub struct ManualClock {
    mono: AtomicU64,
    wall: AtomicU64,
}

impl SystemClock {
    /// A clock whose monotonic origin is this moment.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads clocks")]
    pub fn new() -> Self {
        Self { origin: tokio::time::Instant::now() }
    }

    /// A monotonic moment as tokio's timers want it.
    pub fn tokio_instant(&self, instant: Instant) -> tokio::time::Instant {
        self.origin + Duration::from_nanos(instant.0)
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads clocks")]
    fn now(&self) -> Now {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let since_origin = tokio::time::Instant::now().saturating_duration_since(self.origin);
        Now {
            mono: Instant(u64::try_from(since_origin.as_nanos()).unwrap_or(u64::MAX)),
            wall: UnixNanos(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX)),
        }
    }
}

impl ManualClock {
    /// Starts at a wall time, with the monotonic clock at zero.
    pub fn at(wall: UnixNanos) -> Self {
        Self { mono: AtomicU64::new(0), wall: AtomicU64::new(wall.0) }
    }

    /// Sets both clocks.
    pub fn set(&self, now: Now) {
        self.mono.store(now.mono.0, Ordering::Relaxed);
        self.wall.store(now.wall.0, Ordering::Relaxed);
    }

    /// Moves both clocks forward.
    pub fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.mono.fetch_add(nanos, Ordering::Relaxed);
        self.wall.fetch_add(nanos, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Now {
        Now { mono: Instant(self.mono.load(Ordering::Relaxed)), wall: UnixNanos(self.wall.load(Ordering::Relaxed)) }
    }
}
