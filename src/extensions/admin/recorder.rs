//! The task that carries decisions from the memory to the file, once a second.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::config::FileConfig;
use super::file::LineFile;
use crate::metrics::Counter;
use crate::model::Instant;
use crate::pipeline::{BoxFuture, Clock, ComponentId, DecisionLog, Settings, StartError, decision_json};

const PERIOD: Duration = Duration::from_secs(1);
/// Records that are made into lines at a time, so that they need little memory.
const RECORDS_AT_A_TIME: usize = 1_000;

pub(super) struct Recorder {
    config: FileConfig,
    log: Arc<DecisionLog>,
    clock: Arc<dyn Clock>,
    counters: Counters,
    running: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

#[derive(Clone)]
struct Counters {
    written: Counter,
    missed: Counter,
    failed: Counter,
}

impl Recorder {
    pub(super) fn new(config: FileConfig, log: Arc<DecisionLog>, settings: &Settings) -> Self {
        let count = |what: &str, help: &str| {
            settings.metrics.counter(&format!("tailwater_decision_file_{what}_records"), help, &[])
        };
        let counters = Counters {
            written: count("written", "Decisions written to the file"),
            missed: count("missed", "Decisions that were forgotten before they could be written"),
            failed: count("failed", "Decisions that could not be written"),
        };
        Self { config, log, clock: settings.clock.clone(), counters, running: Mutex::default() }
    }

    pub(super) fn start(&self) -> BoxFuture<'_, Result<(), StartError>> {
        Box::pin(async {
            let config = self.config.clone();
            let path = config.path.display().to_string();
            let opened = tokio::task::spawn_blocking(move || LineFile::open(config)).await;
            let file = match opened {
                Ok(Ok(file)) => file,
                Ok(Err(error)) => return Err(StartError::new(format!("cannot open {path}: {error}"))),
                Err(error) => return Err(StartError::new(format!("cannot open {path}: {error}"))),
            };
            let round = Round { log: self.log.clone(), counters: self.counters.clone(), places: Vec::new(), path };
            let (stop, stopped) = oneshot::channel();
            let task = tokio::spawn(record(round, file, stopped));
            *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some((stop, task));
            Ok(())
        })
    }

    pub(super) fn shutdown(&self, deadline: Instant) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some((stop, mut task)) = running else { return };
            // A task that has ended needs no word.
            let _ = stop.send(());
            if timeout(deadline.since(self.clock.now().mono), &mut task).await.is_err() {
                task.abort();
            }
        })
    }
}

async fn record(round: Round, file: LineFile, mut stopped: oneshot::Receiver<()>) {
    let mut state = (round, file);
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_last = tokio::select! {
            _ = ticks.tick() => false,
            _ = &mut stopped => true,
        };
        let written = tokio::task::spawn_blocking(move || {
            state.0.run(&mut state.1);
            state
        });
        state = match written.await {
            Ok(state) => state,
            Err(error) => return tracing::error!(%error, "decisions are no longer written to the file"),
        };
        if is_last {
            return;
        }
    }
}

/// How far each sampler's decisions have been written.
struct Round {
    log: Arc<DecisionLog>,
    counters: Counters,
    places: Vec<(ComponentId, u64)>,
    path: String,
}

impl Round {
    fn run(&mut self, file: &mut LineFile) {
        for source in self.log.sources() {
            let id = source.processor();
            let known = self.places.iter().position(|(known, _)| known == id);
            let at = known.unwrap_or_else(|| {
                self.places.push((id.clone(), 0));
                self.places.len() - 1
            });
            loop {
                let mut records = Vec::new();
                let (next, missed) = source.read(self.places[at].1, RECORDS_AT_A_TIME, &mut records);
                self.places[at].1 = next;
                self.counters.missed.inc_by(missed);
                let mut lines = Vec::new();
                for record in &records {
                    let mut decision = decision_json(record, source.explains());
                    decision["processor"] = id.to_string().into();
                    lines.extend_from_slice(decision.to_string().as_bytes());
                    lines.push(b'\n');
                }
                self.write(file, &lines, records.len() as u64);
                if records.len() < RECORDS_AT_A_TIME {
                    break;
                }
            }
        }
    }

    fn write(&self, file: &mut LineFile, lines: &[u8], records: u64) {
        match file.append(lines) {
            Ok(()) => {
                self.counters.written.inc_by(records);
            }
            Err(error) => {
                self.counters.failed.inc_by(records);
                tracing::warn!(path = self.path, %error, records, "cannot write decisions");
            }
        }
    }
}
