//! What a condition is evaluated on, and how its fields are read from the wire: nothing is decoded
//! that the condition does not name.

use std::borrow::Cow;

use super::path::{EventField, Field, ResourceField, ScopeField, SpanField};
use super::value::{Map, Value};
use super::{EvalError, trace_state};
use crate::model::{AttributeView, Attributes, Cursor, Field as Wire, ResourceView, ScopeView, SpanView, ValueView};

const SPAN_EVENTS: u32 = 11;

/// What a condition is evaluated on. It must be of the context that the condition was parsed for:
/// a path that the target lacks is nil.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// A span, with its scope and resource.
    Span(SpanView<'a>),
    /// An event of a span.
    SpanEvent(SpanView<'a>, EventView<'a>),
    /// A resource.
    Resource(ResourceView<'a>),
    /// A scope and its resource.
    Scope(ScopeView<'a>, ResourceView<'a>),
}

/// One event of a span.
#[derive(Clone, Copy, Debug)]
pub struct EventView<'a> {
    message: &'a [u8],
    index: u32,
}

impl<'a> EventView<'a> {
    /// The events of a span, in their order.
    pub fn of(span: &SpanView<'a>) -> impl Iterator<Item = Self> + use<'a> {
        messages(span.bytes(), SPAN_EVENTS).zip(0..).map(|(message, index)| Self { message, index })
    }
}

impl<'a> Target<'a> {
    fn span(&self) -> Option<&SpanView<'a>> {
        match self {
            Self::Span(span) | Self::SpanEvent(span, _) => Some(span),
            Self::Resource(_) | Self::Scope(..) => None,
        }
    }

    fn scope(&self) -> Option<ScopeView<'a>> {
        match self {
            Self::Scope(scope, _) => Some(*scope),
            _ => self.span().map(SpanView::scope),
        }
    }

    fn resource(&self) -> Option<ResourceView<'a>> {
        match self {
            Self::Resource(resource) | Self::Scope(_, resource) => Some(*resource),
            _ => self.span().map(SpanView::resource),
        }
    }

    fn event(&self) -> Option<&EventView<'a>> {
        match self {
            Self::SpanEvent(_, event) => Some(event),
            _ => None,
        }
    }

    /// The value of a field.
    pub(super) fn read(&self, field: Field) -> Value<'a> {
        let value = match field {
            Field::Span(field) => self.span().map(|span| of_span(span, field)),
            Field::Event(field) => self.event().map(|event| of_event(event, field)),
            Field::Scope(field) => self.scope().map(|scope| of_scope(&scope, field)),
            Field::Resource(field) => self.resource().map(|resource| of_resource(&resource, field)),
            Field::Cache => Some(Value::Map(Map::Owned(Vec::new()))),
        };
        value.unwrap_or(Value::Nil)
    }

    /// The value under a key of a field that has keys, if there is one.
    ///
    /// # Errors
    /// For fields without keys, which no condition names with one.
    #[inline]
    pub(super) fn look_up(&self, field: Field, key: &[u8]) -> Result<Option<Value<'a>>, EvalError> {
        let value = match field {
            Field::Span(SpanField::Attributes) => self.span().and_then(|span| attribute(span.bytes(), 9, key)),
            Field::Event(EventField::Attributes) => self.event().and_then(|event| attribute(event.message, 3, key)),
            Field::Scope(ScopeField::Attributes) => find(self.scope().map(|scope| scope.attributes()), key),
            Field::Resource(ResourceField::Attributes) => {
                find(self.resource().map(|resource| resource.attributes()), key)
            }
            Field::Span(SpanField::TraceState) => {
                let text = self.span().map(|span| last_bytes(span.bytes(), 3)).unwrap_or_default();
                trace_state::look_up(text, key).map(|value| Value::Text(Cow::Borrowed(value)))
            }
            Field::Cache => None,
            _ => return Err(EvalError::NotIndexable("field")),
        };
        Ok(value)
    }
}

fn of_span<'a>(span: &SpanView<'a>, field: SpanField) -> Value<'a> {
    let message = span.bytes();
    let number = |number| Value::Int(i64::from(last_number(message, number) as u32));
    match field {
        SpanField::TraceId => Value::TraceId(span.trace_id()),
        SpanField::TraceIdText => Value::owned_text(span.trace_id().to_string()),
        SpanField::SpanId => Value::SpanId(span.span_id()),
        SpanField::SpanIdText => Value::owned_text(span.span_id().to_string()),
        SpanField::ParentSpanId => Value::SpanId(span.parent_span_id()),
        SpanField::ParentSpanIdText => Value::owned_text(span.parent_span_id().to_string()),
        SpanField::TraceState => Value::Text(Cow::Borrowed(last_bytes(message, 3))),
        SpanField::Name => Value::Text(Cow::Borrowed(span.name_bytes())),
        SpanField::Kind => Value::Int(span.kind().into()),
        SpanField::KindText => Value::text(kind_names(span.kind()).0),
        SpanField::KindEnum => Value::text(kind_names(span.kind()).1),
        SpanField::StartNanos => Value::Int(span.start().0.cast_signed()),
        SpanField::EndNanos => Value::Int(span.end().0.cast_signed()),
        SpanField::Start => Value::Time(span.start().0.cast_signed().into()),
        SpanField::End => Value::Time(span.end().0.cast_signed().into()),
        SpanField::Attributes => Value::Map(Map::Attributes(Box::new(span.attributes()))),
        SpanField::DroppedAttributes => number(10),
        SpanField::Events => Value::Messages(message, SPAN_EVENTS),
        SpanField::DroppedEvents => number(12),
        SpanField::Links => Value::Messages(message, 13),
        SpanField::DroppedLinks => number(14),
        SpanField::Status => Value::Status(message),
        SpanField::StatusCode => Value::Int(span.status_code().into()),
        SpanField::StatusMessage => {
            let texts = messages(message, 15).filter_map(|status| messages(status, 2).last());
            Value::Text(Cow::Borrowed(texts.last().unwrap_or_default()))
        }
        SpanField::Flags => Value::Int(span.flags().into()),
    }
}

fn of_event<'a>(event: &EventView<'a>, field: EventField) -> Value<'a> {
    let nanos = || last_number(event.message, 1).cast_signed();
    match field {
        EventField::Nanos => Value::Int(nanos()),
        EventField::Time => Value::Time(nanos().into()),
        EventField::Name => Value::Text(Cow::Borrowed(last_bytes(event.message, 2))),
        EventField::Attributes => Value::Map(Map::Attributes(Box::new(Attributes::of_message(event.message, 3)))),
        EventField::DroppedAttributes => Value::Int(i64::from(last_number(event.message, 4) as u32)),
        EventField::Index => Value::Int(event.index.into()),
    }
}

fn of_scope<'a>(scope: &ScopeView<'a>, field: ScopeField) -> Value<'a> {
    match field {
        ScopeField::Name => text_of(scope.name()),
        ScopeField::Version => text_of(scope.version()),
        ScopeField::Attributes => Value::Map(Map::Attributes(Box::new(scope.attributes()))),
        ScopeField::DroppedAttributes => Value::Int(scope.dropped_attributes_count().into()),
        ScopeField::SchemaUrl => Value::Text(Cow::Borrowed(scope.schema_url())),
    }
}

fn of_resource<'a>(resource: &ResourceView<'a>, field: ResourceField) -> Value<'a> {
    match field {
        ResourceField::Attributes => Value::Map(Map::Attributes(Box::new(resource.attributes()))),
        ResourceField::DroppedAttributes => Value::Int(resource.dropped_attributes_count().into()),
        ResourceField::SchemaUrl => Value::Text(Cow::Borrowed(resource.schema_url())),
    }
}

fn text_of(text: Cow<'_, str>) -> Value<'_> {
    match text {
        Cow::Borrowed(text) => Value::text(text),
        Cow::Owned(text) => Value::owned_text(text),
    }
}

/// As `kind.string` and `kind.deprecated_string` give it.
fn kind_names(kind: i32) -> (&'static str, &'static str) {
    match kind {
        0 => ("Unspecified", "SPAN_KIND_UNSPECIFIED"),
        1 => ("Internal", "SPAN_KIND_INTERNAL"),
        2 => ("Server", "SPAN_KIND_SERVER"),
        3 => ("Client", "SPAN_KIND_CLIENT"),
        4 => ("Producer", "SPAN_KIND_PRODUCER"),
        5 => ("Consumer", "SPAN_KIND_CONSUMER"),
        _ => ("", ""),
    }
}

fn find<'a>(attributes: Option<Attributes<'a>>, key: &[u8]) -> Option<Value<'a>> {
    attributes?.find(|attribute| attribute.key == key).map(|attribute| Value::of(attribute.value))
}

/// The first attribute with this key in field `number`.
#[inline]
fn attribute<'a>(message: &'a [u8], number: u32, key: &[u8]) -> Option<Value<'a>> {
    messages(message, number).find_map(|pair| match plain_pair(pair) {
        Some((name, value)) => (name == key).then(|| Value::of(ValueView::decode(value))),
        None => {
            let attribute = AttributeView::decode(pair);
            (attribute.key == key).then(|| Value::of(attribute.value))
        }
    })
}

/// Key and `AnyValue` of a `KeyValue` that is written as encoders write it: a short key, one short
/// value, and nothing else.
#[inline]
fn plain_pair(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let [0x0a, length @ 0..0x80, rest @ ..] = pair else { return None };
    let (name, value) = rest.split_at_checked(usize::from(*length))?;
    match value {
        [0x12, length @ 0..0x80, value @ ..] if value.len() == usize::from(*length) => Some((name, value)),
        _ => None,
    }
}

/// The bytes of every field `number` of a message.
#[inline]
pub(super) fn messages(message: &[u8], number: u32) -> impl Iterator<Item = &[u8]> {
    // What one byte holds, for the short way past a cursor.
    let tag = u8::try_from(number << 3 | 2).ok().filter(|tag| *tag < 0x80);
    let mut rest = message;
    std::iter::from_fn(move || {
        loop {
            if let [first, length @ 0..0x80, behind @ ..] = rest
                && Some(*first) == tag
                && let Some((bytes, behind)) = behind.split_at_checked(usize::from(*length))
            {
                rest = behind;
                return Some(bytes);
            }
            let mut cursor = Cursor::new(rest);
            let (found, field) = cursor.next_field()?;
            rest = cursor.rest();
            if let (true, Wire::Length(bytes)) = (found == number, field) {
                return Some(bytes);
            }
        }
    })
}

fn last_bytes(message: &[u8], number: u32) -> &[u8] {
    messages(message, number).last().unwrap_or_default()
}

fn last_number(message: &[u8], wanted: u32) -> u64 {
    let mut cursor = Cursor::new(message);
    let mut last = 0;
    while let Some((number, field)) = cursor.next_field() {
        if number == wanted {
            last = match field {
                Wire::Varint(value) | Wire::Fixed64(value) => value,
                Wire::Fixed32(value) => value.into(),
                Wire::Length(_) => last,
            };
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
    use opentelemetry_proto::tonic::trace::v1::Span;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use prost::Message;

    use super::*;
    use crate::ottl::compare::compare;
    use crate::ottl::syntax::Comparison;

    fn pair((key, text): (String, String)) -> KeyValue {
        let value = any_value::Value::StringValue(text);
        KeyValue { key, value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
    }

    proptest! {
        #[test]
        fn the_short_way_to_an_attribute_finds_what_the_long_way_finds(
            name in "[a-c]{0,150}",
            pairs in vec(("[ab]{0,2}|[a]{120,140}", "x{0,3}|x{100,140}"), 0..8),
            wanted in "[ab]{0,2}|[a]{120,140}",
        ) {
            let attributes = pairs.into_iter().map(pair).collect();
            let message = Span { name, attributes, end_time_unix_nano: 7, ..Span::default() }.encode_to_vec();
            let slow = Attributes::of_message(&message, 9).find_key(&wanted).map(Value::of);
            let quick = attribute(&message, 9, wanted.as_bytes());
            prop_assert_eq!(slow.is_some(), quick.is_some());
            if let (Some(slow), Some(quick)) = (slow, quick) {
                prop_assert!(compare(&slow, Comparison::Equal, &quick));
            }
        }
    }

    #[test]
    fn a_pair_written_oddly_is_read_as_protobuf_merges() {
        // The key stands twice, the value first, an unknown field between them.
        for pair in [
            b"\x0a\x01x\x12\x03\x0a\x01v\x0a\x01k".as_slice(),
            b"\x12\x03\x0a\x01v\x0a\x01k",
            b"\x0a\x01k\x18\x05\x12\x03\x0a\x01v",
        ] {
            let mut message = vec![0x4a, pair.len() as u8];
            message.extend_from_slice(pair);
            let found = attribute(&message, 9, b"k").unwrap();
            assert!(matches!(&found, Value::Text(text) if **text == *b"v"), "{pair:?}: {found:?}");
            assert!(attribute(&message, 9, b"x").is_none());
        }
    }
}
