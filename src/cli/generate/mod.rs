//! `tailwater generate`: load for this or any other OTLP port.
//!
//! Requests are made once and only their ids, times and statuses are written over for each send,
//! so that one core loads several. Trace ids are always fresh: a sampler under load must meet
//! new traces. Knows the protocol, and nothing of how a server is built.

mod client;
mod identity;
mod latency;
mod load;
mod report;
mod source;
mod template;

use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};

pub use identity::Identity;
pub use latency::Latencies;
pub use load::{Load, Plan, Progress};
pub use report::Outcome;
pub(crate) use report::grouped;
pub use template::{Shape, Template};

use crate::cli::arguments::duration;
use crate::cli::{Exit, Terminal};
use crate::pipeline::{Clock, SystemClock};

/// The protocol of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// OTLP/gRPC, several requests at a time on each connection.
    Grpc,
    /// OTLP/HTTP with protobuf bodies, one request at a time on each connection.
    Http,
}

/// How bodies are compressed, at the fastest level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Compression {
    /// As they are.
    None,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

/// How the outcome is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// Sends generated traces to an OTLP port and says what became of them.
///
/// Exit status: 0 when everything was accepted, 1 when anything was refused or could not be
/// sent, 2 when the arguments are wrong.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    /// Where to send: host:port, with or without http:// [default: port 4317 or 4318 of 127.0.0.1]
    #[arg(long)]
    endpoint: Option<String>,
    /// Protocol
    #[arg(long, value_enum, default_value = "grpc")]
    protocol: Protocol,
    /// Compression of request bodies
    #[arg(long, value_enum, default_value = "none")]
    compression: Compression,
    /// Spans a second; 0 sends as fast as requests are answered
    #[arg(long, default_value_t = 10_000)]
    rate: u64,
    /// For how long, such as 30s or 5m
    #[arg(long, default_value = "10s", value_parser = duration)]
    duration: Duration,
    /// Stop after this many spans, rounded up to whole requests
    #[arg(long)]
    spans: Option<u64>,
    /// Spans of one request
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    spans_per_request: u32,
    /// Spans of one trace
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    spans_per_trace: u32,
    /// Services that each trace passes through
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    services: u32,
    /// Attributes of a span; 8 make about 400 bytes
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(0..=1000))]
    attributes: u32,
    /// Share of traces with an error, 0 to 1
    #[arg(long, default_value_t = 0.01, value_parser = share)]
    errors: f64,
    /// Share of traces that take 600 ms and more instead of 5 to 133 ms, 0 to 1
    #[arg(long, default_value_t = 0.02, value_parser = share)]
    anomalies: f64,
    /// Send each trace in two requests, one after the other
    #[arg(long)]
    split: bool,
    /// Connections
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    connections: u32,
    /// Requests in flight on each connection; with HTTP, connections for each connection
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    in_flight: u32,
    /// Start of all ids, to send the same ones again [default: the time]
    #[arg(long)]
    seed: Option<u64>,
    /// How to print the outcome
    #[arg(long, value_enum, default_value = "text")]
    output: Format,
}

impl Protocol {
    const fn default_port(self) -> u16 {
        match self {
            Self::Grpc => 4317,
            Self::Http => 4318,
        }
    }
}

impl Compression {
    const fn encoding(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }
}

impl Arguments {
    fn plan(&self, seed: u64) -> Plan {
        let default_endpoint = || format!("127.0.0.1:{}", self.protocol.default_port());
        Plan {
            endpoint: self.endpoint.clone().unwrap_or_else(default_endpoint),
            protocol: self.protocol,
            compression: self.compression,
            shape: Shape {
                spans_per_request: self.spans_per_request,
                spans_per_trace: self.spans_per_trace,
                services: self.services,
                attributes: self.attributes,
                error_share: self.errors,
                anomaly_share: self.anomalies,
                split: self.split,
            },
            rate: self.rate,
            duration: Some(self.duration),
            spans_max: self.spans,
            connections: self.connections,
            in_flight: self.in_flight,
            seed: self.seed.unwrap_or(seed),
            remembers_accepted: false,
        }
    }
}

/// Runs the load on a runtime of one thread and prints the outcome.
pub fn run(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Exit {
    let clock = SystemClock::new();
    let load = match Load::new(arguments.plan(clock.now().wall.0)) {
        Ok(load) => Arc::new(load),
        Err(message) => {
            terminal.complain(&format!("error: {message}\n"));
            return Exit::Usage;
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal.complain(&format!("error: cannot start a runtime: {error}\n"));
            return Exit::Failure;
        }
    };
    let started = clock.now().mono;
    runtime.block_on(async {
        let mut run = std::pin::pin!(load.run());
        tokio::select! {
            () = &mut run => {}
            // What is in flight is still answered and counted.
            _ = tokio::signal::ctrl_c() => {
                load.stop();
                run.await;
            }
        }
    });
    let outcome = Outcome::of(&load.take(), clock.now().mono.since(started));
    let printed = match arguments.output {
        Format::Text => terminal.print(&format!("{outcome}\n")),
        Format::Json => terminal.print(&format!("{}\n", serde_json::to_string(&outcome).unwrap_or_default())),
    };
    if outcome.refused_spans > 0 || outcome.sent_spans == 0 { Exit::Failure } else { printed }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("write a number from 0 to 1, such as 0.01 for one of a hundred".to_owned()),
    }
}

#[cfg(test)]
mod tests;
