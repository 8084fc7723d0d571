//! The processors of one pipeline, driven by one thread and a clock that jumps from event to event.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::run::{Run, Sampler};
use super::{Recording, ReplayError};
use crate::model::{Batch, DecisionRecord, Instant, Now, Signal, UnixNanos};
use crate::pipeline::{
    Clock, DecisionLog, DecisionSource, Kind, Ledger, ManualClock, PipelineId, Processor, Settings, Shape,
    split_by_shard,
};
use crate::service::ServiceConfig;

/// Decisions between two looks at the log: all that one call may take.
const RECORDS_MAX: usize = 1 << 24;
/// Calls at one deadline that may do nothing.
const IDLE_CALLS_MAX: u32 = 100_000;
/// Times that a batch without room is tried again.
const TRIES_MAX: u32 = 100_000;
/// Shortest wait before a processor without room is asked again, as in the driver.
const ROOM_WAIT: Duration = Duration::from_millis(10);
/// Arrivals between two calls of `progress`.
const PROGRESS_ARRIVALS: usize = 4_096;

/// What to replay through.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// The checked config.
    pub config: &'a ServiceConfig,
    /// Which pipeline of it.
    pub pipeline: &'a PipelineId,
    /// Shards of processors that keep state by trace.
    pub shards: NonZeroUsize,
}

/// A processor with its shards.
struct Stage {
    id: String,
    is_detached: bool,
    shards: Vec<Box<dyn Processor>>,
}

struct Engine<'a> {
    recording: &'a Recording,
    stages: Vec<Stage>,
    clock: Arc<ManualClock>,
    sources: Vec<Arc<DecisionSource>>,
    records: Vec<DecisionRecord>,
    /// Wall time of the monotonic clock's zero.
    origin: UnixNanos,
    run: Run,
}

/// Sends a recording through the processors of a pipeline. `progress` is told now and then how
/// many of the recording's arrivals are done.
///
/// # Errors
/// When a processor cannot be built, or does not move on.
pub fn replay(recording: &Recording, plan: Plan<'_>, progress: &mut dyn FnMut(usize)) -> Result<Run, ReplayError> {
    let origin = recording.arrivals.first().map_or(UnixNanos(0), |arrival| arrival.at);
    let clock = Arc::new(ManualClock::at(origin));
    let ledger = Arc::new(Ledger::default());
    let log = Arc::new(DecisionLog::new(RECORDS_MAX));
    let stages = build(plan, clock.clone(), &ledger, &log)?;
    let mut sources = log.sources();
    sources.sort_by_key(|source| stages.iter().position(|stage| stage.id == source.processor().to_string()));
    let mut run = Run::new(recording.traces.len());
    let sampler = |source: &Arc<DecisionSource>| Sampler {
        id: source.processor().to_string(),
        policies: source.explains().policies(),
    };
    run.samplers = sources.iter().map(sampler).collect();
    let mut engine = Engine { recording, stages, clock, sources, records: Vec::new(), origin, run };
    for (done, arrival) in recording.arrivals.iter().enumerate() {
        if done % PROGRESS_ARRIVALS == 0 {
            progress(done);
        }
        let at = Instant(arrival.at.0 - origin.0);
        engine.advance(at, 0)?;
        engine.feed(0, Batch::from_request(arrival.request.clone()))?;
        engine.read_decisions();
    }
    engine.stop()?;
    progress(recording.arrivals.len());
    let mut run = engine.run;
    let dropped = ledger.read(Signal::Traces).dropped;
    run.dropped = dropped.into_iter().map(|(reason, spans)| (reason.as_str(), spans)).collect();
    Ok(run)
}

/// Builds the processors of the pipeline as the service would.
fn build(
    plan: Plan<'_>,
    clock: Arc<dyn Clock>,
    ledger: &Arc<Ledger>,
    log: &Arc<DecisionLog>,
) -> Result<Vec<Stage>, ReplayError> {
    let Plan { config, pipeline, shards } = plan;
    let parts = config
        .pipelines
        .get(pipeline)
        .ok_or_else(|| ReplayError::Config(format!("service::pipelines: there is no pipeline \"{pipeline}\"")))?;
    let mut stages = Vec::new();
    for id in &parts.processors {
        let Some(processor) = config.processors.get(id) else { continue };
        let settings = Settings {
            ledger: ledger.clone(),
            shards,
            gates: config.gates.clone(),
            decisions: Some(log.clone()),
            ..Settings::lone(Kind::Processor, id.clone(), clock.clone())
        };
        let built = processor
            .build(&settings, pipeline)
            .map_err(|error| ReplayError::Build { id: id.to_string(), reason: error.to_string() })?;
        let (is_detached, shards) = match built.shape {
            Shape::Inline(processor) => (false, vec![processor]),
            Shape::Detached(processors) => (true, processors),
        };
        stages.push(Stage { id: id.to_string(), is_detached, shards });
    }
    Ok(stages)
}

impl Engine<'_> {
    fn now(&self) -> Now {
        self.clock.now()
    }

    /// Moves the clock, never back.
    fn set(&self, at: Instant) {
        let mono = at.max(self.now().mono);
        self.clock.set(Now { mono, wall: UnixNanos(self.origin.0.saturating_add(mono.0)) });
    }

    /// Does everything that is due up to a moment, in order of time, in the stages from `first`
    /// on; then it is that moment.
    fn advance(&mut self, to: Instant, first: usize) -> Result<(), ReplayError> {
        let (mut idle, mut last) = (0, None);
        while let Some((deadline, stage, shard)) = self.next_due(first).filter(|(deadline, ..)| *deadline <= to) {
            self.set(deadline);
            let now = self.now();
            let processor = &mut self.stages[stage].shards[shard];
            let held = processor.held_items();
            let output = processor.on_deadline(now);
            let has_moved =
                !output.is_empty() || processor.held_items() != held || last != Some((deadline, stage, shard));
            idle = if has_moved { 0 } else { idle + 1 };
            last = Some((deadline, stage, shard));
            if idle > IDLE_CALLS_MAX {
                return Err(ReplayError::Stuck(self.stages[stage].id.clone()));
            }
            self.hand_on(stage + 1, output)?;
            self.read_decisions();
        }
        self.set(to);
        Ok(())
    }

    /// The earliest deadline in the stages from `first` on; of equal ones the first stage's.
    fn next_due(&self, first: usize) -> Option<(Instant, usize, usize)> {
        let stages = self.stages.iter().enumerate().skip(first);
        let deadlines = stages.flat_map(|(stage, parts)| {
            parts.shards.iter().enumerate().filter_map(move |(shard, part)| Some((part.deadline()?, stage, shard)))
        });
        deadlines.min()
    }

    /// Gives a batch to a stage, to each shard what is its own; behind the last stage it is out.
    fn feed(&mut self, stage: usize, batch: Batch) -> Result<(), ReplayError> {
        let Some(parts) = self.stages.get(stage) else {
            self.run.came_out(self.recording, batch);
            return Ok(());
        };
        match NonZeroUsize::new(parts.shards.len()).filter(|shards| shards.get() > 1) {
            None => self.give(stage, 0, batch),
            Some(shards) => {
                let split =
                    split_by_shard(batch, shards).into_iter().enumerate().filter(|(_, batch)| !batch.is_empty());
                split.collect::<Vec<_>>().into_iter().try_for_each(|(shard, batch)| self.give(stage, shard, batch))
            }
        }
    }

    /// Gives a batch to a shard. One without room gets it again when it said, as from the driver;
    /// what is refused otherwise is counted, as nobody is there to try again.
    fn give(&mut self, stage: usize, shard: usize, batch: Batch) -> Result<(), ReplayError> {
        let items = batch.item_count();
        for _ in 0..TRIES_MAX {
            let now = self.now();
            match self.stages[stage].shards[shard].process(batch.clone(), now) {
                Ok(output) => return self.hand_on(stage + 1, output),
                Err(error) if error.is_retryable() && self.stages[stage].is_detached => {
                    self.advance(now.mono + error.retry_after().unwrap_or(ROOM_WAIT).max(ROOM_WAIT), stage)?;
                }
                Err(_) => break,
            }
        }
        self.run.refused_spans += items;
        Ok(())
    }

    fn hand_on(&mut self, stage: usize, output: Vec<Batch>) -> Result<(), ReplayError> {
        output.into_iter().try_for_each(|batch| self.feed(stage, batch))
    }

    /// The end of the recording: every stage gives up what it holds, the first one first.
    fn stop(&mut self) -> Result<(), ReplayError> {
        for stage in 0..self.stages.len() {
            for shard in 0..self.stages[stage].shards.len() {
                let now = self.now();
                let output = self.stages[stage].shards[shard].drain(now);
                self.hand_on(stage + 1, output)?;
                self.read_decisions();
            }
        }
        Ok(())
    }

    fn read_decisions(&mut self) {
        for (sampler, source) in self.sources.iter().enumerate() {
            source.take(&mut self.records);
            for record in self.records.drain(..) {
                self.run.decided(self.recording, sampler, record);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::pipeline::{ConsumeError, Output};
    use crate::testing::{request_of, traces_of};

    const SECOND: u64 = 1_000_000_000;

    /// Holds a batch for a second. Has room for one batch only; refuses trace 9.
    #[derive(Default)]
    struct Hold {
        held: Option<(Batch, Instant)>,
        is_stuck: bool,
        said: Arc<Mutex<Vec<String>>>,
    }

    impl Hold {
        fn say(&self, what: &str, batch: &Batch, now: Now) {
            self.said.lock().unwrap().push(format!("{what} {:?} at {}", traces_of(batch), now.mono.0 / SECOND));
        }
    }

    impl Processor for Hold {
        fn process(&mut self, batch: Batch, now: Now) -> Result<Output, ConsumeError> {
            if traces_of(&batch).contains(&9) {
                return Err(ConsumeError::permanent("trace 9"));
            }
            if self.held.is_some() {
                return Err(ConsumeError::retryable("full", None));
            }
            self.say("in", &batch, now);
            self.held = Some((batch, now.mono + Duration::from_secs(1)));
            Ok(Output::new())
        }

        fn deadline(&self) -> Option<Instant> {
            self.held.as_ref().map(|(_, due)| *due)
        }

        fn on_deadline(&mut self, now: Now) -> Output {
            if self.is_stuck { Output::new() } else { self.drain(now) }
        }

        fn drain(&mut self, now: Now) -> Output {
            let held = self.held.take().map(|(batch, _)| batch);
            held.iter().for_each(|batch| self.say("out", batch, now));
            held.into_iter().collect()
        }

        fn held_items(&self) -> u64 {
            self.held.as_ref().map_or(0, |(batch, _)| batch.item_count())
        }
    }

    fn recording(traces: &[u8]) -> Recording {
        Recording::of(vec![request_of(traces)]).unwrap()
    }

    fn engine(recording: &Recording, is_detached: bool, hold: Hold) -> (Engine<'_>, Arc<Mutex<Vec<String>>>) {
        let said = hold.said.clone();
        let stage = Stage { id: "hold".to_owned(), is_detached, shards: vec![Box::new(hold)] };
        let engine = Engine {
            recording,
            stages: vec![stage],
            clock: Arc::new(ManualClock::at(UnixNanos(7))),
            sources: Vec::new(),
            records: Vec::new(),
            origin: UnixNanos(7),
            run: Run::new(recording.traces.len()),
        };
        (engine, said)
    }

    fn arrive(engine: &mut Engine<'_>, trace: u8, second: u64) {
        engine.advance(Instant(second * SECOND), 0).unwrap();
        engine.feed(0, Batch::from_request(request_of(&[trace]))).unwrap();
    }

    #[test]
    fn what_is_due_comes_out_before_the_next_request_arrives() {
        let recording = recording(&[1, 2]);
        let (mut engine, said) = engine(&recording, true, Hold::default());
        arrive(&mut engine, 1, 3);
        arrive(&mut engine, 2, 4);
        assert_eq!(engine.now(), Now { mono: Instant(4 * SECOND), wall: UnixNanos(4 * SECOND + 7) });
        engine.stop().unwrap();
        assert_eq!(*said.lock().unwrap(), ["in [1] at 3", "out [1] at 4", "in [2] at 4", "out [2] at 4"]);
        assert!(engine.run.is_kept(0) && engine.run.is_kept(1) && engine.run.refused_spans == 0);
    }

    #[test]
    fn who_finds_no_room_waits_and_the_clock_goes_on_meanwhile() {
        let recording = recording(&[1, 2]);
        let (mut engine, said) = engine(&recording, true, Hold::default());
        arrive(&mut engine, 1, 3);
        arrive(&mut engine, 2, 3);
        assert_eq!(*said.lock().unwrap(), ["in [1] at 3", "out [1] at 4", "in [2] at 4"]);
        engine.advance(Instant(0), 0).unwrap();
        assert!(engine.now().mono >= Instant(4 * SECOND), "the clock never goes back");
    }

    #[test]
    fn what_is_refused_for_good_or_to_a_caller_is_counted() {
        let recording = recording(&[1, 2, 9]);
        let (mut engine, _) = engine(&recording, false, Hold::default());
        arrive(&mut engine, 9, 1);
        arrive(&mut engine, 1, 1);
        arrive(&mut engine, 2, 1);
        engine.stop().unwrap();
        assert_eq!((engine.run.refused_spans, engine.run.is_kept(0), engine.run.is_kept(1)), (2, true, false));
    }

    #[test]
    fn a_processor_that_does_not_move_on_is_named() {
        let recording = recording(&[1]);
        let (mut engine, _) = engine(&recording, true, Hold { is_stuck: true, ..Hold::default() });
        arrive(&mut engine, 1, 0);
        let error = engine.advance(Instant(5 * SECOND), 0).unwrap_err();
        assert_eq!(error.to_string(), "processors::hold: its deadline does not move on");
    }
}
