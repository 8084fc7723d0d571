//! What runs but is probably not meant: warnings that the Collector's `validate` does not give.

use super::config::ServiceConfig;
use super::pipelines::{Draft, Reference};
use crate::config::Report;

/// Warns of components that nothing uses and of orders that undo a processor's work.
pub(super) fn check(config: &ServiceConfig, drafts: &[Draft], report: &mut Report) {
    for ((kind, id), location) in &config.places {
        if !config.is_used(*kind, id) {
            let path = format!("{}::{id}", kind.section());
            let by = if *kind == crate::pipeline::Kind::Extension { "service::extensions" } else { "any pipeline" };
            report.warning(path, format!("is configured but not named in {by}; it does nothing"), *location);
        }
    }
    for draft in drafts {
        check_order(draft, report);
    }
}

fn check_order(draft: &Draft, report: &mut Report) {
    let position = |wanted: &str| draft.processors.iter().position(|(id, _)| id.component_type() == wanted);
    let mut warn = |at: usize, message: &str| {
        let (id, location): &Reference = &draft.processors[at];
        report.warning(draft.path(), format!("processor \"{id}\" {message}"), *location);
    };
    if let Some(at) = position("memory_limiter").filter(|at| *at > 0) {
        warn(at, "should stand first: what stands before it is not held back when memory runs out");
    }
    if let (Some(batch), Some(sampler)) = (position("batch"), position("tail_sampling"))
        && batch < sampler
    {
        warn(batch, "should stand after tail_sampling: batches made before it are taken apart again");
    }
}
