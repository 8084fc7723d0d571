//! Tables of `metrics.proto`.

use super::attributes::KEY_VALUE;
use super::{Counter, EnumNames, Id, Kind, Message, either, many, one, optional};

/// `Metric`.
pub(in crate::wire) static METRIC: Message = Message::new(&[
    one(1, "name", Kind::String),
    one(2, "description", Kind::String),
    one(3, "unit", Kind::String),
    either(5, "gauge", Kind::Message(&GAUGE)),
    either(7, "sum", Kind::Message(&SUM)),
    either(9, "histogram", Kind::Message(&HISTOGRAM)),
    either(10, "exponentialHistogram", Kind::Message(&EXPONENTIAL_HISTOGRAM)),
    either(11, "summary", Kind::Message(&SUMMARY)),
    many(12, "metadata", Kind::Message(&KEY_VALUE)),
]);
pub(in crate::wire) static GAUGE: Message = Message::new(&[many(1, "dataPoints", Kind::Message(&NUMBER_POINT))]);
pub(in crate::wire) static SUM: Message = Message::new(&[
    many(1, "dataPoints", Kind::Message(&NUMBER_POINT)),
    one(2, "aggregationTemporality", Kind::Enum(TEMPORALITY)),
    one(3, "isMonotonic", Kind::Bool),
]);
pub(in crate::wire) static HISTOGRAM: Message = Message::new(&[
    many(1, "dataPoints", Kind::Message(&HISTOGRAM_POINT)),
    one(2, "aggregationTemporality", Kind::Enum(TEMPORALITY)),
]);
pub(in crate::wire) static EXPONENTIAL_HISTOGRAM: Message = Message::new(&[
    many(1, "dataPoints", Kind::Message(&EXPONENTIAL_POINT)),
    one(2, "aggregationTemporality", Kind::Enum(TEMPORALITY)),
]);
pub(in crate::wire) static SUMMARY: Message = Message::new(&[many(1, "dataPoints", Kind::Message(&SUMMARY_POINT))]);
pub(in crate::wire) static NUMBER_POINT: Message = Message::counted(
    Counter::Point,
    &[
        many(7, "attributes", Kind::Message(&KEY_VALUE)),
        one(2, "startTimeUnixNano", Kind::Fixed64),
        one(3, "timeUnixNano", Kind::Fixed64),
        either(4, "asDouble", Kind::Double),
        either(6, "asInt", Kind::Sfixed64),
        many(5, "exemplars", Kind::Message(&EXEMPLAR)),
        one(8, "flags", Kind::Uint32),
    ],
);
pub(in crate::wire) static HISTOGRAM_POINT: Message = Message::counted(
    Counter::Point,
    &[
        many(9, "attributes", Kind::Message(&KEY_VALUE)),
        one(2, "startTimeUnixNano", Kind::Fixed64),
        one(3, "timeUnixNano", Kind::Fixed64),
        one(4, "count", Kind::Fixed64),
        optional(5, "sum", Kind::Double),
        many(6, "bucketCounts", Kind::Fixed64),
        many(7, "explicitBounds", Kind::Double),
        many(8, "exemplars", Kind::Message(&EXEMPLAR)),
        one(10, "flags", Kind::Uint32),
        optional(11, "min", Kind::Double),
        optional(12, "max", Kind::Double),
    ],
);
pub(in crate::wire) static EXPONENTIAL_POINT: Message = Message::counted(
    Counter::Point,
    &[
        many(1, "attributes", Kind::Message(&KEY_VALUE)),
        one(2, "startTimeUnixNano", Kind::Fixed64),
        one(3, "timeUnixNano", Kind::Fixed64),
        one(4, "count", Kind::Fixed64),
        optional(5, "sum", Kind::Double),
        one(6, "scale", Kind::Sint32),
        one(7, "zeroCount", Kind::Fixed64),
        one(8, "positive", Kind::Message(&BUCKETS)),
        one(9, "negative", Kind::Message(&BUCKETS)),
        one(10, "flags", Kind::Uint32),
        many(11, "exemplars", Kind::Message(&EXEMPLAR)),
        optional(12, "min", Kind::Double),
        optional(13, "max", Kind::Double),
        one(14, "zeroThreshold", Kind::Double),
    ],
);
pub(in crate::wire) static BUCKETS: Message =
    Message::new(&[one(1, "offset", Kind::Sint32), many(2, "bucketCounts", Kind::Uint64)]);
pub(in crate::wire) static SUMMARY_POINT: Message = Message::counted(
    Counter::Point,
    &[
        many(7, "attributes", Kind::Message(&KEY_VALUE)),
        one(2, "startTimeUnixNano", Kind::Fixed64),
        one(3, "timeUnixNano", Kind::Fixed64),
        one(4, "count", Kind::Fixed64),
        one(5, "sum", Kind::Double),
        many(6, "quantileValues", Kind::Message(&VALUE_AT_QUANTILE)),
        one(8, "flags", Kind::Uint32),
    ],
);
pub(in crate::wire) static VALUE_AT_QUANTILE: Message =
    Message::new(&[one(1, "quantile", Kind::Double), one(2, "value", Kind::Double)]);
pub(in crate::wire) static EXEMPLAR: Message = Message::new(&[
    many(7, "filteredAttributes", Kind::Message(&KEY_VALUE)),
    one(2, "timeUnixNano", Kind::Fixed64),
    either(3, "asDouble", Kind::Double),
    either(6, "asInt", Kind::Sfixed64),
    one(4, "spanId", Kind::Id(Id::Span)),
    one(5, "traceId", Kind::Id(Id::Trace)),
]);

const TEMPORALITY: &EnumNames = &[
    ("AGGREGATION_TEMPORALITY_UNSPECIFIED", 0),
    ("AGGREGATION_TEMPORALITY_DELTA", 1),
    ("AGGREGATION_TEMPORALITY_CUMULATIVE", 2),
];
