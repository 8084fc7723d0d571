//! The machine of `tail_sampling`: one shard.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::buffer::Buffer;
use super::config::Config;
use super::decider::Decider;
use super::decision_cache::DecisionCache;
use super::metrics::TailMetrics;
use super::output::Kept;
use super::policy::{TraceView, Verdict};
use super::sizes::Sizes;
use super::trace::{NONE, Run, State, for_each_run};
use crate::model::{Batch, Index, Instant, Now, Part, SpanColumns, TraceId};
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
    kept: Kept,
    fired: Vec<Timer>,
    runs: Vec<(TraceId, Range<u32>, u32)>,
    held_spans: u64,
    metrics: TailMetrics,
}

/// A run of spans of one trace that has just come.
#[derive(Clone, Copy)]
struct Arrival<'a> {
    id: TraceId,
    run: Run,
    columns: &'a SpanColumns,
    now: Instant,
    /// Where the trace was when its request was looked at.
    known: u32,
}

impl Arrival<'_> {
    fn spans(&self) -> u64 {
        u64::from(self.run.end - self.run.start)
    }
}

impl TailSampler {
    /// One of `shards` shards, with nothing in it.
    pub fn new(config: &Config, settings: &Settings, shards: NonZeroUsize) -> Self {
        let share = |of: u64| of.div_ceil(shards.get() as u64);
        let cache = |size: u64| DecisionCache::new(usize::try_from(share(size)).unwrap_or(usize::MAX));
        let after_root = config.decision_wait_after_root_received;
        Self {
            wait: config.decision_wait.max(WAIT_MIN),
            wait_after_root: (!after_root.is_zero()).then_some(after_root + HALF_TICK),
            traces_max: share(config.num_traces).max(1),
            blocks: config.block_on_overflow,
            drops_pending: config.drop_pending_traces_on_shutdown,
            keeps_columns: config.policies.iter().any(|policy| policy.kind.reads_columns()),
            buffer: Buffer::new(),
            wheel: Wheel::new(RESOLUTION, Instant::default()),
            decider: Decider::new(config, settings, shards),
            sampled: cache(config.sampled_cache_size),
            not_sampled: cache(config.non_sampled_cache_size),
            sizes: Sizes::new(config.maximum_trace_size_bytes),
            kept: Kept::new(),
            fired: Vec::new(),
            runs: Vec::new(),
            held_spans: 0,
            metrics: TailMetrics::new(settings),
        }
    }

    fn take_part(&mut self, part: Part, now: Instant) {
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
            self.arrive(&Arrival { id, run, columns, now, known });
        }
        self.runs = runs;
        self.drop_too_large(request.index(), now);
        let waiting = if self.keeps_columns { request } else { Arc::new(request.without_columns()) };
        self.buffer.requests.settle(place, waiting);
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
        self.metrics.late(arrival.now.since(trace.due));
        match trace.state {
            State::Sampled => self.keep_late(arrival),
            _ => self.metrics.dropped(DropReason::LateNotSampled, arrival.spans()),
        }
    }

    /// Late spans of a trace whose decision is in a cache.
    fn follows_cache(&mut self, arrival: &Arrival<'_>) -> bool {
        if self.sampled.contains(arrival.id) {
            self.metrics.counts.cached_sampled += arrival.spans();
            self.keep_late(arrival);
            return true;
        }
        let is_known = self.not_sampled.contains(arrival.id);
        if is_known {
            self.metrics.counts.cached_not_sampled += arrival.spans();
            self.metrics.dropped(DropReason::LateNotSampled, arrival.spans());
        }
        is_known
    }

    fn keep_late(&mut self, arrival: &Arrival<'_>) {
        self.buffer.requests.retain(arrival.run.request);
        self.kept.push_late(arrival.run);
    }

    fn begin(&mut self, arrival: &Arrival<'_>) {
        while self.buffer.len() >= self.traces_max {
            self.evict(arrival.now);
        }
        let place = self.buffer.insert(arrival.id, arrival.now, arrival.run);
        self.metrics.counts.new_traces += 1;
        let has_root = self.take_in(place, arrival);
        let due = arrival.now + self.wait;
        let earlier = self.wait_after_root.filter(|_| has_root).map(|wait| arrival.now + wait);
        self.schedule(place, earlier.map_or(due, |earlier| earlier.min(due)));
    }

    fn join(&mut self, place: u32, arrival: &Arrival<'_>) {
        self.buffer.push(place, arrival.run);
        let has_root = self.take_in(place, arrival);
        let Some(wait) = self.wait_after_root.filter(|_| has_root) else { return };
        let trace = self.buffer.trace_mut(place);
        if arrival.now + wait < trace.due {
            // The old timer dies by its generation.
            trace.generation = trace.generation.wrapping_add(1);
            self.schedule(place, arrival.now + wait);
        }
    }

    /// Counts the spans of an arrival in; returns whether one is a root.
    fn take_in(&mut self, place: u32, arrival: &Arrival<'_>) -> bool {
        self.held_spans += arrival.spans();
        self.sizes.touch(place, arrival.id, arrival.run);
        let summary = &mut self.buffer.trace_mut(place).summary;
        summary.add(arrival.columns, arrival.run.start..arrival.run.end)
    }

    fn schedule(&mut self, place: u32, due: Instant) {
        let trace = self.buffer.trace_mut(place);
        trace.due = due;
        self.wheel.insert(due, Timer { key: place, generation: trace.generation });
        if self.wheel.len() as u64 > 2 * self.buffer.pending() + DEAD_TIMERS {
            self.wheel.retain(|timer| self.buffer.is_due(timer));
        }
    }

    /// Makes room for one trace: the oldest goes, or with `block_on_overflow` the oldest that
    /// does not wait.
    fn evict(&mut self, now: Instant) {
        let Some(oldest) = self.buffer.oldest() else { return };
        let mut place = oldest;
        while self.blocks && self.buffer.trace(place).state == State::Pending {
            match self.buffer.newer(place) {
                Some(newer) => place = newer,
                None => {
                    place = oldest;
                    break;
                }
            }
        }
        if self.buffer.trace(place).state == State::Pending {
            self.metrics.counts.too_early += 1;
            self.drop_pending(place, DropReason::TooEarly, now);
        }
        self.forget(place, now);
    }

    fn drop_pending(&mut self, place: u32, reason: DropReason, now: Instant) {
        let spans = u64::from(self.buffer.trace(place).summary.spans);
        self.held_spans -= spans;
        self.metrics.dropped(reason, spans);
        self.buffer.settle(place, State::NotSampled, now, None);
    }

    /// Drops the traces that outgrew `maximum_trace_size_bytes` by this request.
    fn drop_too_large(&mut self, index: &Index, now: Instant) {
        while let Some((place, id, bytes)) = self.sizes.next_grown(index) {
            let trace = self.buffer.trace_mut(place);
            // The trace may have been evicted since, and its place taken by another.
            if trace.id != id || trace.state != State::Pending {
                continue;
            }
            trace.bytes = trace.bytes.saturating_add(bytes);
            if trace.bytes >= self.sizes.max() {
                self.metrics.counts.too_large += 1;
                self.drop_pending(place, DropReason::TraceTooLarge, now);
                self.remember(place, false, now);
            }
        }
    }

    fn decide(&mut self, place: u32, now: Instant, out: &mut Output) {
        let verdict = self.decider.decide(&TraceView::new(&self.buffer, place), now);
        let spans = u64::from(self.buffer.trace(place).summary.spans);
        if verdict == Verdict::Sampled {
            self.held_spans -= spans;
            self.buffer.settle(place, State::Sampled, now, Some(self.kept.runs()));
            self.kept.added(spans, &mut self.buffer.requests, out);
        } else {
            self.drop_pending(place, DropReason::NotSampled, now);
        }
        self.remember(place, verdict == Verdict::Sampled, now);
    }

    /// Leaves the memory of a decision to its cache, where there is one.
    fn remember(&mut self, place: u32, is_sampled: bool, now: Instant) {
        let cache = if is_sampled { &mut self.sampled } else { &mut self.not_sampled };
        if cache.is_on() {
            cache.insert(self.buffer.trace(place).id);
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
                if !is_known && !self.sampled.contains(id) && !self.not_sampled.contains(id) {
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

impl Processor for TailSampler {
    fn process(&mut self, batch: Batch, now: Now) -> Result<Output, ConsumeError> {
        if self.blocks {
            self.check_room(&batch, now.mono)?;
        }
        for part in batch.into_parts() {
            self.take_part(part, now.mono);
        }
        Ok(self.finish(Output::new()))
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
                self.decide(timer.key, now.mono, &mut out);
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
                self.drop_pending(place, DropReason::PendingAtShutdown, now.mono);
            } else {
                self.decide(place, now.mono, &mut out);
            }
        }
        self.finish(out)
    }

    fn held_items(&self) -> u64 {
        self.held_spans
    }
}
