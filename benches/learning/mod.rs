//! What learning costs: `tail_sampling` with simple policies, the same with a detector, the same
//! with an `adaptive` policy, and that with a decision log; about a tenth kept by each. The
//! samplers take turns, a tenth of a second of traffic each, so that what else the machine does
//! befalls all alike. Counted is the CPU time of the thread.

mod traffic;

use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tailwater::model::{Batch, Instant, MemoryAccount, Now, Signal, UnixNanos};
use tailwater::pipeline::{DecisionLog, Processor, Settings};
use tailwater::processors::tail_sampling;
use tailwater::processors::tail_sampling::policy::{PolicyConfig, PolicyKind, adaptive};
use tailwater::wire::{Limits, scan};
use traffic::{Kind, Layout, SPANS_PER_REQUEST, Traffic};

/// At 250,000 spans a second.
const NANOS_PER_REQUEST: u64 = 4_000_000;
/// Requests of a turn: a tenth of a second.
const REQUESTS_PER_TURN: u64 = 25;
/// Turns before the first that counts: traces wait a second, and baselines must know enough.
const TURNS_BEFORE: usize = 20;
const TURNS: usize = 60;
const START: u64 = 1_700_000_000_000_000_000;

/// A sampler under measure.
struct Seat {
    name: &'static str,
    sampler: Box<dyn Processor>,
    account: MemoryAccount,
    kept: u64,
    /// Nanoseconds a span of each turn: taking in, and deciding.
    turns: Vec<[f64; 2]>,
}

/// CPU time of this thread in nanoseconds.
fn cpu() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

impl Seat {
    fn new(name: &'static str, base: f64, adaptive: Option<f64>, detect: bool, log: bool) -> Self {
        let decisions = log.then(|| Arc::new(DecisionLog::new(100_000)));
        let settings = Settings { decisions, ..super::settings() };
        let mut policies = super::policies(base);
        policies.extend(adaptive.map(|part| {
            let mut config = adaptive::Config::default();
            config.rate = adaptive::Rate::Part(part);
            PolicyConfig { name: "learn".to_owned(), kind: PolicyKind::Adaptive(config) }
        }));
        let config = tail_sampling::Config {
            decision_wait: Duration::from_secs(1),
            num_traces: 200_000,
            policies,
            detect,
            ..tail_sampling::Config::default()
        };
        let sampler = super::one(&config, &settings);
        Self { name, sampler, account: settings.account, kept: 0, turns: Vec::new() }
    }

    fn turn(&mut self, traffic: &Traffic, turn: usize) {
        let mut spent = [0; 2];
        for request in 0..REQUESTS_PER_TURN {
            let number = turn as u64 * REQUESTS_PER_TURN + request;
            let mono = Instant(number * NANOS_PER_REQUEST);
            let now = Now { mono, wall: UnixNanos(START + mono.0) };
            let body = traffic.request(number);
            let Ok(request) = scan(Signal::Traces, body, &Limits::default(), &self.account) else { panic!("scan") };
            let batch = Batch::from_request(request);
            let start = cpu();
            let mut out = self.sampler.process(batch, now).unwrap_or_default();
            let taken = cpu();
            while self.sampler.deadline().is_some_and(|deadline| deadline <= mono) {
                out.extend(self.sampler.on_deadline(now));
            }
            let decided = cpu();
            spent[0] += taken - start;
            spent[1] += decided - taken;
            if turn >= TURNS_BEFORE {
                self.kept += out.iter().map(Batch::item_count).sum::<u64>();
            }
        }
        if turn >= TURNS_BEFORE {
            self.turns.push(spent.map(|nanos| nanos as f64 / (REQUESTS_PER_TURN as usize * SPANS_PER_REQUEST) as f64));
        }
    }

    fn all(&self) -> Vec<f64> {
        self.turns.iter().map(|turn| turn[0] + turn[1]).collect()
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its numbers")]
fn measure(kind: Kind) {
    let traffic = Traffic::new(kind);
    let mut seats = [
        Seat::new("simple policies", 8.5, None, false, false),
        Seat::new("and a detector", 8.5, None, true, false),
        Seat::new("and adaptive", 4.0, Some(0.05), false, false),
        Seat::new("simple, decision log", 8.5, None, false, true),
        Seat::new("adaptive, decision log", 4.0, Some(0.05), false, true),
    ];
    for turn in 0..TURNS {
        seats.iter_mut().for_each(|seat| seat.turn(&traffic, turn));
    }
    println!(
        "\n{} spans a trace, {} operations, {} B a span, {}",
        kind.spans_per_trace,
        kind.operations,
        traffic.bytes_per_span(),
        kind.layout.words(),
    );
    println!("{:<24}{:>9}{:>9}{:>9}{:>9}{:>8}", "", "take in", "decide", "ns/span", "more", "kept");
    let spans = ((TURNS - TURNS_BEFORE) * REQUESTS_PER_TURN as usize * SPANS_PER_REQUEST) as f64;
    for (place, seat) in seats.iter().enumerate() {
        let part = |which: usize| median(seat.turns.iter().map(|turn| turn[which]).collect());
        let all = seat.all();
        let beside = seats[if place < 3 { 0 } else { 3 }].all();
        let more = median(all.iter().zip(beside).map(|(one, other)| one - other).collect());
        println!(
            "{:<24}{:>9.1}{:>9.1}{:>9.1}{:>9.1}{:>6.1} %",
            seat.name,
            part(0),
            part(1),
            median(all),
            more,
            seat.kept as f64 * 100.0 / spans,
        );
    }
}

/// Every kind of traffic, one after another.
pub(crate) fn run() {
    for layout in [Layout::Together, Layout::Halves, Layout::Scattered, Layout::ScatteredHalves] {
        for (spans_per_trace, operations) in [(10, 55), (10, 250), (73, 55), (73, 250)] {
            measure(Kind { spans_per_trace, operations, layout });
        }
    }
}
