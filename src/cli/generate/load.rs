//! The load itself: so many requests in flight, at a rate or as fast as they are answered.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::error::Elapsed;

use super::client::{Answer, Connection, Target};
use super::source::Source;
use super::{Compression, Identity, Latencies, Protocol, Shape};
use crate::pipeline::{Clock, SystemClock};

/// A request without an answer for so long counts as refused with a deadline.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Pause of a worker whose request was refused, so that a full server is not met by a busy loop.
const AFTER_REFUSAL: Duration = Duration::from_millis(5);
/// Pause of a worker whose connection broke.
const AFTER_BREAK: Duration = Duration::from_millis(100);

/// What load to make.
#[derive(Clone, Debug)]
pub struct Plan {
    /// `host:port`, with or without `http://`.
    pub endpoint: String,
    /// gRPC or HTTP.
    pub protocol: Protocol,
    /// How bodies are compressed.
    pub compression: Compression,
    /// What requests look like.
    pub shape: Shape,
    /// Spans a second; 0 sends as fast as requests are answered.
    pub rate: u64,
    /// For how long new requests are sent; `None` until [`Load::stop`].
    pub duration: Option<Duration>,
    /// Spans to send at most, rounded up to whole requests; `None` for no end.
    pub spans_max: Option<u64>,
    /// Connections; with HTTP, which has one request on a connection, times `in_flight`.
    pub connections: u32,
    /// Requests in flight on each connection.
    pub in_flight: u32,
    /// Start of all ids; two runs with the same seed send the same ids.
    pub seed: u64,
    /// Whether the numbers of accepted requests are kept, for [`Load::sequences`].
    pub remembers_accepted: bool,
}

/// What has been sent and answered since a reading.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Spans of requests that were sent, answered or not.
    pub sent: u64,
    /// Spans that the server took.
    pub accepted: u64,
    /// Spans that were not taken, by what the server or the connection said.
    pub refused: BTreeMap<String, u64>,
    /// Requests that were answered.
    pub requests: u64,
    /// From sending to the answer, of accepted requests.
    pub latencies: Latencies,
    /// Numbers of accepted requests, when the plan remembers them.
    pub accepted_requests: Vec<u64>,
}

/// A run of a plan.
pub struct Load {
    plan: Plan,
    source: Source,
    targets: Vec<Arc<Connection>>,
    clock: SystemClock,
    progress: Mutex<Progress>,
    turns: AtomicU64,
    stopped: AtomicBool,
}

impl Load {
    /// Builds the templates; opens nothing.
    ///
    /// # Errors
    /// When the endpoint is not an address; the message quotes it.
    pub fn new(plan: Plan) -> Result<Self, String> {
        let target = Target::new(&plan.endpoint, plan.protocol, plan.compression)?;
        let source = Source::new(&plan.shape, plan.seed, plan.protocol == Protocol::Grpc, plan.compression);
        // Several requests share an HTTP/2 connection; HTTP/1.1 takes one after the other.
        let (connections, workers_each) = match plan.protocol {
            Protocol::Grpc => (plan.connections.max(1), plan.in_flight.max(1)),
            Protocol::Http => (plan.connections.max(1) * plan.in_flight.max(1), 1),
        };
        let targets = (0..connections)
            .map(|_| Arc::new(Connection::new(target.clone())))
            .flat_map(|connection| std::iter::repeat_n(connection, workers_each as usize))
            .collect();
        Ok(Self {
            plan,
            source,
            targets,
            clock: SystemClock::new(),
            progress: Mutex::default(),
            turns: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        })
    }

    /// Sends until the plan ends or `stop` is called, and returns when all is answered.
    pub async fn run(self: &Arc<Self>) {
        let start_ns = self.clock.now().mono.0;
        let mut workers = JoinSet::new();
        for connection in &self.targets {
            let (load, connection) = (Arc::clone(self), Arc::clone(connection));
            workers.spawn(async move { while load.one(&connection, start_ns).await {} });
        }
        while workers.join_next().await.is_some() {}
    }

    /// Starts no more requests.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// What happened since the last call.
    pub fn take(&self) -> Progress {
        std::mem::take(&mut self.progress())
    }

    /// Running numbers of the spans of an accepted request; [`Identity::sequence_of`] finds the
    /// same ones in what arrives.
    pub fn sequences(&self, request: u64) -> Vec<u64> {
        self.source.sequences(request)
    }

    /// Where it sends, as the plan has it.
    pub fn endpoint(&self) -> &str {
        &self.plan.endpoint
    }

    /// The ids of this run.
    pub fn identity(&self) -> Identity {
        self.source.identity()
    }

    /// Bytes of a request before compression.
    pub fn body_bytes(&self) -> u64 {
        self.source.body_bytes()
    }

    /// One request of one worker; false when there is no more to do.
    async fn one(&self, connection: &Connection, start_ns: u64) -> bool {
        if self.is_over(start_ns) || !self.wait_for_turn(start_ns).await {
            return false;
        }
        let now = self.clock.now();
        let Ok(made) = self.source.make(now.wall.0) else { return false };
        let answer = tokio::time::timeout(ANSWER_WITHIN, connection.send(made.body)).await;
        let took = self.clock.now().mono.since(now.mono);
        let pause = self.count(made.number, made.spans, took, answer);
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        true
    }

    fn is_over(&self, start_ns: u64) -> bool {
        let spans_made = self.source.made() * u64::from(self.plan.shape.spans_per_request);
        self.stopped.load(Ordering::Relaxed)
            || self.plan.spans_max.is_some_and(|most| spans_made >= most)
            || self.plan.duration.is_some_and(|duration| self.elapsed(start_ns) >= duration)
    }

    fn elapsed(&self, start_ns: u64) -> Duration {
        Duration::from_nanos(self.clock.now().mono.0.saturating_sub(start_ns))
    }

    /// Sleeps until the next request is due; false when that is after the end.
    async fn wait_for_turn(&self, start_ns: u64) -> bool {
        if self.plan.rate == 0 {
            return true;
        }
        let nanos_each = u64::from(self.plan.shape.spans_per_request) * 1_000_000_000 / self.plan.rate;
        let due = Duration::from_nanos(self.turns.fetch_add(1, Ordering::Relaxed) * nanos_each);
        if self.plan.duration.is_some_and(|duration| due >= duration) {
            return false;
        }
        tokio::time::sleep(due.saturating_sub(self.elapsed(start_ns))).await;
        !self.stopped.load(Ordering::Relaxed)
    }

    /// Books an answer, and says how long its worker pauses.
    fn count(
        &self,
        number: u64,
        spans: u64,
        took: Duration,
        answer: Result<Result<Answer, String>, Elapsed>,
    ) -> Duration {
        let mut progress = self.progress();
        progress.sent += spans;
        let (reason, refused, pause) = match answer {
            Ok(Ok(Answer::Accepted { rejected })) => {
                let rejected = rejected.min(spans);
                progress.requests += 1;
                progress.accepted += spans - rejected;
                progress.latencies.record(took);
                if self.plan.remembers_accepted {
                    progress.accepted_requests.push(number);
                }
                ("partial success".to_owned(), rejected, Duration::ZERO)
            }
            Ok(Ok(Answer::Refused(reason))) => {
                progress.requests += 1;
                (reason, spans, AFTER_REFUSAL)
            }
            Ok(Err(reason)) => (reason, spans, AFTER_BREAK),
            Err(_) => (format!("no answer within {} s", ANSWER_WITHIN.as_secs()), spans, Duration::ZERO),
        };
        if refused > 0 {
            *progress.refused.entry(reason).or_default() += refused;
        }
        pause
    }

    fn progress(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
