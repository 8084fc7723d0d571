//! A stream with everything that does not depend on a sampler or a seed.

use crate::otlp::Templates;
use crate::reference::facts::{Facts, facts};
use crate::reference::score::{ScoreConfig, Scored, excesses, scores};
use crate::stream::{Label, Stream, Trace};

/// See the module.
pub(crate) struct Prepared {
    pub(crate) stream: Stream,
    pub(crate) templates: Templates,
    pub(crate) facts: Vec<Facts>,
    /// By the plain twin.
    pub(crate) scored: Vec<Scored>,
    /// Spans with excess by the plain twin: place and nanoseconds, trace by trace.
    pub(crate) excesses: Vec<Vec<(usize, f64)>>,
    /// Latest end less earliest start of each trace.
    pub(crate) durations_ms: Vec<f64>,
    /// Whether some span of the trace failed.
    pub(crate) errors: Vec<bool>,
    /// Bytes of each trace.
    pub(crate) bytes: Vec<u64>,
    /// Kinds of fault that some trace shows.
    pub(crate) kinds: Vec<String>,
}

impl Prepared {
    pub(crate) fn new(stream: Stream) -> Self {
        let duration = |trace: &Trace| {
            let start = trace.spans.iter().map(|span| span.start).min().unwrap_or(0);
            trace.end().saturating_sub(start) as f64 / 1e6
        };
        let templates = Templates::of(&stream);
        Self {
            bytes: templates.bytes(),
            kinds: kinds(&stream),
            templates,
            facts: facts(&stream),
            scored: scores(&stream, ScoreConfig::default()),
            excesses: excesses(&stream),
            durations_ms: stream.traces.iter().map(duration).collect(),
            errors: stream.traces.iter().map(|trace| trace.spans.iter().any(|span| span.error)).collect(),
            stream,
        }
    }
}

impl Prepared {
    /// From the first end of a trace to the last.
    pub(crate) fn seconds(&self) -> f64 {
        let ends = [self.stream.traces.first(), self.stream.traces.last()];
        let [first, last] = ends.map(|trace| trace.map_or(0, Trace::end));
        (last - first) as f64 / 1e9
    }

    /// Whether no hour passes without a trace.
    pub(crate) fn is_continuous(&self) -> bool {
        let neighbours = self.stream.traces.windows(2);
        neighbours.map(|pair| pair[1].end() - pair[0].end()).all(|gap| gap < 3_600_000_000_000)
    }
}

fn kinds(stream: &Stream) -> Vec<String> {
    let mut kinds: Vec<String> = Vec::new();
    for trace in &stream.traces {
        let Label::Affected(fault) = trace.label else { continue };
        let kind = &stream.faults[fault as usize].kind;
        if !kinds.contains(kind) {
            kinds.push(kind.clone());
        }
    }
    kinds
}
