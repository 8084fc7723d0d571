//! S3 rearranged, to see whether what suits one stream suits others: all faults early with a cold
//! start, or few faults spread thin.

use super::{Label, Stream, Trace};

/// Between the two days of S3: 2023-01-30 00:00 UTC in nanoseconds.
const MIDNIGHT: u64 = 1_675_036_800_000_000_000;
const MINUTE: u64 = 60_000_000_000;
/// Traces of the first day that are mixed into the second.
const DILUTION: usize = 1_500;
/// How often the first day comes after that.
const QUIET_DAYS: usize = 5;
/// One affected trace of so many stays.
const THINNED: usize = 4;

/// The second day, which has most faults, mixed with calm traces; then the first day again and
/// again, its few affected traces left out.
pub(crate) fn early(stream: &Stream) -> Stream {
    let is_first = |trace: &&Trace| trace.end() < MIDNIGHT;
    let calm: Vec<Trace> = stream.traces.iter().filter(is_first).map(without_fault).collect();
    let mut traces: Vec<Trace> = stream.traces.iter().filter(|trace| trace.end() >= MIDNIGHT).cloned().collect();
    let [first, last] = [traces.first(), traces.last()].map(|trace| trace.map_or(0, Trace::end));
    let dilution = calm.len().min(DILUTION);
    let step = (last - first) / DILUTION as u64;
    traces.extend((0..dilution).map(|place| moved_to(&calm[place], first + step * place as u64)));
    for day in 0..QUIET_DAYS {
        let day = if day == 0 { &calm[dilution..] } else { &calm[..] };
        let begin = traces.iter().map(Trace::end).max().unwrap_or(0) + MINUTE;
        let origin = day.first().map_or(0, Trace::end);
        traces.extend(day.iter().map(|trace| moved_to(trace, begin + (trace.end() - origin))));
    }
    traces.sort_by_key(Trace::end);
    with(stream, "S3 early", traces)
}

/// One of four affected traces, everything else.
pub(crate) fn thinned(stream: &Stream) -> Stream {
    let mut affected = 0;
    let stays = |trace: &&Trace| {
        affected += usize::from(trace.is_affected());
        !trace.is_affected() || affected % THINNED == 0
    };
    with(stream, "S3 thinned", stream.traces.iter().filter(stays).cloned().collect())
}

fn with(stream: &Stream, name: &'static str, traces: Vec<Trace>) -> Stream {
    Stream { name, operations: stream.operations.clone(), faults: stream.faults.clone(), traces }
}

fn without_fault(trace: &Trace) -> Trace {
    let label = if trace.is_affected() { Label::LeftOut } else { trace.label };
    Trace { label, spans: trace.spans.clone() }
}

/// The trace, ending at another time.
fn moved_to(trace: &Trace, end: u64) -> Trace {
    let by = end.wrapping_sub(trace.end());
    let mut moved = trace.clone();
    for span in &mut moved.spans {
        (span.start, span.end) = (span.start.wrapping_add(by), span.end.wrapping_add(by));
    }
    moved
}
