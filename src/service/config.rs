//! The whole file as checked components and pipelines. Reads only; builds and starts nothing.
//!
//! Every problem of the file is reported, not only the first: a component that cannot be read
//! still counts as configured for the pipelines that name it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::own_telemetry::TelemetryConfig;
use super::registry::{self, Decode};
use super::{advice, connections, pipelines};
use crate::config::{Gates, Location, Node, Report, Section, Value};
use crate::pipeline::{
    ComponentId, Connector, ExporterConfig, ExtensionConfig, Kind, Listens, PipelineId, ProcessorConfig, ReceiverConfig,
};

/// A checked config file.
#[derive(Default)]
pub struct ServiceConfig {
    /// Receivers by id, used or not.
    pub receivers: BTreeMap<ComponentId, Box<dyn ReceiverConfig>>,
    /// Processors by id, used or not.
    pub processors: BTreeMap<ComponentId, Box<dyn ProcessorConfig>>,
    /// Exporters by id, used or not.
    pub exporters: BTreeMap<ComponentId, Box<dyn ExporterConfig>>,
    /// Connectors by id, used or not.
    pub connectors: BTreeMap<ComponentId, Box<dyn Connector>>,
    /// Extensions by id, used or not.
    pub extensions: BTreeMap<ComponentId, Box<dyn ExtensionConfig>>,
    /// The extensions to start, in this order.
    pub extension_order: Vec<ComponentId>,
    /// Pipelines by id; each names only components that are there.
    pub pipelines: BTreeMap<PipelineId, PipelineConfig>,
    /// What the process says about itself.
    pub telemetry: TelemetryConfig,
    /// Feature gates of the Collector that are on or off.
    pub gates: Arc<Gates>,
    /// Where each component stands in the file, for messages at later stages.
    pub places: BTreeMap<(Kind, ComponentId), Location>,
}

/// The parts of a pipeline; processors in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PipelineConfig {
    /// Receivers, and connectors that feed this pipeline.
    pub receivers: Vec<ComponentId>,
    /// Processors in the order in which batches pass them.
    pub processors: Vec<ComponentId>,
    /// Exporters, and connectors that this pipeline feeds.
    pub exporters: Vec<ComponentId>,
}

impl std::fmt::Debug for ServiceConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceConfig")
            .field("components", &self.places.keys())
            .field("pipelines", &self.pipelines)
            .field("telemetry", &self.telemetry)
            .finish_non_exhaustive()
    }
}

impl ServiceConfig {
    /// Whether some pipeline, or the list of extensions, names the component.
    pub fn is_used(&self, kind: Kind, id: &ComponentId) -> bool {
        self.pipelines.values().any(|pipeline| match kind {
            Kind::Receiver => pipeline.receivers.contains(id),
            Kind::Processor => pipeline.processors.contains(id),
            Kind::Exporter => pipeline.exporters.contains(id),
            Kind::Connector => pipeline.receivers.contains(id) || pipeline.exporters.contains(id),
            Kind::Extension => false,
        }) || kind == Kind::Extension && self.extension_order.contains(id)
    }

    /// What the used components take hold of at start.
    pub fn listens(&self) -> Vec<(Kind, ComponentId, Listens)> {
        let mut all = Vec::new();
        let mut add = |kind: Kind, id: &ComponentId, listens: Vec<Listens>| {
            if self.is_used(kind, id) {
                all.extend(listens.into_iter().map(|listens| (kind, id.clone(), listens)));
            }
        };
        for (id, config) in &self.receivers {
            add(Kind::Receiver, id, config.listens());
        }
        for (id, config) in &self.exporters {
            add(Kind::Exporter, id, config.listens());
        }
        for (id, config) in &self.extensions {
            add(Kind::Extension, id, config.listens());
        }
        all
    }

    /// Where a component stands in the file.
    pub fn place(&self, kind: Kind, id: &ComponentId) -> Location {
        self.places.get(&(kind, id.clone())).copied().unwrap_or_default()
    }
}

/// Reads the whole tree. With errors in `report` the result is not fit to run.
pub fn decode(root: &Node, report: &mut Report) -> ServiceConfig {
    let mut top = Section::new("", root, report);
    for kind in Kind::ALL {
        top.look(kind.section());
    }
    top.look("service");
    top.finish();

    let mut config = ServiceConfig::default();
    for kind in Kind::ALL {
        decode_components(kind, root, report, &mut config);
    }
    for (kind, is_empty) in
        [(Kind::Receiver, is_empty(root, "receivers")), (Kind::Exporter, is_empty(root, "exporters"))]
    {
        if is_empty {
            let message =
                format!("no {} configuration specified in config; add one under {}", kind.noun(), kind.section());
            report.error(kind.section(), message, root.entry(kind.section()).unwrap_or(root).location);
        }
    }
    check_connector_ids(&config, report);
    decode_service(root, report, &mut config);
    config
}

fn is_empty(root: &Node, section: &str) -> bool {
    match root.entry(section).map(|node| &node.value) {
        None | Some(Value::Null) => true,
        Some(Value::Map(entries)) => entries.is_empty(),
        Some(_) => false,
    }
}

fn decode_components(kind: Kind, root: &Node, report: &mut Report, config: &mut ServiceConfig) {
    let section = kind.section();
    let Some(node) = root.entry(section) else { return };
    let entries = match &node.value {
        Value::Null => return,
        Value::Map(entries) => entries,
        _ => {
            let message = format!("expected a section of {section}, found {}", node.describe());
            report.error(section, message, node.location);
            return;
        }
    };
    for (key, location, node) in entries {
        let id = match ComponentId::parse(key) {
            Ok(id) => id,
            Err(error) => {
                report.error(section, format!("invalid id {key:?}: {error}"), *location);
                continue;
            }
        };
        if config.places.insert((kind, id.clone()), *location).is_some() {
            let message = format!("duplicate name \"{id}\"; blanks around type and name do not count");
            report.error(section, message, *location);
            continue;
        }
        decode_component(kind, id, node, *location, report, config);
    }
}

fn decode_component(
    kind: Kind,
    id: ComponentId,
    node: &Node,
    location: Location,
    report: &mut Report,
    config: &mut ServiceConfig,
) {
    let entry = match registry::find(kind, &id) {
        Ok(entry) => entry,
        Err(message) => {
            report.error(kind.section(), message, location);
            return;
        }
    };
    let path = format!("{}::{id}", kind.section());
    if let Some(instead) = entry.deprecated {
        report.warning(&path, instead, location);
    } else if entry.type_name != id.component_type() {
        let (new, old) = (entry.type_name, id.component_type());
        report.note(&path, format!("{old:?} is the deprecated name of {new:?}; both work"), location);
    }
    let mut section = Section::new(path, node, report);
    match entry.decode {
        Decode::Receiver(decode) => drop(config.receivers.insert(id, decode(&mut section))),
        Decode::Processor(decode) => drop(config.processors.insert(id, decode(&mut section))),
        Decode::Connector(decode) => drop(config.connectors.insert(id, decode(&mut section))),
        Decode::Exporter(decode) => drop(config.exporters.insert(id, decode(&mut section))),
        Decode::Extension(decode) => drop(config.extensions.insert(id, decode(&mut section))),
    }
    section.finish();
}

fn check_connector_ids(config: &ServiceConfig, report: &mut Report) {
    for ((kind, id), location) in &config.places {
        if *kind != Kind::Connector {
            continue;
        }
        for other in [Kind::Receiver, Kind::Exporter] {
            if config.places.contains_key(&(other, id.clone())) {
                let message = format!(
                    "ambiguous ID: \"{id}\" stands under {} too; name one of them otherwise, such as \"{}/connector\"",
                    other.section(),
                    id.component_type()
                );
                report.error(format!("connectors::{id}"), message, *location);
            }
        }
    }
}

fn decode_service(root: &Node, report: &mut Report, config: &mut ServiceConfig) {
    let empty = Node { location: root.location, ..Node::default() };
    let node = root.entry("service").unwrap_or(&empty);
    let mut service = Section::new("service", node, report);
    config.telemetry = service.section("telemetry", TelemetryConfig::decode).unwrap_or_default();
    service.look("extensions");
    service.look("pipelines");
    service.finish();

    let extensions = pipelines::references("service", "extensions", node.entry("extensions"), report);
    let known: BTreeSet<&ComponentId> = known(config, &[Kind::Extension]);
    pipelines::check_references("service::extensions", Kind::Extension, &extensions, &known, report);
    pipelines::check_repeated("service::extensions", Kind::Extension, &extensions, report);
    config.extension_order = pipelines::ids(&extensions);

    let drafts = pipelines::decode(node.entry("pipelines"), node.location, report);
    for draft in &drafts {
        draft.check(config, report);
    }
    connections::check(&drafts, &config.connectors, report);
    config.pipelines = drafts.iter().map(|draft| (draft.id.clone(), draft.to_config())).collect();
    advice::check(config, &drafts, report);
}

/// Ids of all configured components of these kinds, readable or not.
pub(super) fn known<'c>(config: &'c ServiceConfig, kinds: &[Kind]) -> BTreeSet<&'c ComponentId> {
    config.places.keys().filter(|(kind, _)| kinds.contains(kind)).map(|(_, id)| id).collect()
}
