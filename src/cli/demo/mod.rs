//! `tailwater demo`: a small simulated shop, instrumented with the OpenTelemetry SDK, feeds the
//! default pipeline, while a region of the terminal says what comes in and what is kept.
//!
//! Knows the service as any program does that embeds it: text in, a ledger and metrics out.

mod kept;
mod plan;
mod screen;
mod shop;
mod tree;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use self::screen::{Screen, Style};
use self::shop::Shop;
use super::run::runtime;
use super::{DEFAULT_CONFIG, Exit, Terminal};
use crate::config::render;
use crate::model::{Now, Signal};
use crate::pipeline::{Clock, SystemClock};
use crate::service::{Running, Service, load_text};

/// Where the default configuration keeps traces.
const KEPT: &str = "./tailwater-data/traces.jsonl";
/// Where the default configuration takes OTLP/gRPC, OTLP/HTTP and shows its own metrics.
const ADDRESSES: [&str; 2] = ["127.0.0.1:4317", "127.0.0.1:4318"];
const OWN_METRICS: &str = "127.0.0.1:8888";

/// Feeds the default pipeline from a simulated shop and shows what it keeps, and why.
///
/// Exit status: 0 when traces came through, 1 when the pipeline could not start or kept nothing.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    /// For how many seconds the shop is open
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Shoppers at once; each makes two requests a second
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=2000))]
    shoppers: u32,
}

/// How long the pipeline may take to hand on what is kept, once the shop is closed.
const DRAIN: Duration = Duration::from_secs(10);

/// Runs the demo on the default configuration.
pub fn run(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Exit {
    let shown = runtime()
        .map_err(|error| format!("cannot start the runtime: {error}"))
        .and_then(|runtime| runtime.block_on(show(arguments, terminal)));
    match shown {
        Ok(()) => Exit::Ok,
        Err(message) => {
            terminal.complain(&format!("Error: {message}\n"));
            Exit::Failure
        }
    }
}

async fn show(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Result<(), String> {
    let clock = SystemClock::new();
    let (config, endpoint) = with_free_ports(DEFAULT_CONFIG, &is_free)?;
    let mut running = start(&config).await?;
    let opened = clock.now();
    let shop = Arc::new(Shop::open(&endpoint, opened.wall.0)?);
    let style = style(terminal.colour);
    let mut screen = Screen::new(terminal, style);
    screen.title(&endpoint, arguments.shoppers);
    let customers = shop.admit(arguments.shoppers);
    watch(&mut screen, &running, &clock, opened, Duration::from_secs(arguments.seconds)).await;
    customers.close().await;
    // The SDK's exporters block the thread that flushes them.
    let _ = tokio::task::spawn_blocking(move || shop.close()).await;
    running.shutdown(DRAIN).await;
    screen.last(&running.ledger().read(Signal::Traces), &running.metrics().encode());
    let traces = kept::read(std::path::Path::new(KEPT), opened.wall)?;
    let trace = kept::most_telling(traces).ok_or_else(|| format!("no trace of this run is in {KEPT}"))?;
    screen.write(&tree::draw(&trace, screen.style()));
    screen.write(&format!("\nEvery kept trace is in {KEPT}, as OTLP/JSON\n"));
    Ok(())
}

/// Starts the pipeline of a configuration, in this process.
async fn start(config: &str) -> Result<Running, String> {
    let loaded = load_text(config);
    let Some(checked) = &loaded.config else { return Err(render(&loaded.report, &loaded.sources, false)) };
    let service = Service::build(checked).map_err(|error| error.to_string())?;
    service.start().await.map_err(|error| error.to_string())
}

/// Shows readings until the shop closes, or the user interrupts.
async fn watch(screen: &mut Screen<'_, '_>, running: &Running, clock: &SystemClock, opened: Now, open_for: Duration) {
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    let mut ticks = tokio::time::interval(screen.interval());
    ticks.tick().await;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = &mut interrupt => return,
        }
        let passed = clock.now().mono.since(opened.mono);
        screen.reading(&running.ledger().read(Signal::Traces), &running.metrics().encode(), passed, open_for);
        if passed >= open_for {
            return;
        }
    }
}

/// Standard output decides what is drawn; `--color` and `NO_COLOR` may still refuse colours.
fn style(takes_colour: bool) -> Style {
    let is_terminal = std::io::stdout().is_terminal();
    Style { is_terminal, has_colour: is_terminal && takes_colour }
}

fn is_free(address: &str) -> bool {
    std::net::TcpListener::bind(address).is_ok()
}

/// The configuration with other ports where something listens already, and its gRPC address.
fn with_free_ports(config: &str, is_free: &dyn Fn(&str) -> bool) -> Result<(String, String), String> {
    let mut text = config.to_owned();
    let mut endpoint = ADDRESSES[0].to_owned();
    for address in ADDRESSES {
        if !is_free(address) {
            let other = std::net::TcpListener::bind("127.0.0.1:0")
                .and_then(|listener| listener.local_addr())
                .map_err(|error| format!("no free port on loopback: {error}"))?;
            text = text.replace(address, &other.to_string());
            if address == ADDRESSES[0] {
                endpoint = other.to_string();
            }
        }
    }
    if !is_free(OWN_METRICS) {
        text = text.replacen("\nservice:\n", "\nservice:\n  telemetry:\n    metrics:\n      level: none\n", 1);
    }
    Ok((text, endpoint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_configuration_is_the_one_that_the_demo_knows() {
        assert!(ADDRESSES.iter().all(|address| DEFAULT_CONFIG.contains(address)));
        assert!(DEFAULT_CONFIG.contains(KEPT) && DEFAULT_CONFIG.contains("\nservice:\n"));
    }

    #[test]
    fn free_ports_leave_the_configuration_as_it_is() {
        assert_eq!(
            with_free_ports(DEFAULT_CONFIG, &|_| true).unwrap(),
            (DEFAULT_CONFIG.to_owned(), ADDRESSES[0].to_owned())
        );
    }

    #[test]
    fn a_port_in_use_is_replaced_by_another() {
        let (text, endpoint) = with_free_ports(DEFAULT_CONFIG, &|address| address == ADDRESSES[1]).unwrap();
        assert!(!text.contains(ADDRESSES[0]) && text.contains(&endpoint) && text.contains(ADDRESSES[1]));
        assert!(text.contains("level: none"));
    }
}
