//! The decision on one item, span or log record: from its randomness and the threshold that came
//! with it to whether it is kept and what it says afterwards.

use super::config::{Config, Mode};
use super::hash;
use crate::sampling::{Randomness, Threshold};

/// Where an item's randomness is from; label `policy` of the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Nowhere.
    Missing,
    /// The hash of the trace id.
    TraceIdHash,
    /// The trace id itself.
    TraceIdW3c,
    /// `rv`.
    Explicit,
    /// It does not matter: the item's priority decides, or nothing is kept.
    Priority,
    /// The hash of `from_attribute`.
    Attribute,
}

impl Source {
    /// How many there are.
    pub(super) const COUNT: usize = 6;
}

/// What an item says of its sampling so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Carried {
    pub threshold: Option<Threshold>,
    pub randomness: Option<Randomness>,
}

/// What is known of one item.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    /// `None` when it is malformed.
    pub carried: Option<Carried>,
    /// The hash and what was hashed, for `hash_seed`.
    pub hashed: Option<(Randomness, Source)>,
    /// Randomness of a trace id that is there.
    pub of_trace_id: Option<Randomness>,
    /// What the item asks for itself, above everything.
    pub priority: Option<Threshold>,
}

/// What becomes of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub is_kept: bool,
    pub source: Source,
    /// What the kept item is to say; `None` to leave it as it is.
    pub says: Option<Carried>,
}

/// How items are decided: the checked and computed config.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decider {
    rule: Rule,
    fail_closed: bool,
}

#[derive(Clone, Copy, Debug)]
enum Rule {
    Never,
    HashSeed(Threshold),
    Equalizing(Threshold),
    Proportional { share: f64, precision: u8 },
}

impl Decider {
    pub(super) fn new(config: &Config) -> Self {
        let percentage = config.sampling_percentage.min(100.0);
        let share = (f64::from(percentage) / 100.0).max(Threshold::PROBABILITY_MIN);
        let precision = config.sampling_precision;
        let rule = match config.mode {
            _ if percentage <= 0.0 => Rule::Never,
            Mode::HashSeed => match hash::threshold(percentage) {
                Threshold::NEVER => Rule::Never,
                threshold => Rule::HashSeed(threshold),
            },
            Mode::Equalizing => {
                Rule::Equalizing(Threshold::with_precision(share, precision).unwrap_or(Threshold::ALWAYS))
            }
            Mode::Proportional => Rule::Proportional { share, precision },
        };
        Self { rule, fail_closed: config.fail_closed }
    }

    /// Whether [`Item::hashed`] is looked at.
    pub(super) fn hashes(&self) -> bool {
        matches!(self.rule, Rule::HashSeed(_))
    }

    /// Decides on one item.
    pub(super) fn decide(&self, item: &Item) -> Decision {
        let (found, mut carried) = self.randomness(item);
        let mut is_sound = carried.is_some();
        let (randomness, mut source) = found.unwrap_or((Randomness::MAX, Source::Missing));
        if found.is_none() {
            is_sound = false;
        } else if let Some(carried) = &mut carried
            && carried.threshold.is_some_and(|threshold| !threshold.keeps(randomness))
        {
            // The item should not be here: what it says of itself is not true.
            carried.threshold = None;
            is_sound = false;
        }
        let mut threshold = match (is_sound, self.fail_closed) {
            (true, _) => self.threshold(carried.and_then(|carried| carried.threshold)),
            (false, true) => Threshold::NEVER,
            (false, false) => Threshold::ALWAYS,
        };
        if let Some(priority) = item.priority {
            (threshold, source) = (priority, Source::Priority);
        }
        let is_kept = threshold.keeps(randomness);
        let says = carried.filter(|_| is_kept).map(|carried| Carried {
            // What was dropped before cannot come back: a threshold only rises.
            threshold: carried.threshold.max(Some(threshold)),
            ..carried
        });
        Decision { is_kept, source, says }
    }

    /// The randomness that counts with its source, and what the item may say on; the latter is
    /// `None` when it is to be left alone because something is wrong with it.
    fn randomness(&self, item: &Item) -> (Option<(Randomness, Source)>, Option<Carried>) {
        match self.rule {
            Rule::Never => (Some((Randomness::MAX, Source::Priority)), item.carried),
            Rule::HashSeed(_) => {
                // Who samples by threshold should not sample by hash: the items are left alone.
                let own = item.carried.filter(|carried| *carried == Carried::default());
                let says = own.map(|own| Carried { randomness: item.hashed.map(|(randomness, _)| randomness), ..own });
                (item.hashed, says)
            }
            Rule::Equalizing(_) | Rule::Proportional { .. } => {
                let explicit = item.carried.and_then(|carried| carried.randomness);
                let of_trace_id = item.of_trace_id.map(|randomness| (randomness, Source::TraceIdW3c));
                let found = explicit.map(|randomness| (randomness, Source::Explicit)).or(of_trace_id);
                (found.filter(|_| item.carried.is_some()), item.carried)
            }
        }
    }

    /// The threshold for an item that has passed another one.
    fn threshold(&self, arrived: Option<Threshold>) -> Threshold {
        match self.rule {
            Rule::Never => Threshold::NEVER,
            Rule::HashSeed(threshold) => threshold,
            Rule::Equalizing(threshold) => arrived.map_or(threshold, |arrived| arrived.max(threshold)),
            Rule::Proportional { share, precision } => {
                let before = arrived.map_or(1.0, Threshold::probability);
                Threshold::with_precision(before * share, precision).unwrap_or(Threshold::NEVER)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decider(mode: Mode, sampling_percentage: f32, fail_closed: bool) -> Decider {
        Decider::new(&Config { mode, sampling_percentage, fail_closed, ..Config::default() })
    }

    fn th(text: &str) -> Option<Threshold> {
        Some(Threshold::parse(text.as_bytes()).unwrap())
    }

    fn rv(text: &str) -> Option<Randomness> {
        Some(Randomness::parse(text.as_bytes()).unwrap())
    }

    fn item(threshold: Option<Threshold>, randomness: Option<Randomness>, of_trace_id: Option<Randomness>) -> Item {
        let hashed = of_trace_id.map(|randomness| (randomness, Source::TraceIdHash));
        Item { carried: Some(Carried { threshold, randomness }), hashed, of_trace_id, priority: None }
    }

    #[test]
    fn explicit_randomness_comes_before_the_trace_id() {
        let decider = decider(Mode::Proportional, 50.0, true);
        let decision = decider.decide(&item(th("0"), rv("9b8233f7e3a151"), rv("00000000000000")));
        let says = Carried { threshold: th("8"), randomness: rv("9b8233f7e3a151") };
        assert_eq!(decision, Decision { is_kept: true, source: Source::Explicit, says: Some(says) });
        let decision = decider.decide(&item(None, rv("7fffffffffffff"), rv("ffffffffffffff")));
        assert_eq!(decision, Decision { is_kept: false, source: Source::Explicit, says: None });
    }

    #[test]
    fn proportional_multiplies_and_equalizing_takes_the_smaller_share() {
        let says = |mode, arrived| {
            let decision = decider(mode, 25.0, true).decide(&item(th(arrived), None, rv("ffffffffffffff")));
            decision.says.unwrap().threshold
        };
        assert_eq!(says(Mode::Proportional, "8"), th("e"));
        assert_eq!(says(Mode::Equalizing, "8"), th("c"));
        assert_eq!(says(Mode::Equalizing, "f"), th("f"));
    }

    #[test]
    fn a_share_too_small_to_be_written_keeps_nothing() {
        let decider = decider(Mode::Proportional, 25.0, true);
        assert!(!decider.decide(&item(th("ffffffffffffff"), None, rv("ffffffffffffff"))).is_kept);
    }

    #[test]
    fn a_threshold_that_the_randomness_does_not_pass_is_an_error_and_is_cleared() {
        let wrong = item(th("c"), None, rv("80000000000000"));
        for mode in [Mode::Proportional, Mode::Equalizing] {
            assert!(!decider(mode, 100.0, true).decide(&wrong).is_kept);
            let open = decider(mode, 1.0, false).decide(&wrong);
            assert_eq!(open.says, Some(Carried { threshold: th("0"), randomness: None }));
        }
    }

    #[test]
    fn items_that_carry_thresholds_are_left_alone_by_the_hash() {
        for carrying in
            [item(th("8"), None, rv("ffffffffffffff")), item(None, rv("ffffffffffffff"), rv("ffffffffffffff"))]
        {
            assert!(!decider(Mode::HashSeed, 100.0, true).decide(&carrying).is_kept);
            let open = decider(Mode::HashSeed, 1.0, false).decide(&carrying);
            assert_eq!((open.is_kept, open.says), (true, None));
        }
        let fresh = decider(Mode::HashSeed, 50.0, true).decide(&item(None, None, rv("80000000000000")));
        assert_eq!(fresh.says, Some(Carried { threshold: th("8"), randomness: rv("80000000000000") }));
    }

    #[test]
    fn without_randomness_fail_closed_decides() {
        for mode in [Mode::HashSeed, Mode::Proportional, Mode::Equalizing] {
            for fail_closed in [true, false] {
                let decision = decider(mode, 50.0, fail_closed).decide(&item(None, None, None));
                assert_eq!((decision.is_kept, decision.source), (!fail_closed, Source::Missing));
                let malformed = Item { carried: None, ..item(None, None, rv("ffffffffffffff")) };
                let decision = decider(mode, 50.0, fail_closed).decide(&malformed);
                assert_eq!((decision.is_kept, decision.says), (!fail_closed, None));
            }
        }
    }

    #[test]
    fn priority_overrides_everything_but_raises_no_probability() {
        let with = |priority, carried| Item { priority, ..item(carried, None, rv("e0000000000000")) };
        for mode in [Mode::Proportional, Mode::Equalizing] {
            let kept = decider(mode, 0.0, true).decide(&with(Some(Threshold::ALWAYS), th("8")));
            assert_eq!((kept.source, kept.says.unwrap().threshold), (Source::Priority, th("8")));
            assert!(!decider(mode, 100.0, false).decide(&with(Some(Threshold::NEVER), None)).is_kept);
        }
        let fresh = decider(Mode::Proportional, 1.0, true).decide(&with(Some(Threshold::ALWAYS), None));
        assert_eq!(fresh.says.unwrap().threshold, th("0"));
    }

    #[test]
    fn nothing_is_kept_at_0_percent() {
        for mode in [Mode::HashSeed, Mode::Proportional, Mode::Equalizing] {
            let decision = decider(mode, 0.0, true).decide(&item(None, None, rv("ffffffffffffff")));
            assert_eq!((decision.is_kept, decision.source), (false, Source::Priority));
        }
    }
}
