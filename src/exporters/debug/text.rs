//! Batches as text, in the layout of the Collector's debug exporter. Traces are written from the
//! views of the model; metrics and logs in detail as OTLP/JSON.

use std::fmt::{Display, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::model::{
    AttributeView, Attributes, Batch, Cursor, Field, Part, Request, Signal, SpanId, SpanView, TraceId, UnixNanos,
    ValueView,
};
use crate::wire::json;

/// Deepest attribute value that is written; what lies deeper is left out.
const DEPTH_MAX: u32 = 16;

/// One line of counts.
pub(super) fn summary(batch: &Batch) -> String {
    let rows: u64 = batch.parts().iter().map(|part| u64::from(part.row_count())).sum();
    let resources: usize = batch.parts().iter().map(resource_count).sum();
    match batch.signal() {
        Signal::Traces => format!("Traces\t{{\"resource spans\": {resources}, \"spans\": {rows}}}"),
        Signal::Metrics => format!(
            "Metrics\t{{\"resource metrics\": {resources}, \"metrics\": {rows}, \"data points\": {}}}",
            batch.item_count()
        ),
        Signal::Logs => format!("Logs\t{{\"resource logs\": {resources}, \"log records\": {rows}}}"),
    }
}

/// One line a span; for other signals, one line of JSON.
pub(super) fn normal(batch: &Batch) -> String {
    if batch.signal() != Signal::Traces {
        return json_line(batch);
    }
    let mut out = String::new();
    each_span(batch, |place, span| {
        if let Some(resource) = place.new_resource {
            let _ = writeln!(out, "ResourceTraces #{resource}{}", pairs(span.resource().attributes()));
        }
        if let Some(number) = place.new_scope {
            let scope = span.scope();
            let _ = write!(out, "ScopeTraces #{number} {}", scope.name());
            if !scope.version().is_empty() {
                let _ = write!(out, "@{}", scope.version());
            }
            let _ = writeln!(out, "{}", pairs(scope.attributes()));
        }
        let (name, attributes) = (span.name(), pairs(span.attributes()));
        let _ = writeln!(out, "{name} {} {}{attributes}", span.trace_id(), span.span_id());
    });
    out
}

/// Every field of every span; for other signals, one line of JSON.
pub(super) fn detailed(batch: &Batch) -> String {
    if batch.signal() != Signal::Traces {
        return json_line(batch);
    }
    let mut out = String::new();
    each_span(batch, |place, span| {
        if let Some(resource) = place.new_resource {
            let _ = writeln!(out, "ResourceSpans #{resource}\nResource SchemaURL: {}", place.resource_schema);
            attributes(&mut out, "", "Resource attributes:", span.resource().attributes());
        }
        if let Some(number) = place.new_scope {
            let scope = span.scope();
            let _ = writeln!(out, "ScopeSpans #{number}\nScopeSpans SchemaURL: {}", place.scope_schema);
            let _ = writeln!(out, "InstrumentationScope {} {}", scope.name(), scope.version());
            attributes(&mut out, "", "InstrumentationScope attributes:", scope.attributes());
        }
        let _ = writeln!(out, "Span #{}", place.number);
        span_fields(&mut out, &span);
    });
    out
}

fn json_line(batch: &Batch) -> String {
    let mut text = String::from_utf8_lossy(&json::write(batch)).into_owned();
    text.push('\n');
    text
}

/// Where a span stands in its batch.
struct Place {
    new_resource: Option<usize>,
    new_scope: Option<usize>,
    resource_schema: String,
    scope_schema: String,
    number: usize,
}

/// Rows of a part, those of one scope together.
fn each_scope(part: &Part) -> Vec<(u32, Vec<u32>)> {
    let scopes = &part.request.index().items.scope;
    let mut groups: Vec<(u32, Vec<u32>)> = Vec::new();
    for row in part.rows() {
        let scope = scopes[row as usize];
        match groups.last_mut() {
            Some((last, rows)) if *last == scope => rows.push(row),
            _ => groups.push((scope, vec![row])),
        }
    }
    groups
}

fn resource_count(part: &Part) -> usize {
    if part.is_whole() {
        return part.request.index().resources.len();
    }
    let index = part.request.index();
    let mut resources: Vec<u32> =
        each_scope(part).iter().map(|(scope, _)| index.scopes[*scope as usize].resource).collect();
    resources.dedup();
    resources.len()
}

fn each_span(batch: &Batch, mut visit: impl FnMut(Place, SpanView<'_>)) {
    let mut resources = 0;
    for part in batch.parts() {
        let index = part.request.index();
        let (mut last_resource, mut scopes) = (None, 0);
        for (scope, rows) in each_scope(part) {
            let resource = index.scopes[scope as usize].resource;
            let is_new = last_resource.replace(resource) != Some(resource);
            scopes = if is_new { 0 } else { scopes + 1 };
            for (number, row) in rows.into_iter().enumerate() {
                let Some(span) = SpanView::new(&part.request, row) else { continue };
                let place = Place {
                    new_resource: (is_new && number == 0).then_some(resources),
                    new_scope: (number == 0).then_some(scopes),
                    resource_schema: schema_url(&part.request, index.resource_pieces(resource)),
                    scope_schema: schema_url(&part.request, index.scope_pieces(scope)),
                    number,
                };
                visit(place, span);
            }
            resources += usize::from(is_new);
        }
    }
}

/// Field 3 of `ResourceSpans` and `ScopeSpans`.
fn schema_url(request: &Request, pieces: &[crate::model::Piece]) -> String {
    let fields = pieces.iter().filter_map(|piece| Cursor::new(piece.of(request.body())).next_field());
    let urls = fields.filter_map(|field| match field {
        (3, Field::Length(url)) => Some(String::from_utf8_lossy(url).into_owned()),
        _ => None,
    });
    urls.last().unwrap_or_default()
}

fn entry(out: &mut String, name: &str, value: impl Display) {
    let _ = writeln!(out, "    {name:<15}: {value}");
}

fn span_fields(out: &mut String, span: &SpanView<'_>) {
    let (start, end) = span.times();
    let parent = span.parent_span_id();
    entry(out, "Trace ID", id(span.trace_id(), span.trace_id().is_empty()));
    entry(out, "Parent ID", id(parent, parent.is_empty()));
    entry(out, "ID", id(span.span_id(), span.span_id().is_empty()));
    entry(out, "Name", span.name());
    let (mut kind, mut code, mut message, mut dropped) = (0, 0, String::new(), [0; 3]);
    let mut fields = Cursor::new(span.bytes());
    while let Some((number, field)) = fields.next_field() {
        match (number, field) {
            (6, Field::Varint(number)) => kind = number,
            (10, Field::Varint(count)) => dropped[0] = count,
            (12, Field::Varint(count)) => dropped[1] = count,
            (14, Field::Varint(count)) => dropped[2] = count,
            (15, Field::Length(status)) => {
                let mut status = Cursor::new(status);
                while let Some((number, field)) = status.next_field() {
                    match (number, field) {
                        (2, Field::Length(text)) => message = String::from_utf8_lossy(text).into_owned(),
                        (3, Field::Varint(number)) => code = number,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    entry(out, "Kind", word(&["Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"], kind));
    if !span.trace_state().is_empty() {
        entry(out, "TraceState", span.trace_state());
    }
    entry(out, "Start time", time(start));
    entry(out, "End time", time(end));
    entry(out, "Status code", word(&["Unset", "Ok", "Error"], code));
    entry(out, "Status message", message);
    for (name, count) in ["DroppedAttributesCount", "DroppedEventsCount", "DroppedLinksCount"].iter().zip(dropped) {
        if count > 0 {
            entry(out, name, count);
        }
    }
    attributes(out, "", "Attributes:", span.attributes());
    numbered(out, span, 11, "Events:", "SpanEvent", event_fields);
    numbered(out, span, 13, "Links:", "SpanLink", link_fields);
}

fn numbered(
    out: &mut String,
    span: &SpanView<'_>,
    wanted: u32,
    title: &str,
    each: &str,
    write: impl Fn(&mut String, &[u8]),
) {
    let mut fields = Cursor::new(span.bytes());
    let mut count = 0;
    while let Some((number, field)) = fields.next_field() {
        let (true, Field::Length(message)) = (number == wanted, field) else { continue };
        if count == 0 {
            let _ = writeln!(out, "{title}");
        }
        let _ = writeln!(out, "{each} #{count}");
        write(out, message);
        count += 1;
    }
}

fn event_fields(out: &mut String, message: &[u8]) {
    let (mut name, mut at, mut dropped) = (String::new(), UnixNanos::default(), 0);
    let mut fields = Cursor::new(message);
    while let Some((number, field)) = fields.next_field() {
        match (number, field) {
            (1, Field::Fixed64(nanos)) => at = UnixNanos(nanos),
            (2, Field::Length(text)) => name = String::from_utf8_lossy(text).into_owned(),
            (4, Field::Varint(count)) => dropped = count,
            _ => {}
        }
    }
    let _ = writeln!(out, "     -> Name: {name}\n     -> Timestamp: {}", time(at));
    let _ = writeln!(out, "     -> DroppedAttributesCount: {dropped}");
    attributes(out, "     ", "     -> Attributes::", Attributes::of_message(message, 3));
}

fn link_fields(out: &mut String, message: &[u8]) {
    let (mut trace, mut span) = (TraceId::default(), SpanId::default());
    let (mut state, mut dropped) = (String::new(), 0);
    let mut fields = Cursor::new(message);
    while let Some((number, field)) = fields.next_field() {
        match (number, field) {
            (1, Field::Length(bytes)) => trace = TraceId(bytes.try_into().unwrap_or_default()),
            (2, Field::Length(bytes)) => span = SpanId(bytes.try_into().unwrap_or_default()),
            (3, Field::Length(text)) => state = String::from_utf8_lossy(text).into_owned(),
            (5, Field::Varint(count)) => dropped = count,
            _ => {}
        }
    }
    let (trace, span) = (id(trace, trace.is_empty()), id(span, span.is_empty()));
    let _ = writeln!(out, "     -> Trace ID: {trace}\n     -> ID: {span}\n     -> TraceState: {state}");
    let _ = writeln!(out, "     -> DroppedAttributesCount: {dropped}");
    attributes(out, "     ", "     -> Attributes::", Attributes::of_message(message, 4));
}

fn attributes(out: &mut String, indent: &str, title: &str, attributes: Attributes<'_>) {
    for (position, AttributeView { key, value }) in attributes.enumerate() {
        if position == 0 {
            let _ = writeln!(out, "{title}");
        }
        let key = String::from_utf8_lossy(key);
        let _ = writeln!(out, "{indent}     -> {key}: {}({})", type_of(&value), text_of(&value));
    }
}

/// ` key=value` for each attribute.
fn pairs(attributes: Attributes<'_>) -> String {
    let mut out = String::new();
    for AttributeView { key, value } in attributes {
        let _ = write!(out, " {}={}", String::from_utf8_lossy(key), text_of(&value));
    }
    out
}

fn id(id: impl Display, is_empty: bool) -> String {
    if is_empty { String::new() } else { id.to_string() }
}

fn word<'a>(words: &[&'a str], number: u64) -> &'a str {
    usize::try_from(number).ok().and_then(|number| words.get(number)).copied().unwrap_or_default()
}

/// As Go prints a time in UTC.
fn time(at: UnixNanos) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(at.0)) {
        Ok(time) => {
            let text = time.to_string();
            format!("{} +0000 UTC", text.trim_end_matches('Z').replace('T', " "))
        }
        Err(_) => at.to_string(),
    }
}

fn type_of(value: &ValueView<'_>) -> &'static str {
    match value {
        ValueView::Empty => "Empty",
        ValueView::String(_) => "Str",
        ValueView::Bool(_) => "Bool",
        ValueView::Int(_) => "Int",
        ValueView::Double(_) => "Double",
        ValueView::Array(_) => "Slice",
        ValueView::Map(_) => "Map",
        ValueView::Bytes(_) => "Bytes",
    }
}

fn text_of(value: &ValueView<'_>) -> String {
    match value {
        ValueView::Empty => String::new(),
        ValueView::String(text) => String::from_utf8_lossy(text).into_owned(),
        ValueView::Bytes(bytes) => STANDARD.encode(bytes),
        other => json_of(other, DEPTH_MAX).to_string(),
    }
}

fn json_of(value: &ValueView<'_>, depth: u32) -> Value {
    let Some(depth) = depth.checked_sub(1) else { return Value::Null };
    match value {
        ValueView::Empty => Value::Null,
        ValueView::String(text) => String::from_utf8_lossy(text).into(),
        ValueView::Bool(flag) => (*flag).into(),
        ValueView::Int(int) => (*int).into(),
        ValueView::Double(double) => (*double).into(),
        ValueView::Bytes(bytes) => STANDARD.encode(bytes).into(),
        ValueView::Array(array) => ValueView::array_items(array).map(|item| json_of(&item, depth)).collect(),
        ValueView::Map(map) => {
            let pairs = Attributes::of_message(map, 1);
            pairs.map(|pair| (String::from_utf8_lossy(pair.key).into_owned(), json_of(&pair.value, depth))).collect()
        }
    }
}
