//! One request as it came: its body, never changed, and the index that the scan built.

use bytes::Bytes;

use super::{Charge, Index, MemoryAccount, Signal};

/// A body and its index, shared by every batch that selects rows of it.
#[derive(Debug)]
pub struct Request {
    body: Bytes,
    index: Index,
    charge: Charge,
}

impl Request {
    /// Joins a body with the index that `wire` built from it, and charges both to the account.
    pub fn new(body: Bytes, index: Index, account: &MemoryAccount) -> Self {
        let charge = account.charge(body.len() as u64 + index.heap_bytes());
        Self { body, index, charge }
    }

    /// The same request without its span columns, for who waits long and has read them; the body
    /// and the rows are shared. `wire::compact` brings columns back.
    #[must_use]
    pub fn without_columns(&self) -> Self {
        Self::new(self.body.clone(), self.index.clone_rows(), self.account())
    }

    /// The OTLP protobuf message.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Where everything is.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// What the request carries.
    pub fn signal(&self) -> Signal {
        self.index.signal
    }

    /// Bytes that this request keeps alive: body and index.
    pub fn held_bytes(&self) -> u64 {
        self.charge.bytes()
    }

    /// The account that pays for this request.
    pub fn account(&self) -> &MemoryAccount {
        self.charge.account()
    }
}
