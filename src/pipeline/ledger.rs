//! The conservation line: what came in is sent, dropped with a reason, refused or still waiting.
//! Every part reports to one ledger; a test asserts that the residual at rest is exactly zero.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::Signal;

/// Why items were dropped after they had been taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// A sampling policy decided so.
    NotSampled,
    /// A late span of a trace that was decided before.
    LateNotSampled,
    /// A trace above `maximum_trace_size_bytes`.
    TraceTooLarge,
    /// Evicted by `num_traces` before its decision.
    TooEarly,
    /// Pending at shutdown with `drop_pending_traces_on_shutdown`.
    PendingAtShutdown,
    /// Of a new trace that a sampler's overload valve turned away.
    Overload,
    /// The backend refused for good.
    Rejected,
    /// Retried until `max_elapsed_time`, or once with retry off.
    RetriesExhausted,
    /// The deadline of the shutdown passed.
    ShutdownDeadline,
    /// Whoever held them panicked.
    TaskDied,
    /// A component that drops by its nature, as `nop` does not but a filter does.
    Filtered,
}

impl DropReason {
    /// The reason as a metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotSampled => "not_sampled",
            Self::LateNotSampled => "late_not_sampled",
            Self::TraceTooLarge => "trace_too_large",
            Self::TooEarly => "dropped_too_early",
            Self::PendingAtShutdown => "pending_at_shutdown",
            Self::Overload => "overload",
            Self::Rejected => "rejected_by_backend",
            Self::RetriesExhausted => "retries_exhausted",
            Self::ShutdownDeadline => "shutdown_deadline",
            Self::TaskDied => "task_died",
            Self::Filtered => "filtered",
        }
    }
}

/// Counts of one signal.
#[derive(Debug, Default)]
struct Account {
    received: AtomicU64,
    refused: AtomicU64,
    sent: AtomicU64,
    copied: AtomicU64,
    dropped: Mutex<BTreeMap<DropReason, u64>>,
    waiting: AtomicI64,
}

/// One reading of a signal's counts, all in items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerReading {
    /// Came in by any receiver.
    pub received: u64,
    /// Given back to the client with an error.
    pub refused: u64,
    /// Taken by a backend.
    pub sent: u64,
    /// Multiplied by fan-out: copies beyond the first.
    pub copied: u64,
    /// Dropped, by reason.
    pub dropped: BTreeMap<DropReason, u64>,
    /// Held in buffers and queues.
    pub waiting: i64,
}

impl LedgerReading {
    /// `received + copied - refused - sent - dropped - waiting`; zero at rest.
    pub fn residual(&self) -> i128 {
        i128::from(self.received) + i128::from(self.copied)
            - i128::from(self.refused)
            - i128::from(self.sent)
            - i128::from(self.dropped.values().sum::<u64>())
            - i128::from(self.waiting)
    }
}

/// The ledger of a process.
#[derive(Debug, Default)]
pub struct Ledger {
    accounts: [Account; 3],
}

/// Items counted as waiting until this is dropped.
#[derive(Debug)]
pub struct Held {
    ledger: Arc<Ledger>,
    signal: Signal,
    items: u64,
}

impl Ledger {
    fn account(&self, signal: Signal) -> &Account {
        &self.accounts[signal as usize]
    }

    /// A receiver hands items to its consumer.
    pub fn received(&self, signal: Signal, items: u64) {
        self.account(signal).received.fetch_add(items, Ordering::Relaxed);
    }

    /// The consumer refused them, and the client was told.
    pub fn refused(&self, signal: Signal, items: u64) {
        self.account(signal).refused.fetch_add(items, Ordering::Relaxed);
    }

    /// A backend took them.
    pub fn sent(&self, signal: Signal, items: u64) {
        self.account(signal).sent.fetch_add(items, Ordering::Relaxed);
    }

    /// Fan-out made copies beyond the first.
    pub fn copied(&self, signal: Signal, items: u64) {
        self.account(signal).copied.fetch_add(items, Ordering::Relaxed);
    }

    /// Items that had been taken were dropped.
    pub fn dropped(&self, signal: Signal, reason: DropReason, items: u64) {
        if items > 0 {
            let mut dropped = self.account(signal).dropped.lock().unwrap_or_else(PoisonError::into_inner);
            *dropped.entry(reason).or_default() += items;
        }
    }

    /// Counts items as waiting until the returned value is dropped.
    pub fn hold(self: &Arc<Self>, signal: Signal, items: u64) -> Held {
        self.account(signal).waiting.fetch_add(items.cast_signed(), Ordering::Relaxed);
        Held { ledger: self.clone(), signal, items }
    }

    /// Moves the count of waiting items by a difference, for holders that count in bulk.
    pub fn waiting_changed(&self, signal: Signal, difference: i64) {
        self.account(signal).waiting.fetch_add(difference, Ordering::Relaxed);
    }

    /// Reads every count of a signal.
    pub fn read(&self, signal: Signal) -> LedgerReading {
        let account = self.account(signal);
        LedgerReading {
            received: account.received.load(Ordering::Relaxed),
            refused: account.refused.load(Ordering::Relaxed),
            sent: account.sent.load(Ordering::Relaxed),
            copied: account.copied.load(Ordering::Relaxed),
            dropped: account.dropped.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            waiting: account.waiting.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.ledger.account(self.signal).waiting.fetch_sub(self.items.cast_signed(), Ordering::Relaxed);
    }
}
