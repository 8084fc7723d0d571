//! `debug`: writes what passes to the log, or to standard output, as the Collector does.
//!
//! ```yaml
//! exporters:
//!   debug:
//!     verbosity: detailed
//! ```

mod config;
mod text;

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use config::Config;
use config::Verbosity;

use crate::model::{Batch, Instant, Signal};
use crate::pipeline::{BoxFuture, Clock, Component, ConsumeError, Exporter};

/// Length of a window of `sampling_initial` and `sampling_thereafter`.
const WINDOW: Duration = Duration::from_secs(1);

/// Where text goes.
#[derive(Clone, Debug)]
enum Sink {
    /// Our own log, at the level info.
    Log,
    /// `stdout`, `stderr` or files, which are appended to.
    Paths(Vec<String>),
}

/// Writes batches for people.
struct Debug {
    verbosity: Verbosity,
    sampling: [Mutex<Sampling>; 3],
    sink: Sink,
    clock: Arc<dyn Clock>,
}

/// Which messages of a second are written.
#[derive(Clone, Debug, Default)]
struct Sampling {
    initial: u64,
    thereafter: u64,
    seen: u64,
    until: Instant,
}

impl Sampling {
    fn takes(&mut self, now: Instant) -> bool {
        if now >= self.until {
            self.until = now + WINDOW;
            self.seen = 0;
        }
        self.seen += 1;
        let beyond = self.seen.saturating_sub(self.initial);
        beyond == 0 || (self.thereafter > 0 && beyond.is_multiple_of(self.thereafter))
    }
}

impl Debug {
    fn new(config: &Config, sink: Sink, clock: Arc<dyn Clock>) -> Self {
        let sampling = || {
            let (initial, thereafter) = (config.sampling_initial, config.sampling_thereafter);
            Mutex::new(Sampling { initial, thereafter, ..Sampling::default() })
        };
        Self { verbosity: config.verbosity, sampling: [sampling(), sampling(), sampling()], sink, clock }
    }

    fn takes(&self, signal: Signal) -> bool {
        let now = self.clock.now().mono;
        self.sampling[signal as usize].lock().unwrap_or_else(PoisonError::into_inner).takes(now)
    }

    async fn write(&self, batch: &Batch) -> Result<(), ConsumeError> {
        let summary = self.takes(batch.signal()).then(|| text::summary(batch));
        let body = match self.verbosity {
            Verbosity::Basic => None,
            Verbosity::Normal => summary.is_some().then(|| text::normal(batch)),
            Verbosity::Detailed => summary.is_some().then(|| text::detailed(batch)),
        };
        let Some(summary) = summary else { return Ok(()) };
        match &self.sink {
            Sink::Log => {
                tracing::info!(target: "debug_exporter", "{summary}");
                if let Some(body) = body {
                    tracing::info!(target: "debug_exporter", "{body}");
                }
                Ok(())
            }
            Sink::Paths(paths) => {
                let text = format!("{summary}\n{}", body.unwrap_or_default());
                let paths = paths.clone();
                let written = tokio::task::spawn_blocking(move || write_all(&paths, &text)).await;
                let result = written.unwrap_or_else(|error| Err(io::Error::other(error)));
                result.map_err(|error| ConsumeError::permanent(format!("writing failed: {error}")))
            }
        }
    }
}

fn write_all(paths: &[String], text: &str) -> io::Result<()> {
    paths.iter().try_for_each(|path| match path.as_str() {
        "stdout" => io::stdout().lock().write_all(text.as_bytes()),
        "stderr" => io::stderr().lock().write_all(text.as_bytes()),
        path => std::fs::OpenOptions::new().create(true).append(true).open(path)?.write_all(text.as_bytes()),
    })
}

impl Component for Debug {}

impl Exporter for Debug {
    fn export(&self, batch: Batch) -> BoxFuture<'_, Result<(), ConsumeError>> {
        Box::pin(async move { self.write(&batch).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_messages_of_a_second_pass_and_then_every_nth() {
        let mut sampling = Sampling { initial: 2, thereafter: 3, ..Sampling::default() };
        let passed: Vec<_> = (0..9).map(|_| sampling.takes(Instant(0))).collect();
        assert_eq!(passed, [true, true, false, false, true, false, false, true, false]);
        assert!(sampling.takes(Instant(0) + WINDOW));
    }

    #[test]
    fn with_thereafter_zero_only_the_first_pass() {
        let mut sampling = Sampling { initial: 1, thereafter: 0, ..Sampling::default() };
        assert_eq!((0..3).map(|_| sampling.takes(Instant(5))).collect::<Vec<_>>(), [true, false, false]);
    }
}
