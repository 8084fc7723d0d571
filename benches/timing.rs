//! The timing wheel beside a binary heap and tokio's `DelayQueue`: 1 M timers of 2 to 32 s.
//! Prints nanoseconds for an insert and for a timer that fires.
//!
//! `cargo bench --bench timing`

#![expect(clippy::print_stdout, reason = "a benchmark prints its numbers")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;
use std::time::Duration;

use tailwater::model::Instant;
use tailwater::pipeline::{Clock, SystemClock};
use tailwater::timing::{Timer, Wheel};
use tokio_util::time::DelayQueue;

const TIMERS: u32 = 1_000_000;
const STEP: Duration = Duration::from_millis(100);
const STEPS: u32 = 321;

/// Deadlines in milliseconds, evenly spread by a fixed generator.
fn deadlines() -> Vec<u64> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        2_000 + state % 30_000
    };
    std::iter::repeat_with(next).take(TIMERS as usize).collect()
}

/// Nanoseconds that `work` took, for each timer.
fn per_timer(clock: &SystemClock, work: impl FnOnce()) -> f64 {
    let start = clock.now().mono;
    work();
    clock.now().mono.since(start).as_nanos() as f64 / f64::from(TIMERS)
}

fn report(name: &str, insert: f64, fire: f64) {
    println!("{name:<24}{insert:>10.0} ns/insert{fire:>10.0} ns/fire");
}

fn wheel(clock: &SystemClock, deadlines: &[u64], limit: usize) -> (f64, f64) {
    let mut wheel = Wheel::new(STEP, Instant(0));
    let insert = per_timer(clock, || {
        for (key, millis) in (0..).zip(deadlines) {
            wheel.insert(Instant(millis * 1_000_000), Timer { key, generation: 0 });
        }
    });
    let (mut out, mut fired) = (Vec::new(), 0);
    let fire = per_timer(clock, || {
        for step in 1..=STEPS {
            let now = Instant::default() + STEP * step;
            while wheel.next_deadline().is_some_and(|deadline| deadline <= now) {
                wheel.advance(now, limit, &mut out);
                fired += out.len();
                black_box(&out);
                out.clear();
            }
        }
    });
    assert_eq!(fired, TIMERS as usize);
    (insert, fire)
}

fn heap(clock: &SystemClock, deadlines: &[u64]) -> (f64, f64) {
    let mut heap = BinaryHeap::new();
    let insert = per_timer(clock, || {
        for (key, millis) in (0_u32..).zip(deadlines) {
            heap.push(Reverse((millis * 1_000_000, key)));
        }
    });
    let fire = per_timer(clock, || {
        for step in 1..=STEPS {
            let now = (Instant::default() + STEP * step).0;
            while heap.peek().is_some_and(|Reverse((deadline, _))| *deadline <= now) {
                black_box(heap.pop());
            }
        }
    });
    assert!(heap.is_empty());
    (insert, fire)
}

async fn delay_queue(deadlines: &[u64]) -> (f64, f64) {
    let mut queue = DelayQueue::with_capacity(deadlines.len());
    let insert = per_timer_wall(|| {
        for (key, millis) in (0_u32..).zip(deadlines) {
            queue.insert(key, Duration::from_millis(*millis));
        }
    });
    tokio::time::advance(STEP * STEPS).await;
    let mut fired = 0_u32;
    let started = wall();
    while fired < TIMERS {
        let expired = std::future::poll_fn(|context| queue.poll_expired(context)).await;
        fired += u32::from(black_box(expired).is_some());
    }
    (insert, (wall() - started) / f64::from(TIMERS))
}

/// Wall nanoseconds: tokio's own clock stands still while the queue is measured.
fn wall() -> f64 {
    SystemClock::new().now().wall.0 as f64
}

fn per_timer_wall(work: impl FnOnce()) -> f64 {
    let start = wall();
    work();
    (wall() - start) / f64::from(TIMERS)
}

fn main() {
    let clock = SystemClock::new();
    let deadlines = deadlines();
    println!("{TIMERS} timers, 2 to 32 s, fired by steps of 100 ms");
    let (insert, fire) = wheel(&clock, &deadlines, usize::MAX);
    report("wheel", insert, fire);
    let (insert, fire) = wheel(&clock, &deadlines, 5_000);
    report("wheel, 5000 a call", insert, fire);
    let (insert, fire) = heap(&clock, &deadlines);
    report("BinaryHeap", insert, fire);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    match runtime {
        Ok(runtime) => {
            let (insert, fire) = runtime.block_on(delay_queue(&deadlines));
            report("tokio-util DelayQueue", insert, fire);
        }
        Err(error) => println!("no runtime for DelayQueue: {error}"),
    }
}
