//! What OTLP's messages look like: one table that the scan checks against, and that JSON is read
//! and written by. Field numbers and types are those of opentelemetry-proto 1.9.
//!
//! Knows nothing of bytes: `scan` and `json` walk them.

mod attributes;
mod logs;
mod metrics;
mod trace;

use self::attributes::{RESOURCE, SCOPE};
use crate::model::Signal;

pub(super) use self::attributes::KEY_VALUE;
pub(super) use self::logs::LOG_RECORD;
pub(super) use self::metrics::METRIC;
pub(super) use self::trace::{SPAN, STATUS};

/// A message type.
pub(super) struct Message {
    /// Its fields, in the order in which JSON is written.
    pub fields: &'static [Field],
    /// What one message of this type counts as.
    pub counter: Counter,
    by_number: [u8; NUMBERS],
}

/// One field of a message.
pub(super) struct Field {
    pub number: u8,
    /// Name in JSON; the snake_case form follows from it.
    pub name: &'static str,
    pub kind: Kind,
    pub label: Label,
}

/// How often a field may stand, and whether its default is worth writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// At most once; the default means absent.
    Singular,
    /// At most once; the default is a value too.
    Optional,
    /// At most one of the message's `OneOf` fields; the default is a value too.
    OneOf,
    /// Any number of times; numbers may be packed.
    Repeated,
}

/// The type of a field.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Bool,
    Int32,
    Uint32,
    Sint32,
    Int64,
    Uint64,
    Fixed32,
    Fixed64,
    Sfixed64,
    Double,
    Enum(&'static EnumNames),
    String,
    Bytes,
    Id(Id),
    Message(&'static Message),
}

/// Names of an enum in `.proto`, by number.
pub(super) type EnumNames = [(&'static str, i32)];

/// Bytes that have one length or none, and are hex in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Id {
    Trace,
    Span,
    Parent,
}

/// What is counted while a request is scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counter {
    Nothing,
    Attribute,
    Event,
    Link,
    Point,
}

impl Counter {
    /// How many counters there are.
    pub(super) const COUNT: usize = 5;
}

impl Id {
    /// The field's name in `.proto`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace_id",
            Self::Span => "span_id",
            Self::Parent => "parent_span_id",
        }
    }

    /// Its length when it is not empty.
    pub(super) const fn length(self) -> usize {
        match self {
            Self::Trace => 16,
            Self::Span | Self::Parent => 8,
        }
    }
}

/// One more than the highest field number of OTLP.
const NUMBERS: usize = 17;

impl Message {
    const fn new(fields: &'static [Field]) -> Self {
        Self::counted(Counter::Nothing, fields)
    }

    const fn counted(counter: Counter, fields: &'static [Field]) -> Self {
        let mut by_number = [u8::MAX; NUMBERS];
        let mut at = 0;
        while at < fields.len() {
            by_number[fields[at].number as usize] = at as u8;
            at += 1;
        }
        Self { fields, counter, by_number }
    }

    /// The field with a number, when the message has one.
    #[inline]
    pub(super) fn field(&self, number: u32) -> Option<&'static Field> {
        let &at = self.by_number.get(number as usize)?;
        self.fields.get(at as usize)
    }
}

const fn one(number: u8, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, label: Label::Singular }
}

const fn optional(number: u8, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, label: Label::Optional }
}

const fn either(number: u8, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, label: Label::OneOf }
}

const fn many(number: u8, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, label: Label::Repeated }
}

/// The `Export…ServiceRequest` of a signal: field 1 holds resources, whose field 2 holds scopes,
/// whose field 2 holds items.
pub(super) fn request(signal: Signal) -> &'static Message {
    match signal {
        Signal::Traces => &TRACES,
        Signal::Metrics => &METRICS,
        Signal::Logs => &LOGS,
    }
}

/// `ResourceSpans`, `ResourceMetrics` or `ResourceLogs`.
pub(super) fn resource(signal: Signal) -> &'static Message {
    match signal {
        Signal::Traces => &RESOURCE_SPANS,
        Signal::Metrics => &RESOURCE_METRICS,
        Signal::Logs => &RESOURCE_LOGS,
    }
}

/// `ScopeSpans`, `ScopeMetrics` or `ScopeLogs`.
pub(super) fn scope(signal: Signal) -> &'static Message {
    match signal {
        Signal::Traces => &SCOPE_SPANS,
        Signal::Metrics => &SCOPE_METRICS,
        Signal::Logs => &SCOPE_LOGS,
    }
}

static TRACES: Message = Message::new(&[many(1, "resourceSpans", Kind::Message(&RESOURCE_SPANS))]);
static METRICS: Message = Message::new(&[many(1, "resourceMetrics", Kind::Message(&RESOURCE_METRICS))]);
static LOGS: Message = Message::new(&[many(1, "resourceLogs", Kind::Message(&RESOURCE_LOGS))]);

static RESOURCE_SPANS: Message = Message::new(&[
    one(1, "resource", Kind::Message(&RESOURCE)),
    many(2, "scopeSpans", Kind::Message(&SCOPE_SPANS)),
    one(3, "schemaUrl", Kind::String),
]);
static RESOURCE_METRICS: Message = Message::new(&[
    one(1, "resource", Kind::Message(&RESOURCE)),
    many(2, "scopeMetrics", Kind::Message(&SCOPE_METRICS)),
    one(3, "schemaUrl", Kind::String),
]);
static RESOURCE_LOGS: Message = Message::new(&[
    one(1, "resource", Kind::Message(&RESOURCE)),
    many(2, "scopeLogs", Kind::Message(&SCOPE_LOGS)),
    one(3, "schemaUrl", Kind::String),
]);
static SCOPE_SPANS: Message = Message::new(&[
    one(1, "scope", Kind::Message(&SCOPE)),
    many(2, "spans", Kind::Message(&SPAN)),
    one(3, "schemaUrl", Kind::String),
]);
static SCOPE_METRICS: Message = Message::new(&[
    one(1, "scope", Kind::Message(&SCOPE)),
    many(2, "metrics", Kind::Message(&METRIC)),
    one(3, "schemaUrl", Kind::String),
]);
static SCOPE_LOGS: Message = Message::new(&[
    one(1, "scope", Kind::Message(&SCOPE)),
    many(2, "logRecords", Kind::Message(&LOG_RECORD)),
    one(3, "schemaUrl", Kind::String),
]);
