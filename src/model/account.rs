//! How many bytes of telemetry this process holds. Every request carries a [`Charge`] that pays
//! itself back when the request is dropped, so the sum cannot drift.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A running sum of held bytes, shared by all who hold requests.
#[derive(Clone, Debug, Default)]
pub struct MemoryAccount(Arc<AtomicU64>);

/// Bytes charged to an account until this is dropped.
#[derive(Debug, Default)]
pub struct Charge {
    account: MemoryAccount,
    bytes: u64,
}

impl MemoryAccount {
    /// Bytes held at this moment.
    pub fn held_bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Charges `bytes` until the returned value is dropped.
    pub fn charge(&self, bytes: u64) -> Charge {
        self.0.fetch_add(bytes, Ordering::Relaxed);
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
        self.account.0.fetch_sub(self.bytes, Ordering::Relaxed);
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
}
