//! The life of every part of a pipeline.

use std::sync::Arc;

use super::BoxFuture;
use crate::model::Instant;

/// Why a component could not start.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct StartError {
    message: Arc<str>,
}

impl StartError {
    /// `message` says what, where and how to mend.
    pub fn new(message: impl Into<Arc<str>>) -> Self {
        Self { message: message.into() }
    }
}

/// How a component is, for readiness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Works.
    Ok,
    /// A part of it has ended that should not have; says which.
    Failed(String),
}

/// Anything that is started and stopped.
///
/// # Contract
/// - A new component does nothing: no port, no file, no task.
/// - `start` is called at most once. When it returns an error, everything that it had opened is
///   closed again, and `shutdown` is not called.
/// - Parts are started from the end of a pipeline to its beginning, and stopped from its
///   beginning to its end: what a component flushes in `shutdown` meets living neighbours.
/// - `shutdown` may be called without `start`, and twice; it returns when every task of the
///   component has ended. What it could not hand on by `deadline` is counted as dropped with a
///   reason.
pub trait Component: Send + Sync + 'static {
    /// Opens what the component needs. Returns when it can work.
    fn start(&self) -> BoxFuture<'_, Result<(), StartError>> {
        Box::pin(async { Ok(()) })
    }

    /// Hands on what is held, then closes everything.
    fn shutdown(&self, deadline: Instant) -> BoxFuture<'_, ()> {
        let _ = deadline;
        Box::pin(async {})
    }

    /// How it is; asked by `health_check`.
    fn health(&self) -> Health {
        Health::Ok
    }
}
