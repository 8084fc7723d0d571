//! The answers over HTTP: one trace, the latest decisions, and the traffic by shape.

use std::sync::Arc;

use http::HeaderMap;
use serde_json::{Value, json};

use crate::model::{DecisionRecord, TraceId, UnixNanos};
use crate::net::{Page, Pages};
use crate::pipeline::{DecisionLog, DecisionSource, ShapeTraffic, decision_json, shape_json, timestamp};

/// Decisions of a sampler in one answer of `/v1/decisions`.
const LATEST_MAX: usize = 100;
/// Shapes of a sampler that are told apart in one answer of `/v1/shapes`; the rest is added up.
const SHAPES_MAX: usize = 100;

const NOTHING_HERE: &str = "nothing is here; ask /v1/traces/{trace id}, /v1/decisions or /v1/shapes";

pub(super) struct DecisionPages {
    log: Arc<DecisionLog>,
}

impl DecisionPages {
    pub(super) fn new(log: Arc<DecisionLog>) -> Self {
        Self { log }
    }

    fn trace(&self, text: &str) -> Page {
        let id = match TraceId::parse(text) {
            Ok(id) => id,
            Err(error) => return answer(400, &json!({"error": format!("{text:?} is not a trace id: {error}")})),
        };
        let sources = self.log.sources();
        let known = sources.iter().filter_map(|source| Some(of(source, &source.find(id)?)));
        let known: Vec<Value> = known.collect();
        if known.is_empty() {
            return answer(404, &unknown(id, &sources));
        }
        answer(200, &json!({"trace_id": id.to_string(), "decisions": known}))
    }

    fn latest(&self) -> Page {
        let sources = self.log.sources();
        let mut decisions = Vec::new();
        for source in &sources {
            let mut records = Vec::new();
            let (next, _) = source.read(u64::MAX, 0, &mut records);
            source.read(next.saturating_sub(LATEST_MAX as u64), LATEST_MAX, &mut records);
            decisions.extend(records.iter().rev().map(|record| of(source, record)));
        }
        answer(200, &json!({"decisions": decisions}))
    }

    fn shapes(&self) -> Page {
        let samplers: Vec<Value> = self.log.sources().iter().map(|source| shapes_of(source)).collect();
        answer(200, &json!({"samplers": samplers}))
    }
}

/// The traffic of a sampler's most frequent shapes, and of all others together.
fn shapes_of(source: &DecisionSource) -> Value {
    let known = source.explains().shapes();
    let (told, rest) = known.split_at(known.len().min(SHAPES_MAX));
    let sum = |of: fn(&ShapeTraffic) -> u64| rest.iter().fold(0_u64, |sum, traffic| sum.saturating_add(of(traffic)));
    json!({
        "processor": source.processor().to_string(),
        "shapes": told.iter().map(shape_json).collect::<Vec<_>>(),
        "others": {"shapes": rest.len(), "kept": sum(|traffic| traffic.kept), "dropped": sum(|traffic| traffic.dropped)},
    })
}

impl Pages for DecisionPages {
    fn page(&self, path: &str, _: &HeaderMap) -> Page {
        match path.strip_prefix("/v1/traces/") {
            Some(id) => self.trace(id),
            None if path == "/v1/decisions" => self.latest(),
            None if path == "/v1/shapes" => self.shapes(),
            None => answer(404, &json!({"error": NOTHING_HERE})),
        }
    }
}

fn of(source: &DecisionSource, record: &DecisionRecord) -> Value {
    let mut decision = decision_json(record, source.explains());
    decision["processor"] = source.processor().to_string().into();
    decision
}

/// Says how far back the memory goes: an id beyond it may have been decided.
fn unknown(id: TraceId, sources: &[Arc<DecisionSource>]) -> Value {
    let reach = |source: &Arc<DecisionSource>| {
        let (remembered, oldest) = source.reach();
        json!({
            "processor": source.processor().to_string(),
            "remembered": remembered,
            "oldest": oldest.map(timestamp),
        })
    };
    let oldest = sources.iter().filter_map(|source| source.reach().1).min();
    json!({"error": reason(oldest, sources.is_empty()), "trace_id": id.to_string(), "samplers": sources.iter().map(reach).collect::<Vec<_>>()})
}

fn reason(oldest: Option<UnixNanos>, has_no_sampler: bool) -> String {
    match oldest {
        _ if has_no_sampler => "no tail_sampling processor runs here, so nothing is decided".to_owned(),
        None => "nothing has been decided yet; the trace may still wait for its decision".to_owned(),
        Some(oldest) => format!(
            "no decision on this trace is remembered; the memory goes back to {}: the trace was decided before, still \
             waits, or never came",
            timestamp(oldest)
        ),
    }
}

fn answer(status: u16, body: &Value) -> Page {
    Page { status, content_type: "application/json", body: format!("{body:#}\n") }
}
