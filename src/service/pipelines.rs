//! `service::pipelines`: reading the lists of ids, and checking that each names a component that
//! is there and carries the signal.

use std::collections::BTreeSet;

use super::config::{PipelineConfig, ServiceConfig, known};
use crate::config::{Location, Node, Report, Section, Value, closest};
use crate::model::Signal;
use crate::pipeline::{ComponentId, Kind, PipelineId};

/// An id where a pipeline or the list of extensions names it.
pub(super) type Reference = (ComponentId, Location);

/// A pipeline as read, with places.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) id: PipelineId,
    pub(super) location: Location,
    pub(super) receivers: Vec<Reference>,
    pub(super) processors: Vec<Reference>,
    pub(super) exporters: Vec<Reference>,
    /// Some list could not be read, so an empty one proves nothing.
    is_partial: bool,
}

/// Reads every pipeline; the id of one that cannot be read is reported and left out.
pub(super) fn decode(node: Option<&Node>, service: Location, report: &mut Report) -> Vec<Draft> {
    const PATH: &str = "service::pipelines";
    let entries = match node.map(|node| &node.value) {
        Some(Value::Map(entries)) => entries.as_slice(),
        None | Some(Value::Null) => &[],
        Some(_) => {
            let found = node.map(Node::describe).unwrap_or_default();
            let location = node.map_or(service, |node| node.location);
            report.error(PATH, format!("expected a section of pipelines, found {found}"), location);
            return Vec::new();
        }
    };
    if entries.is_empty() {
        let location = node.map_or(service, |node| node.location);
        report.error(PATH, "service must have at least one pipeline; add one such as traces", location);
    }
    let mut drafts: Vec<Draft> = Vec::new();
    for (key, location, node) in entries {
        let id = match PipelineId::parse(key) {
            Ok(id) => id,
            Err(_) if key.split('/').next().map(str::trim) == Some("profiles") => {
                report.error(PATH, format!("{key:?}: profiles are not supported yet; remove the pipeline"), *location);
                continue;
            }
            Err(error) => {
                report.error(PATH, format!("invalid id {key:?}: {error}"), *location);
                continue;
            }
        };
        if drafts.iter().any(|draft| draft.id == id) {
            report.error(PATH, format!("duplicate name \"{id}\"; blanks around type and name do not count"), *location);
            continue;
        }
        drafts.push(Draft::decode(id, *location, node, report));
    }
    drafts
}

impl Draft {
    fn decode(id: PipelineId, location: Location, node: &Node, report: &mut Report) -> Self {
        let path = format!("service::pipelines::{id}");
        let mut section = Section::new(&path, node, report);
        let keys = ["receivers", "processors", "exporters"];
        for key in keys {
            section.look(key);
        }
        section.finish();
        let before = report.problems().len();
        let [receivers, processors, exporters] = keys.map(|key| references(&path, key, node.entry(key), report));
        let is_partial = report.problems().len() > before;
        Self { id, location, receivers, processors, exporters, is_partial }
    }

    /// Path in the file.
    pub(super) fn path(&self) -> String {
        format!("service::pipelines::{}", self.id)
    }

    /// The pipeline without places and doubles.
    pub(super) fn to_config(&self) -> PipelineConfig {
        PipelineConfig {
            receivers: ids(&self.receivers),
            processors: ids(&self.processors),
            exporters: ids(&self.exporters),
        }
    }

    /// Reports empty lists, doubles, unknown components and signals that they do not carry.
    pub(super) fn check(&self, config: &ServiceConfig, report: &mut Report) {
        let path = self.path();
        for (list, noun) in [(&self.receivers, "receiver"), (&self.exporters, "exporter")] {
            if list.is_empty() && !self.is_partial {
                report.error(&path, format!("must have at least one {noun}"), self.location);
            }
        }
        let lists = [
            (Kind::Receiver, &self.receivers, &[Kind::Receiver, Kind::Connector][..]),
            (Kind::Processor, &self.processors, &[Kind::Processor]),
            (Kind::Exporter, &self.exporters, &[Kind::Exporter, Kind::Connector]),
        ];
        for (kind, references, kinds) in lists {
            check_references(&path, kind, references, &known(config, kinds), report);
            check_repeated(&path, kind, references, report);
            for (id, location) in references {
                self.check_signal(kind, id, *location, config, report);
            }
        }
    }

    fn check_signal(
        &self,
        kind: Kind,
        id: &ComponentId,
        location: Location,
        config: &ServiceConfig,
        report: &mut Report,
    ) {
        let signals: Option<&'static [Signal]> = match kind {
            Kind::Receiver => config.receivers.get(id).map(|config| config.signals()),
            Kind::Processor => config.processors.get(id).map(|config| config.signals()),
            Kind::Exporter => config.exporters.get(id).map(|config| config.signals()),
            Kind::Connector | Kind::Extension => None,
        };
        if let Some(signals) = signals.filter(|signals| !signals.contains(&self.id.signal)) {
            let carried: Vec<&str> = signals.iter().map(|signal| signal.as_str()).collect();
            let message = format!(
                "telemetry type is not supported: {} \"{id}\" carries {}, not {}",
                kind.noun(),
                carried.join(", "),
                self.id.signal
            );
            report.error(self.path(), message, location);
        }
    }
}

/// The ids of a list, each once, in order.
pub(super) fn ids(references: &[Reference]) -> Vec<ComponentId> {
    let mut seen = BTreeSet::new();
    references.iter().filter(|(id, _)| seen.insert(id)).map(|(id, _)| id.clone()).collect()
}

/// Reads a list of ids; one text with commas counts as a list, as in the Collector.
pub(super) fn references(path: &str, key: &str, node: Option<&Node>, report: &mut Report) -> Vec<Reference> {
    let path = format!("{path}::{key}");
    let mut texts: Vec<(String, Location)> = Vec::new();
    match node.map(|node| (&node.value, node.location)) {
        None | Some((Value::Null, _)) => {}
        Some((Value::Scalar(scalar), location)) => {
            texts.extend(scalar.text.split(',').map(|text| (text.to_owned(), location)));
        }
        Some((Value::List(items), _)) => {
            for item in items {
                match &item.value {
                    Value::Scalar(scalar) => texts.push((scalar.text.clone(), item.location)),
                    _ => report.error(&path, format!("expected an id, found {}", item.describe()), item.location),
                }
            }
        }
        Some((Value::Map(_), location)) => report.error(&path, "expected a list of ids, found a section", location),
    }
    let mut references = Vec::with_capacity(texts.len());
    for (text, location) in texts {
        match ComponentId::parse(&text) {
            Ok(id) => references.push((id, location)),
            Err(error) => report.error(&path, format!("invalid id {text:?}: {error}"), location),
        }
    }
    references
}

/// Reports ids of components that are not configured.
pub(super) fn check_references(
    path: &str,
    kind: Kind,
    references: &[Reference],
    known: &BTreeSet<&ComponentId>,
    report: &mut Report,
) {
    let names: Vec<String> = known.iter().map(ToString::to_string).collect();
    for (id, location) in references.iter().filter(|(id, _)| !known.contains(id)) {
        let id = id.to_string();
        let mut message =
            format!("references {} \"{id}\" which is not configured; add it under {}", kind.noun(), kind.section());
        match closest(&id, names.iter().map(String::as_str)) {
            Some(closest) => message.push_str(&format!("; did you mean {closest:?}?")),
            None if names.is_empty() => {}
            None => message.push_str(&format!(" (known: {})", names.join(", "))),
        }
        report.error(path, message, *location);
    }
}

/// Reports ids that stand twice in one list: an error for processors, whose order matters.
pub(super) fn check_repeated(path: &str, kind: Kind, references: &[Reference], report: &mut Report) {
    let mut seen = BTreeSet::new();
    for (id, location) in references.iter().filter(|(id, _)| !seen.insert(id.clone())) {
        let message = format!("references {} \"{id}\" multiple times; name it once", kind.noun());
        match kind {
            Kind::Processor => report.error(path, message, *location),
            _ => report.warning(path, message, *location),
        }
    }
}
