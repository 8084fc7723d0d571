//! `boolean_attribute`: keeps traces in which an attribute of a resource or a span is true or
//! false. As in the Collector a value that is no bool reads as false.

use super::attribute::{AttributeKey, Sense};
use super::{Ballot, Policy, PolicyContext, TraceView, Verdict};
use crate::config::Section;
use crate::model::{Now, ValueView};

/// The keys of `boolean_attribute`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The attribute.
    pub key: String,
    /// What it must be.
    pub value: bool,
    /// Keep what does not match.
    pub invert_match: bool,
}

pub(super) fn decode(section: &mut Section<'_>) -> Config {
    Config {
        key: section.string("key", ""),
        value: section.bool("value", false),
        invert_match: section.bool("invert_match", false),
    }
}

/// See the module.
pub struct BooleanAttribute {
    key: AttributeKey,
    value: bool,
    sense: Sense,
}

impl BooleanAttribute {
    /// Looks for the value of the config.
    pub fn new(config: &Config, context: &PolicyContext) -> Self {
        Self {
            key: AttributeKey::new(&config.key),
            value: config.value,
            sense: Sense::new(config.invert_match, context),
        }
    }
}

impl Policy for BooleanAttribute {
    fn evaluate(&mut self, trace: &TraceView<'_>, _: &mut Ballot, _: Now) -> Verdict {
        let wanted = self.value;
        self.sense.verdict(self.key.matches(trace, |_, value| (value == ValueView::Bool(true)) == wanted))
    }
}
