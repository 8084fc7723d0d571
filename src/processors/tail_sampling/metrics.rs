//! What a shard says about itself: counted in plain numbers, added to the shared metrics and the
//! ledger once a call.

use std::sync::Arc;
use std::time::Duration;

use crate::metrics::{Counter, Gauge, Histogram};
use crate::model::{Instant, Signal};
use crate::pipeline::{Clock, DropReason, Ledger, Settings};

const SECONDS: [f64; 14] =
    [0.0, 1.0, 5.0, 10.0, 20.0, 30.0, 60.0, 90.0, 120.0, 300.0, 600.0, 1_200.0, 1_800.0, 3_600.0];
const MILLISECONDS: [f64; 15] =
    [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 150.0, 200.0, 300.0, 400.0, 500.0, 1_000.0, 5_000.0];

/// Reasons a sampler drops spans for.
const REASONS: [DropReason; 6] = [
    DropReason::NotSampled,
    DropReason::LateNotSampled,
    DropReason::TraceTooLarge,
    DropReason::TooEarly,
    DropReason::PendingAtShutdown,
    DropReason::Overload,
];

/// Counts since the last report.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) new_traces: u64,
    pub(super) too_early: u64,
    pub(super) too_large: u64,
    pub(super) turned_away: u64,
    /// Late spans whose trace was in a decision cache.
    pub(super) cached_sampled: u64,
    pub(super) cached_not_sampled: u64,
    dropped: [u64; REASONS.len()],
}

/// See the module.
pub(super) struct TailMetrics {
    pub(super) counts: Counts,
    clock: Arc<dyn Clock>,
    ledger: Arc<Ledger>,
    on_memory: i64,
    traces_on_memory: Gauge,
    new_trace_id_received: Counter,
    dropped_too_early: Counter,
    dropped_too_large: Counter,
    turned_away: Counter,
    early_releases_sampled: Counter,
    early_releases_not_sampled: Counter,
    timer_latency: Histogram,
    late_span_age: Histogram,
    removal_age: Histogram,
}

impl TailMetrics {
    pub(super) fn new(settings: &Settings) -> Self {
        let name = |what: &str| format!("otelcol_processor_tail_sampling_{what}");
        let metrics = &settings.metrics;
        let counter = |what: &str, help: &str| metrics.counter(&name(what), help, &[]);
        let ages = |what: &str, help: &str| metrics.histogram(&name(what), help, &[], &SECONDS);
        let releases = |sampled: &str| {
            let help = "Late spans that followed a decision in a decision cache";
            metrics.counter(&name("early_releases_from_cache_decision"), help, &[("sampled", sampled)])
        };
        Self {
            counts: Counts::default(),
            clock: settings.clock.clone(),
            ledger: settings.ledger.clone(),
            on_memory: 0,
            traces_on_memory: metrics.gauge(&name("sampling_traces_on_memory"), "Traces in memory", &[]),
            new_trace_id_received: counter("new_trace_id_received", "Traces seen for the first time"),
            dropped_too_early: counter("sampling_trace_dropped_too_early", "Traces evicted before their decision"),
            turned_away: metrics.counter(
                "tailwater_tail_sampling_turned_away_traces",
                "New traces that the overload valve turned away",
                &[],
            ),
            dropped_too_large: counter("traces_dropped_too_large", "Traces above maximum_trace_size_bytes"),
            early_releases_sampled: releases("true"),
            early_releases_not_sampled: releases("false"),
            timer_latency: metrics.histogram(
                &name("sampling_decision_timer_latency"),
                "Milliseconds that one round of decisions took",
                &[],
                &MILLISECONDS,
            ),
            late_span_age: ages("sampling_late_span_age", "Seconds from a decision to a late span"),
            removal_age: ages("sampling_trace_removal_age", "Seconds from a trace's arrival to its removal"),
        }
    }

    /// Counts dropped spans.
    pub(super) fn dropped(&mut self, reason: DropReason, spans: u64) {
        if let Some(place) = REASONS.iter().position(|known| *known == reason) {
            self.counts.dropped[place] += spans;
        }
    }

    /// A span came so long after its trace was decided.
    pub(super) fn late(&self, age: Duration) {
        self.late_span_age.observe(age.as_secs() as f64);
    }

    /// A trace was forgotten so long after it came.
    pub(super) fn removed(&self, age: Duration) {
        self.removal_age.observe(age.as_secs() as f64);
    }

    /// For measuring a round of decisions, and for nothing else: what is decided depends only on
    /// the time that the caller tells.
    pub(super) fn start_round(&self) -> Instant {
        self.clock.now().mono
    }

    /// Ends what `start_round` began.
    pub(super) fn end_round(&self, started: Instant) {
        self.timer_latency.observe(self.clock.now().mono.since(started).as_secs_f64() * 1e3);
    }

    /// Adds the counts to the metrics and the ledger; `on_memory` traces are known now.
    pub(super) fn report(&mut self, on_memory: u64) {
        let counts = std::mem::take(&mut self.counts);
        for (counter, count) in [
            (&self.new_trace_id_received, counts.new_traces),
            (&self.dropped_too_early, counts.too_early),
            (&self.dropped_too_large, counts.too_large),
            (&self.turned_away, counts.turned_away),
            (&self.early_releases_sampled, counts.cached_sampled),
            (&self.early_releases_not_sampled, counts.cached_not_sampled),
        ] {
            if count > 0 {
                counter.inc_by(count);
            }
        }
        for (reason, spans) in REASONS.into_iter().zip(counts.dropped) {
            self.ledger.dropped(Signal::Traces, reason, spans);
        }
        let on_memory = on_memory.cast_signed();
        if on_memory != self.on_memory {
            self.traces_on_memory.inc_by(on_memory - self.on_memory);
            self.on_memory = on_memory;
        }
    }
}
