//! What a span says of its own sampling, and how a kept one says it afterwards.

use super::decision::{Carried, Decider, Decision, Item, Source};
use super::hash;
use crate::model::{Request, SpanView, TraceId, ValueView};
use crate::sampling::{Randomness, Threshold, TraceState};

/// The attribute by which a span asks to be kept or dropped (OpenTracing's conventions).
const PRIORITY: &str = "sampling.priority";

/// Decides on spans, and writes the text that the kept ones are to carry.
pub(super) struct Spans {
    decider: Decider,
    seed: u32,
}

impl Spans {
    pub(super) fn new(decider: Decider, seed: u32) -> Self {
        Self { decider, seed }
    }

    /// Decides on the span in a row. Appends its new `tracestate` to `texts` when it is to have
    /// one, and returns whether it did.
    pub(super) fn decide(&self, request: &Request, row: u32, texts: &mut Vec<u8>) -> (Decision, bool) {
        let columns = request.index().spans.as_ref();
        let id = columns.map_or_else(TraceId::default, |columns| columns.trace_id(row));
        let view = SpanView::new(request, row);
        let has_state = columns.is_some_and(|columns| columns.has_trace_state[row as usize] == 1);
        let text = view.filter(|_| has_state).map(|view| view.trace_state()).unwrap_or_default();
        let state = TraceState::parse(text.as_bytes()).ok();
        let priority = view.and_then(|view| view.attributes().find_key(PRIORITY)).and_then(priority);
        let of_trace_id = (!id.is_empty()).then(|| Randomness::from_trace_id(id));
        let hashes = self.decider.hashes() && !id.is_empty();
        let item = Item {
            carried: state.map(|state| Carried { threshold: state.threshold(), randomness: state.randomness() }),
            hashed: hashes.then(|| (hash::randomness(self.seed, &id.0), Source::TraceIdHash)),
            of_trace_id,
            priority,
        };
        let decision = self.decider.decide(&item);
        let (Some(mut state), Some(says)) = (state, decision.says) else { return (decision, false) };
        let nothing = self.decider.hashes() && item.hashed.is_none();
        if let Some(randomness) = says.randomness.or(nothing.then_some(Randomness::MAX)) {
            state.set_randomness(randomness);
        }
        match says.threshold {
            Some(threshold) => state.set_threshold(threshold),
            None => state.clear_threshold(),
        }
        let is_written = state.write(texts).is_ok();
        (decision, is_written)
    }
}

/// What a priority asks for; `None` for one that is negative or no number.
fn priority(value: ValueView<'_>) -> Option<Threshold> {
    let number = match value {
        ValueView::Int(int) => int as f64,
        ValueView::Double(double) => double,
        ValueView::String(text) => std::str::from_utf8(text).ok()?.parse().ok()?,
        _ => return None,
    };
    match number {
        0.0 => Some(Threshold::NEVER),
        number if number > 0.0 => Some(Threshold::ALWAYS),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_priority_of_zero_drops_and_one_above_keeps() {
        for (value, expected) in [
            (ValueView::Int(0), Some(Threshold::NEVER)),
            (ValueView::Int(2), Some(Threshold::ALWAYS)),
            (ValueView::Int(-1), None),
            (ValueView::Double(0.0), Some(Threshold::NEVER)),
            (ValueView::Double(0.1), Some(Threshold::ALWAYS)),
            (ValueView::Double(f64::NAN), None),
            (ValueView::String(b"0.0"), Some(Threshold::NEVER)),
            (ValueView::String(b"1e3"), Some(Threshold::ALWAYS)),
            (ValueView::String(b"high"), None),
            (ValueView::Bool(true), None),
        ] {
            assert_eq!(priority(value), expected, "{value:?}");
        }
    }
}
