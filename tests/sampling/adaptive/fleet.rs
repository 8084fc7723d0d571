//! All shards of a sampler that is built from YAML, driven by hand: spans go to the shard of their
//! trace, and time passes for all of them together.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tailwater::config::{Report, Section, parse_yaml};
use tailwater::model::{Batch, DecisionRecord, Instant, Now, Part, Rows, Signal, TraceId, UnixNanos};
use tailwater::pipeline::{
    DecisionLog, DropReason, Learned, PipelineId, Processor, ProcessorConfig, Settings, Shape, ShapeTraffic,
};
use tailwater::processors::tail_sampling::{Config, decode};
use tailwater::routing::{shard_of, slot_of};
use tailwater::wire::{Limits, encode, scan};

use super::stream::{Trace, request};
use crate::driver::settings;

/// The config that YAML gives, and the errors in it.
pub(super) fn read(yaml: &str) -> (Config, Vec<String>) {
    let mut report = Report::default();
    let node = parse_yaml(yaml, 0, &mut report).unwrap();
    let mut section = Section::new("processors::tail_sampling", &node, &mut report);
    let config = decode(&mut section);
    section.finish();
    (config, report.problems().iter().map(|problem| problem.message.clone()).collect())
}

pub(super) struct Fleet {
    pub(super) settings: Settings,
    pub(super) learned: Option<Arc<dyn Learned>>,
    pub(super) now: Now,
    shards: Vec<Box<dyn Processor>>,
    /// Every span that came out, in order.
    pub(super) out: Vec<Span>,
    received: u64,
}

impl Fleet {
    pub(super) fn new(yaml: &str) -> Self {
        Self::of_shards(yaml, 1)
    }

    pub(super) fn of_shards(yaml: &str, shards: usize) -> Self {
        let (config, problems) = read(yaml);
        assert!(problems.is_empty(), "{problems:?}");
        let shards = NonZeroUsize::new(shards).unwrap();
        let settings = Settings { shards, decisions: Some(Arc::new(DecisionLog::new(1 << 20))), ..settings() };
        let built = config.build(&settings, &PipelineId::parse("traces").unwrap()).unwrap();
        let Shape::Detached(processors) = built.shape else { panic!("a sampler is detached") };
        assert_eq!(processors.len(), shards.get());
        let learned = built.state.map(|state| state.learned);
        let now = now_at(1_000.0);
        Self { settings, learned, now, shards: processors, out: Vec::new(), received: 0 }
    }

    /// Sends traces in one request.
    pub(super) fn send(&mut self, traces: &[Trace]) {
        let limits = Limits::default();
        let request = scan(Signal::Traces, request(traces).into(), &limits, &self.settings.account).unwrap();
        let columns = request.index().spans.as_ref().unwrap();
        let shards = NonZeroUsize::new(self.shards.len()).unwrap();
        for (number, shard) in self.shards.iter_mut().enumerate() {
            let owned = |row: &u32| shard_of(slot_of(columns.trace_id(*row)), shards) == number;
            let rows: Vec<u32> = (0..columns.len() as u32).filter(owned).collect();
            if rows.is_empty() {
                continue;
            }
            let mut batch = Batch::new(Signal::Traces);
            batch.push(Part { request: request.clone(), rows: Rows::from_sorted(&rows) });
            self.received += batch.item_count();
            let out = shard.process(batch, self.now).unwrap();
            self.out.extend(out.iter().flat_map(spans_of));
        }
        self.check();
    }

    /// Lets time pass until so many seconds after the start.
    pub(super) fn until(&mut self, seconds: f64) {
        let end = now_at(1_000.0 + seconds);
        let next = |shards: &[Box<dyn Processor>]| shards.iter().filter_map(|shard| shard.deadline()).min();
        while let Some(deadline) = next(&self.shards).filter(|deadline| *deadline <= end.mono) {
            let mono = deadline.max(self.now.mono);
            self.now = Now { mono, wall: UnixNanos(mono.0) };
            for shard in &mut self.shards {
                if shard.deadline().is_some_and(|deadline| deadline <= mono) {
                    self.out.extend(shard.on_deadline(self.now).iter().flat_map(spans_of));
                }
            }
            self.check();
        }
        self.now = end;
    }

    /// Seconds since the start.
    pub(super) fn seconds(&self) -> f64 {
        Duration::from_nanos(self.now.mono.0).as_secs_f64() - 1_000.0
    }

    /// Sends traces one by one, so many a second, from now on.
    pub(super) fn play(&mut self, traces: impl IntoIterator<Item = Trace>, rate: f64) {
        let start = self.seconds();
        for (number, trace) in (0_u32..).zip(traces) {
            self.until(start + f64::from(number) / rate);
            self.send(&[trace]);
        }
    }

    /// Ends the sampler.
    pub(super) fn stop(&mut self) {
        for shard in &mut self.shards {
            self.out.extend(shard.drain(self.now).iter().flat_map(spans_of));
            assert_eq!(shard.held_items(), 0);
        }
        self.check();
    }

    /// Nothing is lost or doubled.
    fn check(&self) {
        let dropped: u64 = self.settings.ledger.read(Signal::Traces).dropped.values().sum();
        let held: u64 = self.shards.iter().map(|shard| shard.held_items()).sum();
        assert_eq!(self.received, self.out.len() as u64 + dropped + held, "in = out + dropped + held");
    }

    pub(super) fn held(&self) -> u64 {
        self.shards.iter().map(|shard| shard.held_items()).sum()
    }

    /// Spans dropped for a reason.
    pub(super) fn dropped(&self, reason: DropReason) -> u64 {
        self.settings.ledger.read(Signal::Traces).dropped.get(&reason).copied().unwrap_or(0)
    }

    /// The latest decision on every trace.
    pub(super) fn records(&self) -> BTreeMap<TraceId, DecisionRecord> {
        let mut records = Vec::new();
        let source = &self.settings.decisions.as_ref().unwrap().sources()[0];
        source.read(0, usize::MAX, &mut records);
        records.into_iter().map(|record| (record.trace_id, record)).collect()
    }

    pub(super) fn shapes(&self) -> Vec<ShapeTraffic> {
        self.settings.decisions.as_ref().unwrap().sources()[0].explains().shapes()
    }

    /// Spans that came out, by trace.
    pub(super) fn kept(&self) -> BTreeMap<TraceId, Vec<&Span>> {
        let mut kept: BTreeMap<TraceId, Vec<&Span>> = BTreeMap::new();
        for span in &self.out {
            kept.entry(TraceId(span.trace_id[..].try_into().unwrap())).or_default().push(span);
        }
        kept
    }
}

fn now_at(seconds: f64) -> Now {
    let nanos = (seconds * 1e9).round() as u64;
    Now { mono: Instant(nanos), wall: UnixNanos(nanos) }
}

fn spans_of(batch: &Batch) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(encode(batch).into_bytes()).unwrap();
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}
