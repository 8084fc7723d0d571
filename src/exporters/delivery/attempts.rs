//! Attempts with one batch until the backend takes it or there is a reason to stop: the timeout
//! of each, and the waits between them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;

use super::config::{Config, RetryConfig};
use super::retry::Backoff;
use crate::model::Batch;
use crate::pipeline::{Clock, Code, ConsumeError, DropReason, Exporter};
use crate::telemetry::Gauge;
use crate::wire;

/// Sends batches of all signals of one exporter.
pub(super) struct Attempts {
    exporter: Arc<dyn Exporter>,
    timeout: Duration,
    retry: Option<RetryConfig>,
    clock: Arc<dyn Clock>,
    stopping: watch::Receiver<bool>,
    started: AtomicU64,
    in_flight: Gauge,
}

/// Why a batch was not delivered.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// For the caller.
    pub(super) error: ConsumeError,
    /// For the ledger, when there is no caller any more.
    pub(super) reason: DropReason,
}

/// Counts an attempt as under way until it is dropped.
struct UnderWay<'a>(&'a Gauge);

impl<'a> UnderWay<'a> {
    fn new(gauge: &'a Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Attempts {
    /// `stopping` turns true when the exporter is being shut down.
    pub(super) fn new(
        exporter: Arc<dyn Exporter>,
        config: &Config,
        clock: Arc<dyn Clock>,
        stopping: watch::Receiver<bool>,
        in_flight: Gauge,
    ) -> Self {
        Self {
            exporter,
            timeout: config.timeout,
            retry: config.retry_on_failure.clone(),
            clock,
            stopping,
            started: AtomicU64::new(0),
            in_flight,
        }
    }

    /// Makes attempts until one succeeds or there is a reason to give up.
    pub(super) async fn send(&self, mut batch: Batch) -> Result<(), Failure> {
        let started = self.clock.now();
        let encoded = OnceLock::new();
        let mut backoff = None;
        loop {
            let Err(error) = self.attempt(&batch, &encoded).await else { return Ok(()) };
            if !error.is_retryable() {
                return Err(Failure { error, reason: DropReason::Rejected });
            }
            let Some(retry) = &self.retry else {
                return Err(Failure { error, reason: DropReason::RetriesExhausted });
            };
            let backoff = backoff.get_or_insert_with(|| {
                batch = compacted(std::mem::replace(&mut batch, Batch::new(crate::model::Signal::Traces)));
                let number = self.started.fetch_add(1, Ordering::Relaxed);
                Backoff::new(retry, started.mono, started.wall.0 ^ number.rotate_left(32))
            });
            let Some(wait) = backoff.next(self.clock.now().mono, error.retry_after()) else {
                let error = last(&error, "no more retries left");
                return Err(Failure { error, reason: DropReason::RetriesExhausted });
            };
            let mut stopping = self.stopping.clone();
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => {
                    let error = last(&error, "interrupted due to shutdown");
                    return Err(Failure { error, reason: DropReason::ShutdownDeadline });
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn attempt(&self, batch: &Batch, encoded: &OnceLock<Vec<bytes::Bytes>>) -> Result<(), ConsumeError> {
        let _under_way = UnderWay::new(&self.in_flight);
        let attempt = self.exporter.attempt(batch, encoded);
        if self.timeout.is_zero() {
            return attempt.await;
        }
        match tokio::time::timeout(self.timeout, attempt).await {
            Ok(result) => result,
            Err(_) => {
                let text = format!("the attempt took longer than {}", crate::config::format_duration(self.timeout));
                Err(ConsumeError::retryable(text, None).with_code(Code::DeadlineExceeded))
            }
        }
    }
}

/// The error after which nothing is tried any more.
fn last(error: &ConsumeError, why: &str) -> ConsumeError {
    let code = error.code();
    ConsumeError::retryable(format!("{why}: {}", error.message()), error.retry_after()).with_code(code).exhausted()
}

/// The batch without the large requests that it selects little of; called before a wait.
pub(super) fn compacted(batch: Batch) -> Batch {
    let is_whole = batch.parts().iter().all(crate::model::Part::is_whole);
    if !is_whole && batch.held_bytes() > 2 * batch.selected_bytes() { wire::compact(batch) } else { batch }
}
