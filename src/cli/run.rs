//! `tailwater` and `tailwater --config F`: load, start, wait for a signal, drain, stop.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal as UnixSignal, SignalKind, signal};

use super::{CommandLine, Exit, LogFormat as Wanted, Terminal, complain};
use crate::model::Signal;
use crate::pipeline::{LedgerReading, SystemClock};
use crate::service::{LogEncoding, LogLevel, Outcome, Running, Service, ServiceConfig, TelemetryConfig};
use crate::telemetry::{LogFormat, LogSettings, OwnTraces, Sampling, install};

/// Period of the summary line on a terminal.
const SUMMARY_PERIOD: Duration = Duration::from_secs(1);

/// Runs what the command line names, or the built-in config, until SIGTERM or SIGINT.
pub fn run(line: &CommandLine, terminal: &mut Terminal<'_>) -> Exit {
    let arguments = &line.config;
    let is_default = arguments.sources.is_empty();
    let loaded = super::load(arguments);
    complain(&loaded, terminal);
    let Some(config) = &loaded.config else { return Exit::Usage };
    let options = Options {
        colour: terminal.colour,
        log_format: line.output.log_format.map(|format| match format {
            Wanted::Text => LogFormat::Text,
            Wanted::Json => LogFormat::Json,
        }),
        drain: line.drain,
        summary: is_default && std::io::stderr().is_terminal(),
    };
    match runtime() {
        Ok(runtime) => {
            let exit = runtime.block_on(serve(config, &options));
            if exit == Exit::Interrupted {
                // A look-up or a write that hangs must not hold up who wants to stop at once.
                runtime.shutdown_background();
            }
            exit
        }
        Err(error) => fail(&format!("cannot start the runtime: {error}")),
    }
}

struct Options {
    colour: bool,
    log_format: Option<LogFormat>,
    /// How long stopping may take.
    drain: Duration,
    /// Writes a one-line summary a second to stderr.
    summary: bool,
}

/// A runtime with a worker a core that this process may use.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

async fn serve(config: &ServiceConfig, options: &Options) -> Exit {
    let own_traces = match own_traces(&config.telemetry) {
        Ok(own_traces) => own_traces,
        Err(error) => return fail(&error),
    };
    let log = log_settings(&config.telemetry, options);
    // A second logger in one process (a test, an embedding program) keeps the first.
    let _ = install(&log, Arc::new(SystemClock::new()), own_traces.as_ref());
    let (mut terminate, mut interrupt) = match signals() {
        Ok(signals) => signals,
        Err(error) => return fail(&format!("cannot listen for signals: {error}")),
    };
    let service = match Service::build(config) {
        Ok(service) => service,
        Err(error) => return fail(&error.to_string()),
    };
    let mut running = match service.start().await {
        Ok(running) => running,
        Err(error) => return fail(&error.to_string()),
    };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "everything is ready; begin running and processing data");
    wait(&running, options.summary, &mut terminate, &mut interrupt).await;
    tracing::info!(within_seconds = options.drain.as_secs_f64(), "stopping; a second signal stops at once");
    let outcome = tokio::select! {
        outcome = running.shutdown(options.drain) => outcome,
        _ = second(&mut terminate, &mut interrupt) => {
            tracing::warn!("stopped at once by a second signal; what was held is lost");
            return Exit::Interrupted;
        }
    };
    log_outcome(&outcome);
    if let Some(own_traces) = own_traces {
        own_traces.shutdown();
    }
    Exit::Ok
}

fn signals() -> std::io::Result<(UnixSignal, UnixSignal)> {
    Ok((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?))
}

fn own_traces(telemetry: &TelemetryConfig) -> Result<Option<OwnTraces>, String> {
    let endpoint = telemetry.own_traces_endpoint.as_deref();
    endpoint.map(OwnTraces::to).transpose().map_err(|error| error.to_string())
}

fn log_settings(telemetry: &TelemetryConfig, options: &Options) -> LogSettings {
    let encoding = telemetry.log_encoding.map(|encoding| match encoding {
        LogEncoding::Console => LogFormat::Text,
        LogEncoding::Json => LogFormat::Json,
    });
    let level = match telemetry.log_level.unwrap_or_default() {
        LogLevel::Debug => tracing::Level::DEBUG,
        LogLevel::Info => tracing::Level::INFO,
        LogLevel::Warn => tracing::Level::WARN,
        LogLevel::Error => tracing::Level::ERROR,
    };
    LogSettings {
        level: Some(level),
        format: options.log_format.or(encoding).unwrap_or_default(),
        colour: options.colour,
        sampling: Sampling::default(),
    }
}

/// Waits for the first signal; shows the summary meanwhile.
async fn wait(running: &Running, summary: bool, terminate: &mut UnixSignal, interrupt: &mut UnixSignal) {
    let mut ticks = tokio::time::interval(SUMMARY_PERIOD);
    let mut last = LedgerReading::default();
    loop {
        tokio::select! {
            _ = terminate.recv() => return,
            _ = interrupt.recv() => return,
            _ = ticks.tick() => {
                if summary {
                    last = show(running, &last);
                }
            }
        }
    }
}

async fn second(terminate: &mut UnixSignal, interrupt: &mut UnixSignal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// One line, written over the last one.
fn show(running: &Running, last: &LedgerReading) -> LedgerReading {
    let reading = running.ledger().read(Signal::Traces);
    let dropped: u64 = reading.dropped.values().sum();
    let line = format!(
        "\r\x1b[2K{:>7} spans/s in   {} kept   {} dropped   {} waiting   {} refused",
        reading.received.saturating_sub(last.received),
        reading.sent,
        dropped,
        reading.waiting,
        reading.refused,
    );
    let mut stderr = std::io::stderr();
    // A closed terminal is no reason to stop.
    let _ = stderr.write_all(line.as_bytes()).and_then(|()| stderr.flush());
    reading
}

fn log_outcome(outcome: &Outcome) {
    for (signal, reading) in Signal::ALL.into_iter().zip(&outcome.readings) {
        if *reading == LedgerReading::default() {
            continue;
        }
        tracing::info!(
            signal = signal.as_str(),
            received = reading.received,
            copied = reading.copied,
            refused = reading.refused,
            sent = reading.sent,
            dropped = reading.dropped.values().sum::<u64>(),
            reasons = reasons(reading),
            waiting = reading.waiting,
            residual = %reading.residual(),
            "stopped; received + copied = refused + sent + dropped + waiting + residual"
        );
    }
}

/// Why items were dropped: `not_sampled=7 shutdown_deadline=2`.
fn reasons(reading: &LedgerReading) -> String {
    let shown = reading.dropped.iter().map(|(reason, items)| format!("{}={items}", reason.as_str()));
    shown.collect::<Vec<_>>().join(" ")
}

/// Says what stopped us, in the way of the Collector's `Error: …` line.
fn fail(message: &str) -> Exit {
    let _ = writeln!(std::io::stderr(), "Error: {message}");
    Exit::Failure
}

/// Builds the service of a checked config and lets it go, to predict whether it would start.
pub fn check_build(config: &ServiceConfig, report: &mut crate::config::Report) {
    let built = runtime().map_err(|error| error.to_string()).and_then(|runtime| {
        let _inside = runtime.enter();
        Service::build(config).map(drop).map_err(|error| error.to_string())
    });
    if let Err(message) = built {
        report.error("", message, crate::config::Location::default());
    }
}
