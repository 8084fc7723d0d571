//! OTLP's messages for prost with `bytes` where OTLP has `string`, so that prost's verdict on a
//! message does not depend on UTF-8. Only for tests.

use prost::{Message, Oneof};

/// Declares a message whose fields are `kind name = number`.
macro_rules! message {
    ($name:ident { $( $(#[$attribute:meta])* $field:ident : $type:ty ),* $(,)? }) => {
        #[derive(Clone, PartialEq, Message)]
        pub(crate) struct $name {
            $( $(#[$attribute])* pub(crate) $field: $type, )*
        }
    };
}

macro_rules! envelope {
    ($request:ident, $resource:ident, $scope:ident, $item:ident) => {
        message!($request { #[prost(message, repeated, tag = "1")] resources: Vec<$resource> });
        message!($resource {
            #[prost(message, optional, tag = "1")] resource: Option<Resource>,
            #[prost(message, repeated, tag = "2")] scopes: Vec<$scope>,
            #[prost(bytes = "vec", tag = "3")] schema_url: Vec<u8>,
        });
        message!($scope {
            #[prost(message, optional, tag = "1")] scope: Option<Scope>,
            #[prost(message, repeated, tag = "2")] items: Vec<$item>,
            #[prost(bytes = "vec", tag = "3")] schema_url: Vec<u8>,
        });
    };
}

envelope!(Traces, ResourceSpans, ScopeSpans, Span);
envelope!(Metrics, ResourceMetrics, ScopeMetrics, Metric);
envelope!(Logs, ResourceLogs, ScopeLogs, LogRecord);

message!(Resource {
    #[prost(message, repeated, tag = "1")] attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "2")] dropped_attributes_count: u32,
    #[prost(message, repeated, tag = "3")] entity_refs: Vec<EntityRef>,
});
message!(EntityRef {
    #[prost(bytes = "vec", tag = "1")] schema_url: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")] kind: Vec<u8>,
    #[prost(bytes = "vec", repeated, tag = "3")] id_keys: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "4")] description_keys: Vec<Vec<u8>>,
});
message!(Scope {
    #[prost(bytes = "vec", tag = "1")] name: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")] version: Vec<u8>,
    #[prost(message, repeated, tag = "3")] attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "4")] dropped_attributes_count: u32,
});
message!(KeyValue {
    #[prost(bytes = "vec", tag = "1")] key: Vec<u8>,
    #[prost(message, optional, tag = "2")] value: Option<AnyValue>,
    #[prost(int32, tag = "3")] key_strindex: i32,
});
message!(AnyValue {
    #[prost(oneof = "Value", tags = "1, 2, 3, 4, 5, 6, 7, 8")] value: Option<Value>,
});
#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum Value {
    #[prost(bytes = "vec", tag = "1")]
    String(Vec<u8>),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(message, tag = "5")]
    Array(ArrayValue),
    #[prost(message, tag = "6")]
    Map(KeyValueList),
    #[prost(bytes = "vec", tag = "7")]
    Bytes(Vec<u8>),
    #[prost(int32, tag = "8")]
    Strindex(i32),
}
message!(ArrayValue { #[prost(message, repeated, tag = "1")] values: Vec<AnyValue> });
message!(KeyValueList { #[prost(message, repeated, tag = "1")] values: Vec<KeyValue> });

message!(Span {
    #[prost(bytes = "vec", tag = "1")] trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")] span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")] trace_state: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")] parent_span_id: Vec<u8>,
    #[prost(fixed32, tag = "16")] flags: u32,
    #[prost(bytes = "vec", tag = "5")] name: Vec<u8>,
    #[prost(int32, tag = "6")] kind: i32,
    #[prost(fixed64, tag = "7")] start: u64,
    #[prost(fixed64, tag = "8")] end: u64,
    #[prost(message, repeated, tag = "9")] attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "10")] dropped_attributes_count: u32,
    #[prost(message, repeated, tag = "11")] events: Vec<Event>,
    #[prost(uint32, tag = "12")] dropped_events_count: u32,
    #[prost(message, repeated, tag = "13")] links: Vec<Link>,
    #[prost(uint32, tag = "14")] dropped_links_count: u32,
    #[prost(message, optional, tag = "15")] status: Option<Status>,
});
message!(Event {
    #[prost(fixed64, tag = "1")] time: u64,
    #[prost(bytes = "vec", tag = "2")] name: Vec<u8>,
    #[prost(message, repeated, tag = "3")] attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "4")] dropped_attributes_count: u32,
});
message!(Link {
    #[prost(bytes = "vec", tag = "1")] trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")] span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")] trace_state: Vec<u8>,
    #[prost(message, repeated, tag = "4")] attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "5")] dropped_attributes_count: u32,
    #[prost(fixed32, tag = "6")] flags: u32,
});
message!(Status {
    #[prost(bytes = "vec", tag = "2")] message: Vec<u8>,
    #[prost(int32, tag = "3")] code: i32,
});

message!(Metric {
    #[prost(bytes = "vec", tag = "1")] name: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")] description: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")] unit: Vec<u8>,
    #[prost(message, repeated, tag = "12")] metadata: Vec<KeyValue>,
    #[prost(oneof = "Data", tags = "5, 7, 9, 10, 11")] data: Option<Data>,
});
#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum Data {
    #[prost(message, tag = "5")]
    Gauge(Gauge),
    #[prost(message, tag = "7")]
    Sum(Sum),
    #[prost(message, tag = "9")]
    Histogram(Histogram),
    #[prost(message, tag = "10")]
    Exponential(Exponential),
    #[prost(message, tag = "11")]
    Summary(Summary),
}
message!(Gauge { #[prost(message, repeated, tag = "1")] points: Vec<NumberPoint> });
message!(Sum {
    #[prost(message, repeated, tag = "1")] points: Vec<NumberPoint>,
    #[prost(int32, tag = "2")] temporality: i32,
    #[prost(bool, tag = "3")] is_monotonic: bool,
});
message!(Histogram {
    #[prost(message, repeated, tag = "1")] points: Vec<HistogramPoint>,
    #[prost(int32, tag = "2")] temporality: i32,
});
message!(Exponential {
    #[prost(message, repeated, tag = "1")] points: Vec<ExponentialPoint>,
    #[prost(int32, tag = "2")] temporality: i32,
});
message!(Summary { #[prost(message, repeated, tag = "1")] points: Vec<SummaryPoint> });
message!(NumberPoint {
    #[prost(message, repeated, tag = "7")] attributes: Vec<KeyValue>,
    #[prost(fixed64, tag = "2")] start: u64,
    #[prost(fixed64, tag = "3")] time: u64,
    #[prost(message, repeated, tag = "5")] exemplars: Vec<Exemplar>,
    #[prost(uint32, tag = "8")] flags: u32,
    #[prost(oneof = "NumberValue", tags = "4, 6")] value: Option<NumberValue>,
});
#[derive(Clone, Copy, PartialEq, Oneof)]
pub(crate) enum NumberValue {
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(sfixed64, tag = "6")]
    Int(i64),
}
message!(HistogramPoint {
    #[prost(message, repeated, tag = "9")] attributes: Vec<KeyValue>,
    #[prost(fixed64, tag = "2")] start: u64,
    #[prost(fixed64, tag = "3")] time: u64,
    #[prost(fixed64, tag = "4")] count: u64,
    #[prost(double, optional, tag = "5")] sum: Option<f64>,
    #[prost(fixed64, repeated, tag = "6")] bucket_counts: Vec<u64>,
    #[prost(double, repeated, tag = "7")] explicit_bounds: Vec<f64>,
    #[prost(message, repeated, tag = "8")] exemplars: Vec<Exemplar>,
    #[prost(uint32, tag = "10")] flags: u32,
    #[prost(double, optional, tag = "11")] min: Option<f64>,
    #[prost(double, optional, tag = "12")] max: Option<f64>,
});
message!(ExponentialPoint {
    #[prost(message, repeated, tag = "1")] attributes: Vec<KeyValue>,
    #[prost(fixed64, tag = "2")] start: u64,
    #[prost(fixed64, tag = "3")] time: u64,
    #[prost(fixed64, tag = "4")] count: u64,
    #[prost(double, optional, tag = "5")] sum: Option<f64>,
    #[prost(sint32, tag = "6")] scale: i32,
    #[prost(fixed64, tag = "7")] zero_count: u64,
    #[prost(message, optional, tag = "8")] positive: Option<Buckets>,
    #[prost(message, optional, tag = "9")] negative: Option<Buckets>,
    #[prost(uint32, tag = "10")] flags: u32,
    #[prost(message, repeated, tag = "11")] exemplars: Vec<Exemplar>,
    #[prost(double, optional, tag = "12")] min: Option<f64>,
    #[prost(double, optional, tag = "13")] max: Option<f64>,
    #[prost(double, tag = "14")] zero_threshold: f64,
});
message!(Buckets {
    #[prost(sint32, tag = "1")] offset: i32,
    #[prost(uint64, repeated, tag = "2")] bucket_counts: Vec<u64>,
});
message!(SummaryPoint {
    #[prost(message, repeated, tag = "7")] attributes: Vec<KeyValue>,
    #[prost(fixed64, tag = "2")] start: u64,
    #[prost(fixed64, tag = "3")] time: u64,
    #[prost(fixed64, tag = "4")] count: u64,
    #[prost(double, tag = "5")] sum: f64,
    #[prost(message, repeated, tag = "6")] quantile_values: Vec<ValueAtQuantile>,
    #[prost(uint32, tag = "8")] flags: u32,
});
message!(ValueAtQuantile {
    #[prost(double, tag = "1")]
    quantile: f64,
    #[prost(double, tag = "2")]
    value: f64,
});
message!(Exemplar {
    #[prost(message, repeated, tag = "7")] filtered_attributes: Vec<KeyValue>,
    #[prost(fixed64, tag = "2")] time: u64,
    #[prost(bytes = "vec", tag = "4")] span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")] trace_id: Vec<u8>,
    #[prost(oneof = "ExemplarValue", tags = "3, 6")] value: Option<ExemplarValue>,
});
#[derive(Clone, Copy, PartialEq, Oneof)]
pub(crate) enum ExemplarValue {
    #[prost(double, tag = "3")]
    Double(f64),
    #[prost(sfixed64, tag = "6")]
    Int(i64),
}

message!(LogRecord {
    #[prost(fixed64, tag = "1")] time: u64,
    #[prost(fixed64, tag = "11")] observed: u64,
    #[prost(int32, tag = "2")] severity_number: i32,
    #[prost(bytes = "vec", tag = "3")] severity_text: Vec<u8>,
    #[prost(message, optional, tag = "5")] body: Option<AnyValue>,
    #[prost(message, repeated, tag = "6")] attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "7")] dropped_attributes_count: u32,
    #[prost(fixed32, tag = "8")] flags: u32,
    #[prost(bytes = "vec", tag = "9")] trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "10")] span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "12")] event_name: Vec<u8>,
});
