//! A shared limit on bytes that are held at once. Who cannot get its bytes is refused at once:
//! waiting would only hold the others up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that may be held at once by all who share it.
#[derive(Clone, Debug)]
pub struct ByteBudget {
    held: Arc<AtomicU64>,
    max: u64,
}

/// Bytes taken from a budget, given back when this is dropped.
#[derive(Debug)]
pub struct Hold {
    budget: ByteBudget,
    bytes: u64,
}

impl ByteBudget {
    /// A budget of `max` bytes.
    pub fn new(max: u64) -> Self {
        Self { held: Arc::default(), max }
    }

    /// A holder that holds nothing so far.
    pub fn hold(&self) -> Hold {
        Hold { budget: self.clone(), bytes: 0 }
    }

    /// Bytes held at this moment.
    pub fn held_bytes(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }
}

impl Hold {
    /// Takes `bytes` more; `false`, with nothing taken, when they are not there.
    #[must_use]
    pub fn take(&mut self, bytes: u64) -> bool {
        let before = self.budget.held.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.budget.max {
            self.budget.held.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        self.bytes += bytes;
        true
    }

    /// Gives back all but `bytes`.
    pub fn shrink_to(&mut self, bytes: u64) {
        let surplus = self.bytes.saturating_sub(bytes);
        self.budget.held.fetch_sub(surplus, Ordering::Relaxed);
        self.bytes -= surplus;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_not_taken() {
        let budget = ByteBudget::new(10);
        let (mut first, mut second) = (budget.hold(), budget.hold());
        assert!(first.take(6));
        assert!(!second.take(5));
        assert!(second.take(4));
        assert!(!second.take(u64::MAX - 20));
        assert_eq!(budget.held_bytes(), 10);
        first.shrink_to(1);
        assert!(second.take(5));
        drop((first, second));
        assert_eq!(budget.held_bytes(), 0);
    }
}
