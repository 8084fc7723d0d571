//! Tables of `trace.proto`.

use super::attributes::KEY_VALUE;
use super::{Counter, EnumNames, Id, Kind, Message, many, one};

/// `Span`.
pub(in crate::wire) static SPAN: Message = Message::new(&[
    one(1, "traceId", Kind::Id(Id::Trace)),
    one(2, "spanId", Kind::Id(Id::Span)),
    one(3, "traceState", Kind::String),
    one(4, "parentSpanId", Kind::Id(Id::Parent)),
    one(16, "flags", Kind::Fixed32),
    one(5, "name", Kind::String),
    one(6, "kind", Kind::Enum(SPAN_KIND)),
    one(7, "startTimeUnixNano", Kind::Fixed64),
    one(8, "endTimeUnixNano", Kind::Fixed64),
    many(9, "attributes", Kind::Message(&KEY_VALUE)),
    one(10, "droppedAttributesCount", Kind::Uint32),
    many(11, "events", Kind::Message(&EVENT)),
    one(12, "droppedEventsCount", Kind::Uint32),
    many(13, "links", Kind::Message(&LINK)),
    one(14, "droppedLinksCount", Kind::Uint32),
    one(15, "status", Kind::Message(&STATUS)),
]);
pub(in crate::wire) static EVENT: Message = Message::counted(
    Counter::Event,
    &[
        one(1, "timeUnixNano", Kind::Fixed64),
        one(2, "name", Kind::String),
        many(3, "attributes", Kind::Message(&KEY_VALUE)),
        one(4, "droppedAttributesCount", Kind::Uint32),
    ],
);
pub(in crate::wire) static LINK: Message = Message::counted(
    Counter::Link,
    &[
        one(1, "traceId", Kind::Id(Id::Trace)),
        one(2, "spanId", Kind::Id(Id::Span)),
        one(3, "traceState", Kind::String),
        many(4, "attributes", Kind::Message(&KEY_VALUE)),
        one(5, "droppedAttributesCount", Kind::Uint32),
        one(6, "flags", Kind::Fixed32),
    ],
);

/// `Status` of a span.
pub(in crate::wire) static STATUS: Message =
    Message::new(&[one(2, "message", Kind::String), one(3, "code", Kind::Enum(STATUS_CODE))]);

const SPAN_KIND: &EnumNames = &[
    ("SPAN_KIND_UNSPECIFIED", 0),
    ("SPAN_KIND_INTERNAL", 1),
    ("SPAN_KIND_SERVER", 2),
    ("SPAN_KIND_CLIENT", 3),
    ("SPAN_KIND_PRODUCER", 4),
    ("SPAN_KIND_CONSUMER", 5),
];
const STATUS_CODE: &EnumNames = &[("STATUS_CODE_UNSET", 0), ("STATUS_CODE_OK", 1), ("STATUS_CODE_ERROR", 2)];
