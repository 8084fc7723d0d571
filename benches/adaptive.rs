//! What the `adaptive` policy costs a decided trace, without its detector: offer, draw, payment,
//! and the lock that shards share, alone and with all cores on one budget.
//!
//! `cargo bench --bench adaptive`

use std::hint::black_box;
use std::sync::Mutex;
use std::time::{Duration, Instant as Clock};

use tailwater::model::{Instant, TraceId};
use tailwater::processors::tail_sampling::detector::{Contribution, Finding, Novelty, NoveltyKind};
use tailwater::processors::tail_sampling::policy::adaptive::{Config, Controller, Incoming};

const TRACES: u64 = 2_000_000;
const SPANS_PER_TRACE: f64 = 10.0;

fn findings() -> Vec<Finding> {
    let finding = |number: u64| {
        let excess_nanos = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (30 + number % 20);
        let top = Contribution {
            op: (number % 200) as u32,
            caller: None,
            observed_nanos: excess_nanos,
            expected_nanos: 1_000_000,
            samples: 10_000,
            reference_age: Duration::from_secs(900),
            share: 0.3,
        };
        Finding {
            excess_nanos,
            top: Some(top),
            is_candidate: excess_nanos > 5_000_000,
            error: None,
            novelty: Some(Novelty { kind: NoveltyKind::Shape, op: 1, count: number as f64 + 1.0 }),
            root_op: (number % 50) as u32,
            shape: number % 100,
            duration_nanos: 100_000_000 + excess_nanos,
            is_warm: true,
            is_complete: true,
        }
    };
    (0..4_096).map(finding).collect()
}

/// Decides so many traces, 100,000 a second of simulated time; returns nanoseconds a trace.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn run(controller: &Mutex<Controller>, findings: &[Finding], traces: u64) -> f64 {
    let started = Clock::now();
    let mut settled = None;
    for number in 0..traces {
        let finding = &findings[number as usize % findings.len()];
        let offer = match controller.lock() {
            Ok(mut controller) => {
                if let Some(charge) = &settled {
                    controller.settle(charge);
                }
                controller.offer(finding, 1.0, Instant(number * 10_000))
            }
            Err(_) => return f64::NAN,
        };
        let id = TraceId(u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes());
        let incoming = Incoming::read(id, std::iter::empty());
        let is_kept = incoming.proportional(offer.probability()).keeps(incoming.randomness);
        settled = Some(offer.charge(1.0, black_box(is_kept)));
    }
    started.elapsed().as_nanos() as f64 / traces as f64
}

#[expect(clippy::print_stdout, reason = "a bench prints its numbers")]
fn report(name: &str, nanos: f64) {
    println!("{name:<28} {nanos:>7.1} ns a trace  {:>6.2} ns a span of {SPANS_PER_TRACE:.0}", nanos / SPANS_PER_TRACE);
}

fn main() {
    let findings = findings();
    let one = Mutex::new(Controller::new(&Config::default()));
    run(&one, &findings, TRACES / 10);
    report("one shard", run(&one, &findings, TRACES));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let shared = Mutex::new(Controller::new(&Config::default()));
    let worst = std::thread::scope(|scope| {
        let shards: Vec<_> = (0..cores).map(|_| scope.spawn(|| run(&shared, &findings, TRACES))).collect();
        shards.into_iter().filter_map(|shard| shard.join().ok()).fold(0.0, f64::max)
    });
    report(&format!("{cores} shards, nothing but this"), worst);
}
