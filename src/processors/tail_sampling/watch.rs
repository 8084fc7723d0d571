//! Between the sampler and the detector: gives operations to spans that come, lays the facts of a
//! trace before the detector when it is decided, and gives names to what it finds.

use std::sync::Arc;

use super::buffer::Buffer;
use super::config::Config;
use super::detector::{Baselines, Detector, Finding as Found, NoveltyKind, error_type};
use super::facts::Facts;
use super::policy::Choice;
use crate::assembly::SpanFacts;
use crate::metrics::Counter;
use crate::model::{Class, Finding, Now, Request, Rows, SpanColumns, SpanView};
use crate::pipeline::Settings;

const CLASSES: [Class; 4] = [Class::Error, Class::Anomaly, Class::NewOperation, Class::NewShape];

/// Spans whose scratch memory is kept from trace to trace; that of a larger one is given back.
const SPANS_KEPT_MAX: usize = 65_536;
/// Up to so many times something is called new.
const NEW_COUNT_MAX: f64 = 3.0;

/// See the module.
pub(super) struct Watch {
    detector: Detector,
    ops: Vec<u32>,
    spans: Vec<SpanFacts>,
    /// Traces by what was odd about them, whether or not they were kept.
    odd: [Counter; CLASSES.len()],
}

impl Watch {
    /// Nothing where nobody wants to know.
    pub(super) fn of(config: &Config, settings: &Settings, baselines: Arc<Baselines>) -> Option<Self> {
        let count = |class: Class| {
            let help = "Traces by what the detector found odd about them, kept or not";
            settings.metrics.counter("tailwater_tail_sampling_odd_traces", help, &[("class", class.as_str())])
        };
        config.detects().then(|| Self {
            detector: Detector::new(baselines),
            ops: Vec::new(),
            spans: Vec::new(),
            odd: CLASSES.map(count),
        })
    }

    /// Learns the operations of rows that have come.
    pub(super) fn arrive(&mut self, request: &Request, columns: &SpanColumns, rows: &Rows, now: Now) -> Facts {
        self.ops.clear();
        self.detector.intern(request, rows, now, &mut self.ops);
        Facts::new(request, columns, rows, &self.ops)
    }

    /// What is odd about a waiting trace. Learns from it.
    pub(super) fn examine(&mut self, buffer: &Buffer, place: u32, now: Now) -> Found {
        self.spans.clear();
        self.spans.shrink_to(SPANS_KEPT_MAX);
        buffer.facts(place, &mut self.spans);
        let found = self.detector.examine(&self.spans, |span| error_type_of(buffer, place, span), now);
        if let Some(class) = class_of(&found)
            && let Some(place) = CLASSES.iter().position(|known| *known == class)
        {
            self.odd[place].inc();
        }
        found
    }

    /// What became of a trace that was examined.
    pub(super) fn decided(&mut self, found: &Found, is_kept: bool) {
        self.detector.decided(found, is_kept);
    }

    /// The pipeline stops: what was learned goes to what all shards share.
    pub(super) fn drain(&mut self, now: Now) {
        self.detector.hand_over(now);
    }

    /// A finding with names, and what an adaptive policy made of it.
    pub(super) fn describe(&self, found: &Found, choice: Option<Choice>) -> Box<Finding> {
        let name = |op| self.detector.operation(op);
        let class = choice.map_or(class_of(found), |choice| Some(choice.class));
        let top = found.top;
        let operation = match class {
            Some(Class::Error) => found.error.map(|error| error.op),
            Some(Class::NewOperation | Class::NewShape) => found.novelty.map(|novelty| novelty.op),
            _ => top.map(|top| top.op),
        };
        Box::new(Finding {
            class,
            excess_nanos: found.excess_nanos,
            tau_nanos: choice.map(|choice| choice.tau_nanos),
            operation: operation.and_then(name),
            caller: top.and_then(|top| top.caller).and_then(name),
            observed_nanos: top.map_or(0, |top| top.observed_nanos),
            expected_nanos: top.map_or(0, |top| top.expected_nanos),
            samples: top.map_or(0, |top| top.samples),
            reference_age: top.map(|top| top.reference_age).unwrap_or_default(),
            share: top.map_or(0.0, |top| top.share),
            root: name(found.root_op),
            shape: found.shape,
            probabilities: choice.map_or([0.0; 3], |choice| choice.probabilities),
        })
    }
}

/// The type of the error of a waiting trace's span, by its place among them.
fn error_type_of(buffer: &Buffer, place: u32, span: usize) -> u64 {
    let mut spans = buffer.parts(place).flat_map(|(request, rows)| rows.map(move |row| (request, row)));
    let found = spans.nth(span).and_then(|(request, row)| SpanView::new(request, row));
    found.map_or(0, |span| error_type(&span))
}

/// What is odd about a trace, the most telling thing first; nothing for an ordinary one.
fn class_of(found: &Found) -> Option<Class> {
    let new = found.novelty.filter(|novelty| novelty.count <= NEW_COUNT_MAX);
    match new.map(|novelty| novelty.kind) {
        _ if found.error.is_some() => Some(Class::Error),
        _ if found.is_candidate => Some(Class::Anomaly),
        Some(NoveltyKind::Operation) => Some(Class::NewOperation),
        Some(NoveltyKind::Shape) => Some(Class::NewShape),
        None => None,
    }
}
