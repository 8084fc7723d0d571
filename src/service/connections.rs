//! Connectors between pipelines: each has both its ends, the signals fit, and nothing goes round
//! in a circle.

use std::collections::BTreeMap;

use super::pipelines::Draft;
use crate::config::Report;
use crate::pipeline::{ComponentId, Connector};

type Connectors = BTreeMap<ComponentId, Box<dyn Connector>>;

/// Reports connectors with only one end and circles of pipelines.
pub(super) fn check(drafts: &[Draft], connectors: &Connectors, report: &mut Report) {
    for (id, connector) in connectors {
        check_ends(id, connector.as_ref(), drafts, report);
    }
    check_circles(drafts, connectors, report);
}

fn check_ends(id: &ComponentId, connector: &dyn Connector, drafts: &[Draft], report: &mut Report) {
    let fed: Vec<&Draft> = drafts.iter().filter(|draft| names(&draft.exporters, id)).collect();
    let feeding: Vec<&Draft> = drafts.iter().filter(|draft| names(&draft.receivers, id)).collect();
    for draft in &fed {
        let outputs = connector.outputs(draft.id.signal);
        if !feeding.iter().any(|other| outputs.contains(&other.id.signal)) {
            let message = format!(
                "connector \"{id}\" used as exporter in [{}] pipeline but not used in any supported receiver pipeline; \
                 name it under receivers of another pipeline",
                draft.id
            );
            report.error(draft.path(), message, place(draft, &draft.exporters, id));
        }
    }
    for draft in &feeding {
        if !fed.iter().any(|other| connector.outputs(other.id.signal).contains(&draft.id.signal)) {
            let message = format!(
                "connector \"{id}\" used as receiver in [{}] pipeline but not used in any supported exporter pipeline; \
                 name it under exporters of another pipeline",
                draft.id
            );
            report.error(draft.path(), message, place(draft, &draft.receivers, id));
        }
    }
}

fn names(references: &[super::pipelines::Reference], id: &ComponentId) -> bool {
    references.iter().any(|(named, _)| named == id)
}

fn place(draft: &Draft, references: &[super::pipelines::Reference], id: &ComponentId) -> crate::config::Location {
    references.iter().find(|(named, _)| named == id).map_or(draft.location, |(_, location)| *location)
}

/// Pipelines that a pipeline feeds: position and by which connector.
fn edges<'d>(from: &'d Draft, drafts: &[Draft], connectors: &Connectors) -> Vec<(usize, &'d ComponentId)> {
    let mut edges = Vec::new();
    for (id, _) in &from.exporters {
        let Some(connector) = connectors.get(id) else { continue };
        let outputs = connector.outputs(from.id.signal);
        for (position, draft) in drafts.iter().enumerate() {
            if names(&draft.receivers, id) && outputs.contains(&draft.id.signal) {
                edges.push((position, id));
            }
        }
    }
    edges
}

/// How far a pipeline has been walked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    Open,
    Done,
}

/// Walks depth first without recursion: pipelines may be many.
fn check_circles(drafts: &[Draft], connectors: &Connectors, report: &mut Report) {
    let edges: Vec<_> = drafts.iter().map(|draft| edges(draft, drafts, connectors)).collect();
    let mut marks = vec![Mark::New; drafts.len()];
    for start in 0..drafts.len() {
        if marks[start] != Mark::New {
            continue;
        }
        marks[start] = Mark::Open;
        let mut trail: Vec<(usize, usize)> = vec![(start, 0)];
        while let Some((at, next)) = trail.last_mut() {
            let (from, edge) = (*at, edges[*at].get(*next).copied());
            *next += 1;
            match edge {
                None => {
                    marks[from] = Mark::Done;
                    trail.pop();
                }
                Some((to, _)) if marks[to] == Mark::New => {
                    marks[to] = Mark::Open;
                    trail.push((to, 0));
                }
                Some((to, by)) if marks[to] == Mark::Open => {
                    let circle = trail.iter().map(|(at, _)| *at).skip_while(|at| *at != to);
                    let mut steps: Vec<String> = circle.map(|at| format!("pipeline \"{}\"", drafts[at].id)).collect();
                    steps.push(format!("pipeline \"{}\"", drafts[to].id));
                    let message = format!("cycle detected: {}, closed by connector \"{by}\"", steps.join(" -> "));
                    report.error(drafts[from].path(), message, place(&drafts[from], &drafts[from].exporters, by));
                }
                Some(_) => {}
            }
        }
    }
}
