//! Stream S5: six hours of a shop that does not exist, with faults whose traces are known.
//! Seeded: the same traces every time.

mod episodes;
mod topology;
mod trace;

use episodes::{DEPLOYS, EPISODES, Effect, GIANTS, SPIKE};
use topology::Shop;

use super::{Fault, Label, Operation, Span, Stream, Trace};
use crate::random::Random;

const MINUTES: f64 = 360.0;
/// 2026-01-05 00:00 UTC in nanoseconds.
const START: u64 = 1_767_571_200_000_000_000;
const MINUTE: f64 = 6e10;
/// Traces an hour of day, before the spike.
const TRACES_PER_MINUTE: f64 = 100.0;
const GIANT_SPANS: usize = 20_000;

/// Share of the traffic by root operation.
const ROOTS: [(&str, f64); 9] = [
    ("web.home", 30.0),
    ("web.product", 24.0),
    ("web.search", 14.0),
    ("web.cart", 10.0),
    ("api.orders", 7.0),
    ("api.health", 6.0),
    ("web.checkout", 5.0),
    ("api.order", 3.0),
    ("web.login", 1.0),
];
/// Root operations that start once in so many minutes.
const TIMED: [(&str, f64); 2] = [("scheduler.report", 1.0), ("scheduler.reprice", 5.0)];

/// Makes the stream.
pub(crate) fn generate() -> Stream {
    let shop = Shop::read();
    let mut random = Random::new(0x5e_ed05);
    let mut maker = trace::Maker::new(&shop);
    let mut traces: Vec<Trace> = Vec::new();
    let mut novel = [0_usize; EPISODES.len()];
    for (minute, root) in arrivals(&shop, &mut random) {
        let (spans, touched) = maker.make(root, minute, &mut random);
        traces.push(Trace { spans, label: label(minute, &touched, &mut novel) });
    }
    traces.extend(GIANTS.map(|minute| Trace { spans: maker.giant(minute, GIANT_SPANS), label: Label::Normal }));
    traces.sort_by_key(|trace| (trace.end(), trace.root().id));
    let faults = EPISODES.map(|episode| Fault {
        inject: nanos(episode.from),
        service: episode.at.split('.').next().unwrap_or("").to_owned(),
        kind: episode.kind.to_owned(),
    });
    Stream { name: "S5", operations: maker.operations(), faults: faults.into(), traces }
}

/// Nanoseconds since the epoch of a minute of the stream.
fn nanos(minute: f64) -> u64 {
    START + (minute * MINUTE) as u64
}

/// When traces start, and with which operation; in order.
fn arrivals(shop: &Shop, random: &mut Random) -> Vec<(f64, usize)> {
    let mut found = Vec::new();
    let all: f64 = ROOTS.iter().map(|root| root.1).sum();
    let mut minute = 0.0;
    while minute < MINUTES {
        let in_spike = (SPIKE.0..SPIKE.1).contains(&minute);
        // A slow wave, as a day has one.
        let wave = 1.0 + 0.3 * (minute / MINUTES * std::f64::consts::TAU).sin();
        let rate = TRACES_PER_MINUTE * wave * if in_spike { 10.0 } else { 1.0 };
        minute -= (1.0 - random.unit()).ln() / rate;
        let mut place = random.unit() * all;
        let root = ROOTS.iter().find(|root| {
            place -= root.1;
            place < 0.0
        });
        found.push((minute, shop.place(root.map_or("web.home", |root| root.0))));
    }
    for (root, every) in TIMED {
        let times = (MINUTES / every) as usize;
        found.extend((0..times).map(|time| (time as f64 * every + 0.5, shop.place(root))));
    }
    found.sort_by(|left, right| left.0.total_cmp(&right.0));
    found
}

/// The label of a trace that was touched by these episodes.
fn label(minute: f64, touched: &[usize], novel: &mut [usize]) -> Label {
    let mut label = Label::Normal;
    for place in touched {
        let episode = &EPISODES[*place];
        if matches!(episode.effect, Effect::Drifts(_)) {
            let settles = minute < episode.to + episodes::SETTLES;
            if settles && label == Label::Normal {
                label = Label::LeftOut;
            }
        } else if novel[*place] < episode.novel_for {
            novel[*place] += 1;
            label = Label::Affected(*place as u32);
        }
    }
    label
}

/// Deploys of the service until this minute.
fn version(service: &str, minute: f64) -> u32 {
    DEPLOYS.iter().filter(|deploy| deploy.1 == service && deploy.0 <= minute).count() as u32
}
