//! Tailwater as a library: a pipeline inside of another program, from the text of a configuration.
//!
//! ```text
//! cargo run --release --example embed    # then Ctrl-C
//! ```
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::time::Duration;

use tailwater::model::Signal;
use tailwater::pipeline::LedgerReading;
use tailwater::service::{Service, load_text};

const CONFIG: &str = "
receivers:
  otlp:
    protocols:
      grpc: {endpoint: 127.0.0.1:4317}
processors:
  tail_sampling:
    decision_wait: 2s
    policies:
      - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}
exporters:
  debug: {verbosity: detailed}
service:
  pipelines:
    traces: {receivers: [otlp], processors: [tail_sampling], exporters: [debug]}
";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("listening on 127.0.0.1:4317; Ctrl-C to stop");
    let interrupted = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    let reading = run_until(CONFIG, interrupted).await?;
    println!("{} spans in, {} kept, dropped: {:?}", reading.received, reading.sent, reading.dropped);
    Ok(())
}

/// Runs a pipeline until `stop`, then hands on what it holds; what became of all spans.
pub(crate) async fn run_until(config: &str, stop: impl Future<Output = ()>) -> Result<LedgerReading, Box<dyn Error>> {
    let loaded = load_text(config);
    let Some(checked) = &loaded.config else {
        return Err(tailwater::config::render(&loaded.report, &loaded.sources, false).into());
    };
    let mut running = Service::build(checked)?.start().await?;
    stop.await;
    running.shutdown(Duration::from_secs(10)).await;
    Ok(running.ledger().read(Signal::Traces))
}
