//! Runs one row: a backend, the server, a load; reads what it came to.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;
use tailwater::cli::generate::{Compression, Load, Plan, Progress, Protocol, Shape};
use tailwater::pipeline::{Clock, SystemClock};

use super::process::{Server, own_cpu};
use super::row::{Flow, Parts, Pipeline, Row, Work};
use super::sink::{Manner, Sink};

/// How long, and with which program.
pub(crate) struct Settings {
    pub(crate) seconds: u64,
    pub(crate) is_smoke: bool,
    pub(crate) binary: PathBuf,
    pub(crate) scratch: PathBuf,
}

/// What a row came to. What was not measured is absent.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Measured {
    pub(crate) nanos_per_span: Option<f64>,
    pub(crate) spans_per_second: Option<f64>,
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    pub(crate) rss_mib: Option<f64>,
    pub(crate) peak_mib: Option<f64>,
    pub(crate) bytes_per_waiting_span: Option<f64>,
    pub(crate) lost_spans: Option<u64>,
    pub(crate) accepted_spans: u64,
    pub(crate) refused_spans: u64,
    /// Share of spans that arrived at the backend, for rows that drop on purpose.
    pub(crate) kept_share: Option<f64>,
    /// CPU time of the load and the backend together.
    pub(crate) own_nanos_per_span: Option<f64>,
}

/// What is running in a row.
struct Stage {
    sink: Sink,
    server: Server,
    load: Arc<Load>,
    running: tokio::task::JoinHandle<()>,
}

impl Settings {
    /// Runs one row.
    pub(crate) async fn measure(&self, row: &Row) -> Result<Measured, String> {
        match row.work {
            Work::Flow(flow) => self.flow(row, flow).await,
            Work::Overload => self.overload(row).await,
            Work::Waiting => self.waiting(row).await,
        }
    }

    async fn flow(&self, row: &Row, flow: Flow) -> Result<Measured, String> {
        let samples_tails = matches!(flow.pipeline, Pipeline::TailSampling | Pipeline::Adaptive);
        let manner = Manner { counts_spans: samples_tails, ..Manner::default() };
        let plan = Plan { rate: flow.rate, shape: Shape { split: flow.split, ..Shape::default() }, ..plan(flow) };
        let stage = self.start(row, plan, manner).await?;
        // A sampler is at work only when the first traces are decided.
        let warm_up = if samples_tails { 8 } else { 2 };
        tokio::time::sleep(Duration::from_secs(if self.is_smoke && !samples_tails { 1 } else { warm_up })).await;
        let warmed = stage.load.take();
        let mut measured = self.window(&stage).await?;
        stage.load.stop();
        let _ = stage.running.await;
        let accepted = warmed.accepted + measured.accepted_spans + stage.load.take().accepted;
        let requests = stage.sink.arrived.requests.load(Ordering::Relaxed);
        if measured.accepted_spans == 0 {
            return Err("nothing was accepted".to_owned());
        }
        if flow.pipeline != Pipeline::Nop && requests == 0 {
            return Err("nothing arrived at the backend".to_owned());
        }
        // Only after the drain has every trace been decided.
        stage.server.stop(Duration::from_secs(30)).await?;
        if samples_tails {
            let arrived = stage.sink.arrived.spans.load(Ordering::Relaxed);
            measured.kept_share = Some(arrived as f64 / accepted.max(1) as f64);
        }
        Ok(measured)
    }

    /// Reads the load, the CPU time and the memory over the seconds of a measurement.
    async fn window(&self, stage: &Stage) -> Result<Measured, String> {
        let clock = SystemClock::new();
        let (cpu, own, start) = (stage.server.cpu()?, own_cpu()?, clock.now().mono);
        tokio::time::sleep(Duration::from_secs(self.seconds)).await;
        let (progress, cpu) = (stage.load.take(), stage.server.cpu()?.saturating_sub(cpu));
        let (elapsed, own) = (clock.now().mono.since(start), own_cpu()?.saturating_sub(own));
        let memory = stage.server.memory()?;
        Ok(Measured {
            rss_mib: Some(memory.now_mib),
            peak_mib: Some(memory.peak_mib),
            own_nanos_per_span: Some(own.as_nanos() as f64 / progress.accepted.max(1) as f64),
            ..summed(&progress, cpu, elapsed)
        })
    }

    async fn overload(&self, row: &Row) -> Result<Measured, String> {
        let flow = Flow::grpc(Pipeline::PassThrough);
        let plan = Plan { remembers_accepted: true, ..plan(flow) };
        let identity = Load::new(plan.clone())?.identity();
        let manner = Manner { delay: Duration::from_millis(500), remembers: Some(identity), ..Manner::default() };
        let stage = self.start(row, plan, manner).await?;
        let clock = SystemClock::new();
        let (cpu, start) = (stage.server.cpu()?, clock.now().mono);
        tokio::time::sleep(Duration::from_secs(self.seconds.max(4))).await;
        let (cpu, elapsed) = (stage.server.cpu()?.saturating_sub(cpu), clock.now().mono.since(start));
        let memory = stage.server.memory()?;
        stage.load.stop();
        let _ = stage.running.await;
        let progress = stage.load.take();
        stage.server.stop(Duration::from_secs(60)).await?;
        let accepted = progress.accepted_requests.iter().flat_map(|request| stage.load.sequences(*request));
        Ok(Measured {
            rss_mib: Some(memory.now_mib),
            peak_mib: Some(memory.peak_mib),
            lost_spans: Some(stage.sink.arrived.missing(accepted)),
            ..summed(&progress, cpu, elapsed)
        })
    }

    async fn waiting(&self, row: &Row) -> Result<Measured, String> {
        let (first, spans) = if self.is_smoke { (20_000, 200_000) } else { (100_000, 2_000_000) };
        let flow = Flow::grpc(Pipeline::TailSampling);
        // The first spans pay for buffers that do not grow with what waits.
        let plan_of = |spans, seed| Plan { spans_max: Some(spans), seed, ..plan(flow) };
        let stage = self.start(row, plan_of(first, 1), Manner::default()).await?;
        let endpoint = stage.load.endpoint().to_owned();
        let _ = stage.running.await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before = stage.server.memory()?;
        let load = Arc::new(Load::new(Plan { endpoint, ..plan_of(spans, 2) })?);
        load.run().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (after, progress) = (stage.server.memory()?, load.take());
        if progress.accepted < spans {
            return Err(format!(
                "{} of {spans} spans were accepted; refused: {:?}",
                progress.accepted, progress.refused
            ));
        }
        let raw = load.body_bytes() as f64 / f64::from(Shape::default().spans_per_request);
        let each = (after.now_mib - before.now_mib) * 1_048_576.0 / progress.accepted as f64;
        Ok(Measured { rss_mib: Some(after.now_mib), bytes_per_waiting_span: Some(each - raw), ..Measured::default() })
    }

    async fn start(&self, row: &Row, plan: Plan, manner: Manner) -> Result<Stage, String> {
        let sink = Sink::start(plan.protocol, manner).await.map_err(|error| format!("backend: {error}"))?;
        let listen = free_address().map_err(|error| format!("no free port: {error}"))?;
        let parts =
            Parts { protocol: plan.protocol, compression: plan.compression, listen: &listen, backend: &sink.address };
        let config = self.scratch.join(format!("{}.yaml", row.name));
        write(&config, &row.config(&parts))?;
        let mut server = Server::start(&self.binary, &config)?;
        server.listens(&listen).await?;
        let load = Arc::new(Load::new(Plan { endpoint: listen, ..plan })?);
        let running = tokio::spawn({
            let load = Arc::clone(&load);
            async move { load.run().await }
        });
        Ok(Stage { sink, server, load, running })
    }
}

impl Flow {
    const fn grpc(pipeline: Pipeline) -> Self {
        Self { protocol: Protocol::Grpc, compression: Compression::None, pipeline, split: false, rate: 0 }
    }
}

fn plan(flow: Flow) -> Plan {
    Plan {
        endpoint: "127.0.0.1:1".to_owned(),
        protocol: flow.protocol,
        compression: flow.compression,
        shape: Shape::default(),
        rate: flow.rate,
        duration: None,
        spans_max: None,
        connections: 4,
        in_flight: 4,
        seed: 1,
        remembers_accepted: false,
    }
}

fn summed(progress: &Progress, cpu: Duration, elapsed: Duration) -> Measured {
    let milliseconds = |share| Some(progress.latencies.quantile(share).as_secs_f64() * 1000.0);
    Measured {
        nanos_per_span: Some(cpu.as_nanos() as f64 / progress.accepted.max(1) as f64),
        spans_per_second: Some(progress.accepted as f64 / elapsed.as_secs_f64()),
        p50_ms: milliseconds(0.5),
        p99_ms: milliseconds(0.99),
        accepted_spans: progress.accepted,
        refused_spans: progress.refused.values().sum(),
        ..Measured::default()
    }
}

/// A port that was free a moment ago.
fn free_address() -> std::io::Result<String> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
