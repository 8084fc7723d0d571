//! Values while a condition is evaluated: borrowed from the wire or from the condition wherever
//! that is possible. Text is bytes, as on the wire: valid UTF-8 is not promised.

use std::borrow::Cow;

use crate::model::{Attributes, SpanId, TraceId, ValueView};

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Nil,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Cow<'a, [u8]>),
    Bytes(Cow<'a, [u8]>),
    TraceId(TraceId),
    SpanId(SpanId),
    /// Nanoseconds since 1970.
    Time(i128),
    /// Nanoseconds.
    Duration(i64),
    Map(Map<'a>),
    List(List<'a>),
    /// The span's message, of which the status is meant.
    Status(&'a [u8]),
    /// The span's message and the number of the repeated field that is meant.
    Messages(&'a [u8], u32),
}

/// A map from text to values; the first of equal keys counts.
#[derive(Clone, Debug)]
pub(super) enum Map<'a> {
    /// Attributes of a span, resource or scope.
    Attributes(Box<Attributes<'a>>),
    /// A `KeyValueList` message.
    Wire(&'a [u8]),
    Owned(Vec<Entry<'a>>),
    Borrowed(&'a [Entry<'a>]),
}

pub(super) type Entry<'a> = (Cow<'a, [u8]>, Value<'a>);

/// A list of values.
#[derive(Clone, Debug)]
pub(super) enum List<'a> {
    /// An `ArrayValue` message.
    Wire(&'a [u8]),
    Owned(Vec<Value<'a>>),
    Borrowed(&'a [Value<'a>]),
    /// What `Split` gives: in the Collector a type of its own, which equals no other list.
    Pieces(Vec<Value<'a>>),
}

impl<'a> Value<'a> {
    pub(super) fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text.as_bytes()))
    }

    pub(super) fn owned_text(text: impl Into<Vec<u8>>) -> Self {
        Self::Text(Cow::Owned(text.into()))
    }

    #[inline]
    pub(super) fn of(view: ValueView<'a>) -> Self {
        match view {
            ValueView::Empty => Self::Nil,
            ValueView::String(text) => Self::Text(Cow::Borrowed(text)),
            ValueView::Bool(flag) => Self::Bool(flag),
            ValueView::Int(number) => Self::Int(number),
            ValueView::Double(number) => Self::Double(number),
            ValueView::Array(message) => Self::List(List::Wire(message)),
            ValueView::Map(message) => Self::Map(Map::Wire(message)),
            ValueView::Bytes(bytes) => Self::Bytes(Cow::Borrowed(bytes)),
        }
    }

    /// The same value, borrowed from this one.
    #[inline]
    pub(super) fn borrowed(&'a self) -> Self {
        match self {
            Self::Nil => Self::Nil,
            Self::Bool(flag) => Self::Bool(*flag),
            Self::Int(number) => Self::Int(*number),
            Self::Double(number) => Self::Double(*number),
            Self::Text(text) => Self::Text(Cow::Borrowed(text)),
            Self::Bytes(bytes) => Self::Bytes(Cow::Borrowed(bytes)),
            Self::TraceId(id) => Self::TraceId(*id),
            Self::SpanId(id) => Self::SpanId(*id),
            Self::Time(nanos) => Self::Time(*nanos),
            Self::Duration(nanos) => Self::Duration(*nanos),
            Self::Map(map) => Self::Map(map.borrowed()),
            Self::List(list) => Self::List(list.borrowed()),
            Self::Status(message) => Self::Status(message),
            Self::Messages(message, number) => Self::Messages(message, *number),
        }
    }

    /// The name of its type, for errors.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Double(_) => "double",
            Self::Text(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::TraceId(_) => "trace id",
            Self::SpanId(_) => "span id",
            Self::Time(_) => "time",
            Self::Duration(_) => "duration",
            Self::Map(_) => "map",
            Self::List(_) => "list",
            Self::Status(_) => "status",
            Self::Messages(..) => "list of messages",
        }
    }
}

impl<'a> Map<'a> {
    fn borrowed(&'a self) -> Self {
        match self {
            Self::Attributes(attributes) => Self::Attributes(attributes.clone()),
            Self::Wire(message) => Self::Wire(message),
            Self::Owned(entries) => Self::Borrowed(entries),
            Self::Borrowed(entries) => Self::Borrowed(entries),
        }
    }

    /// Keys and values in their order.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&[u8], Value<'_>)> {
        let nothing: &[Entry<'_>] = &[];
        let (attributes, entries) = match self {
            Self::Attributes(attributes) => (Attributes::clone(attributes), nothing),
            Self::Wire(message) => (Attributes::of_message(message, 1), nothing),
            Self::Owned(entries) => (Attributes::of_message(&[], 1), entries.as_slice()),
            Self::Borrowed(entries) => (Attributes::of_message(&[], 1), *entries),
        };
        attributes
            .map(|attribute| (attribute.key, Value::of(attribute.value)))
            .chain(entries.iter().map(|(key, value)| (&**key, value.borrowed())))
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.entries().count()
    }

    /// The values, out of the map.
    pub(super) fn into_values(self) -> Vec<Value<'a>> {
        let values = |attributes: Attributes<'a>| attributes.map(|attribute| Value::of(attribute.value)).collect();
        match self {
            Self::Attributes(attributes) => values(*attributes),
            Self::Wire(message) => values(Attributes::of_message(message, 1)),
            Self::Owned(entries) => entries.into_iter().map(|(_, value)| value).collect(),
            Self::Borrowed(entries) => entries.iter().map(|(_, value)| value.borrowed()).collect(),
        }
    }

    /// The value of a key, out of the map.
    pub(super) fn take(self, key: &[u8]) -> Option<Value<'a>> {
        let found = |attributes: Attributes<'a>| {
            attributes.into_iter().find(|attribute| attribute.key == key).map(|attribute| Value::of(attribute.value))
        };
        match self {
            Self::Attributes(attributes) => found(*attributes),
            Self::Wire(message) => found(Attributes::of_message(message, 1)),
            Self::Owned(entries) => entries.into_iter().find(|(name, _)| **name == *key).map(|(_, value)| value),
            Self::Borrowed(entries) => {
                entries.iter().find(|(name, _)| **name == *key).map(|(_, value)| value.borrowed())
            }
        }
    }
}

impl<'a> List<'a> {
    fn borrowed(&'a self) -> Self {
        match self {
            Self::Wire(message) => Self::Wire(message),
            Self::Owned(items) => Self::Borrowed(items),
            Self::Borrowed(items) => Self::Borrowed(items),
            Self::Pieces(items) => Self::Pieces(items.iter().map(Value::borrowed).collect()),
        }
    }

    /// Items in their order.
    pub(super) fn items(&self) -> impl Iterator<Item = Value<'_>> {
        let (message, items): (&[u8], &[Value<'_>]) = match self {
            Self::Wire(message) => (message, &[]),
            Self::Owned(items) | Self::Pieces(items) => (&[], items),
            Self::Borrowed(items) => (&[], items),
        };
        ValueView::array_items(message).map(Value::of).chain(items.iter().map(Value::borrowed))
    }

    /// How many items there are.
    pub(super) fn len(&self) -> usize {
        self.items().count()
    }

    /// The items, out of the list.
    pub(super) fn into_items(self) -> Vec<Value<'a>> {
        match self {
            Self::Wire(message) => ValueView::array_items(message).map(Value::of).collect(),
            Self::Owned(items) | Self::Pieces(items) => items,
            Self::Borrowed(items) => items.iter().map(Value::borrowed).collect(),
        }
    }

    /// One item, out of the list.
    pub(super) fn take(self, place: usize) -> Option<Value<'a>> {
        match self {
            Self::Wire(message) => ValueView::array_items(message).nth(place).map(Value::of),
            Self::Owned(items) | Self::Pieces(items) => items.into_iter().nth(place),
            Self::Borrowed(items) => items.get(place).map(Value::borrowed),
        }
    }
}
