//! Jaeger's JSON, as its UI and API give it: `{"data": [{"traceID", "spans", "processes"}]}`, one
//! such trace, or an array of them. Translated as the Collector does: tags become attributes of
//! their type, process tags the resource, `error`, `otel.status_code` and `http.status_code` the
//! status, references the parent and links, logs events.
//!
//! Ids are hex, filled up in front; ones that are no hex, which hand-made files have, are hashed.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value as Json;

use super::build::{
    Draft, RequestBuilder, STATUS_ERROR, STATUS_OK, Value, attribute, attributes_of, event, hashed_id, kind_of, link,
    padded_hex, scope,
};
use super::{Converted, ForeignError, InvalidRecord};
use crate::model::{SpanId, TraceId};
use crate::wire::json;

const NAME: &str = "Jaeger";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trace {
    spans: Vec<Span>,
    #[serde(default)]
    processes: BTreeMap<String, Process>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Span {
    #[serde(rename = "traceID")]
    trace_id: String,
    #[serde(rename = "spanID")]
    span_id: String,
    #[serde(rename = "parentSpanID", default)]
    parent_span_id: Option<String>,
    #[serde(default)]
    operation_name: String,
    #[serde(default)]
    references: Option<Vec<Reference>>,
    #[serde(default)]
    flags: Option<u32>,
    start_time: Json,
    #[serde(default)]
    duration: Json,
    #[serde(default)]
    tags: Option<Vec<Tag>>,
    #[serde(default)]
    logs: Option<Vec<Log>>,
    #[serde(rename = "processID", default)]
    process_id: Option<String>,
    #[serde(default)]
    process: Option<Process>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    #[serde(default)]
    ref_type: String,
    #[serde(rename = "traceID")]
    trace_id: String,
    #[serde(rename = "spanID")]
    span_id: String,
}

#[derive(Deserialize)]
struct Log {
    timestamp: Json,
    #[serde(default)]
    fields: Option<Vec<Tag>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Process {
    #[serde(default)]
    service_name: String,
    #[serde(default)]
    tags: Option<Vec<Tag>>,
}

#[derive(Deserialize)]
struct Tag {
    key: String,
    #[serde(rename = "type", default)]
    kind: Option<String>,
    #[serde(default)]
    value: Json,
}

/// Converts a text; one request a trace.
///
/// # Errors
/// When the text as a whole is not of this format.
pub fn read(text: &[u8]) -> Result<Converted, ForeignError> {
    let wrong = |error| ForeignError::json(NAME, &error);
    let mut converted = Converted::default();
    let is_array = text.trim_ascii_start().first() == Some(&b'[');
    let traces = if is_array {
        json::elements(text).map_err(wrong)?
    } else if let Some(data) = json::member(text, "data").map_err(wrong)? {
        json::elements(data).map_err(wrong)?
    } else if json::member(text, "spans").map_err(wrong)?.is_some() {
        vec![text]
    } else {
        return Err(ForeignError::Shape { format: NAME, expected: "an object with \"data\" or \"spans\"" });
    };
    for (place, trace) in traces.into_iter().enumerate() {
        match serde_json::from_slice(trace).map_err(|error| error.to_string()).and_then(|trace| convert(&trace)) {
            Ok(request) => converted.requests.push(request),
            Err(message) => converted.invalid.push(InvalidRecord { place: format!("data[{place}]"), message }),
        }
    }
    Ok(converted)
}

fn convert(trace: &Trace) -> Result<bytes::Bytes, String> {
    let mut request = RequestBuilder::default();
    for (place, span) in trace.spans.iter().enumerate() {
        let process = span.process.as_ref().or_else(|| trace.processes.get(span.process_id.as_deref()?));
        let (draft, scope) = translate(span).map_err(|message| format!("spans[{place}]: {message}"))?;
        let group = request.group(process.map(resource).unwrap_or_default(), scope);
        request.push(group, &draft);
    }
    Ok(request.finish())
}

fn resource(process: &Process) -> Vec<u8> {
    let mut out = Vec::new();
    if !process.service_name.is_empty() {
        attribute(&mut out, attributes_of::RESOURCE, "service.name", Value::Text(&process.service_name));
    }
    for tag in process.tags.iter().flatten() {
        let key = if tag.key == "hostname" { "host.name" } else { &tag.key };
        put_tag(&mut out, attributes_of::RESOURCE, key, tag);
    }
    out
}

/// A span and its scope.
fn translate(span: &Span) -> Result<(Draft, Vec<u8>), String> {
    let start = nanos(&span.start_time).ok_or("startTime is no number of microseconds")?;
    let duration = match &span.duration {
        Json::Null => 0,
        duration => nanos(duration).ok_or("duration is no number of microseconds")?,
    };
    let trace_id = trace_id(&span.trace_id).ok_or("traceID has more than 32 hex digits, or none")?;
    let parent = parent(span);
    let mut draft = Draft {
        trace_id,
        span_id: span_id(&span.span_id).ok_or("spanID has more than 16 hex digits, or none")?,
        parent_span_id: parent.unwrap_or_default(),
        name: span.operation_name.clone(),
        start,
        end: start.saturating_add(duration),
        flags: span.flags.unwrap_or_default() & 0xff,
        ..Draft::default()
    };
    let scope = put_tags(span, &mut draft);
    for log in span.logs.iter().flatten() {
        put_log(&mut draft.fields, log).ok_or("the timestamp of a log is no number of microseconds")?;
    }
    for reference in span.references.iter().flatten() {
        let (Some(other), Some(id)) = (self::trace_id(&reference.trace_id), span_id(&reference.span_id)) else {
            return Err("a reference has an id that is too long, or none".to_owned());
        };
        if other == trace_id && Some(id) == parent {
            continue;
        }
        let kind = if reference.ref_type == "FOLLOWS_FROM" { "follows_from" } else { "child_of" };
        link(&mut draft.fields, other, id, |out| {
            attribute(out, attributes_of::LINK, "opentracing.ref_type", Value::Text(kind));
        });
    }
    Ok((draft, scope))
}

/// The first `CHILD_OF` within the trace, else the first `FOLLOWS_FROM`, else the field that old
/// versions wrote.
fn parent(span: &Span) -> Option<SpanId> {
    let of = |kind: &str| {
        let mut references = span.references.iter().flatten();
        references.find(|reference| reference.trace_id == span.trace_id && reference.ref_type == kind)
    };
    let text = of("CHILD_OF").or_else(|| of("FOLLOWS_FROM")).map(|reference| &reference.span_id);
    span_id(text.or(span.parent_span_id.as_ref())?).filter(|id| !id.is_empty())
}

/// Writes the tags that stay attributes; returns the scope.
fn put_tags(span: &Span, draft: &mut Draft) -> Vec<u8> {
    let tags: Vec<&Tag> = span.tags.iter().flatten().collect();
    let of = |keys: &[&str]| tags.iter().find(|tag| keys.contains(&&*tag.key)).copied();
    let text = |keys: &[&str]| of(keys).and_then(|tag| tag.value.as_str()).unwrap_or_default();
    draft.kind = kind_of(text(&["span.kind"]));
    draft.trace_state = text(&["w3c.tracestate"]).to_owned();
    let has_failed = of(&["error"]).is_some_and(is_true);
    let said = text(&["otel.status_code"]).to_ascii_uppercase();
    draft.status = match said.as_str() {
        _ if has_failed => STATUS_ERROR,
        "ERROR" => STATUS_ERROR,
        "OK" => STATUS_OK,
        "" if of(&["http.status_code"]).is_some_and(|tag| is_http_error(tag, draft.kind)) => STATUS_ERROR,
        _ => 0,
    };
    if draft.status != 0 {
        draft.status_message = text(&["otel.status_description", "http.status_message"]).to_owned();
    }
    let names: [&[&str]; 2] =
        [&["otel.scope.name", "otel.library.name"], &["otel.scope.version", "otel.library.version"]];
    for tag in &tags {
        let is_taken = match &*tag.key {
            "span.kind" => draft.kind != 0,
            "error" => has_failed,
            "w3c.tracestate" | "otel.status_code" | "otel.status_description" => true,
            key => names.iter().any(|names| names.contains(&key)),
        };
        if !is_taken {
            put_tag(&mut draft.fields, attributes_of::SPAN, &tag.key, tag);
        }
    }
    scope(text(names[0]), text(names[1]))
}

fn is_true(tag: &Tag) -> bool {
    tag.value == Json::Bool(true) || tag.value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// 5xx, and 4xx unless the span is the server's.
fn is_http_error(tag: &Tag, kind: u8) -> bool {
    let code = tag.value.as_u64().or_else(|| tag.value.as_str()?.parse().ok());
    code.is_some_and(|code| (500..600).contains(&code) || (400..500).contains(&code) && kind != kind_of("server"))
}

fn put_log(out: &mut Vec<u8>, log: &Log) -> Option<()> {
    let at = nanos(&log.timestamp)?;
    let fields = || log.fields.iter().flatten();
    let name = fields().find(|field| field.key == "event").and_then(|field| field.value.as_str());
    event(out, at, name.unwrap_or_default(), |out| {
        for field in fields().filter(|field| name.is_none() || field.key != "event") {
            put_tag(out, attributes_of::EVENT, &field.key, field);
        }
    });
    Some(())
}

/// Writes a tag as an attribute of the type that it names, or that its value has.
fn put_tag(out: &mut Vec<u8>, number: u8, key: &str, tag: &Tag) {
    let text = tag.value.as_str();
    let value = match tag.kind.as_deref() {
        Some("bool") => text.and_then(|text| text.parse().ok()).map(Value::Bool),
        Some("int64") => text.and_then(|text| text.parse().ok()).map(Value::Int),
        Some("float64") => tag.value.as_f64().or_else(|| text?.parse().ok()).map(Value::Double),
        Some("binary") => {
            if let Some(bytes) = text.and_then(|text| STANDARD.decode(text).ok()) {
                return attribute(out, number, key, Value::Bytes(&bytes));
            }
            None
        }
        _ => None,
    };
    let by_value = || match &tag.value {
        Json::Bool(flag) => Some(Value::Bool(*flag)),
        Json::Number(number) => number.as_i64().map(Value::Int).or_else(|| number.as_f64().map(Value::Double)),
        Json::String(text) => Some(Value::Text(text)),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    };
    match value.or_else(by_value) {
        Some(value) => attribute(out, number, key, value),
        None => attribute(out, number, key, Value::Text(&tag.value.to_string())),
    }
}

/// Microseconds, as a number or as text, in nanoseconds.
fn nanos(micros: &Json) -> Option<u64> {
    let whole = micros.as_u64().or_else(|| micros.as_str()?.parse().ok());
    let fraction = || micros.as_f64().filter(|micros| *micros >= 0.0).map(|micros| (micros * 1e3) as u64);
    whole.map(|micros| micros.saturating_mul(1_000)).or_else(fraction)
}

/// `None` for no text, and for hex that is too long.
fn trace_id(text: &str) -> Option<TraceId> {
    if let Some(id) = padded_hex(text) {
        return Some(TraceId(id));
    }
    let (high, low) = (hashed_id(text), hashed_id(&format!("{text}/")));
    is_name(text).then(|| TraceId((u128::from(high) << 64 | u128::from(low)).to_be_bytes()))
}

fn span_id(text: &str) -> Option<SpanId> {
    padded_hex(text).map(SpanId).or_else(|| is_name(text).then(|| SpanId(hashed_id(text).to_be_bytes())))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    fn requests(text: &str) -> Vec<ExportTraceServiceRequest> {
        let converted = read(text.as_bytes()).unwrap();
        assert_eq!(converted.invalid, []);
        converted.requests.into_iter().map(|request| ExportTraceServiceRequest::decode(request).unwrap()).collect()
    }

    const ONE: &str = r#"{"data": [{"traceID": "a1", "spans": [{
        "traceID": "a1", "spanID": "b2", "operationName": "GET /", "flags": 1, "startTime": 1000, "duration": 20,
        "processID": "p1", "references": [
            {"refType": "FOLLOWS_FROM", "traceID": "a1", "spanID": "99"},
            {"refType": "CHILD_OF", "traceID": "a1", "spanID": "c3"},
            {"refType": "CHILD_OF", "traceID": "ff", "spanID": "dd"}],
        "tags": [
            {"key": "span.kind", "type": "string", "value": "server"},
            {"key": "error", "type": "bool", "value": true},
            {"key": "otel.status_description", "type": "string", "value": "boom"},
            {"key": "otel.scope.name", "type": "string", "value": "lib"},
            {"key": "w3c.tracestate", "type": "string", "value": "ot=th:8"},
            {"key": "n", "type": "int64", "value": 7}, {"key": "t", "type": "int64", "value": "8"},
            {"key": "f", "type": "float64", "value": 1}, {"key": "b", "type": "binary", "value": "AQI="},
            {"key": "x", "value": ["list"]}],
        "logs": [{"timestamp": 1005, "fields": [{"key": "event", "value": "hit"}, {"key": "n", "value": 1}]}]
        }], "processes": {"p1": {"serviceName": "shop", "tags": [{"key": "hostname", "type": "string", "value": "h"}]}}}]}"#;

    #[test]
    fn a_trace_becomes_what_the_collector_makes_of_it() {
        let request = &requests(ONE)[0];
        let resource = &request.resource_spans[0].resource.as_ref().unwrap().attributes;
        let keys: Vec<_> = resource.iter().map(|pair| pair.key.as_str()).collect();
        assert_eq!(keys, ["service.name", "host.name"]);
        let scope = &request.resource_spans[0].scope_spans[0];
        assert_eq!(scope.scope.as_ref().unwrap().name, "lib");
        let span = &scope.spans[0];
        assert_eq!((span.trace_id[15], span.span_id[7], span.parent_span_id[7]), (0xa1, 0xb2, 0xc3));
        assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano), (1_000_000, 1_020_000));
        assert_eq!((span.kind, span.flags, span.trace_state.as_str()), (2, 1, "ot=th:8"));
        let status = span.status.as_ref().unwrap();
        assert_eq!((status.code, status.message.as_str()), (2, "boom"));
        let attributes: Vec<_> = span
            .attributes
            .iter()
            .map(|pair| (pair.key.as_str(), pair.value.clone().unwrap().value.unwrap()))
            .collect();
        let expected = [
            ("n", Any::IntValue(7)),
            ("t", Any::IntValue(8)),
            ("f", Any::DoubleValue(1.0)),
            ("b", Any::BytesValue(vec![1, 2])),
            ("x", Any::StringValue("[\"list\"]".to_owned())),
        ];
        assert_eq!(attributes, expected);
        let links: Vec<_> = span.links.iter().map(|link| (link.trace_id[15], link.span_id[7])).collect();
        assert_eq!(links, [(0xa1, 0x99), (0xff, 0xdd)]);
        assert_eq!((span.events[0].name.as_str(), span.events[0].attributes.len()), ("hit", 1));
    }

    fn status_of(tags: &str) -> i32 {
        let text = format!(
            r#"{{"spans": [{{"traceID": "1", "spanID": "2", "startTime": 0, "duration": 1, "tags": [{tags}]}}]}}"#
        );
        let span = requests(&text).remove(0).resource_spans.remove(0).scope_spans.remove(0).spans.remove(0);
        span.status.map_or(0, |status| status.code)
    }

    #[test]
    fn the_status_follows_the_tags_in_their_order_of_precedence() {
        let tag = |key: &str, value: &str| format!(r#"{{"key": "{key}", "value": {value}}}"#);
        let both = |left: String, right: String| format!("{left}, {right}");
        assert_eq!(status_of(""), 0);
        assert_eq!(status_of(&both(tag("error", "true"), tag("otel.status_code", "\"OK\""))), 2);
        assert_eq!(status_of(&both(tag("error", "false"), tag("otel.status_code", "\"OK\""))), 1);
        assert_eq!(status_of(&tag("error", "\"true\"")), 2);
        assert_eq!(status_of(&tag("http.status_code", "503")), 2);
        assert_eq!(status_of(&both(tag("http.status_code", "404"), tag("span.kind", "\"server\""))), 0);
        assert_eq!(status_of(&both(tag("http.status_code", "404"), tag("span.kind", "\"client\""))), 2);
    }

    #[test]
    fn ids_that_are_no_hex_are_told_apart() {
        let span = |id: &str| format!(r#"{{"traceID": "A", "spanID": "{id}", "startTime": 0, "duration": 1}}"#);
        let request = requests(&format!(r#"[{{"spans": [{}, {}]}}]"#, span("G"), span("H"))).remove(0);
        let spans = &request.resource_spans[0].scope_spans[0].spans;
        assert_eq!(spans[0].trace_id[15], 0xa);
        assert_ne!(spans[0].span_id, spans[1].span_id);
    }

    #[test]
    fn a_broken_trace_is_named_and_the_others_are_read() {
        let text = r#"{"data": [{"spans": [{"spanID": "1"}]}, {"spans": []}, {"spans": [
            {"traceID": "1", "spanID": "11112222333344445", "startTime": 0}]}]}"#;
        let converted = read(text.as_bytes()).unwrap();
        assert_eq!(converted.requests.len(), 1);
        assert_eq!(converted.invalid[0].place, "data[0]");
        assert!(converted.invalid[0].message.contains("traceID"), "{:?}", converted.invalid);
        assert_eq!(converted.invalid[1].message, "spans[0]: spanID has more than 16 hex digits, or none");
    }

    #[test]
    fn text_of_another_kind_is_refused() {
        let refused = |text: &str| read(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(refused("{}"), "not Jaeger JSON: an object with \"data\" or \"spans\"");
        assert!(refused("{\"data\": 7}").starts_with("not Jaeger JSON at byte"));
        assert!(refused("").starts_with("not Jaeger JSON at byte 0"));
    }

    proptest! {
        #[test]
        fn times_of_any_size_are_taken(start in any::<u64>(), duration in any::<u64>()) {
            let text = format!(r#"{{"spans": [{{"traceID": "1", "spanID": "2", "startTime": {start}, "duration": {duration}}}]}}"#);
            let span = requests(&text).remove(0).resource_spans.remove(0).scope_spans.remove(0).spans.remove(0);
            prop_assert_eq!(span.start_time_unix_nano, start.saturating_mul(1000));
            prop_assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
        }
    }
}
