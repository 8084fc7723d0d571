//! How many bytes of telemetry this process holds. Every request carries a [`Charge`] that pays
//! itself back when the request is dropped, so the sum cannot drift. Whoever refuses data above a
//! limit says so here, that others may shed before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A running sum of held bytes, shared by all who hold requests.
#[derive(Clone, Debug, Default)]
pub struct MemoryAccount(Arc<Sums>);

#[derive(Debug)]
struct Sums {
    held: AtomicU64,
    /// `u64::MAX` while nobody limits.
    limit: AtomicU64,
}

impl Default for Sums {
    fn default() -> Self {
        Self { held: AtomicU64::new(0), limit: AtomicU64::new(u64::MAX) }
    }
}

/// Bytes charged to an account until this is dropped.
#[derive(Debug, Default)]
pub struct Charge {
    account: MemoryAccount,
    bytes: u64,
}

impl MemoryAccount {
    /// Bytes held at this moment.
    pub fn held_bytes(&self) -> u64 {
        self.0.held.load(Ordering::Relaxed)
    }

    /// Somebody refuses data above so many bytes; of several limits the lowest holds.
    pub fn lower_limit(&self, bytes: u64) {
        self.0.limit.fetch_min(bytes, Ordering::Relaxed);
    }

    /// Held bytes as a part of the limit; 0 while nobody limits.
    pub fn pressure(&self) -> f64 {
        match self.0.limit.load(Ordering::Relaxed) {
            u64::MAX => 0.0,
            limit => self.held_bytes() as f64 / limit.max(1) as f64,
        }
    }

    /// Charges `bytes` until the returned value is dropped.
    pub fn charge(&self, bytes: u64) -> Charge {
        self.0.held.fetch_add(bytes, Ordering::Relaxed);
        Charge { account: self.clone(), bytes }
    }
}

impl Charge {
    /// What this charge stands for.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The account that was charged.
    pub fn account(&self) -> &MemoryAccount {
        &self.account
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.account.0.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_charge_is_paid_back() {
        let account = MemoryAccount::default();
        let first = account.charge(10);
        let second = account.charge(5);
        assert_eq!((account.held_bytes(), second.bytes()), (15, 5));
        drop(first);
        assert_eq!(account.held_bytes(), 5);
    }

    #[test]
    fn pressure_is_that_of_the_lowest_limit() {
        let account = MemoryAccount::default();
        let _held = account.charge(30);
        assert_eq!(account.pressure(), 0.0, "nobody limits");
        [100, 60, 80].into_iter().for_each(|limit| account.clone().lower_limit(limit));
        assert_eq!(account.pressure(), 0.5);
    }
}
