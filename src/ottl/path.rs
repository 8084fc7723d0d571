//! The paths of each context: names to fields.

use super::ParseError;
use super::condition::Context;
use super::syntax::{Path, Segment};

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Span(SpanField),
    Event(EventField),
    Scope(ScopeField),
    Resource(ResourceField),
    /// What statements keep for one another: empty in a condition.
    Cache,
}

/// Fields of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SpanField {
    TraceId,
    TraceIdText,
    SpanId,
    SpanIdText,
    ParentSpanId,
    ParentSpanIdText,
    TraceState,
    Name,
    Kind,
    KindText,
    KindEnum,
    StartNanos,
    EndNanos,
    Start,
    End,
    Attributes,
    DroppedAttributes,
    Events,
    DroppedEvents,
    Links,
    DroppedLinks,
    Status,
    StatusCode,
    StatusMessage,
    Flags,
}

/// Fields of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventField {
    Nanos,
    Time,
    Name,
    Attributes,
    DroppedAttributes,
    Index,
}

/// Fields of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScopeField {
    Name,
    Version,
    Attributes,
    DroppedAttributes,
    SchemaUrl,
}

/// Fields of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResourceField {
    Attributes,
    DroppedAttributes,
    SchemaUrl,
}

type Names = &'static [(&'static str, Field)];

const SPAN: Names = &[
    ("trace_id", Field::Span(SpanField::TraceId)),
    ("trace_id.string", Field::Span(SpanField::TraceIdText)),
    ("span_id", Field::Span(SpanField::SpanId)),
    ("span_id.string", Field::Span(SpanField::SpanIdText)),
    ("parent_span_id", Field::Span(SpanField::ParentSpanId)),
    ("parent_span_id.string", Field::Span(SpanField::ParentSpanIdText)),
    ("trace_state", Field::Span(SpanField::TraceState)),
    ("name", Field::Span(SpanField::Name)),
    ("kind", Field::Span(SpanField::Kind)),
    ("kind.string", Field::Span(SpanField::KindText)),
    ("kind.deprecated_string", Field::Span(SpanField::KindEnum)),
    ("start_time_unix_nano", Field::Span(SpanField::StartNanos)),
    ("end_time_unix_nano", Field::Span(SpanField::EndNanos)),
    ("start_time", Field::Span(SpanField::Start)),
    ("end_time", Field::Span(SpanField::End)),
    ("attributes", Field::Span(SpanField::Attributes)),
    ("dropped_attributes_count", Field::Span(SpanField::DroppedAttributes)),
    ("events", Field::Span(SpanField::Events)),
    ("dropped_events_count", Field::Span(SpanField::DroppedEvents)),
    ("links", Field::Span(SpanField::Links)),
    ("dropped_links_count", Field::Span(SpanField::DroppedLinks)),
    ("status", Field::Span(SpanField::Status)),
    ("status.code", Field::Span(SpanField::StatusCode)),
    ("status.message", Field::Span(SpanField::StatusMessage)),
    ("flags", Field::Span(SpanField::Flags)),
];

const EVENT: Names = &[
    ("time_unix_nano", Field::Event(EventField::Nanos)),
    ("time", Field::Event(EventField::Time)),
    ("name", Field::Event(EventField::Name)),
    ("attributes", Field::Event(EventField::Attributes)),
    ("dropped_attributes_count", Field::Event(EventField::DroppedAttributes)),
    ("event_index", Field::Event(EventField::Index)),
];

const SCOPE: Names = &[
    ("name", Field::Scope(ScopeField::Name)),
    ("version", Field::Scope(ScopeField::Version)),
    ("attributes", Field::Scope(ScopeField::Attributes)),
    ("dropped_attributes_count", Field::Scope(ScopeField::DroppedAttributes)),
    ("schema_url", Field::Scope(ScopeField::SchemaUrl)),
];

const RESOURCE: Names = &[
    ("attributes", Field::Resource(ResourceField::Attributes)),
    ("dropped_attributes_count", Field::Resource(ResourceField::DroppedAttributes)),
    ("schema_url", Field::Resource(ResourceField::SchemaUrl)),
];

/// What a path of two names or more may start with, and the names behind it.
const PREFIXES: [(&str, Names); 5] =
    [("span", SPAN), ("spanevent", EVENT), ("scope", SCOPE), ("instrumentation_scope", SCOPE), ("resource", RESOURCE)];

/// Enums of the span contexts.
const ENUMS: [(&str, i64); 9] = [
    ("SPAN_KIND_UNSPECIFIED", 0),
    ("SPAN_KIND_INTERNAL", 1),
    ("SPAN_KIND_SERVER", 2),
    ("SPAN_KIND_CLIENT", 3),
    ("SPAN_KIND_PRODUCER", 4),
    ("SPAN_KIND_CONSUMER", 5),
    ("STATUS_CODE_UNSET", 0),
    ("STATUS_CODE_OK", 1),
    ("STATUS_CODE_ERROR", 2),
];

impl Context {
    /// Its name, and the prefixes that its paths may have.
    fn prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Span => &["span", "scope", "instrumentation_scope", "resource"],
            Self::SpanEvent => &["spanevent", "span", "scope", "instrumentation_scope", "resource"],
            Self::Scope => &["scope", "instrumentation_scope", "resource"],
            Self::Resource => &["resource"],
        }
    }
}

/// The field of a path. Keys stand on its last name.
pub(super) fn resolve(path: &Path, context: Context) -> Result<Field, ParseError> {
    let error = |message: String| Err(ParseError::new(path.at.0, message));
    let own = context.prefixes()[0];
    let first = path.segments[0].name.as_str();
    let has_prefix = path.segments.len() > 1 && PREFIXES.iter().any(|(name, _)| *name == first);
    if has_prefix && !context.prefixes().contains(&first) {
        return error(format!("paths of {own} do not start with {first:?}; known: {}", context.prefixes().join(", ")));
    }
    if first == "otelcol" {
        return error("paths of \"otelcol\" (client metadata) are not supported yet".to_owned());
    }
    let (prefix, names) = if has_prefix { (first, &path.segments[1..]) } else { (own, path.segments.as_slice()) };
    let known = PREFIXES.iter().find(|(name, _)| *name == prefix).map_or(SPAN, |(_, known)| known);
    if let Some(indexed) = path.segments.split_last().and_then(|(_, front)| front.iter().find(|s| !s.keys.is_empty())) {
        return error(format!("{:?} cannot be indexed before the end of the path", indexed.name));
    }
    let keys = names.last().map_or(0, |last: &Segment| last.keys.len());
    if names.len() == 1 && names[0].name == "cache" && prefix == own {
        return Ok(Field::Cache);
    }
    let name = names.iter().map(|segment| segment.name.as_str()).collect::<Vec<_>>().join(".");
    match known.iter().find(|(known, _)| *known == name) {
        Some((_, field)) => check_keys(path, &name, *field, keys).map(|()| *field),
        None => {
            let known: Vec<_> = known.iter().map(|(name, _)| *name).collect();
            error(format!("unknown path {:?}; known in {prefix}: {}", path.to_string(), known.join(", ")))
        }
    }
}

fn check_keys(path: &Path, name: &str, field: Field, keys: usize) -> Result<(), ParseError> {
    match field {
        _ if keys == 0 || name == "attributes" => Ok(()),
        Field::Span(SpanField::TraceState) if keys == 1 => Ok(()),
        Field::Span(SpanField::TraceState) => Err(ParseError::new(path.at.0, "trace_state takes one key")),
        _ => Err(ParseError::new(path.at.0, format!("{name:?} cannot be indexed"))),
    }
}

/// The number of an enum.
pub(super) fn enum_value(name: &str, at: usize, context: Context) -> Result<i64, ParseError> {
    let has_enums = matches!(context, Context::Span | Context::SpanEvent);
    let known: &[(&str, i64)] = if has_enums { &ENUMS } else { &[] };
    known.iter().find(|(known, _)| *known == name).map(|(_, number)| *number).ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
        ParseError::new(at, format!("unknown enum {name:?}; known: {}", names.join(", ")))
    })
}
