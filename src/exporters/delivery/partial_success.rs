//! What to do with a reply that says that a part of a batch was not taken: it counts as sent, as
//! the OTLP specification demands, and a warning says how much was lost.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::model::{Instant, Signal};
use crate::pipeline::{Clock, Settings};
use crate::wire::status::PartialSuccess;

/// Shortest time between two warnings of one exporter.
const QUIET: Duration = Duration::from_secs(10);

/// Warns of partial successes, at most once in ten seconds.
pub(crate) struct PartialSuccessWarning {
    exporter: String,
    clock: Arc<dyn Clock>,
    rejected: AtomicU64,
    next: Mutex<Instant>,
}

impl PartialSuccessWarning {
    /// Has warned of nothing yet.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            exporter: settings.id.to_string(),
            clock: settings.clock.clone(),
            rejected: AtomicU64::new(0),
            next: Mutex::default(),
        }
    }

    /// Notes a reply; returns the count that was warned of, when it was.
    pub(crate) fn note(&self, signal: Signal, partial: &PartialSuccess) -> Option<u64> {
        if *partial == PartialSuccess::default() {
            return None;
        }
        self.rejected.fetch_add(u64::try_from(partial.rejected).unwrap_or(0), Ordering::Relaxed);
        let now = self.clock.now().mono;
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if now < *next {
            return None;
        }
        *next = now + QUIET;
        let rejected = self.rejected.swap(0, Ordering::Relaxed);
        tracing::warn!(
            target: "exporter",
            exporter = self.exporter,
            rejected,
            signal = signal.as_str(),
            "the backend took a batch in part: {:?}; what it rejected is lost",
            partial.message
        );
        Some(rejected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UnixNanos;
    use crate::pipeline::ManualClock;

    #[test]
    fn warnings_come_at_most_once_in_ten_seconds_and_lose_no_count() {
        let clock = Arc::new(ManualClock::at(UnixNanos(0)));
        let warning = PartialSuccessWarning {
            exporter: "otlp".to_owned(),
            clock: clock.clone(),
            rejected: AtomicU64::new(0),
            next: Mutex::default(),
        };
        let partial = PartialSuccess { rejected: 3, message: "no".to_owned() };
        assert_eq!(warning.note(Signal::Traces, &PartialSuccess::default()), None);
        assert_eq!(warning.note(Signal::Traces, &partial), Some(3));
        assert_eq!(warning.note(Signal::Traces, &partial), None);
        clock.advance(QUIET);
        assert_eq!(warning.note(Signal::Traces, &partial), Some(6));
    }
}
