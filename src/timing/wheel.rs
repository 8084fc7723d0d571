//! A hashed timing wheel (Varghese and Lauck, 1987): one ring of 1,024 slots, a lap number for
//! deadlines beyond one turn, and lazy cancellation: whoever owns a timer moves or cancels it by
//! no longer accepting its generation, and the old entry dies when it fires.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::Instant;

const SLOTS: usize = 1_024;
const SLOT_MASK: u64 = SLOTS as u64 - 1;
const SLOT_BITS: u32 = SLOTS.trailing_zeros();
const WORDS: usize = SLOTS / 64;
/// Emptied slots whose memory is kept for the next slot that fills.
const SPARE_MAX: usize = 4;

/// What is handed back when a deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timer {
    /// Whose deadline it is.
    pub key: u32,
    /// Which deadline of this key; the owner ignores all but its latest.
    pub generation: u32,
}

#[derive(Clone, Copy)]
struct Entry {
    timer: Timer,
    lap: u32,
}

/// Many coarse deadlines. A timer never fires early, and at most one resolution late, if
/// [`Wheel::advance`] is called when [`Wheel::next_deadline`] says so.
///
/// Insert and fire are O(1). A cancelled timer keeps its 12 bytes until its deadline.
pub struct Wheel {
    resolution: u64,
    /// Ticks up to this one are done; every entry in `slots` has a later tick.
    done: u64,
    slots: Vec<Vec<Entry>>,
    /// One bit a slot: whether it holds an entry.
    occupied: [u64; WORDS],
    /// Timers whose deadline has passed and that no `advance` has handed out yet.
    due: VecDeque<Timer>,
    spare: Vec<Vec<Entry>>,
    held: usize,
}

impl Wheel {
    /// A wheel that begins at `start`. `resolution` is clamped to at least one nanosecond.
    pub fn new(resolution: Duration, start: Instant) -> Self {
        let resolution = u64::try_from(resolution.as_nanos()).unwrap_or(u64::MAX).max(1);
        Self {
            resolution,
            done: start.0 / resolution,
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            occupied: [0; WORDS],
            due: VecDeque::new(),
            spare: Vec::new(),
            held: 0,
        }
    }

    /// Timers that have not been handed out, cancelled ones included.
    pub fn len(&self) -> usize {
        self.held + self.due.len()
    }

    /// Whether nothing is left to fire.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a timer; one whose deadline has passed is handed out by the next `advance`.
    pub fn insert(&mut self, deadline: Instant, timer: Timer) {
        let tick = deadline.0.div_ceil(self.resolution);
        if tick <= self.done {
            self.due.push_back(timer);
            return;
        }
        let slot = (tick & SLOT_MASK) as usize;
        // Beyond 4 billion turns a deadline is "never" for every purpose; it fires then.
        let lap = u32::try_from(tick >> SLOT_BITS).unwrap_or(u32::MAX);
        let entries = &mut self.slots[slot];
        if entries.is_empty() {
            self.occupied[slot / 64] |= 1 << (slot % 64);
            if entries.capacity() == 0 {
                *entries = self.spare.pop().unwrap_or_default();
            }
        }
        entries.push(Entry { timer, lap });
        self.held += 1;
    }

    /// Hands out at most `limit` timers whose deadline is not after `now`, by their slots, and in
    /// the order of their insertion within a slot. What is over the limit is handed out by the
    /// next call, and [`Wheel::next_deadline`] is at once until then.
    pub fn advance(&mut self, now: Instant, limit: usize, out: &mut Vec<Timer>) {
        let tick = now.0 / self.resolution;
        // A slot gives up at once what is due in any turn up to now: one turn visits everything.
        let turn_end = self.done + SLOTS as u64;
        while self.due.len() < limit && self.done < tick {
            match self.next_occupied() {
                Some(next) if next <= tick.min(turn_end) => {
                    self.done = next;
                    self.collect(next, tick);
                }
                _ => self.done = tick,
            }
        }
        let count = limit.min(self.due.len());
        out.extend(self.due.drain(..count));
    }

    /// Throws away the timers that `is_alive` denies, for owners that cancel more than they let
    /// fire. Visits every timer.
    pub fn retain(&mut self, mut is_alive: impl FnMut(Timer) -> bool) {
        self.due.retain(|timer| is_alive(*timer));
        self.held = 0;
        for (slot, entries) in self.slots.iter_mut().enumerate() {
            entries.retain(|entry| is_alive(entry.timer));
            if entries.is_empty() {
                *entries = Vec::new();
                self.occupied[slot / 64] &= !(1 << (slot % 64));
            }
            self.held += entries.len();
        }
    }

    /// When `advance` has something to hand out. A slot that holds only timers of later turns is
    /// named too, which costs a call in vain once a turn.
    pub fn next_deadline(&self) -> Option<Instant> {
        if !self.due.is_empty() {
            return Some(Instant(self.done.saturating_mul(self.resolution)));
        }
        self.next_occupied().map(|tick| Instant(tick.saturating_mul(self.resolution)))
    }

    /// The first tick after `done` whose slot holds something.
    fn next_occupied(&self) -> Option<u64> {
        if self.held == 0 {
            return None;
        }
        let first = ((self.done + 1) & SLOT_MASK) as usize;
        (0..=WORDS).find_map(|step| {
            let word = (first / 64 + step) % WORDS;
            let mut bits = self.occupied[word];
            if step == 0 {
                bits &= u64::MAX << (first % 64);
            }
            if bits == 0 {
                return None;
            }
            let slot = word * 64 + bits.trailing_zeros() as usize;
            Some(self.done + 1 + ((slot + SLOTS - first) % SLOTS) as u64)
        })
    }

    /// Moves what is due at `now_tick` out of the slot of `tick`.
    fn collect(&mut self, tick: u64, now_tick: u64) {
        let slot = (tick & SLOT_MASK) as usize;
        // The latest turn of this slot that is not after now.
        let lap = (now_tick - (now_tick.wrapping_sub(tick) & SLOT_MASK)) >> SLOT_BITS;
        let mut entries = std::mem::take(&mut self.slots[slot]);
        let before = entries.len();
        entries.retain(|entry| {
            let is_later = u64::from(entry.lap) > lap;
            if !is_later {
                self.due.push_back(entry.timer);
            }
            is_later
        });
        self.held -= before - entries.len();
        if !entries.is_empty() {
            self.slots[slot] = entries;
            return;
        }
        self.occupied[slot / 64] &= !(1 << (slot % 64));
        if self.spare.len() < SPARE_MAX && entries.capacity() > 0 {
            self.spare.push(entries);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use proptest::prelude::*;

    use super::*;

    const RESOLUTION: Duration = Duration::from_millis(100);
    const TURN_MS: u64 = 102_400;

    fn at(millis: u64) -> Instant {
        Instant(millis * 1_000_000)
    }

    fn timer(key: u32) -> Timer {
        Timer { key, generation: 0 }
    }

    fn keys(wheel: &mut Wheel, now: Instant) -> Vec<u32> {
        let mut out = Vec::new();
        wheel.advance(now, usize::MAX, &mut out);
        out.iter().map(|timer| timer.key).collect()
    }

    #[test]
    fn a_timer_fires_at_the_first_tick_that_is_not_before_its_deadline() {
        let mut wheel = Wheel::new(RESOLUTION, at(1_000));
        wheel.insert(at(1_250), timer(1));
        wheel.insert(at(1_300), timer(2));
        wheel.insert(at(1_301), timer(3));
        assert_eq!(wheel.next_deadline(), Some(at(1_300)));
        assert_eq!(keys(&mut wheel, at(1_299)), [0; 0]);
        assert_eq!(keys(&mut wheel, at(1_300)), [1, 2]);
        assert_eq!(wheel.next_deadline(), Some(at(1_400)));
        assert_eq!(keys(&mut wheel, at(9_999)), [3]);
        assert_eq!((wheel.next_deadline(), wheel.is_empty()), (None, true));
    }

    #[test]
    fn a_past_deadline_is_due_at_once() {
        let mut wheel = Wheel::new(RESOLUTION, at(5_000));
        wheel.insert(at(3), timer(1));
        assert!(wheel.next_deadline().is_some_and(|deadline| deadline <= at(5_000)));
        assert_eq!(keys(&mut wheel, at(5_000)), [1]);
    }

    #[test]
    fn a_deadline_beyond_one_turn_waits_for_its_lap() {
        let mut wheel = Wheel::new(RESOLUTION, at(0));
        wheel.insert(at(500), timer(0));
        wheel.insert(at(500 + TURN_MS), timer(1));
        wheel.insert(at(500 + 3 * TURN_MS), timer(3));
        assert_eq!(keys(&mut wheel, at(600)), [0]);
        assert_eq!(keys(&mut wheel, at(499 + TURN_MS)), [0; 0]);
        assert_eq!(keys(&mut wheel, at(500 + TURN_MS)), [1]);
        assert_eq!(keys(&mut wheel, at(500 + 2 * TURN_MS)), [0; 0]);
        assert_eq!(keys(&mut wheel, at(400 + 9 * TURN_MS)), [3]);
    }

    #[test]
    fn a_jump_of_many_turns_visits_each_slot_once() {
        let mut wheel = Wheel::new(RESOLUTION, at(0));
        for key in 0..100 {
            wheel.insert(Instant(u64::MAX / 2), timer(key));
        }
        assert_eq!(keys(&mut wheel, Instant(u64::MAX / 2 - 1_000_000_000)), [0; 0]);
        assert_eq!(keys(&mut wheel, Instant(u64::MAX / 2 + 100_000_000)).len(), 100);
    }

    #[test]
    fn what_is_over_the_limit_is_carried_over() {
        let mut wheel = Wheel::new(RESOLUTION, at(0));
        (0..10).for_each(|key| wheel.insert(at(100 + 100 * u64::from(key / 4)), timer(key)));
        let mut out = Vec::new();
        wheel.advance(at(1_000), 3, &mut out);
        assert!(wheel.next_deadline().is_some_and(|deadline| deadline <= at(1_000)));
        wheel.advance(at(1_000), 5, &mut out);
        wheel.advance(at(1_000), 5, &mut out);
        assert_eq!(out.iter().map(|timer| timer.key).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
        assert!(wheel.is_empty());
    }

    #[test]
    fn cancelled_timers_can_be_thrown_away() {
        let mut wheel = Wheel::new(RESOLUTION, at(0));
        (0..10).for_each(|key| wheel.insert(at(100 * u64::from(key / 2)), timer(key)));
        wheel.retain(|timer| timer.key % 4 == 3);
        assert_eq!((wheel.len(), wheel.next_deadline()), (2, Some(at(100))));
        assert_eq!(keys(&mut wheel, at(1_000)), [3, 7]);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u64),
        Advance(u64, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => prop_oneof![0..5_000_u64, 0..400_000_u64].prop_map(Step::Insert),
            1 => (prop_oneof![0..2_000_u64, 0..300_000_u64], prop_oneof![Just(usize::MAX), 1..4_usize])
                .prop_map(|(by, limit)| Step::Advance(by, limit)),
        ]
    }

    proptest! {
        #[test]
        fn fires_what_a_heap_fires(steps in proptest::collection::vec(step(), 1..120), start in 0..500_000_u64) {
            let mut now = start;
            let mut wheel = Wheel::new(RESOLUTION, at(start));
            let mut heap = BinaryHeap::new();
            for (key, step) in (0_u32..).zip(steps) {
                let (by, limit) = match step {
                    Step::Insert(wait) => {
                        wheel.insert(at(now + wait), timer(key));
                        heap.push(Reverse(((now + wait).div_ceil(100) * 100, key)));
                        continue;
                    }
                    Step::Advance(by, limit) => (by, limit),
                };
                now += by;
                let mut fired = Vec::new();
                wheel.advance(at(now), limit, &mut fired);
                prop_assert!(fired.len() <= limit);
                while wheel.next_deadline().is_some_and(|deadline| deadline <= at(now)) {
                    wheel.advance(at(now), limit, &mut fired);
                }
                let mut fired: Vec<u32> = fired.iter().map(|timer| timer.key).collect();
                let mut twin = Vec::new();
                while heap.peek().is_some_and(|Reverse((deadline, _))| *deadline <= now) {
                    twin.extend(heap.pop().map(|Reverse((_, key))| key));
                }
                fired.sort_unstable();
                twin.sort_unstable();
                prop_assert_eq!(fired, twin);
                prop_assert_eq!(wheel.len(), heap.len());
            }
        }
    }
}
