//! A service's life: built, started from the end to the beginning, stopped from the beginning to
//! the end within a deadline.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::accounting;
use super::config::ServiceConfig;
use super::graph::{Environment, Graph, GraphError, Part};
use super::status::Status;
use crate::model::{Instant, MemoryAccount, Signal};
use crate::net::Site;
use crate::pipeline::{Component, ComponentId, Kind, Ledger, LedgerReading, PipelineView, StartError, SystemClock};
use crate::telemetry::{Metrics, MetricsPage, metrics_site, watch_process};

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
    /// The own metrics could not be served.
    #[error("service::telemetry::metrics: {0}; change the port of its reader, or set its level to none")]
    Metrics(StartError),
}

/// A service that is built and not yet started.
pub struct Service {
    graph: Graph,
    environment: Environment,
    own_metrics: Option<Site<MetricsPage>>,
}

/// A service at work. Dropping it without [`Running::shutdown`] leaves its tasks to the runtime.
pub struct Running {
    parts: Vec<Part>,
    status: Arc<Status>,
    environment: Environment,
    own_metrics: Option<Site<MetricsPage>>,
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
        let site = |(host, port): &(String, u16)| {
            let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
            metrics_site(&format!("{host}:{port}"), metrics.clone(), clock.clone())
        };
        let own_metrics = config.telemetry.metrics_address.as_ref().map(site);
        Ok(Self { graph, environment, own_metrics })
    }

    /// Starts every part, from the end of the pipelines to their beginning.
    ///
    /// # Errors
    /// The first part that could not start; what was started before is stopped again.
    pub async fn start(self) -> Result<Running, ServiceError> {
        let Graph { parts, status } = self.graph;
        let mut running = Running {
            parts: Vec::with_capacity(parts.len()),
            status,
            environment: self.environment,
            own_metrics: None,
        };
        if let Some(site) = self.own_metrics {
            site.start().await.map_err(ServiceError::Metrics)?;
            running.own_metrics = Some(site);
        }
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
    /// handed on within `drain` is counted as dropped; a receiver or processor has half of the time
    /// that is left when its turn comes. May be called twice.
    pub async fn shutdown(&mut self, drain: Duration) -> Outcome {
        self.status.set_ready(false);
        let deadline = self.environment.clock.now().mono + drain;
        while let Some((kind, id, component)) = self.parts.pop() {
            tracing::debug!(kind = kind.noun(), %id, "stopping");
            component.shutdown(self.turn_end(kind, deadline)).await;
        }
        if let Some(site) = self.own_metrics.take() {
            site.shutdown(deadline).await;
        }
        let ledger = &self.environment.ledger;
        Outcome { readings: Signal::ALL.map(|signal| ledger.read(signal)) }
    }

    /// Until when a part may take. One that is stuck (a client that has stalled, a full queue
    /// before a dead backend) must not use up the time of those whose turn comes later.
    fn turn_end(&self, kind: Kind, deadline: Instant) -> Instant {
        let now = self.environment.clock.now().mono;
        match kind {
            Kind::Receiver | Kind::Processor | Kind::Connector => now + deadline.since(now) / 2,
            Kind::Exporter | Kind::Extension => deadline,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::pipeline::{BoxFuture, Clock};

    /// Takes all the time it is given, and notes it.
    struct Stuck {
        clock: Arc<dyn Clock>,
        took: Mutex<Duration>,
    }

    impl Component for Stuck {
        fn shutdown(&self, deadline: Instant) -> BoxFuture<'_, ()> {
            Box::pin(async move {
                let time = deadline.since(self.clock.now().mono);
                tokio::time::sleep(time).await;
                *self.took.lock().unwrap() = time;
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_is_stuck_leaves_time_to_those_behind() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let stuck = [Kind::Exporter, Kind::Processor, Kind::Processor, Kind::Receiver].map(|kind| {
            let part = Arc::new(Stuck { clock: clock.clone(), took: Mutex::default() });
            (kind, ComponentId::parse("stuck").unwrap(), part)
        });
        let mut running = Running {
            parts: stuck
                .iter()
                .map(|(kind, id, part)| (*kind, id.clone(), part.clone() as Arc<dyn Component>))
                .collect(),
            status: Arc::default(),
            environment: Environment {
                clock,
                metrics: Arc::default(),
                ledger: Arc::default(),
                account: MemoryAccount::default(),
                shards: NonZeroUsize::MIN,
            },
            own_metrics: None,
        };
        running.shutdown(Duration::from_secs(32)).await;
        assert_eq!(stuck.map(|(_, _, part)| part.took.lock().unwrap().as_secs()), [4, 4, 8, 16]);
    }
}
