//! What a log record says of its own sampling, by attributes, and how a kept one says it
//! afterwards.

use super::config::{AttributeSource, Config};
use super::decision::{Carried, Decider, Decision, Item, Source};
use super::hash;
use crate::model::{AttributeView, Cursor, Field, TraceId, ValueView};
use crate::sampling::{Randomness, Threshold};
use crate::wire::ItemPatch;

const THRESHOLD: &str = "sampling.threshold";
const RANDOMNESS: &str = "sampling.randomness";

/// Numbers of the fields of a `LogRecord` that are read.
const ATTRIBUTES: u32 = 6;
const TRACE_ID: u32 = 9;

/// Decides on log records.
pub(super) struct Records {
    decider: Decider,
    seed: u32,
    hashes_trace_id: bool,
    from_attribute: String,
    priority: String,
    precision: u8,
    /// Text of the value that is hashed; reused.
    text: String,
}

/// What is read of a record; of attributes that stand twice the first one counts.
#[derive(Default)]
struct Facts<'a> {
    id: TraceId,
    threshold: Option<ValueView<'a>>,
    randomness: Option<ValueView<'a>>,
    source: Option<ValueView<'a>>,
    priority: Option<ValueView<'a>>,
}

impl Records {
    pub(super) fn new(decider: Decider, config: &Config) -> Self {
        Self {
            decider,
            seed: config.hash_seed,
            hashes_trace_id: config.attribute_source == AttributeSource::TraceId,
            from_attribute: config.from_attribute.clone(),
            priority: config.sampling_priority.clone(),
            precision: config.sampling_precision,
            text: String::new(),
        }
    }

    /// Decides on a record, given its message.
    pub(super) fn decide(&mut self, record: &[u8]) -> Decision {
        let facts = self.read(record);
        let has_id = !facts.id.is_empty();
        let item = Item {
            carried: carried(&facts),
            hashed: if self.decider.hashes() { self.hashed(&facts) } else { None },
            of_trace_id: has_id.then(|| Randomness::from_trace_id(facts.id)),
            priority: facts.priority.and_then(|value| self.priority(value)),
        };
        self.decider.decide(&item)
    }

    fn read<'a>(&self, record: &'a [u8]) -> Facts<'a> {
        let mut facts = Facts::default();
        let mut cursor = Cursor::new(record);
        while let Some((number, field)) = cursor.next_field() {
            match (number, field) {
                (ATTRIBUTES, Field::Length(message)) => {
                    let AttributeView { key, value } = AttributeView::decode(message);
                    let is = |name: &str| !name.is_empty() && name.as_bytes() == key;
                    for (name, place) in [
                        (THRESHOLD, &mut facts.threshold),
                        (RANDOMNESS, &mut facts.randomness),
                        (&self.from_attribute, &mut facts.source),
                        (&self.priority, &mut facts.priority),
                    ] {
                        if is(name) && place.is_none() {
                            *place = Some(value);
                        }
                    }
                }
                (TRACE_ID, Field::Length(id)) => facts.id = id.try_into().map(TraceId).unwrap_or_default(),
                _ => {}
            }
        }
        facts
    }

    fn hashed(&mut self, facts: &Facts<'_>) -> Option<(Randomness, Source)> {
        if self.hashes_trace_id && !facts.id.is_empty() {
            return Some((hash::randomness(self.seed, &facts.id.0), Source::TraceIdHash));
        }
        let value = facts.source?;
        let bytes = match value {
            ValueView::Bytes(bytes) | ValueView::String(bytes) => bytes,
            _ => {
                self.text.clear();
                put_text(&value, &mut self.text);
                self.text.as_bytes()
            }
        };
        (!bytes.is_empty()).then(|| (hash::randomness(self.seed, bytes), Source::Attribute))
    }

    /// A priority is a percentage; `None` for zero, one out of range and what is no number.
    fn priority(&self, value: ValueView<'_>) -> Option<Threshold> {
        let percentage = match value {
            ValueView::Double(double) => double,
            ValueView::Int(int) => int as f64,
            _ => return None,
        };
        Threshold::with_precision(percentage / 100.0, self.precision).ok()
    }
}

/// Sets what a kept record is to say.
pub(super) fn say(says: &Carried, patch: &mut ItemPatch) {
    if let Some(randomness) = says.randomness {
        patch.push_attribute(RANDOMNESS, ValueView::String(randomness.digits().as_bytes()));
    }
    if let Some(threshold) = says.threshold {
        patch.push_attribute(THRESHOLD, ValueView::String(threshold.digits().as_bytes()));
    }
}

/// Threshold and randomness of the attributes; `None` when one is malformed.
fn carried(facts: &Facts<'_>) -> Option<Carried> {
    let threshold = text(facts.threshold).map(Threshold::parse).transpose().ok()?;
    let randomness = text(facts.randomness).map(Randomness::parse).transpose().ok()?;
    Some(Carried { threshold, randomness })
}

/// The text of an attribute; what is no text, or empty, counts as absent.
fn text(value: Option<ValueView<'_>>) -> Option<&[u8]> {
    match value {
        Some(ValueView::String(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
}

/// The text of a value as the Collector writes it, numbers as in JSON. Arrays and maps have none.
fn put_text(value: &ValueView<'_>, out: &mut String) {
    use std::fmt::Write as _;
    // Writing to a string cannot fail.
    let _ = match value {
        ValueView::Bool(flag) => write!(out, "{flag}"),
        ValueView::Int(int) => write!(out, "{int}"),
        ValueView::Double(double) => put_double(*double, out),
        _ => Ok(()),
    };
}

/// The shortest digits that are read back, with an exponent below 1e-6 and from 1e21 on.
fn put_double(number: f64, out: &mut String) -> std::fmt::Result {
    use std::fmt::Write as _;
    let size = number.abs();
    if number.is_nan() {
        return out.write_str("json: unsupported value: NaN");
    }
    if number.is_infinite() {
        let sign = if number > 0.0 { '+' } else { '-' };
        return write!(out, "json: unsupported value: {sign}Inf");
    }
    if size >= 1e21 {
        let text = format!("{number:e}");
        return out.write_str(&text.replace('e', "e+"));
    }
    if size > 0.0 && size < 1e-6 {
        return write!(out, "{number:e}");
    }
    write!(out, "{number}")
}

#[cfg(test)]
mod tests {
    use super::super::config::Mode;
    use super::*;

    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, content.len() as u8], content].concat()
    }

    fn attribute(key: &str, value: &[u8]) -> Vec<u8> {
        field(6, &[field(1, key.as_bytes()), field(2, value)].concat())
    }

    fn text(key: &str, value: &str) -> Vec<u8> {
        attribute(key, &field(1, value.as_bytes()))
    }

    fn records(config: &Config) -> Records {
        Records::new(Decider::new(config), config)
    }

    fn proportional(sampling_percentage: f32) -> Config {
        Config { mode: Mode::Proportional, sampling_percentage, ..Config::default() }
    }

    fn th(text: &str) -> Option<Threshold> {
        Some(Threshold::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn attributes_carry_what_tracestate_carries_for_spans() {
        let record = [text("sampling.threshold", "8"), text("sampling.randomness", "ffffffffffffff")].concat();
        let decision = records(&proportional(50.0)).decide(&record);
        let says = Carried { threshold: th("c"), randomness: Some(Randomness::MAX) };
        assert_eq!((decision.source, decision.says), (Source::Explicit, Some(says)));
        let malformed = text("sampling.threshold", "no");
        assert!(!records(&proportional(100.0)).decide(&malformed).is_kept);
    }

    #[test]
    fn the_trace_id_is_the_source_and_the_attribute_stands_in_for_it() {
        let config = Config { sampling_percentage: 100.0, from_attribute: "unique".to_owned(), ..Config::default() };
        let both = [text("unique", "abc"), field(9, &[7; 16])].concat();
        let decision = records(&config).decide(&both);
        assert_eq!(decision.source, Source::TraceIdHash);
        assert_eq!(decision.says.unwrap().randomness, Some(hash::randomness(0, &[7; 16])));
        let decision = records(&config).decide(&text("unique", "abc"));
        assert_eq!(decision.source, Source::Attribute);
        assert_eq!(decision.says.unwrap().randomness, Some(hash::randomness(0, b"abc")));
        let by_record = Config { attribute_source: AttributeSource::Record, ..config };
        assert_eq!(records(&by_record).decide(&both).source, Source::Attribute);
        assert_eq!(records(&by_record).decide(&text("unique", "")).source, Source::Missing);
    }

    #[test]
    fn a_priority_is_a_percentage_and_zero_asks_for_nothing() {
        let config = Config { sampling_priority: "priority".to_owned(), ..proportional(0.0) };
        let with = |value: &[u8]| records(&config).decide(&[attribute("priority", value), field(9, &[9; 16])].concat());
        assert_eq!(with(&[0x18, 50]).says.unwrap().threshold, th("8"));
        assert_eq!(with(&[&[0x21][..], &25_f64.to_le_bytes()].concat()).says.unwrap().threshold, th("c"));
        assert!(!with(&[0x18, 0]).is_kept && !with(&[0x18, 101]).is_kept && !with(&field(1, b"50")).is_kept);
    }

    #[test]
    fn numbers_are_hashed_as_their_json_text() {
        for (value, expected) in [
            (ValueView::Bool(true), "true"),
            (ValueView::Int(-5), "-5"),
            (ValueView::Double(1.0), "1"),
            (ValueView::Double(0.1), "0.1"),
            (ValueView::Double(1e20), "100000000000000000000"),
            (ValueView::Double(1e21), "1e+21"),
            (ValueView::Double(-1.5e-7), "-1.5e-7"),
            (ValueView::Double(f64::NEG_INFINITY), "json: unsupported value: -Inf"),
            (ValueView::Empty, ""),
        ] {
            let mut text = String::new();
            put_text(&value, &mut text);
            assert_eq!(text, expected);
        }
    }
}
