//! `string_attribute`: keeps traces in which an attribute of a resource or a span is one of some
//! texts, or matches one of some regular expressions anywhere in it. As in the Collector a value
//! that is no text reads as an empty one; empty texts among `values` are passed over, and so is
//! an empty attribute of a span.

use std::collections::HashSet;

use super::attribute::{AttributeKey, Owner, Sense};
use super::regexp::CachedRegexps;
use super::{Ballot, Policy, PolicyContext, TraceView, Verdict};
use crate::config::Section;
use crate::model::{Now, ValueView};
use crate::ottl::pattern;

/// Results that are remembered when `cache_max_size` does not say.
const CACHE_SIZE: u64 = 128;

/// The keys of `string_attribute`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The attribute.
    pub key: String,
    /// Texts, or regular expressions.
    pub values: Vec<String>,
    /// Whether `values` are regular expressions.
    pub enabled_regex_matching: bool,
    /// Attribute values whose match is remembered.
    pub cache_max_size: u64,
    /// Keep what does not match.
    pub invert_match: bool,
}

pub(super) fn decode(section: &mut Section<'_>, policy: &str) -> Config {
    let config = Config {
        key: section.string("key", ""),
        values: section.strings("values").unwrap_or_default(),
        enabled_regex_matching: section.bool("enabled_regex_matching", false),
        cache_max_size: match u64::try_from(section.int("cache_max_size", 0)) {
            Ok(size @ 1..) => size,
            _ => CACHE_SIZE,
        },
        invert_match: section.bool("invert_match", false),
    };
    if config.enabled_regex_matching {
        for value in &config.values {
            if let Err(why) = pattern::compile(value) {
                section.error("values", format!("policy {policy:?}: {value:?} is no regular expression: {why}"));
            }
        }
    }
    config
}

enum Texts {
    Exact(HashSet<Box<[u8]>>),
    Regexps(CachedRegexps),
}

/// See the module.
pub struct StringAttribute {
    key: AttributeKey,
    texts: Texts,
    sense: Sense,
}

impl StringAttribute {
    /// Looks for the values of the config; what is no regular expression matches nothing.
    pub fn new(config: &Config, context: &PolicyContext) -> Self {
        let texts = if config.enabled_regex_matching {
            Texts::Regexps(CachedRegexps::new(&config.values, config.cache_max_size))
        } else {
            let values = config.values.iter().filter(|value| !value.is_empty());
            Texts::Exact(values.map(|value| value.as_bytes().into()).collect())
        };
        Self { key: AttributeKey::new(&config.key), texts, sense: Sense::new(config.invert_match, context) }
    }
}

impl Policy for StringAttribute {
    fn evaluate(&mut self, trace: &TraceView<'_>, _: &mut Ballot, _: Now) -> Verdict {
        let texts = &mut self.texts;
        let is_match = self.key.matches(trace, |owner, value| {
            let text: &[u8] = if let ValueView::String(text) = value { text } else { b"" };
            if text.is_empty() && owner == Owner::Span {
                return false;
            }
            match texts {
                Texts::Exact(texts) => texts.contains(text),
                Texts::Regexps(regexps) => regexps.matches(text),
            }
        });
        self.sense.verdict(is_match)
    }
}
