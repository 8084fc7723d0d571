//! Makes one trace: an operation takes time of its own, and calls others.

use std::collections::HashMap;

use super::episodes::{EPISODES, Effect};
use super::topology::{Call, Shop};
use super::{Operation, Span, nanos, version};
use crate::random::Random;

const INTERNAL: i32 = 1;
const SERVER: i32 = 2;
const CLIENT: i32 = 3;
const PRODUCER: i32 = 4;
const CONSUMER: i32 = 5;
const MS: f64 = 1e6;
/// One way over the network, in milliseconds.
const NETWORK_MS: f64 = 0.3;
/// Chance that a span takes a few times as long for no reason that anybody will find, and how
/// heavy the tail of that is (Pareto).
const STRAGGLES: f64 = 0.01;
const TAIL: f64 = 1.6;

/// Makes traces of a shop.
pub(super) struct Maker<'a> {
    shop: &'a Shop,
    operations: Vec<Operation>,
    numbers: HashMap<Operation, u32>,
    next_span: u64,
    /// Of the trace that is being made.
    minute: f64,
    spans: Vec<Span>,
    touched: Vec<usize>,
}

/// How a call went.
struct Answer {
    end: f64,
    failed: bool,
}

impl<'a> Maker<'a> {
    pub(super) fn new(shop: &'a Shop) -> Self {
        Self {
            shop,
            operations: Vec::new(),
            numbers: HashMap::new(),
            next_span: 1,
            minute: 0.0,
            spans: Vec::new(),
            touched: Vec::new(),
        }
    }

    pub(super) fn operations(self) -> Vec<Operation> {
        self.operations
    }

    /// Spans of one trace, and the episodes that touched it.
    pub(super) fn make(&mut self, root: usize, minute: f64, random: &mut Random) -> (Vec<Span>, Vec<usize>) {
        self.minute = minute;
        self.touched.clear();
        self.serve(root, 0, SERVER, nanos(minute) as f64, random);
        self.touched.sort_unstable();
        self.touched.dedup();
        (std::mem::take(&mut self.spans), std::mem::take(&mut self.touched))
    }

    /// A batch job that does one small thing very often.
    pub(super) fn giant(&mut self, minute: f64, spans: usize) -> Vec<Span> {
        self.minute = minute;
        let start = nanos(minute) as f64;
        let root = self.open("scheduler", "migrate", 0, SERVER, start);
        for number in 1..spans {
            let at = start + number as f64 * MS;
            let span = self.open("orders", "migrate_row", root, INTERNAL, at);
            self.close(span, at + 0.8 * MS, false);
        }
        self.close(root, start + (spans + 1) as f64 * MS, false);
        std::mem::take(&mut self.spans)
    }

    fn open(&mut self, service: &str, name: &str, parent: u64, kind: i32, start: f64) -> u64 {
        let operation = Operation { service: service.to_owned(), name: name.to_owned() };
        let next = self.operations.len() as u32;
        let operation = *self.numbers.entry(operation).or_insert_with_key(|operation| {
            self.operations.push(operation.clone());
            next
        });
        let id = self.next_span;
        self.next_span += 1;
        let start = start as u64;
        let version = version(service, self.minute);
        self.spans.push(Span { id, parent, operation, start, end: start, kind, error: false, version });
        id
    }

    fn close(&mut self, id: u64, end: f64, failed: bool) {
        let first = self.spans[0].id;
        let span = &mut self.spans[(id - first) as usize];
        (span.end, span.error) = (end as u64, failed);
    }

    /// Effects on an operation in this minute, with the numbers of their episodes.
    fn effects(&self, place: usize) -> Vec<(usize, Effect)> {
        let node = &self.shop.nodes[place];
        let is_here = |at: &str| at.split_once('.') == Some((node.service, node.operation));
        let is_on = |episode: &super::episodes::Episode| {
            let lasts = matches!(episode.effect, Effect::Drifts(_));
            episode.from <= self.minute && (lasts || self.minute < episode.to) && is_here(episode.at)
        };
        let found = EPISODES.iter().enumerate().filter(|(_, episode)| is_on(episode));
        found.map(|(number, episode)| (number, episode.effect)).collect()
    }

    /// Its own time in nanoseconds.
    fn own_time(&mut self, place: usize, effects: &[(usize, Effect)], random: &mut Random) -> f64 {
        let node = &self.shop.nodes[place];
        let mut time = node.median_ms * (node.spread * random.normal()).exp() * MS;
        if random.chance(STRAGGLES) {
            time *= (1.0 - random.unit()).powf(-1.0 / TAIL).min(30.0);
        }
        for (number, effect) in effects {
            match effect {
                Effect::Slower(times) => time *= times,
                Effect::Delayed(ms) => time += ms * MS,
                Effect::Drifts(times) => {
                    let episode = &EPISODES[*number];
                    let part = ((self.minute - episode.from) / (episode.to - episode.from)).min(1.0);
                    time *= 1.0 + (times - 1.0) * part;
                }
                _ => continue,
            }
            self.touched.push(*number);
        }
        time
    }

    fn serve(&mut self, place: usize, parent: u64, kind: i32, start: f64, random: &mut Random) -> Answer {
        let shop = self.shop;
        let node = &shop.nodes[place];
        let effects = self.effects(place);
        let own = self.own_time(place, &effects, random);
        let span = self.open(node.service, node.operation, parent, kind, start);
        let (mut failed, mut fatal) = (false, false);
        for (number, effect) in &effects {
            let (Effect::Fails(chance) | Effect::FailsQuietly(chance)) = effect else { continue };
            if random.chance(*chance) {
                self.touched.push(*number);
                failed = true;
                fatal |= matches!(effect, Effect::Fails(_));
            }
        }
        let mut steps = node.steps.clone();
        for (number, effect) in &effects {
            let Effect::Calls(name) = effect else { continue };
            self.touched.push(*number);
            steps.push(vec![Call { to: shop.place(name), chance: 1.0, times: 1, by_message: false }]);
        }
        // What fails does so before it calls anybody.
        if failed {
            steps.clear();
        }
        let pause = own / (steps.len() + 1) as f64;
        let mut now = start + pause;
        for step in steps {
            let mut latest = now;
            for call in step {
                if !random.chance(call.chance) {
                    continue;
                }
                let answer = self.call(place, &call, span, now, random);
                latest = latest.max(answer.end);
                fatal |= answer.failed;
            }
            now = latest + pause;
            if fatal {
                break;
            }
        }
        self.close(span, now, failed || fatal);
        Answer { end: now, failed: fatal }
    }

    fn call(&mut self, from: usize, call: &Call, parent: u64, start: f64, random: &mut Random) -> Answer {
        let mut answer = Answer { end: start, failed: false };
        for _ in 0..call.times {
            answer = self.call_once(from, call, parent, answer.end, random);
            if answer.failed {
                break;
            }
        }
        answer
    }

    fn call_once(&mut self, from: usize, call: &Call, parent: u64, start: f64, random: &mut Random) -> Answer {
        let shop = self.shop;
        let (caller, node) = (&shop.nodes[from], &shop.nodes[call.to]);
        let name = format!("{}.{}", node.service, node.operation);
        if call.by_message {
            let sent = self.open(caller.service, &name, parent, PRODUCER, start);
            self.close(sent, start + 0.2 * MS, false);
            self.serve(call.to, sent, CONSUMER, start + 5.0 * MS, random);
            return Answer { end: start + 0.2 * MS, failed: false };
        }
        if caller.service == node.service {
            return self.serve(call.to, parent, INTERNAL, start, random);
        }
        let way = self.way(call.to, random);
        let client = self.open(caller.service, &name, parent, CLIENT, start);
        let answer = self.serve(call.to, client, SERVER, start + way, random);
        self.close(client, answer.end + way, answer.failed);
        Answer { end: answer.end + way, ..answer }
    }

    /// One way over the network to an operation, in nanoseconds.
    fn way(&mut self, to: usize, random: &mut Random) -> f64 {
        let mut way = NETWORK_MS * (0.4 * random.normal()).exp() * MS;
        for (number, effect) in self.effects(to) {
            if let Effect::Network(ms) = effect {
                way += ms / 2.0 * MS;
                self.touched.push(number);
            }
        }
        way
    }
}
