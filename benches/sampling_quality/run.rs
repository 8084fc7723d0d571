//! Runs the requests of a stream through the real `tail_sampling`, on a clock that follows the
//! traces' ends.

use std::collections::HashMap;
use std::sync::Arc;

use tailwater::config::{Report, Section, Severity, parse_yaml};
use tailwater::model::{Batch, DecisionRecord, Instant, Now, Signal, TraceId, UnixNanos};
use tailwater::pipeline::{
    Clock, ComponentId, DecisionLog, Kind, ManualClock, PipelineId, Processor, ProcessorConfig, Settings, Shape,
    SystemClock,
};
use tailwater::processors::tail_sampling;

use crate::otlp::Requests;
use crate::stream::Stream;

/// What a run left behind.
pub(crate) struct Records {
    /// A decision for each trace, in the order of the stream.
    pub(crate) decisions: Vec<DecisionRecord>,
    /// Processor time spent, in nanoseconds.
    pub(crate) nanos: u64,
}

/// What a config says, or what is wrong with it.
pub(crate) fn decode(yaml: &str) -> Result<tail_sampling::Config, String> {
    let mut report = Report::default();
    let node = parse_yaml(yaml, 0, &mut report);
    let config = node.as_ref().map(|node| {
        let mut section = Section::new("tail_sampling", node, &mut report);
        let config = tail_sampling::decode(&mut section);
        section.finish();
        config
    });
    let errors = report.problems().iter().filter(|problem| problem.severity == Severity::Error);
    let errors: Vec<String> = errors.map(|problem| format!("{}: {}", problem.path, problem.message)).collect();
    config.filter(|_| errors.is_empty()).ok_or_else(|| errors.join("; "))
}

/// Decides every trace of the stream.
pub(crate) fn run(config: &tail_sampling::Config, stream: &Stream, drawn: &Requests) -> Records {
    let log = Arc::new(DecisionLog::new(stream.traces.len() + 1));
    let mut sampler = build(config, settings(log.clone()));
    let clock = SystemClock::new();
    let begin = clock.now().mono;
    let origin = stream.traces.first().map_or(0, crate::stream::Trace::end);
    for (trace, request) in stream.traces.iter().zip(&drawn.requests) {
        let now = at(origin, trace.end());
        decide_until(&mut *sampler, origin, now.mono);
        let taken = sampler.process(Batch::from_request(request.clone()), now);
        taken.unwrap_or_else(|error| panic!("{error}"));
    }
    let last = stream.traces.last().map_or(0, crate::stream::Trace::end);
    decide_until(&mut *sampler, origin, at(origin, last + 60_000_000_000).mono);
    sampler.drain(at(origin, last + 60_000_000_000));
    let nanos = clock.now().mono.since(begin).as_nanos() as u64;
    Records { decisions: in_order(&log, &drawn.ids), nanos }
}

/// Both clocks at a moment of the stream.
fn at(origin: u64, wall: u64) -> Now {
    Now { mono: Instant(wall.saturating_sub(origin)), wall: UnixNanos(wall) }
}

fn decide_until(sampler: &mut dyn Processor, origin: u64, end: Instant) {
    while let Some(deadline) = sampler.deadline().filter(|deadline| *deadline <= end) {
        sampler.on_deadline(at(origin, origin + deadline.0));
    }
}

fn settings(log: Arc<DecisionLog>) -> Settings {
    Settings {
        decisions: Some(log),
        ..Settings::lone(
            Kind::Processor,
            ComponentId::parse("tail_sampling").unwrap_or_else(|error| panic!("{error}")),
            Arc::new(ManualClock::default()),
        )
    }
}

fn build(config: &tail_sampling::Config, settings: Settings) -> Box<dyn Processor> {
    let pipeline = PipelineId { signal: Signal::Traces, name: String::new() };
    match config.build(&settings, &pipeline).map(|built| built.shape) {
        Ok(Shape::Detached(mut shards)) if shards.len() == 1 => shards.remove(0),
        Ok(_) => panic!("one shard was asked for"),
        Err(error) => panic!("{error}"),
    }
}

fn in_order(log: &DecisionLog, ids: &[TraceId]) -> Vec<DecisionRecord> {
    let mut records = Vec::new();
    for source in log.sources() {
        source.read(0, usize::MAX, &mut records);
    }
    let mut by_id: HashMap<TraceId, DecisionRecord> =
        records.into_iter().map(|record| (record.trace_id, record)).collect();
    let missing = |id: &TraceId| panic!("no decision on {id:?}");
    ids.iter().map(|id| by_id.remove(id).unwrap_or_else(|| missing(id))).collect()
}
