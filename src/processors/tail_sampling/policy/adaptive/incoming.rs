//! What earlier samplers wrote on a trace: their threshold, and the randomness to decide by.

use std::ops::Range;

use crate::model::{Request, SpanView, TraceId};
use crate::sampling::{Randomness, Threshold, TraceState};

/// Hex digits of a threshold that tell probabilities apart, as many as the Collector's samplers
/// write: rounded before the draw, so that the short text on every span is the exact threshold.
const PRECISION: u8 = 4;

/// How a trace came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// The highest threshold that some span has passed.
    pub threshold: Threshold,
    /// `rv`, else the trace id's.
    pub randomness: Randomness,
}

impl Incoming {
    /// Reads the spans' `trace_state`s. Such as cannot be read count as absent. Where spans
    /// disagree the highest threshold holds, and the first `rv`.
    pub fn read<'a>(id: TraceId, states: impl Iterator<Item = std::borrow::Cow<'a, str>>) -> Self {
        let mut threshold = Threshold::ALWAYS;
        let mut randomness = None;
        for text in states {
            let Ok(state) = TraceState::parse(text.as_bytes()) else { continue };
            // `NEVER` cannot have been passed.
            threshold = threshold.max(state.threshold().unwrap_or(Threshold::ALWAYS));
            randomness = randomness.or(state.randomness());
        }
        Self { threshold, randomness: randomness.unwrap_or(Randomness::from_trace_id(id)) }
    }

    /// Reads some spans of a trace; their request may have columns or not.
    pub fn of_rows(id: TraceId, request: &Request, rows: Range<u32>) -> Self {
        let columns = request.index().spans.as_ref();
        let has_state = |row: &u32| columns.is_none_or(|columns| columns.has_trace_state[*row as usize] != 0);
        let spans = rows.filter(has_state).filter_map(|row| SpanView::new(request, row));
        Self::read(id, spans.map(|span| span.trace_state()))
    }

    /// The threshold that keeps a part of what came, 0 to 1; never below the one that was passed.
    pub fn proportional(&self, part: f64) -> Threshold {
        let probability = part * self.threshold.probability();
        Threshold::with_precision(probability, PRECISION)
            .map_or(Threshold::NEVER, |threshold| threshold.max(self.threshold))
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn read(states: &[&'static str]) -> Incoming {
        let id = TraceId::parse("000000000000000000ffffffffffffff").unwrap();
        Incoming::read(id, states.iter().map(|text| Cow::Borrowed(*text)))
    }

    #[test]
    fn the_highest_threshold_and_the_first_randomness_count() {
        let incoming = read(&["", "x=y,ot=th:8", "ot=th:c;rv:e0000000000000", "ot=rv:f0000000000000", "ot=th:zz"]);
        assert_eq!(incoming.threshold, Threshold::parse(b"c").unwrap());
        assert_eq!(incoming.randomness, Randomness::parse(b"e0000000000000").unwrap());
        assert_eq!(read(&[]), Incoming { threshold: Threshold::ALWAYS, randomness: Randomness::MAX });
    }

    #[test]
    fn a_part_of_what_came_is_a_part_of_its_probability() {
        let incoming = read(&["ot=th:8"]);
        assert_eq!(incoming.proportional(1.0), incoming.threshold);
        assert_eq!(incoming.proportional(0.5), Threshold::parse(b"c").unwrap());
        assert_eq!(incoming.proportional(0.0), Threshold::NEVER);
        assert_eq!(incoming.proportional(1e-30), Threshold::NEVER);
    }
}
