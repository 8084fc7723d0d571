//! Zipkin's v2 JSON: an array of spans as `POST /api/v2/spans` takes it, or an array of traces as
//! the API gives it. Translated as the Collector does: the local endpoint becomes the resource,
//! tags and the remote endpoint attributes, annotations events, `error` the status.
//!
//! Client and server may share one span id there, which OTLP does not know. Where both halves are
//! in the text, the server's gets an id of its own below the client's, and the server's children
//! follow it.

use std::collections::BTreeMap;

use hashbrown::{HashMap, HashSet};
use serde::Deserialize;
use serde_json::Value as Json;

use super::build::{
    Draft, RequestBuilder, STATUS_ERROR, STATUS_OK, Value, attribute, attributes_of, event, kind_of, padded_hex, scope,
};
use super::{Converted, ForeignError, InvalidRecord};
use crate::model::{SpanId, TraceId};
use crate::wire::json;

const NAME: &str = "Zipkin v2";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Span {
    trace_id: String,
    id: String,
    #[serde(default)]
    parent_id: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    timestamp: Json,
    #[serde(default)]
    duration: Json,
    #[serde(default)]
    debug: Option<bool>,
    #[serde(default)]
    shared: Option<bool>,
    #[serde(default)]
    local_endpoint: Option<Endpoint>,
    #[serde(default)]
    remote_endpoint: Option<Endpoint>,
    #[serde(default)]
    annotations: Option<Vec<Annotation>>,
    #[serde(default)]
    tags: Option<BTreeMap<String, Json>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    #[serde(default)]
    service_name: Option<String>,
    #[serde(default)]
    ipv4: Option<String>,
    #[serde(default)]
    ipv6: Option<String>,
    #[serde(default)]
    port: Option<u16>,
}

#[derive(Deserialize)]
struct Annotation {
    timestamp: Json,
    #[serde(default)]
    value: String,
}

/// A span with what its place in the tree depends on.
struct Placed {
    draft: Draft,
    service: String,
    is_server: bool,
    is_shared: bool,
    resource: Vec<u8>,
}

/// Converts a text; one request a trace, in the order of their first spans.
///
/// # Errors
/// When the text as a whole is not of this format.
pub fn read(text: &[u8]) -> Result<Converted, ForeignError> {
    let wrong = |error| ForeignError::json(NAME, &error);
    let mut converted = Converted::default();
    let mut traces: Vec<Vec<Placed>> = Vec::new();
    let mut places = HashMap::<TraceId, usize, rapidhash::fast::RandomState>::default();
    let mut take = |place: String, text: &[u8]| {
        let span = serde_json::from_slice::<Span>(text).map_err(|error| error.to_string());
        match span.and_then(|span| translate(&span).map_err(str::to_owned)) {
            Ok(placed) => {
                let trace = *places.entry(placed.draft.trace_id).or_insert_with(|| {
                    traces.push(Vec::new());
                    traces.len() - 1
                });
                traces[trace].push(placed);
            }
            Err(message) => converted.invalid.push(InvalidRecord { place, message }),
        }
    };
    for (outer, element) in json::elements(text).map_err(wrong)?.into_iter().enumerate() {
        if element.first() != Some(&b'[') {
            take(format!("[{outer}]"), element);
            continue;
        }
        for (inner, element) in json::elements(element).map_err(wrong)?.into_iter().enumerate() {
            take(format!("[{outer}][{inner}]"), element);
        }
    }
    converted.requests = traces.into_iter().map(request).collect();
    Ok(converted)
}

fn request(mut trace: Vec<Placed>) -> bytes::Bytes {
    part_halves(&mut trace);
    let mut request = RequestBuilder::default();
    for placed in trace {
        let group = request.group(placed.resource, scope("", ""));
        request.push(group, &placed.draft);
    }
    request.finish()
}

/// Gives the server's half of a shared id an id of its own, where the client's half is there.
fn part_halves(trace: &mut [Placed]) {
    let mut known: HashSet<SpanId, rapidhash::fast::RandomState> = HashSet::default();
    known.extend(trace.iter().map(|placed| placed.draft.span_id));
    let others: HashSet<SpanId, rapidhash::fast::RandomState> =
        trace.iter().filter(|placed| !placed.is_server).map(|placed| placed.draft.span_id).collect();
    // The server's half of an id: its service and its new id.
    let mut halves = HashMap::<SpanId, (String, SpanId), rapidhash::fast::RandomState>::default();
    for placed in trace.iter_mut().filter(|placed| placed.is_server) {
        let shared = placed.draft.span_id;
        if !others.contains(&shared) || halves.contains_key(&shared) {
            continue;
        }
        let own = unused(shared, &mut known);
        halves.insert(shared, (placed.service.clone(), own));
        placed.draft.span_id = own;
        placed.draft.parent_span_id = shared;
        placed.is_shared = true;
    }
    for placed in trace.iter_mut().filter(|placed| !placed.is_shared) {
        if let Some((service, own)) = halves.get(&placed.draft.parent_span_id)
            && *service == placed.service
        {
            placed.draft.parent_span_id = *own;
        }
    }
}

/// An id that follows from another one and that no span has.
fn unused(shared: SpanId, known: &mut HashSet<SpanId, rapidhash::fast::RandomState>) -> SpanId {
    let mut id = u64::from_be_bytes(shared.0);
    loop {
        // Steps of an odd constant reach every id.
        id = id.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let candidate = SpanId(id.to_be_bytes());
        if id != 0 && known.insert(candidate) {
            return candidate;
        }
    }
}

fn translate(span: &Span) -> Result<Placed, &'static str> {
    let start = nanos(&span.timestamp).ok_or("timestamp is no number of microseconds")?;
    let duration = nanos(&span.duration).ok_or("duration is no number of microseconds")?;
    let service = span.local_endpoint.as_ref().and_then(|endpoint| endpoint.service_name.clone()).unwrap_or_default();
    let parent = span.parent_id.as_deref().filter(|id| !id.is_empty());
    let mut draft = Draft {
        trace_id: padded_hex(&span.trace_id).map(TraceId).ok_or("traceId is not 1 to 32 hex digits")?,
        span_id: padded_hex(&span.id).map(SpanId).ok_or("id is not 1 to 16 hex digits")?,
        parent_span_id: match parent {
            Some(parent) => padded_hex(parent).map(SpanId).ok_or("parentId is not 1 to 16 hex digits")?,
            None => SpanId::default(),
        },
        name: span.name.clone().unwrap_or_default(),
        kind: span.kind.as_deref().map_or(0, kind_of),
        start,
        end: start.saturating_add(duration),
        flags: u32::from(span.debug == Some(true)),
        ..Draft::default()
    };
    put_tags(span, &mut draft);
    for annotation in span.annotations.iter().flatten() {
        let at = nanos(&annotation.timestamp).ok_or("the timestamp of an annotation is no number of microseconds")?;
        event(&mut draft.fields, at, &annotation.value, |_| {});
    }
    let is_server = draft.kind == kind_of("server");
    Ok(Placed {
        is_server,
        is_shared: span.shared == Some(true) && is_server,
        resource: resource(span),
        draft,
        service,
    })
}

fn resource(span: &Span) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(name) = span.local_endpoint.as_ref().and_then(|endpoint| endpoint.service_name.as_deref()) {
        attribute(&mut out, attributes_of::RESOURCE, "service.name", Value::Text(name));
    }
    out
}

fn put_tags(span: &Span, draft: &mut Draft) {
    let empty = BTreeMap::new();
    let tags = span.tags.as_ref().unwrap_or(&empty);
    let text = |key: &str| tags.get(key).and_then(Json::as_str);
    let kind = text("span.kind").map_or(0, kind_of);
    if draft.kind == 0 {
        draft.kind = kind;
    }
    draft.trace_state = text("w3c.tracestate").unwrap_or_default().to_owned();
    let error = tags.get("error");
    draft.status = match (error, text("otel.status_code")) {
        (Some(value), _) if *value != Json::Bool(false) && value.as_str() != Some("false") => STATUS_ERROR,
        (_, Some("ERROR" | "Error" | "STATUS_CODE_ERROR")) => STATUS_ERROR,
        (_, Some("OK" | "Ok" | "STATUS_CODE_OK")) => STATUS_OK,
        _ => 0,
    };
    draft.status_message = text("otel.status_description").unwrap_or_default().to_owned();
    for (key, value) in tags {
        let is_taken = match key.as_str() {
            "span.kind" => kind != 0,
            "w3c.tracestate" | "otel.status_code" | "otel.status_description" => true,
            // More than "true" is a message, which stays.
            "error" => value.as_str() == Some("true"),
            _ => false,
        };
        if !is_taken {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            attribute(&mut draft.fields, attributes_of::SPAN, key, Value::Text(&text));
        }
    }
    for (endpoint, keys) in [
        (&span.local_endpoint, ["", "net.host.ip", "net.host.port"]),
        (&span.remote_endpoint, ["peer.service", "net.peer.ip", "net.peer.port"]),
    ] {
        put_endpoint(&mut draft.fields, endpoint.as_ref(), keys);
    }
}

/// Writes what an endpoint says under the names for its service, address and port.
fn put_endpoint(out: &mut Vec<u8>, endpoint: Option<&Endpoint>, [service, address, port]: [&str; 3]) {
    let Some(endpoint) = endpoint else { return };
    let mut put = |key: &str, value: Option<Value<'_>>| {
        if let Some(value) = value.filter(|_| !key.is_empty()) {
            attribute(out, attributes_of::SPAN, key, value);
        }
    };
    put(service, endpoint.service_name.as_deref().map(Value::Text));
    put(address, endpoint.ipv4.as_deref().or(endpoint.ipv6.as_deref()).map(Value::Text));
    put(port, endpoint.port.map(|port| Value::Int(port.into())));
}

/// Microseconds in nanoseconds; absent ones are 0, as with a span that is still open.
fn nanos(micros: &Json) -> Option<u64> {
    match micros {
        Json::Null => Some(0),
        micros => {
            let whole = micros.as_u64().map(|micros| micros.saturating_mul(1_000));
            whole.or_else(|| micros.as_f64().filter(|micros| *micros >= 0.0).map(|micros| (micros * 1e3) as u64))
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::Span as OtlpSpan;
    use prost::Message;

    use super::*;

    /// Service and span, by trace.
    fn spans(text: &str) -> Vec<Vec<(String, OtlpSpan)>> {
        let converted = read(text.as_bytes()).unwrap();
        assert_eq!(converted.invalid, []);
        let of = |request: ExportTraceServiceRequest| {
            let resources = request.resource_spans.into_iter().flat_map(|resource| {
                let service = resource.resource.unwrap().attributes.into_iter().next().map_or(String::new(), |pair| {
                    assert_eq!(pair.key, "service.name");
                    format!("{:?}", pair.value.unwrap().value.unwrap())
                });
                let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
                spans.map(move |span| (service.clone(), span)).collect::<Vec<_>>()
            });
            resources.collect()
        };
        converted.requests.into_iter().map(|body| of(ExportTraceServiceRequest::decode(body).unwrap())).collect()
    }

    const CALL: &str = r#"[
        {"traceId": "1", "id": "a", "kind": "SERVER", "name": "get", "timestamp": 5, "duration": 90, "localEndpoint": {"serviceName": "front"}},
        {"traceId": "1", "parentId": "a", "id": "b", "kind": "CLIENT", "name": "call", "timestamp": 10, "duration": 50,
         "localEndpoint": {"serviceName": "front"}, "remoteEndpoint": {"serviceName": "back", "ipv4": "10.0.0.1", "port": 80},
         "annotations": [{"timestamp": 12, "value": "retry"}], "tags": {"http.status": 200, "error": "timed out"}},
        {"traceId": "1", "parentId": "a", "id": "b", "kind": "SERVER", "name": "call", "shared": true, "timestamp": 20, "duration": 30,
         "localEndpoint": {"serviceName": "back"}},
        {"traceId": "1", "parentId": "b", "id": "c", "name": "query", "timestamp": 25, "localEndpoint": {"serviceName": "back"}}]"#;

    #[test]
    fn a_span_becomes_what_the_collector_makes_of_it() {
        let trace = spans(CALL).remove(0);
        let (_, call) = trace.iter().find(|(_, span)| span.kind == 3).unwrap();
        assert_eq!((call.start_time_unix_nano, call.end_time_unix_nano), (10_000, 60_000));
        assert_eq!(call.status.as_ref().map(|status| status.code), Some(2));
        let keys: Vec<_> = call.attributes.iter().map(|pair| pair.key.as_str()).collect();
        assert_eq!(keys, ["error", "http.status", "peer.service", "net.peer.ip", "net.peer.port"]);
        assert_eq!((call.events[0].name.as_str(), call.events[0].time_unix_nano), ("retry", 12_000));
    }

    #[test]
    fn the_servers_half_of_a_shared_id_stands_between_client_and_children() {
        let trace = spans(CALL).remove(0);
        let named = |name: &str, kind: i32| {
            trace.iter().find(|(_, span)| span.name == name && span.kind == kind).map(|(_, span)| span.clone()).unwrap()
        };
        let (client, server, query) = (named("call", 3), named("call", 2), named("query", 0));
        assert_eq!(client.span_id[7], 0xb);
        assert_ne!(server.span_id, client.span_id);
        assert_eq!((server.parent_span_id, query.parent_span_id), (client.span_id, server.span_id));
    }

    #[test]
    fn a_half_alone_keeps_its_id_and_its_parent() {
        let span = spans(
            r#"[{"traceId": "1", "parentId": "a", "id": "b", "kind": "SERVER", "shared": true, "timestamp": 1}]"#,
        )
        .remove(0)
        .remove(0)
        .1;
        assert_eq!((span.span_id[7], span.parent_span_id[7]), (0xb, 0xa));
    }

    #[test]
    fn traces_are_told_apart_in_one_array_or_in_several() {
        let text = r#"[{"traceId": "1", "id": "1"}, {"traceId": "2", "id": "1"}, {"traceId": "1", "id": "2"}]"#;
        let nested = r#"[[{"traceId": "1", "id": "1"}, {"traceId": "1", "id": "2"}], [{"traceId": "2", "id": "1"}]]"#;
        for text in [text, nested] {
            assert_eq!(spans(text).iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
        }
    }

    #[test]
    fn a_broken_span_is_named_and_the_others_are_read() {
        let converted = read(br#"[{"traceId": "x", "id": "1"}, {"traceId": "1", "id": "1"}, [{"id": "1"}]]"#).unwrap();
        assert_eq!(converted.requests.len(), 1);
        let places: Vec<_> = converted.invalid.iter().map(|record| record.place.as_str()).collect();
        assert_eq!(places, ["[0]", "[2][0]"]);
        assert_eq!(converted.invalid[0].message, "traceId is not 1 to 32 hex digits");
        assert!(read(b"{}").unwrap_err().to_string().starts_with("not Zipkin v2 JSON at byte 0"));
    }
}
