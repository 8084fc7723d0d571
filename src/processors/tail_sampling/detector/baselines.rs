//! What all shards of a process know together: names, references, counts of shapes. Behind one
//! lock, which a shard takes at its tick of a second, for a new name, and when it is asked for a
//! display; never for a trace.
//!
//! The protocol, in [`Baselines::exchange`]:
//! 1. At each tick a shard adds the windows of its cold operations, and how often it saw each
//!    shape, error and new operation since its last tick; it takes what others added.
//! 2. At the first tick behind a boundary of the wall clock it adds all its windows.
//! 3. When every shard has, or a grace of five seconds is over, windows become references. What
//!    comes later counts for the next window. Windows that nobody saw are no windows: after a
//!    jump of the clock by many there is one rotation, and an idle night decays nothing.
//! 4. At its next tick each shard takes the new thresholds. With one shard all of this happens
//!    in one call: it knows what it would know without sharing.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::baseline::{Baseline, Quantiles};
use super::interner::{Interner, key_of};
use super::novelty::{Novelties, SharedNovelties};
use super::operations::Operations;
use super::options::Options;
use super::registry::{Registered, Registry, TRACE_KIND};
use super::versions;
use crate::model::{Operation, UnixNanos};

/// Nanoseconds after a boundary for which shards are waited for.
const GRACE: u64 = 5_000_000_000;

/// Shared by the shards of a sampler; see the module.
#[derive(Debug)]
pub struct Baselines {
    options: Options,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) registry: Registry,
    pub(super) baselines: Vec<Baseline>,
    pub(super) novelties: SharedNovelties,
    /// Windows by shard that are complete: the number of the running one.
    shards: Vec<Option<u64>>,
    /// Number of the running window; nothing before the first tick.
    window: Option<u64>,
    /// Rotations so far.
    pub(super) generation: u32,
    /// Thresholds that came within a window so far.
    early: u64,
}

/// What a shard brings to an exchange.
pub(super) struct Shard<'a> {
    pub(super) member: &'a mut Member,
    pub(super) operations: &'a mut Operations,
    pub(super) novelties: &'a mut Novelties,
    pub(super) interner: &'a mut Interner,
    pub(super) versions: &'a mut [versions::Window],
}

/// A shard's place among the shards.
pub(super) struct Member {
    place: usize,
    generation: u32,
    early: u64,
    removals: u64,
    window: Option<u64>,
}

/// What became of traces of one shape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShapeCounts {
    /// The shape's number.
    pub shape: u64,
    /// Number of the root's operation.
    pub root_op: u32,
    /// Traces kept since it was first seen.
    pub kept: u64,
    /// Traces dropped since it was first seen.
    pub dropped: u64,
}

impl Baselines {
    /// Nothing is known, for so many shards.
    pub fn new(options: Options, shards: usize) -> Self {
        let registry = Registry::new(options.operations_max(shards));
        let baselines = registry.entries().iter().map(|_| Baseline::new(&options)).collect();
        let novelties = SharedNovelties::new(options.novelties_max);
        let state = State { registry, baselines, novelties, shards: Vec::new(), window: None, generation: 0, early: 0 };
        Self { options, state: Mutex::new(state) }
    }

    /// What was chosen.
    pub fn options(&self) -> &Options {
        &self.options
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A shard begins.
    pub(super) fn join(&self) -> Member {
        let mut state = self.state();
        let window = state.window;
        let place = match state.shards.iter().position(Option::is_none) {
            Some(place) => place,
            None => {
                state.shards.push(None);
                state.shards.len() - 1
            }
        };
        state.shards[place] = Some(window.unwrap_or(0));
        // Whatever is there is to be taken at the first exchange.
        Member { place, generation: u32::MAX, early: u64::MAX, removals: u64::MAX, window }
    }

    /// A shard ends: nobody waits for its windows any more.
    pub(super) fn leave(&self, member: &Member) {
        self.state().shards[member.place] = None;
    }

    /// The number of a service.
    pub(super) fn service(&self, name: &str) -> u32 {
        self.state().registry.service(name, &self.options)
    }

    /// The number of an operation; `operations` learns of every number that is new to it.
    pub(super) fn operation(&self, service: u32, name: &str, kind: u8, operations: &mut Operations) -> Registered {
        let mut state = self.state();
        let seen = state.generation;
        let registered = state.registry.operation(service, name, kind, seen, &self.options);
        state.adopt_new(operations, &self.options);
        state.adopt_again(operations, registered.number, &self.options);
        registered
    }

    /// Quantiles of an operation's self time; none while nothing is known.
    pub fn quantiles(&self, op: u32) -> Option<Quantiles> {
        self.state().baselines.get(op as usize)?.quantiles(&self.options)
    }

    /// The same under the version of the service before the one that runs now, if it changed.
    pub fn previous_quantiles(&self, op: u32) -> Option<Quantiles> {
        self.state().baselines.get(op as usize)?.previous()
    }

    /// How often traces of each known shape were kept and dropped, as of the last ticks; at most
    /// `novelties_max`, in no order.
    pub fn shapes(&self) -> Vec<ShapeCounts> {
        let state = self.state();
        let seen = state.novelties.table.iter().filter(|(_, known)| known.kept + known.dropped > 0);
        seen.map(|(shape, known)| ShapeCounts { shape, root_op: known.root, kept: known.kept, dropped: known.dropped })
            .collect()
    }

    /// An operation by its number.
    pub fn operation_of(&self, op: u32) -> Option<std::sync::Arc<Operation>> {
        self.state().registry.entries().get(op as usize).map(|entry| entry.operation.clone())
    }

    /// Operations that are known, those for what found no room included.
    pub fn operation_count(&self) -> usize {
        let state = self.state();
        (0..state.registry.entries().len() as u32).filter(|number| state.registry.is_live(*number)).count()
    }

    /// A shard's tick; see the module.
    pub(super) fn exchange(&self, shard: Shard<'_>, now: UnixNanos, is_last: bool) {
        let mut state = self.state();
        let window = self.options.window_of(now.0);
        let is_complete = is_last || shard.member.window.is_some_and(|known| known != window);
        state.take_windows(shard.operations, !is_complete, &self.options);
        if is_complete {
            state.take_versions(shard.versions);
        }
        shard.member.window = Some(window);
        state.shards[shard.member.place] = Some(window);
        let has_others = state.shards.iter().flatten().count() > 1;
        shard.novelties.exchange(&mut state.novelties, has_others, now);
        state.rotate_if_due(window, now, &self.options);
        state.publish(shard, &self.options);
    }
}

impl State {
    /// Adds a shard's windows, of cold operations or of all.
    fn take_windows(&mut self, operations: &mut Operations, only_cold: bool, options: &Options) {
        let Self { registry, baselines, early, generation, .. } = self;
        operations.hand_over(only_cold, |op, serial, exceeded, move_counts| {
            let (Some(entry), Some(baseline)) = (registry.entries().get(op as usize), baselines.get_mut(op as usize))
            else {
                return;
            };
            if entry.serial != serial {
                // The number was given to another operation meanwhile.
                move_counts(&mut crate::sketch::Counts::default());
                return;
            }
            baseline.add(|counts| move_counts(counts), exceeded);
            if baseline.take_early(options) {
                *early += 1;
            }
            registry.mark(op, *generation);
        });
    }

    /// Something changed outside a rotation: shards take everything at their next tick.
    pub(super) fn touch(&mut self) {
        self.early += 1;
    }

    fn take_versions(&mut self, windows: &mut [versions::Window]) {
        for (number, window) in (0..).zip(windows) {
            match self.registry.service_mut(number) {
                Some(service) => service.versions.merge(window),
                None => *window = versions::Window::default(),
            }
        }
    }

    /// Ends the running window when every shard is beyond it. A clock that runs back begins a
    /// window without ending one.
    fn rotate_if_due(&mut self, window: u64, now: UnixNanos, options: &Options) {
        let running = *self.window.get_or_insert(window);
        if window < running {
            self.window = Some(window);
            return;
        }
        let nanos = (options.window.as_nanos() as u64).max(1);
        let is_over = now.0 - window.saturating_mul(nanos).min(now.0) >= GRACE;
        let all_beyond = self.shards.iter().flatten().all(|shard| *shard > running);
        if window == running || !(all_beyond || is_over) {
            return;
        }
        self.window = Some(window);
        self.generation = self.generation.wrapping_add(1);
        self.restart_services(options);
        let second = |window: u64| u32::try_from(window.saturating_mul(nanos) / 1_000_000_000).unwrap_or(u32::MAX);
        let (start, end) = (second(running), second(running + 1));
        for baseline in &mut self.baselines {
            baseline.rotate(start, end, options);
        }
        for number in self.registry.retire(self.generation, options) {
            self.baselines[number as usize] = Baseline::new(options);
        }
    }

    /// Services whose version has changed learn anew.
    fn restart_services(&mut self, options: &Options) {
        let count = self.registry.services().map(|(number, _)| number).max().unwrap_or(0);
        let changed: Vec<bool> = (0..=count)
            .map(|number| self.registry.service_mut(number).is_some_and(|service| service.versions.rotate()))
            .collect();
        for (entry, baseline) in self.registry.entries().iter().zip(&mut self.baselines) {
            if changed.get(entry.service as usize).copied().unwrap_or(false) {
                baseline.restart(options);
            }
        }
    }

    /// Gives a shard what changed since it last took something.
    fn publish(&mut self, shard: Shard<'_>, options: &Options) {
        let Shard { member, operations, interner, .. } = shard;
        self.adopt_new(operations, options);
        if member.removals != self.registry.removals() {
            member.removals = self.registry.removals();
            interner.rebuild(&self.registry);
            (0..self.registry.entries().len() as u32).for_each(|op| self.adopt_again(operations, op, options));
        }
        if (member.generation, member.early) == (self.generation, self.early) {
            return;
        }
        if member.generation != self.generation {
            interner.forget_full();
            operations.rejuvenate();
        }
        (member.generation, member.early) = (self.generation, self.early);
        for op in 0..self.baselines.len() as u32 {
            self.publish_one(operations, op, options);
        }
    }

    fn publish_one(&self, operations: &mut Operations, op: u32, options: &Options) {
        let baseline = &self.baselines[op as usize];
        let mut published = baseline.published(options);
        if self.registry.entries()[op as usize].operation.kind == TRACE_KIND {
            // Of whole traces the median is wanted, and nothing is cut from it.
            published.threshold = baseline.median();
            published.clips = false;
        }
        operations.publish(op, &published);
    }

    /// Brings operations that are new to a shard.
    fn adopt_new(&mut self, operations: &mut Operations, options: &Options) {
        let known = operations.len();
        for op in known..self.registry.entries().len() {
            if self.baselines.len() <= op {
                self.baselines.push(Baseline::new(options));
            }
            let entry = &self.registry.entries()[op];
            operations.adopt(op as u32, entry, key_of(&entry.operation));
            self.publish_one(operations, op as u32, options);
        }
    }

    /// Brings an operation whose number stood for another one.
    fn adopt_again(&self, operations: &mut Operations, op: u32, options: &Options) {
        let entry = &self.registry.entries()[op as usize];
        if operations.known(op).is_some_and(|known| known.serial != entry.serial) {
            operations.adopt(op, entry, key_of(&entry.operation));
            self.publish_one(operations, op, options);
        }
    }
}
