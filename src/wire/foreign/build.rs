//! Writing a traces request from spans that came in another format: protobuf by hand, grouped by
//! resource and scope. Knows OTLP's field numbers, and none of the other formats.

use bytes::Bytes;
use hashbrown::HashMap;

use crate::model::{SpanId, TraceId, put_varint, varint_len};

/// The value of an attribute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(&'a [u8]),
}

/// `SpanKind` by its names in other formats, in any case; 0 for another word.
pub(super) fn kind_of(word: &str) -> u8 {
    const WORDS: [&str; 5] = ["internal", "server", "client", "producer", "consumer"];
    let word = word.strip_prefix("SPAN_KIND_").unwrap_or(word);
    WORDS.iter().position(|known| known.eq_ignore_ascii_case(word)).map_or(0, |place| place as u8 + 1)
}

/// `Status.code` of an error.
pub(super) const STATUS_ERROR: u8 = 2;
/// `Status.code` of what went well.
pub(super) const STATUS_OK: u8 = 1;

/// A span with its attributes, events and links already written.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub trace_id: TraceId,
    pub span_id: SpanId,
    pub parent_span_id: SpanId,
    pub name: String,
    pub kind: u8,
    pub start: u64,
    pub end: u64,
    pub flags: u32,
    pub trace_state: String,
    pub status: u8,
    pub status_message: String,
    /// Fields of `Span`, by [`attribute`], [`event`] and [`link`].
    pub fields: Vec<u8>,
}

/// Field numbers of `attributes`.
pub(super) mod attributes_of {
    pub(in crate::wire::foreign) const RESOURCE: u8 = 1;
    pub(in crate::wire::foreign) const SPAN: u8 = 9;
    pub(in crate::wire::foreign) const EVENT: u8 = 3;
    pub(in crate::wire::foreign) const LINK: u8 = 4;
}

/// Appends `attributes` of the owner with this field number.
pub(super) fn attribute(out: &mut Vec<u8>, number: u8, key: &str, value: Value<'_>) {
    message(out, number, |out| {
        bytes(out, 1, key.as_bytes());
        message(out, 2, |out| match value {
            Value::Text(text) => bytes(out, 1, text.as_bytes()),
            Value::Bool(flag) => integer(out, 2, flag.into()),
            Value::Int(number) => integer(out, 3, number.cast_unsigned()),
            Value::Double(number) => fixed64(out, 4, number.to_bits()),
            Value::Bytes(content) => bytes(out, 7, content),
        });
    });
}

/// Appends an event of a span, whose attributes `content` writes.
pub(super) fn event(out: &mut Vec<u8>, at: u64, name: &str, content: impl FnOnce(&mut Vec<u8>)) {
    message(out, 11, |out| {
        fixed64(out, 1, at);
        bytes(out, 2, name.as_bytes());
        content(out);
    });
}

/// Appends a link of a span, whose attributes `content` writes.
pub(super) fn link(out: &mut Vec<u8>, trace_id: TraceId, span_id: SpanId, content: impl FnOnce(&mut Vec<u8>)) {
    message(out, 13, |out| {
        bytes(out, 1, &trace_id.0);
        bytes(out, 2, &span_id.0);
        content(out);
    });
}

impl Draft {
    fn write(&self, out: &mut Vec<u8>) {
        message(out, 2, |out| {
            bytes(out, 1, &self.trace_id.0);
            bytes(out, 2, &self.span_id.0);
            optional(out, 3, self.trace_state.as_bytes());
            if !self.parent_span_id.is_empty() {
                bytes(out, 4, &self.parent_span_id.0);
            }
            optional(out, 5, self.name.as_bytes());
            if self.kind != 0 {
                integer(out, 6, self.kind.into());
            }
            fixed64(out, 7, self.start);
            fixed64(out, 8, self.end);
            out.extend_from_slice(&self.fields);
            if self.status != 0 || !self.status_message.is_empty() {
                message(out, 15, |out| {
                    optional(out, 2, self.status_message.as_bytes());
                    integer(out, 3, self.status.into());
                });
            }
            if self.flags != 0 {
                out.extend_from_slice(&[0x85, 0x01]);
                out.extend_from_slice(&self.flags.to_le_bytes());
            }
        });
    }
}

/// One `ExportTraceServiceRequest` while it grows. Resources and scopes stand in the order in
/// which they were named first.
#[derive(Debug, Default)]
pub(super) struct RequestBuilder {
    groups: Vec<Group>,
    by_content: HashMap<(Vec<u8>, Vec<u8>), usize, rapidhash::fast::RandomState>,
}

/// A resource with one scope.
#[derive(Debug)]
struct Group {
    /// Fields of `Resource`.
    resource: Vec<u8>,
    /// Fields of `InstrumentationScope`.
    scope: Vec<u8>,
    spans: Vec<u8>,
}

impl RequestBuilder {
    /// Where spans of a resource go, given the fields of `Resource` and `InstrumentationScope`.
    pub(super) fn group(&mut self, resource: Vec<u8>, scope: Vec<u8>) -> usize {
        let groups = &mut self.groups;
        *self.by_content.entry((resource, scope)).or_insert_with_key(|(resource, scope)| {
            groups.push(Group { resource: resource.clone(), scope: scope.clone(), spans: Vec::new() });
            groups.len() - 1
        })
    }

    /// Adds a span to a group of this request.
    pub(super) fn push(&mut self, group: usize, draft: &Draft) {
        draft.write(&mut self.groups[group].spans);
    }

    /// The request.
    pub(super) fn finish(self) -> Bytes {
        let mut out = Vec::new();
        for group in self.groups {
            message(&mut out, 1, |out| {
                message(out, 1, |out| out.extend_from_slice(&group.resource));
                message(out, 2, |out| {
                    if !group.scope.is_empty() {
                        message(out, 1, |out| out.extend_from_slice(&group.scope));
                    }
                    out.extend_from_slice(&group.spans);
                });
            });
        }
        out.into()
    }
}

/// Fields of an `InstrumentationScope`.
pub(super) fn scope(name: &str, version: &str) -> Vec<u8> {
    let mut out = Vec::new();
    optional(&mut out, 1, name.as_bytes());
    optional(&mut out, 2, version.as_bytes());
    out
}

/// Tag and length around what `content` writes.
fn message(out: &mut Vec<u8>, number: u8, content: impl FnOnce(&mut Vec<u8>)) {
    tag(out, number, 2);
    let at = out.len();
    content(out);
    let length = (out.len() - at) as u64;
    // The length goes before the content, which moves by its one to five bytes.
    let end = out.len();
    let width = varint_len(length);
    out.resize(end + width, 0);
    out.copy_within(at..end, at + width);
    let mut rest = length;
    for byte in &mut out[at..at + width] {
        *byte = rest as u8 | 0x80;
        rest >>= 7;
    }
    out[at + width - 1] &= 0x7f;
}

fn tag(out: &mut Vec<u8>, number: u8, wire_type: u8) {
    put_varint(out, u64::from(number) << 3 | u64::from(wire_type));
}

fn bytes(out: &mut Vec<u8>, number: u8, content: &[u8]) {
    tag(out, number, 2);
    put_varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

fn optional(out: &mut Vec<u8>, number: u8, content: &[u8]) {
    if !content.is_empty() {
        bytes(out, number, content);
    }
}

fn integer(out: &mut Vec<u8>, number: u8, value: u64) {
    tag(out, number, 0);
    put_varint(out, value);
}

fn fixed64(out: &mut Vec<u8>, number: u8, value: u64) {
    tag(out, number, 1);
    out.extend_from_slice(&value.to_le_bytes());
}

/// A 64-bit id from text that is no hex, as hand-made recordings have it: FNV-1a.
pub(super) fn hashed_id(text: &str) -> u64 {
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, fold).max(1)
}

/// An id in hex of at most `2 * N` characters, filled up with zeros in front as Jaeger and Zipkin
/// do; `None` when it is longer or no hex.
pub(super) fn padded_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.is_empty() || text.len() > 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let value = u128::from_str_radix(text, 16).ok()?;
    value.to_be_bytes()[16 - N..].try_into().ok()
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
    use prost::Message;

    use super::*;

    #[test]
    fn a_request_is_read_by_others_as_it_was_meant() {
        let mut request = RequestBuilder::default();
        let mut resource = Vec::new();
        attribute(&mut resource, attributes_of::RESOURCE, "service.name", Value::Text("shop"));
        let first = request.group(resource.clone(), scope("lib", "1"));
        assert_eq!(request.group(resource, scope("lib", "1")), first);
        let second = request.group(Vec::new(), Vec::new());
        let mut fields = Vec::new();
        for value in [
            Value::Text(&"x".repeat(200)),
            Value::Bool(true),
            Value::Int(-3),
            Value::Double(0.5),
            Value::Bytes(b"\x01"),
        ] {
            attribute(&mut fields, attributes_of::SPAN, "k", value);
        }
        event(&mut fields, 7, "hit", |out| attribute(out, attributes_of::EVENT, "e", Value::Int(1)));
        link(&mut fields, TraceId([3; 16]), SpanId([4; 8]), |out| {
            attribute(out, attributes_of::LINK, "l", Value::Int(2))
        });
        let draft = Draft {
            trace_id: TraceId([1; 16]),
            span_id: SpanId([2; 8]),
            parent_span_id: SpanId([5; 8]),
            name: "GET /".to_owned(),
            kind: kind_of("SERVER"),
            start: 10,
            end: 20,
            flags: 1,
            trace_state: "a=b".to_owned(),
            status: STATUS_ERROR,
            status_message: "no".to_owned(),
            fields,
        };
        request.push(first, &draft);
        request.push(second, &Draft::default());
        let read = ExportTraceServiceRequest::decode(request.finish()).unwrap();
        assert_eq!(read.resource_spans.len(), 2);
        let scope = &read.resource_spans[0].scope_spans[0];
        assert_eq!(scope.scope.as_ref().map(|scope| (scope.name.as_str(), scope.version.as_str())), Some(("lib", "1")));
        let span = &scope.spans[0];
        assert_eq!((span.name.as_str(), span.kind, span.flags, span.trace_state.as_str()), ("GET /", 2, 1, "a=b"));
        assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano, span.parent_span_id.len()), (10, 20, 8));
        assert_eq!(span.status.as_ref().map(|status| (status.code, status.message.as_str())), Some((2, "no")));
        let values: Vec<_> = span.attributes.iter().map(|pair| pair.value.clone().unwrap().value.unwrap()).collect();
        assert_eq!(
            values[1..],
            [Any::BoolValue(true), Any::IntValue(-3), Any::DoubleValue(0.5), Any::BytesValue(vec![1])]
        );
        assert_eq!((span.events[0].time_unix_nano, span.events[0].attributes.len()), (7, 1));
        assert_eq!((span.links[0].trace_id.len(), span.links[0].attributes.len()), (16, 1));
        let empty = &read.resource_spans[1].scope_spans[0].spans[0];
        assert!(empty.parent_span_id.is_empty() && empty.status.is_none() && empty.name.is_empty());
    }

    #[test]
    fn short_ids_are_filled_up_and_long_ones_refused() {
        assert_eq!(padded_hex::<8>("a1"), Some([0, 0, 0, 0, 0, 0, 0, 0xa1]));
        assert_eq!(padded_hex::<16>("A1").map(|id| id[15]), Some(0xa1));
        for bad in ["", "g", "+1", "11112222333344445"] {
            assert_eq!(padded_hex::<8>(bad), None, "{bad}");
        }
        assert_ne!(hashed_id("G"), hashed_id("H"));
    }

    #[test]
    fn kinds_have_names_in_any_case() {
        let words = ["internal", "SERVER", "Client", "SPAN_KIND_PRODUCER", "consumer", "", "odd"];
        assert_eq!(words.map(kind_of), [1, 2, 3, 4, 5, 0, 0]);
    }
}
