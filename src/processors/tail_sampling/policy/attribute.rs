//! Look-ups of one attribute in a trace: in the resource of each run of spans, then in each span,
//! read from the bytes of their messages, up to the first value that matches.

use std::ops::Range;

use super::{PolicyContext, TraceView, Verdict};
use crate::model::{AttributeView, Cursor, Field, Request, SpanView, ValueView};

/// Number of the attributes in a `Span`.
const SPAN_ATTRIBUTES: u32 = 9;

/// Where an attribute stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Resource,
    Span,
}

/// The key of an attribute, as bytes.
pub(super) struct AttributeKey(Box<[u8]>);

impl AttributeKey {
    pub(super) fn new(key: &str) -> Self {
        Self(key.as_bytes().into())
    }

    /// Whether the value under this key matches in some resource or some span.
    pub(super) fn matches(
        &self,
        trace: &TraceView<'_>,
        mut is_match: impl FnMut(Owner, ValueView<'_>) -> bool,
    ) -> bool {
        trace.parts().any(|(request, rows)| self.matches_in(request, rows, &mut is_match))
    }

    fn matches_in(
        &self,
        request: &Request,
        rows: Range<u32>,
        is_match: &mut impl FnMut(Owner, ValueView<'_>) -> bool,
    ) -> bool {
        let index = request.index();
        let mut seen = None;
        for row in rows {
            let resource = index.scopes[index.items.scope[row as usize] as usize].resource;
            if seen != Some(resource) {
                seen = Some(resource);
                if self.in_resource(request, row).is_some_and(|value| is_match(Owner::Resource, value)) {
                    return true;
                }
            }
            let span = index.item(row).of(request.body());
            if self.in_span(span).is_some_and(|value| is_match(Owner::Span, value)) {
                return true;
            }
        }
        false
    }

    fn in_resource<'a>(&self, request: &'a Request, row: u32) -> Option<ValueView<'a>> {
        let mut attributes = SpanView::new(request, row)?.resource().attributes();
        attributes.find(|attribute| *attribute.key == *self.0).map(|attribute| attribute.value)
    }

    /// The first value with this key in the message of a span.
    fn in_span<'a>(&self, span: &'a [u8]) -> Option<ValueView<'a>> {
        let mut cursor = Cursor::new(span);
        while let Some((number, field)) = cursor.next_field() {
            if let (SPAN_ATTRIBUTES, Field::Length(pair)) = (number, field)
                && let Some(value) = self.value_in(pair)
            {
                return Some(value);
            }
        }
        None
    }

    /// The value of a `KeyValue` that has this key.
    fn value_in<'a>(&self, pair: &'a [u8]) -> Option<ValueView<'a>> {
        if let Some((key, value)) = plain_pair(pair) {
            return (*key == *self.0).then(|| ValueView::decode(value));
        }
        let attribute = AttributeView::decode(pair);
        (*attribute.key == *self.0).then_some(attribute.value)
    }
}

/// Key and `AnyValue` of a `KeyValue` in the form that every SDK writes: the key, then the value,
/// each once. Other forms are read field by field.
fn plain_pair(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let [0x0a, length @ 0..0x80, rest @ ..] = pair else { return None };
    let (key, rest) = rest.split_at_checked(usize::from(*length))?;
    match rest {
        [0x12, length @ 0..0x80, value @ ..] if value.len() == usize::from(*length) => Some((key, value)),
        [0x12, low @ 0x80..=0xff, high @ 0..0x80, value @ ..]
            if value.len() == usize::from(*low & 0x7f) | usize::from(*high) << 7 =>
        {
            Some((key, value))
        }
        _ => None,
    }
}

/// What a match means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sense {
    /// Keep.
    Plain,
    /// Do not keep; keep what does not match.
    Inverted,
    /// As the Collector did once, and does with its gate `disableinvertdecisions` off: a match
    /// drops the trace whatever others keep.
    Vetoing,
}

impl Sense {
    pub(super) fn new(invert_match: bool, context: &PolicyContext) -> Self {
        match (invert_match, context.inverted_match_vetoes) {
            (false, _) => Self::Plain,
            (true, false) => Self::Inverted,
            (true, true) => Self::Vetoing,
        }
    }

    pub(super) fn verdict(self, is_match: bool) -> Verdict {
        match (self, is_match) {
            (Self::Plain, true) | (Self::Inverted, false) => Verdict::Sampled,
            (Self::Plain, false) | (Self::Inverted, true) => Verdict::NotSampled,
            (Self::Vetoing, true) => Verdict::InvertNotSampled,
            (Self::Vetoing, false) => Verdict::InvertSampled,
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
    use opentelemetry_proto::tonic::trace::v1::Span;
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    fn pair(key: &str, value: &str) -> KeyValue {
        let value = Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) });
        KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
    }

    proptest! {
        #[test]
        fn a_span_is_searched_as_its_decoded_attributes_are(
            pairs in prop::collection::vec(("[ab]{0,2}", "[xy]{0,3}", 0_usize..3), 0..5),
            key in "[ab]{0,2}",
        ) {
            // Values of a byte, of 128 bytes and more, and of 16,384 and more.
            let attributes = pairs.iter().map(|(key, value, size)| pair(key, &value.repeat([1, 100, 9_000][*size])));
            let span = Span { name: "n".to_owned(), attributes: attributes.collect(), ..Span::default() };
            let message = span.encode_to_vec();
            let naive = span.attributes.iter().find(|pair| pair.key == key).map(|pair| {
                let Some(Value::StringValue(text)) = pair.value.as_ref().and_then(|value| value.value.as_ref()) else {
                    panic!("{pair:?}")
                };
                ValueView::String(text.as_bytes())
            });
            prop_assert_eq!(AttributeKey::new(&key).in_span(&message), naive);
        }

        #[test]
        fn a_pair_in_any_form_is_read_as_the_model_reads_it(pair in prop::collection::vec(0_u8..24, 0..12)) {
            let attribute = AttributeView::decode(&pair);
            if let Ok(key) = std::str::from_utf8(attribute.key) {
                prop_assert_eq!(AttributeKey::new(key).value_in(&pair), Some(attribute.value));
            }
            if let Some((key, value)) = plain_pair(&pair) {
                prop_assert_eq!(key, attribute.key);
                prop_assert_eq!(ValueView::decode(value), attribute.value);
            }
        }
    }

    #[test]
    fn the_last_key_of_a_pair_counts_as_protobuf_merges() {
        let twice = [pair("a", "x").encode_to_vec(), pair("b", "y").encode_to_vec()].concat();
        assert_eq!(AttributeKey::new("a").value_in(&twice), None);
        assert_eq!(AttributeKey::new("b").value_in(&twice), Some(ValueView::String(b"y")));
    }
}
