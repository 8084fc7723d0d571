//! A trace as policies see it.

use std::ops::Range;

use super::super::buffer::Buffer;
use super::super::detector::Finding;
use super::super::trace::Summary;
use super::adaptive::Incoming;
use crate::model::{Chance, Request, SpanView, TraceId};
use crate::sampling::Threshold;

/// A trace that is judged: facts that are always at hand, and its spans for those who must look.
#[derive(Clone, Copy)]
pub struct TraceView<'a> {
    id: TraceId,
    summary: &'a Summary,
    spans: Spans<'a>,
    finding: Option<&'a Finding>,
}

/// Where the spans are.
#[derive(Clone, Copy)]
enum Spans<'a> {
    Waiting(&'a Buffer, u32),
    /// Runs of rows of one request.
    Arrived(&'a Request, &'a [Range<u32>]),
}

impl<'a> TraceView<'a> {
    /// All that waits of a trace.
    pub(in super::super) fn new(buffer: &'a Buffer, place: u32, finding: Option<&'a Finding>) -> Self {
        let trace = buffer.trace(place);
        Self { id: trace.id, summary: &trace.summary, spans: Spans::Waiting(buffer, place), finding }
    }

    /// Spans of a trace that arrived together, of one resource, and what is to be known of them.
    pub(in super::super) fn arrived(
        id: TraceId,
        summary: &'a Summary,
        request: &'a Request,
        runs: &'a [Range<u32>],
    ) -> Self {
        Self { id, summary, spans: Spans::Arrived(request, runs), finding: None }
    }

    /// Its id.
    pub fn id(&self) -> TraceId {
        self.id
    }

    /// Facts about its spans.
    pub fn summary(&self) -> &'a Summary {
        self.summary
    }

    /// What the detector says of it; nothing where none runs.
    pub fn finding(&self) -> Option<&'a Finding> {
        self.finding
    }

    /// What earlier samplers wrote on it, and the overload valve that it passed.
    pub fn incoming(&self) -> Incoming {
        let states = self.spans().map(|span| span.trace_state()).filter(|text| !text.is_empty());
        let incoming = match self.summary().has_trace_state {
            true => Incoming::read(self.id(), states),
            false => Incoming::read(self.id(), std::iter::empty()),
        };
        Incoming { threshold: incoming.threshold.max(self.passed()), ..incoming }
    }

    /// The threshold of the overload valve when its first span came.
    fn passed(&self) -> Threshold {
        let Spans::Waiting(buffer, place) = self.spans else { return Threshold::ALWAYS };
        match Chance::from(buffer.trace(place).odds) {
            Chance::Threshold(rejected) => Threshold::from_rejected(rejected),
            Chance::Certain | Chance::Unknown => Threshold::ALWAYS,
        }
    }

    /// How likely it was to be let in. Not known where later spans brought another randomness than
    /// the first ones were let in by.
    pub(in super::super) fn admitted(&self) -> Chance {
        let passed = self.passed();
        if passed == Threshold::ALWAYS {
            return Chance::Certain;
        }
        let first = self.parts().next().filter(|_| self.summary().has_trace_state);
        let first = first.map(|(request, rows)| Incoming::of_rows(self.id(), request, rows).randomness);
        match first.is_some_and(|first| first != self.incoming().randomness) {
            true => Chance::Unknown,
            false => Chance::Threshold(passed.rejected()),
        }
    }

    /// Its spans in the order of arrival, read from their messages: requests wait without columns.
    pub fn spans(&self) -> impl Iterator<Item = SpanView<'a>> {
        self.parts().flat_map(|(request, rows)| rows.filter_map(|row| SpanView::new(request, row)))
    }

    /// Its spans in the order of arrival: requests and runs of their rows.
    pub fn parts(&self) -> impl Iterator<Item = (&'a Request, Range<u32>)> {
        let (waiting, arrived) = match self.spans {
            Spans::Waiting(buffer, place) => (Some(buffer.parts(place)), None),
            Spans::Arrived(request, runs) => (None, Some(runs.iter().map(move |run| (request, run.clone())))),
        };
        waiting.into_iter().flatten().chain(arrived.into_iter().flatten())
    }
}
