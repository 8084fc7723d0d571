//! From the file to a graph of components: pipelines are built from their ends, so that every
//! part is made with a living next consumer.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::config::ServiceConfig;
use super::observe::Observed;
use super::status::{Built, Status};
use crate::metrics::Metrics;
use crate::model::{MemoryAccount, Signal};
use crate::pipeline::{
    BuildError, BuiltExporter, Clock, Component, ComponentId, Consumer, Consumers, DecisionLog, Detached,
    ExtensionContext, FanOut, Inline, Kind, Ledger, PipelineId, Remembering, Settings, Shape,
};

/// Why a valid file could not be built.
#[derive(Clone, Debug, thiserror::Error)]
pub enum GraphError {
    /// A component could not be built.
    #[error("failed to build pipelines: {kind}::{id}: {source}")]
    Component {
        /// Section of the component.
        kind: &'static str,
        /// Its id.
        id: ComponentId,
        /// Why.
        source: BuildError,
    },
    /// An id that the file uses and does not configure, or a signal that a component lacks.
    #[error("failed to build pipelines: service::pipelines::{pipeline}: {message}")]
    Pipeline {
        /// Where.
        pipeline: PipelineId,
        /// What.
        message: String,
    },
}

/// What every component of one process shares.
#[derive(Clone)]
pub struct Environment {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// The process's own metrics.
    pub metrics: Arc<Metrics>,
    /// The conservation line.
    pub ledger: Arc<Ledger>,
    /// Bytes of telemetry held.
    pub account: MemoryAccount,
    /// Shards for processors that keep state by trace.
    pub shards: std::num::NonZeroUsize,
}

/// A component with what it is.
pub(super) type Part = (Kind, ComponentId, Arc<dyn Component>);

/// Everything that runs, in the order of starting: extensions, then exporters, processors from
/// the end, receivers.
pub struct Graph {
    pub(super) parts: Vec<Part>,
    pub(super) status: Arc<Status>,
}

impl Graph {
    /// Builds every component that a pipeline uses. Nothing is opened.
    ///
    /// # Errors
    /// When a component refuses its config, or a pipeline names what is not there.
    pub fn build(config: &ServiceConfig, environment: &Environment) -> Result<Self, GraphError> {
        let status = Arc::new(Status::default());
        let wanted = config.extension_order.iter().filter_map(|id| config.extensions.get(id));
        let remembered = wanted.map(|extension| extension.decisions_remembered()).max().unwrap_or(0);
        let mut builder = Builder {
            config,
            environment,
            decisions: (remembered > 0).then(|| Arc::new(DecisionLog::new(remembered))),
            exporters: BTreeMap::new(),
            entries: BTreeMap::new(),
            parts: Vec::new(),
        };
        builder.extensions(&status)?;
        builder.exporters()?;
        for pipeline in config.pipelines.keys() {
            builder.entry(pipeline)?;
        }
        builder.receivers()?;
        let parts = builder.parts;
        let pipelines = config
            .pipelines
            .iter()
            .map(|(id, parts)| {
                (id.clone(), [parts.receivers.clone(), parts.processors.clone(), parts.exporters.clone()])
            })
            .collect();
        let components = parts.iter().map(|(kind, id, part)| (*kind, id.clone(), part.clone())).collect();
        status.built(Built { components, pipelines });
        Ok(Self { parts, status })
    }
}

struct Builder<'a> {
    config: &'a ServiceConfig,
    environment: &'a Environment,
    decisions: Option<Arc<DecisionLog>>,
    exporters: BTreeMap<ComponentId, Consumers>,
    entries: BTreeMap<PipelineId, Arc<dyn Consumer>>,
    parts: Vec<Part>,
}

impl Builder<'_> {
    fn settings(&self, kind: Kind, id: &ComponentId) -> Settings {
        let Environment { clock, metrics, ledger, account, shards } = self.environment.clone();
        let (gates, decisions) = (self.config.gates.clone(), self.decisions.clone());
        Settings { kind, id: id.clone(), clock, metrics, ledger, account, shards, gates, decisions }
    }

    fn extensions(&mut self, status: &Arc<Status>) -> Result<(), GraphError> {
        for id in &self.config.extension_order {
            let Some(config) = self.config.extensions.get(id) else { continue };
            let context = ExtensionContext { view: status.clone(), decisions: self.decisions.clone() };
            let extension = config
                .build(&self.settings(Kind::Extension, id), context)
                .map_err(|source| failed(Kind::Extension, id, source))?;
            self.parts.push((Kind::Extension, id.clone(), extension));
        }
        Ok(())
    }

    fn exporters(&mut self) -> Result<(), GraphError> {
        for (id, config) in &self.config.exporters {
            let mut signals: Vec<Signal> = self
                .config
                .pipelines
                .iter()
                .filter(|(_, parts)| parts.exporters.contains(id))
                .map(|(pipeline, _)| pipeline.signal)
                .collect();
            signals.dedup();
            if signals.is_empty() {
                continue;
            }
            let BuiltExporter { component, consumers } = config
                .build(&self.settings(Kind::Exporter, id), &signals)
                .map_err(|source| failed(Kind::Exporter, id, source))?;
            self.parts.push((Kind::Exporter, id.clone(), component));
            self.exporters.insert(id.clone(), consumers);
        }
        Ok(())
    }

    /// The consumer at the beginning of a pipeline; builds what stands behind it first.
    fn entry(&mut self, id: &PipelineId) -> Result<Arc<dyn Consumer>, GraphError> {
        if let Some(entry) = self.entries.get(id) {
            return Ok(entry.clone());
        }
        let parts = self.config.pipelines.get(id).ok_or_else(|| missing(id, "is not configured"))?;
        let mut ends = Vec::with_capacity(parts.exporters.len());
        for exporter in &parts.exporters {
            ends.push(self.end(id, exporter)?);
        }
        let mut next = FanOut::join(ends, self.environment.ledger.clone());
        for processor in parts.processors.iter().rev() {
            next = self.processor(id, processor, next)?;
        }
        self.entries.insert(id.clone(), next.clone());
        Ok(next)
    }

    /// What a pipeline's exporter list names: an exporter, or a connector into other pipelines.
    fn end(&mut self, pipeline: &PipelineId, id: &ComponentId) -> Result<Arc<dyn Consumer>, GraphError> {
        if let Some(consumers) = self.exporters.get(id) {
            let lacks = || missing(pipeline, &format!("exporter \"{id}\" does not take {}", pipeline.signal));
            return consumers.get(pipeline.signal).cloned().ok_or_else(lacks);
        }
        let config = self.config;
        let connector = config
            .connectors
            .get(id)
            .ok_or_else(|| missing(pipeline, &format!("references exporter \"{id}\" which is not configured")))?;
        let mut next = Consumers::default();
        for signal in connector.outputs(pipeline.signal) {
            if let Some(consumer) = self.fed_by(id, *signal)? {
                next.set(*signal, consumer);
            }
        }
        connector
            .build(&self.settings(Kind::Connector, id), pipeline.signal, next)
            .map_err(|source| failed(Kind::Connector, id, source))
    }

    /// Every pipeline of a signal that lists `id` as a receiver, joined.
    fn fed_by(&mut self, id: &ComponentId, signal: Signal) -> Result<Option<Arc<dyn Consumer>>, GraphError> {
        let config = self.config;
        let mut entries = Vec::new();
        for (pipeline, parts) in &config.pipelines {
            if pipeline.signal == signal && parts.receivers.contains(id) {
                entries.push(self.entry(pipeline)?);
            }
        }
        Ok((!entries.is_empty()).then(|| FanOut::join(entries, self.environment.ledger.clone())))
    }

    fn processor(
        &mut self,
        pipeline: &PipelineId,
        id: &ComponentId,
        next: Arc<dyn Consumer>,
    ) -> Result<Arc<dyn Consumer>, GraphError> {
        let unknown = || missing(pipeline, &format!("references processor \"{id}\" which is not configured"));
        let config = self.config.processors.get(id).ok_or_else(unknown)?;
        if !config.signals().contains(&pipeline.signal) {
            return Err(missing(pipeline, &format!("processor \"{id}\" does not take {}", pipeline.signal)));
        }
        let settings = self.settings(Kind::Processor, id);
        let built = config.build(&settings, pipeline).map_err(|source| failed(Kind::Processor, id, source))?;
        let (consumer, component) = match built.shape {
            Shape::Inline(processor) => Inline::drive(processor, next, &settings, pipeline.signal),
            Shape::Detached(processors) => Detached::drive(processors, next, &settings, pipeline.signal),
        };
        let component = match built.state {
            Some(state) => Remembering::wrap(component, state, settings.clock.clone()),
            None => component,
        };
        self.parts.push((Kind::Processor, id.clone(), component));
        Ok(consumer)
    }

    fn receivers(&mut self) -> Result<(), GraphError> {
        let config = self.config;
        for (id, receiver) in &config.receivers {
            let mut next = Consumers::default();
            let mut is_used = false;
            for signal in receiver.signals() {
                if let Some(consumer) = self.fed_by(id, *signal)? {
                    next.set(*signal, Observed::wrap(id, consumer));
                    is_used = true;
                }
            }
            if !is_used {
                continue;
            }
            let component = receiver
                .build(&self.settings(Kind::Receiver, id), next)
                .map_err(|source| failed(Kind::Receiver, id, source))?;
            self.parts.push((Kind::Receiver, id.clone(), component));
        }
        Ok(())
    }
}

fn failed(kind: Kind, id: &ComponentId, source: BuildError) -> GraphError {
    GraphError::Component { kind: kind.section(), id: id.clone(), source }
}

fn missing(pipeline: &PipelineId, message: &str) -> GraphError {
    GraphError::Pipeline { pipeline: pipeline.clone(), message: message.to_owned() }
}
