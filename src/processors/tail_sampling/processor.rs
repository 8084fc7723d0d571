//! The machine of `tail_sampling`: one shard.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::admission::{Admission, Entry};
use super::buffer::Buffer;
use super::config::{Config, SamplingStrategy};
use super::decider::{Decider, Decision};
use super::decision_cache::DecisionCache;
use super::detector::{Baselines, Finding as Found};
use super::gates::Gates;
use super::ingest::{Arrived, Ingest};
use super::metrics::TailMetrics;
use super::notes::PolicyNames;
use super::output::{Kept, Note};
use super::policy::{TraceView, Verdict};
use super::records::{Decided, Records};
use super::sizes::Sizes;
use super::trace::{NONE, Odds, Run, State, Trace, for_each_run};
use super::watch::Watch;
use crate::model::{
    Batch, Chance, Finding, Index, Instant, Now, Outcome, Part, Request, SpanColumns, TraceId, Trigger,
};
use crate::pipeline::{ConsumeError, DropReason, Output, Processor, Settings};
use crate::timing::{Timer, Wheel};

/// How exact decisions are in time.
const RESOLUTION: Duration = Duration::from_millis(100);
/// The Collector's shortest wait: one of its ticks.
const WAIT_MIN: Duration = Duration::from_secs(1);
/// The Collector decides up to a tick of one second after `decision_wait_after_root_received`;
/// late children count on that grace, so they get its mean.
const HALF_TICK: Duration = Duration::from_millis(500);
/// Timers handled in one round, so that a burst of decisions does not hold up what comes in.
const TIMERS_PER_ROUND: usize = 5_000;
/// Timers of evicted traces that may stand beside as many as there are of waiting ones.
const DEAD_TIMERS: u64 = 65_536;
/// What a refused batch is told to wait at most.
const OVERFLOW_RETRY: Duration = Duration::from_secs(1);

/// See the module.
pub struct TailSampler {
    wait: Duration,
    wait_after_root: Option<Duration>,
    traces_max: u64,
    blocks: bool,
    drops_pending: bool,
    /// Whether some policy reads columns when it decides; else requests wait without them.
    keeps_columns: bool,
    buffer: Buffer,
    wheel: Wheel,
    decider: Decider,
    sampled: DecisionCache,
    not_sampled: DecisionCache,
    sizes: Sizes,
    /// With `span-ingest`.
    ingest: Option<Ingest>,
    kept: Kept,
    /// What is written on the spans of kept traces.
    writes: Writes,
    /// The overload valve, where some policy has one.
    admission: Option<Admission>,
    records: Option<Records>,
    watch: Option<Watch>,
    kept_runs: Vec<Run>,
    fired: Vec<Timer>,
    runs: Vec<(TraceId, Range<u32>, u32)>,
    held_spans: u64,
    metrics: TailMetrics,
}

/// What is written on kept spans; nothing of it by default.
#[derive(Clone, Copy, Default)]
struct Writes {
    /// `ot=th`, and what an adaptive policy found.
    probability: bool,
    /// The policy that kept a trace, on its scopes.
    policy: bool,
    /// What the detector saw, on the root.
    finding: bool,
}

/// A run of spans of one trace that has just come.
#[derive(Clone, Copy)]
struct Arrival<'a> {
    id: TraceId,
    run: Run,
    request: &'a Request,
    columns: &'a SpanColumns,
    /// Bytes of the messages, one a row.
    lengths: &'a [u32],
    now: Now,
    /// Where the trace was when its request was looked at.
    known: u32,
}

impl Arrival<'_> {
    fn spans(&self) -> u64 {
        u64::from(self.run.end - self.run.start)
    }
}

impl Writes {
    fn of(config: &Config, settings: &Settings) -> Self {
        let gates = Gates::of(settings);
        let learns = config.policies.iter().any(|policy| policy.kind.writes_probability());
        let probability = learns || gates.uses_trace_state;
        Self { probability, policy: gates.records_policy, finding: config.detects() }
    }

    fn any(self) -> bool {
        self.probability || self.policy || self.finding
    }
}

impl TailSampler {
    /// One of `shards` shards, with nothing in it, that shares what it learns with no other.
    pub fn new(config: &Config, settings: &Settings, shards: NonZeroUsize) -> Self {
        Self::sharing(config, settings, shards, config.baselines(shards))
    }

    /// One of `shards` shards, with nothing in it, that shares what it learns.
    pub fn sharing(config: &Config, settings: &Settings, shards: NonZeroUsize, baselines: Arc<Baselines>) -> Self {
        let share = |of: u64| of.div_ceil(shards.get() as u64);
        let cache = |size: u64| DecisionCache::new(usize::try_from(share(size)).unwrap_or(usize::MAX));
        let after_root = config.decision_wait_after_root_received;
        let writes = Writes::of(config, settings);
        Self {
            wait: config.decision_wait.max(WAIT_MIN),
            wait_after_root: (!after_root.is_zero()).then_some(after_root + HALF_TICK),
            traces_max: share(config.num_traces).max(1),
            blocks: config.block_on_overflow,
            drops_pending: config.drop_pending_traces_on_shutdown,
            keeps_columns: config.policies.iter().any(|policy| policy.kind.reads_columns()),
            buffer: Buffer::new(config.block_on_overflow),
            wheel: Wheel::new(RESOLUTION, Instant::default()),
            decider: Decider::new(config, settings, shards),
            sampled: cache(config.sampled_cache_size),
            not_sampled: cache(config.non_sampled_cache_size),
            sizes: Sizes::new(config.maximum_trace_size_bytes),
            ingest: (config.sampling_strategy == SamplingStrategy::SpanIngest).then(Ingest::default),
            kept: Kept::new(writes.policy.then(|| PolicyNames::of(config))),
            writes,
            admission: Admission::of(config, settings),
            records: Records::of(config, settings, &baselines),
            watch: Watch::of(config, settings, baselines),
            kept_runs: Vec::new(),
            fired: Vec::new(),
            runs: Vec::new(),
            held_spans: 0,
            metrics: TailMetrics::new(settings),
        }
    }

    fn take_part(&mut self, part: Part, now: Now, out: &mut Output) {
        let Part { request, rows } = part;
        let Some(columns) = &request.index().spans else { return };
        let place = self.buffer.requests.reserve();
        // All look-ups first: apart from each other, they wait for memory together.
        let mut runs = std::mem::take(&mut self.runs);
        for_each_run(columns, rows.iter(request.index().rows()), |id, rows| runs.push((id, rows, NONE)));
        for (id, _, known) in &mut runs {
            *known = self.buffer.find(*id).unwrap_or(NONE);
        }
        for (id, rows, known) in runs.drain(..) {
            let run = Run { request: place, start: rows.start, end: rows.end };
            let lengths = &request.index().items.length;
            self.arrive(&Arrival { id, run, request: &request, columns, lengths, now, known });
        }
        self.runs = runs;
        let facts = self.watch.as_mut().map(|watch| watch.arrive(&request, columns, &rows, now));
        self.drop_too_large(request.index(), place, now);
        let waiting = if self.keeps_columns { request.clone() } else { Arc::new(request.without_columns()) };
        self.buffer.requests.settle(place, waiting, facts);
        self.decide_arrived(&request, place, now, out);
    }

    fn arrive(&mut self, arrival: &Arrival<'_>) {
        if self.follows_cache(arrival) {
            return;
        }
        let Some(place) = self.buffer.find_again(arrival.id, arrival.known) else {
            return self.begin(arrival);
        };
        let trace = self.buffer.trace(place);
        if trace.state == State::Pending {
            return self.join(place, arrival);
        }
        self.metrics.late(arrival.now.mono.since(trace.due));
        let odds = trace.odds;
        match trace.state {
            State::Sampled => self.keep_late(arrival, odds, false),
            _ => self.metrics.dropped(DropReason::LateNotSampled, arrival.spans()),
        }
    }

    /// Late spans of a trace whose decision is in a cache.
    fn follows_cache(&mut self, arrival: &Arrival<'_>) -> bool {
        if let Some(odds) = self.sampled.find(arrival.id) {
            self.metrics.counts.cached_sampled += arrival.spans();
            self.keep_late(arrival, odds, true);
            return true;
        }
        let is_known = self.not_sampled.find(arrival.id).is_some();
        if is_known {
            self.metrics.counts.cached_not_sampled += arrival.spans();
            self.metrics.dropped(DropReason::LateNotSampled, arrival.spans());
        }
        is_known
    }

    fn keep_late(&mut self, arrival: &Arrival<'_>, odds: Odds, is_cached: bool) {
        self.buffer.requests.retain(arrival.run.request);
        let note = self.writes.any().then(|| Note {
            chance: self.writes.probability.then(|| Chance::from(odds)),
            is_cached,
            ..Note::default()
        });
        self.kept.push_late(arrival.run, note);
    }

    /// Whether a new trace is let in, and how likely that was.
    fn admit(&mut self, arrival: &Arrival<'_>) -> Option<Odds> {
        let Some(admission) = &mut self.admission else { return Some(Odds::default()) };
        let rows = arrival.run.start..arrival.run.end;
        let threshold = match admission.ask(arrival.id, arrival.request, rows.clone()) {
            Entry::Admitted(threshold) => return Some(threshold.into()),
            Entry::TurnedAway(threshold) => threshold,
        };
        self.metrics.dropped(DropReason::Overload, arrival.spans());
        if let Some(threshold) = threshold {
            self.metrics.counts.turned_away += 1;
            let mut trace = Trace { id: arrival.id, arrival: arrival.now.mono, ..Trace::default() };
            trace.summary.add(arrival.columns, arrival.lengths, rows);
            if let Some(records) = &mut self.records {
                records.push(&trace, Decided::turned_away(threshold), arrival.now);
            }
        }
        None
    }

    fn begin(&mut self, arrival: &Arrival<'_>) {
        let Some(odds) = self.admit(arrival) else { return };
        while self.buffer.len() >= self.traces_max {
            self.evict(arrival.now);
        }
        let place = self.buffer.insert(arrival.id, arrival.now.mono, arrival.run);
        self.buffer.trace_mut(place).odds = odds;
        self.metrics.counts.new_traces += 1;
        let has_root = self.take_in(place, arrival);
        let due = arrival.now.mono + self.wait;
        let earlier = self.wait_after_root.filter(|_| has_root).map(|wait| arrival.now.mono + wait);
        let earlier = earlier.filter(|earlier| *earlier < due);
        self.buffer.trace_mut(place).is_due_by_root = earlier.is_some();
        self.schedule(place, earlier.unwrap_or(due));
    }

    fn join(&mut self, place: u32, arrival: &Arrival<'_>) {
        self.buffer.push(place, arrival.run);
        let has_root = self.take_in(place, arrival);
        let Some(wait) = self.wait_after_root.filter(|_| has_root) else { return };
        let trace = self.buffer.trace_mut(place);
        if arrival.now.mono + wait < trace.due {
            // The old timer dies by its generation.
            trace.generation = trace.generation.wrapping_add(1);
            trace.is_due_by_root = true;
            self.schedule(place, arrival.now.mono + wait);
        }
    }

    /// Counts the spans of an arrival in; returns whether one is a root.
    fn take_in(&mut self, place: u32, arrival: &Arrival<'_>) -> bool {
        self.held_spans += arrival.spans();
        self.sizes.touch(place, arrival.id, arrival.run);
        if let Some(ingest) = &mut self.ingest {
            ingest.touch(place, arrival.id, arrival.run.start..arrival.run.end);
        }
        let summary = &mut self.buffer.trace_mut(place).summary;
        summary.add(arrival.columns, arrival.lengths, arrival.run.start..arrival.run.end)
    }

    fn schedule(&mut self, place: u32, due: Instant) {
        let trace = self.buffer.trace_mut(place);
        trace.due = due;
        self.wheel.insert(due, Timer { key: place, generation: trace.generation });
        if self.wheel.len() as u64 > 2 * self.buffer.pending() + DEAD_TIMERS {
            self.wheel.retain(|timer| self.buffer.is_due(timer));
        }
    }

    /// Makes room for one trace: the oldest goes, or with `block_on_overflow` one that does not
    /// wait, if there is one.
    fn evict(&mut self, now: Now) {
        let Some(place) = self.buffer.least_wanted() else { return };
        if self.buffer.trace(place).state == State::Pending {
            self.metrics.counts.too_early += 1;
            let decided = Decided::without_policies(Outcome::TooEarly, Trigger::Eviction);
            self.record(place, decided, now);
            self.drop_pending(place, DropReason::TooEarly, now.mono);
        }
        self.forget(place, now.mono);
    }

    fn drop_pending(&mut self, place: u32, reason: DropReason, now: Instant) {
        let spans = u64::from(self.buffer.trace(place).summary.spans);
        self.held_spans -= spans;
        self.metrics.dropped(reason, spans);
        self.buffer.settle(place, State::NotSampled, now, None);
    }

    /// Drops the traces that outgrew `maximum_trace_size_bytes` by this request.
    fn drop_too_large(&mut self, index: &Index, request: u32, now: Now) {
        while let Some((place, id, bytes)) =
            self.sizes.next_grown(index, |place| first_row(&self.buffer, place, request))
        {
            let trace = self.buffer.trace_mut(place);
            // The trace may have been evicted since, and its place taken by another.
            if trace.id != id || trace.state != State::Pending {
                continue;
            }
            trace.bytes = trace.bytes.saturating_add(bytes);
            if trace.bytes >= self.sizes.max() {
                self.metrics.counts.too_large += 1;
                self.record(place, Decided::without_policies(Outcome::TooLarge, Trigger::Arrival), now);
                self.drop_pending(place, DropReason::TraceTooLarge, now.mono);
                self.remember(place, false, now.mono);
            }
        }
    }

    /// With `span-ingest`: asks the policies of what a request brought of each waiting trace.
    fn decide_arrived(&mut self, request: &Request, held: u32, now: Now, out: &mut Output) {
        let Some(mut ingest) = self.ingest.take() else { return };
        ingest.sort();
        while let (Some((place, id, mut rows)), Some(columns)) = (ingest.next(), &request.index().spans) {
            let trace = self.buffer.trace(place);
            if trace.id != id || trace.state != State::Pending {
                continue;
            }
            let first = first_row(&self.buffer, place, held);
            rows.retain(|run| run.start >= first);
            let came: u32 = rows.iter().map(|run| run.end - run.start).sum();
            let mut arrived = Arrived::new(request.index(), columns, &rows, trace.summary.spans.saturating_sub(came));
            while let Some((runs, summary)) = arrived.next() {
                let view = TraceView::arrived(id, &summary, request, runs);
                if let Some(decision) = self.decider.decide_on_arrival(&view, now) {
                    self.settle(place, &decision, None, Trigger::Arrival, now, out);
                    break;
                }
            }
        }
        self.ingest = Some(ingest);
    }

    fn decide(&mut self, place: u32, trigger: Trigger, now: Now, out: &mut Output) {
        let finding = self.watch.as_mut().map(|watch| watch.examine(&self.buffer, place, now));
        let finding = finding.as_ref();
        let decision = match self.ingest {
            Some(_) => self.decider.nothing_kept(),
            None => {
                let view = TraceView::new(&self.buffer, place, finding);
                let mut decision = self.decider.decide(&view, now);
                decision.chance = decision.chance.and(view.admitted());
                decision
            }
        };
        self.settle(place, &decision, finding, trigger, now, out);
    }

    /// Does what was decided on a waiting trace.
    fn settle(
        &mut self,
        place: u32,
        decision: &Decision,
        finding: Option<&Found>,
        trigger: Trigger,
        now: Now,
        out: &mut Output,
    ) {
        let is_sampled = decision.verdict == Verdict::Sampled;
        let seen = match (&self.watch, &finding) {
            (Some(watch), Some(finding)) if is_sampled || self.records.is_some() => {
                Some(watch.describe(finding, decision.choice))
            }
            _ => None,
        };
        if self.records.is_some() {
            self.record(place, Decided::by_policies(decision, trigger, seen.clone()), now);
        }
        if is_sampled {
            self.keep(place, decision, seen, now, out);
        } else {
            self.drop_pending(place, DropReason::NotSampled, now.mono);
        }
        if let (Some(watch), Some(finding)) = (&mut self.watch, &finding) {
            watch.decided(finding, is_sampled);
        }
        self.remember(place, is_sampled, now.mono);
    }

    fn keep(&mut self, place: u32, decision: &Decision, seen: Option<Box<Finding>>, now: Now, out: &mut Output) {
        let note = self.writes.any().then(|| Note {
            chance: self.writes.probability.then_some(decision.chance),
            finding: seen.filter(|seen| seen.class.is_some()),
            policy: decision.kept_by.filter(|_| self.writes.policy),
            is_cached: false,
            lacks_trace_state: !self.buffer.trace(place).summary.has_trace_state,
        });
        let trace = self.buffer.trace_mut(place);
        trace.odds = decision.chance.into();
        self.held_spans -= u64::from(trace.summary.spans);
        self.buffer.settle(place, State::Sampled, now.mono, Some(&mut self.kept_runs));
        self.kept.push(&mut self.kept_runs, note, &mut self.buffer.requests, out);
    }

    /// Remembers what became of a waiting trace, for who asks.
    fn record(&mut self, place: u32, decided: Decided, now: Now) {
        if let Some(records) = &mut self.records {
            records.push(self.buffer.trace(place), decided, now);
        }
    }

    /// Leaves the memory of a decision to its cache, where there is one.
    fn remember(&mut self, place: u32, is_sampled: bool, now: Instant) {
        let cache = if is_sampled { &mut self.sampled } else { &mut self.not_sampled };
        if cache.is_on() {
            let trace = self.buffer.trace(place);
            cache.insert(trace.id, trace.odds);
            self.forget(place, now);
        }
    }

    fn forget(&mut self, place: u32, now: Instant) {
        self.metrics.removed(now.since(self.buffer.trace(place).arrival));
        self.buffer.remove(place);
    }

    /// Ends a call: what was kept leaves, what was counted is reported.
    fn finish(&mut self, mut out: Output) -> Output {
        self.kept.close(&mut self.buffer.requests, &mut out);
        self.decider.report();
        if let Some(records) = &mut self.records {
            records.flush();
        }
        self.metrics.report(self.buffer.len());
        out
    }

    /// With `block_on_overflow`: whether every new trace of a batch finds room without evicting
    /// one that waits. A batch that never could is taken when nothing waits.
    fn check_room(&mut self, batch: &Batch, now: Instant) -> Result<(), ConsumeError> {
        if self.buffer.pending() == 0 {
            return Ok(());
        }
        let mut new: Vec<TraceId> = Vec::new();
        for part in batch.parts() {
            let index = part.request.index();
            let Some(columns) = &index.spans else { continue };
            for_each_run(columns, part.rows(), |id, _| {
                let is_known = self.buffer.find(id).is_some();
                if !is_known && self.sampled.find(id).is_none() && self.not_sampled.find(id).is_none() {
                    new.push(id);
                }
            });
        }
        new.sort_unstable();
        new.dedup();
        if self.buffer.pending() + new.len() as u64 <= self.traces_max {
            return Ok(());
        }
        let wait = self.wheel.next_deadline().map_or(RESOLUTION, |deadline| deadline.since(now));
        Err(ConsumeError::retryable(
            "tail_sampling has no room for new traces until waiting ones are decided; raise num_traces",
            Some(wait.clamp(RESOLUTION, OVERFLOW_RETRY)),
        ))
    }
}

/// The first row of a request that a waiting trace can have: rows before it were of a trace of the
/// same id that was evicted within the request.
fn first_row(buffer: &Buffer, place: u32, request: u32) -> u32 {
    let first = buffer.trace(place).first;
    if first.request == request { first.start } else { 0 }
}

impl Processor for TailSampler {
    fn process(&mut self, batch: Batch, now: Now) -> Result<Output, ConsumeError> {
        if self.blocks {
            self.check_room(&batch, now.mono)?;
        }
        if let Some(admission) = &mut self.admission {
            admission.set_pressure(self.buffer.pending(), self.traces_max);
        }
        let mut out = Output::new();
        for part in batch.into_parts() {
            self.take_part(part, now, &mut out);
        }
        Ok(self.finish(out))
    }

    fn deadline(&self) -> Option<Instant> {
        self.wheel.next_deadline()
    }

    fn on_deadline(&mut self, now: Now) -> Output {
        let started = self.metrics.start_round();
        let mut fired = std::mem::take(&mut self.fired);
        self.wheel.advance(now.mono, TIMERS_PER_ROUND, &mut fired);
        let mut out = Output::new();
        for timer in fired.drain(..) {
            if self.buffer.is_due(timer) {
                let by_root = self.buffer.trace(timer.key).is_due_by_root;
                let trigger = if by_root { Trigger::RootReceived } else { Trigger::DecisionWait };
                self.decide(timer.key, trigger, now, &mut out);
            }
        }
        self.fired = fired;
        let out = self.finish(out);
        self.metrics.end_round(started);
        out
    }

    fn drain(&mut self, now: Now) -> Output {
        let mut out = Output::new();
        let mut next = self.buffer.oldest();
        while let Some(place) = next {
            next = self.buffer.newer(place);
            if self.buffer.trace(place).state != State::Pending {
                continue;
            }
            if self.drops_pending {
                let decided = Decided::without_policies(Outcome::PendingAtShutdown, Trigger::Shutdown);
                self.record(place, decided, now);
                self.drop_pending(place, DropReason::PendingAtShutdown, now.mono);
            } else {
                self.decide(place, Trigger::Shutdown, now, &mut out);
            }
        }
        if let Some(watch) = &mut self.watch {
            watch.drain(now);
        }
        self.finish(out)
    }

    fn held_items(&self) -> u64 {
        self.held_spans
    }
}
