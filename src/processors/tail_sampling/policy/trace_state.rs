//! `trace_state`: keeps traces in which the W3C `tracestate` of some span has one of some values
//! under a key. A tracestate that breaks W3C's grammar has no values, as in the Collector.

use std::collections::HashSet;

use super::{Ballot, Policy, TraceView, Verdict};
use crate::config::Section;
use crate::model::Now;
use crate::sampling::TraceState;

/// Key and value together are shorter than this, or the value is passed over.
const PAIR_BYTES: usize = 256;
/// Members of a tracestate, as W3C limits them.
const MEMBERS_MAX: usize = 32;

/// The keys of `trace_state`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The key in the tracestate.
    pub key: String,
    /// Values, exactly.
    pub values: Vec<String>,
}

pub(super) fn decode(section: &mut Section<'_>, policy: &str) -> Config {
    let config = Config { key: section.string("key", ""), values: section.strings("values").unwrap_or_default() };
    for value in config.values.iter().filter(|value| !counts(&config.key, value)) {
        let message = format!(
            "policy {policy:?}: {value:?} is passed over: no tracestate has an empty value, or key and value of 256 bytes"
        );
        section.warn("values", message);
    }
    config
}

fn counts(key: &str, value: &str) -> bool {
    !value.is_empty() && key.len() + value.len() < PAIR_BYTES
}

/// See the module.
pub struct TraceStateValue {
    key: String,
    values: HashSet<Box<[u8]>>,
}

impl TraceStateValue {
    /// Looks for the values of the config.
    pub fn new(config: &Config) -> Self {
        let values = config.values.iter().filter(|value| counts(&config.key, value));
        Self { key: config.key.clone(), values: values.map(|value| value.as_bytes().into()).collect() }
    }

    fn is_in(&self, state: &[u8]) -> bool {
        !state.is_empty() && value_of(state, self.key.as_bytes()).is_some_and(|value| self.values.contains(value))
    }
}

impl Policy for TraceStateValue {
    fn evaluate(&mut self, trace: &TraceView<'_>, _: &mut Ballot, _: Now) -> Verdict {
        Verdict::kept_if(trace.spans().any(|span| self.is_in(span.trace_state().as_bytes())))
    }
}

/// The value under a key; nothing where the text breaks the grammar, has too many members or one
/// key twice.
fn value_of<'a>(state: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let mut keys: [&[u8]; MEMBERS_MAX] = [b""; MEMBERS_MAX];
    let (mut count, mut found) = (0, None);
    for member in state.split(|byte| *byte == b',').filter(|member| !member.is_empty()) {
        let (name, value) = TraceState::member(member).ok()?;
        if count == MEMBERS_MAX || keys[..count].contains(&name) {
            return None;
        }
        keys[count] = name;
        count += 1;
        if name == key {
            found = Some(value);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_as_w3c_reads_them() {
        for (state, found) in [
            ("vendor=abc", Some("abc")),
            ("a=1, vendor=abc\t,b=2", Some("abc")),
            (" vendor=abc", Some("abc")),
            ("vendor= abc", Some(" abc")),
            ("other=abc", None),
            ("vendor=", None),
            ("vendor", None),
            ("vendor=abc,vendor=xyz", None),
            ("vendor=abc,=", None),
            ("vendor=abc,b=c=d", None),
            ("Vendor=abc", None),
            ("", None),
        ] {
            let value = value_of(state.as_bytes(), b"vendor").map(String::from_utf8_lossy);
            assert_eq!(value.as_deref(), found, "{state}");
        }
    }

    #[test]
    fn a_list_of_more_than_32_members_has_no_values() {
        let list = |count: u32| (0..count).map(|number| format!("k{number}=v")).collect::<Vec<_>>().join(",");
        assert!(value_of(list(32).as_bytes(), b"k31").is_some());
        assert_eq!(value_of(list(33).as_bytes(), b"k1"), None);
    }

    #[test]
    fn a_value_that_no_tracestate_can_have_is_passed_over() {
        let (key, values) = ("k".to_owned(), vec![String::new(), "v".repeat(254), "v".repeat(255)]);
        assert_eq!(TraceStateValue::new(&Config { key, values }).values.len(), 1);
    }
}
