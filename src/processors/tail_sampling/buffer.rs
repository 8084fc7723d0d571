//! The traces that are known: waiting, or decided and remembered. A table from id to place, the
//! places, the order of arrival, and the runs of rows that waiting traces hold.

use hashbrown::HashTable;

use super::hashing::IdHash;
use super::requests::Requests;
use super::slab::Slab;
use super::trace::{NONE, Run, RunNode, State, Trace};
use crate::assembly::SpanFacts;
use crate::model::{Instant, Request, TraceId};
use crate::timing::Timer;

/// The table keeps 32 bits of the hash, so that growing it touches no trace.
#[derive(Clone, Copy)]
struct Key {
    hash: u32,
    place: u32,
}

impl Key {
    /// The bits spread over the whole word: the table uses the lowest and the highest.
    fn spread(self) -> u64 {
        spread(self.hash)
    }
}

fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// See the module.
pub(super) struct Buffer {
    hash: IdHash,
    table: HashTable<Key>,
    traces: Slab<Trace>,
    runs: Slab<RunNode>,
    pub(super) requests: Requests,
    /// Traces in the order of their arrival.
    arrived: Order,
    /// With `keeps_pending`: decided traces, in the order of their decisions.
    decided: Order,
    keeps_pending: bool,
    pending: u64,
}

/// Ends of a list of traces.
#[derive(Clone, Copy)]
struct Order {
    oldest: u32,
    newest: u32,
}

const EMPTY: Order = Order { oldest: NONE, newest: NONE };

impl Buffer {
    /// With `keeps_pending` decided traces make room first, the one that was decided first before
    /// all; else the trace that arrived first does.
    pub(super) fn new(keeps_pending: bool) -> Self {
        Self {
            hash: IdHash::new(),
            table: HashTable::new(),
            traces: Slab::new(),
            runs: Slab::new(),
            requests: Requests::new(),
            arrived: EMPTY,
            decided: EMPTY,
            keeps_pending,
            pending: 0,
        }
    }

    /// Traces that are known.
    pub(super) fn len(&self) -> u64 {
        self.table.len() as u64
    }

    /// Traces that wait.
    pub(super) fn pending(&self) -> u64 {
        self.pending
    }

    /// The place of a trace.
    pub(super) fn find(&self, id: TraceId) -> Option<u32> {
        let hash = self.hash.of(id) as u32;
        let is_it = |key: &Key| key.hash == hash && self.traces[key.place].id == id;
        self.table.find(spread(hash), is_it).map(|key| key.place)
    }

    /// The place of a trace that was `known` a moment ago, or `NONE` if it was not.
    pub(super) fn find_again(&self, id: TraceId, known: u32) -> Option<u32> {
        if known != NONE && self.traces[known].state != State::Free && self.traces[known].id == id {
            return Some(known);
        }
        self.find(id)
    }

    /// The trace in a place.
    pub(super) fn trace(&self, place: u32) -> &Trace {
        &self.traces[place]
    }

    /// The trace in a place.
    pub(super) fn trace_mut(&mut self, place: u32) -> &mut Trace {
        &mut self.traces[place]
    }

    /// Whether a timer is the one that its trace waits for.
    pub(super) fn is_due(&self, timer: Timer) -> bool {
        let trace = &self.traces[timer.key];
        trace.state == State::Pending && trace.generation == timer.generation
    }

    /// Adds a trace that is not known, waiting, as the newest.
    pub(super) fn insert(&mut self, id: TraceId, arrival: Instant, run: Run) -> u32 {
        let place = self.traces.take();
        let trace = &mut self.traces[place];
        *trace = Trace {
            id,
            arrival,
            first: run,
            second: NONE,
            last: NONE,
            generation: trace.generation.wrapping_add(1),
            state: State::Pending,
            ..Trace::default()
        };
        self.requests.retain(run.request);
        self.link(place);
        self.pending += 1;
        let key = Key { hash: self.hash.of(id) as u32, place };
        self.table.insert_unique(key.spread(), key, |key| key.spread());
        place
    }

    /// Adds a run to a waiting trace; one that continues its last run makes that longer.
    pub(super) fn push(&mut self, place: u32, run: Run) {
        let trace = &mut self.traces[place];
        let last = match trace.last {
            NONE => &mut trace.first,
            last => &mut self.runs[last].run,
        };
        if last.request == run.request && last.end == run.start {
            last.end = run.end;
            return;
        }
        self.requests.retain(run.request);
        let node = self.runs.take();
        self.runs[node] = RunNode { run, next: NONE };
        match trace.last {
            NONE => trace.second = node,
            last => self.runs[last].next = node,
        }
        trace.last = node;
    }

    /// The runs of a waiting trace, in order of arrival.
    pub(super) fn runs(&self, place: u32) -> impl Iterator<Item = Run> {
        let trace = &self.traces[place];
        let mut next = trace.second;
        let rest = std::iter::from_fn(move || {
            let node = (next != NONE).then(|| &self.runs[next])?;
            next = node.next;
            Some(node.run)
        });
        std::iter::once(trace.first).chain(rest)
    }

    /// The requests and rows of a waiting trace, in order of arrival.
    pub(super) fn parts(&self, place: u32) -> impl Iterator<Item = (&Request, std::ops::Range<u32>)> {
        self.runs(place).filter_map(|run| Some((&**self.requests.request(run.request)?, run.start..run.end)))
    }

    /// The facts of a waiting trace's spans, in order of arrival; nothing without a detector.
    pub(super) fn facts(&self, place: u32, out: &mut Vec<SpanFacts>) {
        self.runs(place).for_each(|run| self.requests.facts(run, out));
    }

    /// Ends the waiting of a trace: gives its runs to `kept`, or lets them go.
    pub(super) fn settle(&mut self, place: u32, state: State, now: Instant, mut kept: Option<&mut Vec<Run>>) {
        if self.keeps_pending {
            self.unlink(place);
            self.traces[place].state = state;
            self.link(place);
        }
        let trace = &mut self.traces[place];
        let (mut run, mut next) = (trace.first, trace.second);
        trace.state = state;
        trace.due = now;
        trace.generation = trace.generation.wrapping_add(1);
        (trace.first, trace.second, trace.last) = (Run::default(), NONE, NONE);
        self.pending -= 1;
        loop {
            match &mut kept {
                Some(kept) => kept.push(run),
                None => self.requests.release(run.request),
            }
            if next == NONE {
                return;
            }
            let node = self.runs[next];
            self.runs.free(next);
            (run, next) = (node.run, node.next);
        }
    }

    /// Forgets a trace that does not wait.
    pub(super) fn remove(&mut self, place: u32) {
        debug_assert!(self.traces[place].state != State::Pending, "a waiting trace is settled first");
        self.unlink(place);
        let trace = &mut self.traces[place];
        trace.state = State::Free;
        let id = trace.id;
        let hash = self.hash.of(id) as u32;
        if let Ok(entry) = self.table.find_entry(spread(hash), |key| key.place == place) {
            entry.remove();
        }
        self.traces.free(place);
    }

    /// The list that a trace stands in.
    fn order(&mut self, place: u32) -> &mut Order {
        let is_decided = self.traces[place].state != State::Pending;
        if self.keeps_pending && is_decided { &mut self.decided } else { &mut self.arrived }
    }

    fn link(&mut self, place: u32) {
        let order = self.order(place);
        let older = std::mem::replace(&mut order.newest, place);
        match older {
            NONE => order.oldest = place,
            older => self.traces[older].newer = place,
        }
        (self.traces[place].older, self.traces[place].newer) = (older, NONE);
    }

    fn unlink(&mut self, place: u32) {
        let Trace { older, newer, .. } = self.traces[place];
        match older {
            NONE => self.order(place).oldest = newer,
            older => self.traces[older].newer = newer,
        }
        match newer {
            NONE => self.order(place).newest = older,
            newer => self.traces[newer].older = older,
        }
    }

    /// The trace that makes room for a new one.
    pub(super) fn least_wanted(&self) -> Option<u32> {
        [self.decided.oldest, self.arrived.oldest].into_iter().find(|place| *place != NONE)
    }

    /// The trace that arrived first, of those that wait at least.
    pub(super) fn oldest(&self) -> Option<u32> {
        (self.arrived.oldest != NONE).then_some(self.arrived.oldest)
    }

    /// The trace that arrived next after the one in a place that waits.
    pub(super) fn newer(&self, place: u32) -> Option<u32> {
        let newer = self.traces[place].newer;
        (newer != NONE).then_some(newer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::model::{Index, Items, MemoryAccount, Signal};

    fn id(number: u8) -> TraceId {
        TraceId([number; 16])
    }

    fn run(request: u32, start: u32, end: u32) -> Run {
        Run { request, start, end }
    }

    /// A place that holds a request of 7 bytes.
    fn request(buffer: &mut Buffer, account: &MemoryAccount, fill: impl FnOnce(&mut Buffer, u32)) -> u32 {
        let place = buffer.requests.reserve();
        fill(buffer, place);
        let index = Index {
            signal: Signal::Traces,
            items: Items::default(),
            scopes: Vec::new(),
            resources: Vec::new(),
            pieces: Vec::new(),
            rest: Vec::new(),
            spans: None,
            points: None,
            item_count: 0,
        };
        let request = Request::new(Bytes::from_static(b"7 bytes"), index, account);
        buffer.requests.settle(place, Arc::new(request), None);
        place
    }

    #[test]
    fn a_run_that_continues_the_last_one_is_joined_to_it() {
        let (mut buffer, account) = (Buffer::new(false), MemoryAccount::default());
        let mut trace = 0;
        let first = request(&mut buffer, &account, |buffer, place| {
            trace = buffer.insert(id(1), Instant(0), run(place, 0, 2));
            buffer.push(trace, run(place, 2, 5));
            buffer.push(trace, run(place, 7, 8));
            buffer.push(trace, run(place, 8, 9));
        });
        let second = request(&mut buffer, &account, |buffer, place| buffer.push(trace, run(place, 9, 10)));
        let runs: Vec<Run> = buffer.runs(trace).collect();
        assert_eq!(runs, [run(first, 0, 5), run(first, 7, 9), run(second, 9, 10)]);
        let mut kept = Vec::new();
        buffer.settle(trace, State::Sampled, Instant(1), Some(&mut kept));
        assert_eq!(kept, runs);
        assert!(account.held_bytes() >= 14);
        kept.iter().for_each(|run| buffer.requests.release(run.request));
        assert_eq!(account.held_bytes(), 0, "a request goes with its last run");
    }

    #[test]
    fn a_request_without_a_waiting_trace_is_not_held() {
        let (mut buffer, account) = (Buffer::new(false), MemoryAccount::default());
        request(&mut buffer, &account, |_, _| {});
        assert_eq!(account.held_bytes(), 0);
    }

    #[test]
    fn traces_are_forgotten_from_any_place_in_the_order_of_arrival() {
        let (mut buffer, account) = (Buffer::new(false), MemoryAccount::default());
        request(&mut buffer, &account, |buffer, place| {
            (1..=5).for_each(|number| {
                buffer.insert(id(number), Instant(0), run(place, 0, 1));
            });
        });
        for number in [3, 1, 5] {
            let place = buffer.find(id(number)).unwrap();
            buffer.settle(place, State::NotSampled, Instant(1), None);
            buffer.remove(place);
            assert_eq!(buffer.find(id(number)), None);
        }
        let oldest = buffer.oldest().unwrap();
        let newer = buffer.newer(oldest).unwrap();
        assert_eq!([oldest, newer].map(|place| buffer.trace(place).id), [id(2), id(4)]);
        assert_eq!((buffer.newer(newer), buffer.len(), buffer.pending()), (None, 2, 2));
    }

    #[test]
    fn decided_traces_make_room_before_waiting_ones_when_so_asked() {
        for (keeps_pending, wanted) in [(true, [4, 2, 1, 3, 5]), (false, [1, 2, 3, 4, 5])] {
            let (mut buffer, account) = (Buffer::new(keeps_pending), MemoryAccount::default());
            request(&mut buffer, &account, |buffer, place| {
                (1..=5).for_each(|number| {
                    buffer.insert(id(number), Instant(0), run(place, 0, 1));
                });
            });
            let settle = |buffer: &mut Buffer, place| buffer.settle(place, State::NotSampled, Instant(1), None);
            for number in [4, 2] {
                let place = buffer.find(id(number)).unwrap();
                settle(&mut buffer, place);
            }
            let gone = std::iter::from_fn(|| {
                let place = buffer.least_wanted()?;
                if buffer.trace(place).state == State::Pending {
                    settle(&mut buffer, place);
                }
                buffer.remove(place);
                Some(buffer.trace(place).id)
            });
            assert_eq!(gone.collect::<Vec<_>>(), wanted.map(id));
        }
    }

    #[test]
    fn a_place_that_is_used_again_does_not_answer_old_timers() {
        let (mut buffer, account) = (Buffer::new(false), MemoryAccount::default());
        request(&mut buffer, &account, |buffer, place| {
            let first = buffer.insert(id(1), Instant(0), run(place, 0, 1));
            let timer = Timer { key: first, generation: buffer.trace(first).generation };
            assert!(buffer.is_due(timer));
            buffer.settle(first, State::NotSampled, Instant(1), None);
            buffer.remove(first);
            let second = buffer.insert(id(2), Instant(2), run(place, 1, 2));
            assert_eq!(second, first);
            assert!(!buffer.is_due(timer));
            assert_eq!(buffer.find_again(id(1), first), None);
        });
    }
}
