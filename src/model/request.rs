//! One request as it came: its body, never changed, and the index that the scan built.

use std::sync::Arc;

use bytes::Bytes;

use super::{Charge, Index, MemoryAccount, Signal};

/// A body and its index, shared by every batch that selects rows of it.
#[derive(Debug)]
pub struct Request {
    body: Bytes,
    index: Index,
    /// For the body and the rows, paid once by all who share them.
    shared: Arc<Charge>,
    /// For the rest of the index.
    own: Charge,
}

impl Request {
    /// Joins a body with the index that `wire` built from it, and charges both to the account.
    pub fn new(body: Bytes, index: Index, account: &MemoryAccount) -> Self {
        let shared = Arc::new(account.charge(body.len() as u64 + index.row_bytes()));
        let own = account.charge(index.heap_bytes() - index.row_bytes());
        Self { body, index, shared, own }
    }

    /// The same request without its span columns, for who waits long and has read them; the body
    /// and the rows are shared. `wire::compact` brings columns back.
    #[must_use]
    pub fn without_columns(&self) -> Self {
        let index = self.index.clone_rows();
        let own = self.account().charge(index.heap_bytes() - index.row_bytes());
        Self { body: self.body.clone(), index, shared: self.shared.clone(), own }
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
        self.shared.bytes() + self.own.bytes()
    }

    /// The account that pays for this request.
    pub fn account(&self) -> &MemoryAccount {
        self.own.account()
    }
}
