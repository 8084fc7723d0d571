//! A service's life: built, started from the end to the beginning, stopped from the beginning to
//! the end within a deadline.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::accounting;
use super::config::ServiceConfig;
use super::graph::{Environment, Graph, GraphError, Part};
use super::status::Status;
use crate::model::{MemoryAccount, Signal};
use crate::pipeline::{
    Clock, ComponentId, Ledger, LedgerReading, Listens, PipelineView, StartError, SystemClock,
};
use crate::telemetry::{Metrics, watch_process};

/// Why a service does not run.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ServiceError {
    /// The graph could not be built.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A component could not start; everything started before it is stopped again.
    #[error("cannot start pipelines: failed to start \"{id}\" {kind}: {source}")]
    Start {
        /// `receiver`, `exporter`, …
        kind: &'static str,
        /// Which.
        id: ComponentId,
        /// Why.
        source: StartError,
    },
}

/// A service that is built and not yet started.
pub struct Service {
    graph: Graph,
    environment: Environment,
}

/// A service at work. Dropping it without [`Running::shutdown`] leaves its tasks to the runtime.
pub struct Running {
    parts: Vec<Part>,
    status: Arc<Status>,
    environment: Environment,
}

/// The counts of a service after it has stopped.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// One reading a signal, in the order of [`Signal::ALL`].
    pub readings: [LedgerReading; 3],
}

impl Service {
    /// Builds a service on the machine's clocks, with a shard a core. Must be called within a
    /// tokio runtime.
    ///
    /// # Errors
    /// When the graph cannot be built.
    pub fn build(config: &ServiceConfig) -> Result<Self, ServiceError> {
        let shards = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let environment = Environment {
            clock: Arc::new(SystemClock::new()),
            metrics: Arc::new(Metrics::default()),
            ledger: Arc::new(Ledger::default()),
            account: MemoryAccount::default(),
            shards,
        };
        Self::build_in(config, environment)
    }

    /// Builds a service in a given environment.
    ///
    /// # Errors
    /// When the graph cannot be built.
    pub fn build_in(config: &ServiceConfig, environment: Environment) -> Result<Self, ServiceError> {
        let graph = Graph::build(config, &environment)?;
        let Environment { metrics, ledger, account, clock, .. } = &environment;
        accounting::publish(metrics, ledger.clone(), account.clone());
        watch_process(metrics, clock.clone());
        Ok(Self { graph, environment })
    }

    /// Starts every part, from the end of the pipelines to their beginning.
    ///
    /// # Errors
    /// The first part that could not start; what was started before is stopped again.
    pub async fn start(self) -> Result<Running, ServiceError> {
        let Graph { parts, status } = self.graph;
        let mut running = Running { parts: Vec::with_capacity(parts.len()), status, environment: self.environment };
        for (kind, id, component) in parts {
            if let Err(source) = component.start().await {
                running.shutdown(Duration::ZERO).await;
                return Err(ServiceError::Start { kind: kind.noun(), id, source });
            }
            running.parts.push((kind, id, component));
        }
        running.status.set_ready(true);
        Ok(running)
    }
}

impl Running {
    /// The conservation line of this service.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.environment.ledger
    }

    /// Its own metrics.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.environment.metrics
    }

    /// What extensions see of it.
    pub fn view(&self) -> Arc<dyn PipelineView> {
        self.status.clone()
    }

    /// Stops every part, from the beginning of the pipelines to their end. What could not be
    /// handed on within `drain` is counted as dropped. May be called twice.
    pub async fn shutdown(&mut self, drain: Duration) -> Outcome {
        self.status.set_ready(false);
        let deadline = self.environment.clock.now().mono + drain;
        while let Some((kind, id, component)) = self.parts.pop() {
            tracing::debug!(kind = kind.noun(), %id, "stopping");
            component.shutdown(deadline).await;
        }
        let ledger = &self.environment.ledger;
        Outcome { readings: Signal::ALL.map(|signal| ledger.read(signal)) }
    }
}

/// Everything outside the process that a config will take hold of, with who does.
pub fn listens(config: &ServiceConfig) -> Vec<(String, Listens)> {
    let receivers = config.receivers.iter().map(|(id, part)| (format!("receivers::{id}"), part.listens()));
    let exporters = config.exporters.iter().map(|(id, part)| (format!("exporters::{id}"), part.listens()));
    let extensions = config.extensions.iter().map(|(id, part)| (format!("extensions::{id}"), part.listens()));
    receivers
        .chain(exporters)
        .chain(extensions)
        .flat_map(|(path, listens)| listens.into_iter().map(move |listen| (path.clone(), listen)))
        .collect()
}
