//! `numeric_attribute`: keeps traces in which an attribute of a resource or a span is a number
//! within bounds. As in the Collector a value that is no integer reads as 0, and a bound of 0
//! counts as not set; without any bound nothing is kept.

use super::attribute::{AttributeKey, Sense};
use super::{Ballot, Policy, PolicyContext, TraceView, Verdict};
use crate::config::Section;
use crate::model::{Now, ValueView};

/// The keys of `numeric_attribute`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The attribute.
    pub key: String,
    /// Inclusive; 0 for none.
    pub min_value: i64,
    /// Inclusive; 0 for none.
    pub max_value: i64,
    /// Keep what does not match.
    pub invert_match: bool,
}

pub(super) fn decode(section: &mut Section<'_>, policy: &str) -> Config {
    let config = Config {
        key: section.string("key", ""),
        min_value: section.int("min_value", 0),
        max_value: section.int("max_value", 0),
        invert_match: section.bool("invert_match", false),
    };
    if config.min_value == 0 && config.max_value == 0 {
        section.warn(
            "",
            format!(
                "policy {policy:?} has no bound and keeps nothing: 0 counts as not set; write min_value or max_value"
            ),
        );
        return config;
    }
    for (key, value, instead) in [("min_value", config.min_value, "lower"), ("max_value", config.max_value, "upper")] {
        if value == 0 && section.is_given(key) {
            let message =
                format!("policy {policy:?}: 0 counts as not set, as in the Collector: there is no {instead} bound");
            section.warn(key, message);
        }
    }
    config
}

/// See the module.
pub struct NumericAttribute {
    key: AttributeKey,
    bounds: Option<(i64, i64)>,
    sense: Sense,
}

impl NumericAttribute {
    /// Keeps by the bounds of the config.
    pub fn new(config: &Config, context: &PolicyContext) -> Self {
        let set = |bound: i64, unset: i64| if bound == 0 { unset } else { bound };
        let has_bound = config.min_value != 0 || config.max_value != 0;
        Self {
            key: AttributeKey::new(&config.key),
            bounds: has_bound.then(|| (set(config.min_value, i64::MIN), set(config.max_value, i64::MAX))),
            sense: Sense::new(config.invert_match, context),
        }
    }
}

impl Policy for NumericAttribute {
    fn evaluate(&mut self, trace: &TraceView<'_>, _: &mut Ballot, _: Now) -> Verdict {
        let Some((low, high)) = self.bounds else { return Verdict::NotSampled };
        let is_match = self.key.matches(trace, |_, value| {
            let number = if let ValueView::Int(number) = value { number } else { 0 };
            (low..=high).contains(&number)
        });
        self.sense.verdict(is_match)
    }
}
