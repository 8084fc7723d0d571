//! What kind of error a span had, read from its attributes and events: `error.type`, else the
//! `exception.type` of its last exception. Read for one span of a trace with errors.

use super::interner::text_key;
use crate::model::{Attributes, Cursor, Field, SpanView, ValueView};

/// Number of `Span.events` and, in an event, of its attributes.
const EVENTS: u32 = 11;
const EVENT_ATTRIBUTES: u32 = 3;

/// A number for the type of a span's error, the same in every process; 0 when it has none.
pub fn error_type(span: &SpanView<'_>) -> u64 {
    span.attributes().find_key("error.type").and_then(key).or_else(|| exception_type(span.bytes())).unwrap_or(0)
}

fn exception_type(span: &[u8]) -> Option<u64> {
    let mut cursor = Cursor::new(span);
    let mut last = None;
    while let Some((number, field)) = cursor.next_field() {
        if let (EVENTS, Field::Length(event)) = (number, field) {
            let attributes = Attributes::of_message(event, EVENT_ATTRIBUTES);
            last = attributes.find_key("exception.type").and_then(key).or(last);
        }
    }
    last
}

fn key(value: ValueView<'_>) -> Option<u64> {
    match value {
        ValueView::String(text) if !text.is_empty() => Some(text_key(text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, span::Event};
    use prost::Message;

    use super::*;
    use crate::model::{MemoryAccount, Signal};
    use crate::wire::{Limits, scan};

    fn text(key: &str, value: &str) -> KeyValue {
        let value = any_value::Value::StringValue(value.to_owned());
        KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
    }

    fn exception(value: &str) -> Event {
        Event { name: "exception".to_owned(), attributes: vec![text("exception.type", value)], ..Event::default() }
    }

    fn of(attributes: Vec<KeyValue>, events: Vec<Event>) -> u64 {
        let span = Span { trace_id: vec![1; 16], span_id: vec![1; 8], attributes, events, ..Span::default() };
        let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
        let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let request = scan(Signal::Traces, body.into(), &Limits::default(), &MemoryAccount::default()).unwrap();
        error_type(&SpanView::new(&request, 0).unwrap())
    }

    #[test]
    fn the_type_of_an_error_is_its_attribute_or_its_last_exception() {
        assert_eq!(of(vec![], vec![]), 0);
        let timeout = of(vec![text("error.type", "timeout")], vec![exception("Other")]);
        assert_eq!(timeout, text_key(b"timeout"));
        assert_eq!(of(vec![], vec![exception("A"), exception("timeout"), Event::default()]), timeout);
        assert_eq!(of(vec![text("error.type", "")], vec![exception("timeout")]), timeout);
    }
}
