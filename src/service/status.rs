//! What extensions may know of the running service: readiness, components, pipelines.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::pipeline::{Component, ComponentId, Health, Kind, PipelineId, PipelineView};

/// The view of a service; filled once when the graph is built.
#[derive(Default)]
pub(super) struct Status {
    is_ready: AtomicBool,
    built: OnceLock<Built>,
}

/// A pipeline and the ids of its receivers, processors and exporters.
pub(super) type PipelineParts = (PipelineId, [Vec<ComponentId>; 3]);

pub(super) struct Built {
    pub(super) components: Vec<(Kind, ComponentId, Arc<dyn Component>)>,
    pub(super) pipelines: Vec<PipelineParts>,
}

impl Status {
    pub(super) fn built(&self, built: Built) {
        // A graph is built once; a second one would be another service with another status.
        let _ = self.built.set(built);
    }

    pub(super) fn set_ready(&self, ready: bool) {
        self.is_ready.store(ready, Ordering::Relaxed);
    }
}

impl PipelineView for Status {
    fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Relaxed)
    }

    fn components(&self) -> Vec<(Kind, ComponentId, Health)> {
        let components = self.built.get().map_or(&[][..], |built| &built.components);
        components.iter().map(|(kind, id, component)| (*kind, id.clone(), component.health())).collect()
    }

    fn pipelines(&self) -> Vec<PipelineParts> {
        self.built.get().map_or_else(Vec::new, |built| built.pipelines.clone())
    }
}
