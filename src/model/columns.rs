//! Span columns: Arrow buffers, one row a span, in the order of the body.

use std::sync::Arc;

use arrow_array::{ArrayRef, FixedSizeBinaryArray, RecordBatch, UInt8Array, UInt32Array, UInt64Array};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{ArrowError, DataType, Field, Schema};

use super::{SpanId, TraceId, UnixNanos};

/// What routing, sampling and assembly read without touching a span's bytes.
///
/// Ids are kept as integers in memory order (`from_ne_bytes`), so that their buffers are also
/// Arrow `FixedSizeBinary` values.
#[derive(Clone, Debug, Default)]
pub struct SpanColumns {
    /// Trace ids; 0 when absent.
    pub trace_id: ScalarBuffer<i128>,
    /// Span ids; 0 when absent.
    pub span_id: ScalarBuffer<u64>,
    /// Parent span ids; 0 for a root.
    pub parent_span_id: ScalarBuffer<u64>,
    /// `start_time_unix_nano`.
    pub start: ScalarBuffer<u64>,
    /// `end_time_unix_nano`.
    pub end: ScalarBuffer<u64>,
    /// W3C flags and OTLP's extra bits.
    pub flags: ScalarBuffer<u32>,
    /// First byte of the name in the body; 0 when absent.
    pub name_offset: ScalarBuffer<u32>,
    /// Bytes of the name.
    pub name_length: ScalarBuffer<u32>,
    /// `SpanKind`; 255 for a number that no `u8` below it holds.
    pub kind: ScalarBuffer<u8>,
    /// `Status.code`; 255 for a number that no `u8` below it holds.
    pub status_code: ScalarBuffer<u8>,
    /// 1 when `trace_state` is not empty.
    pub has_trace_state: ScalarBuffer<u8>,
}

impl SpanColumns {
    /// Number of spans.
    pub fn len(&self) -> usize {
        self.trace_id.len()
    }

    /// Whether there is no span.
    pub fn is_empty(&self) -> bool {
        self.trace_id.is_empty()
    }

    /// The trace id of a row.
    pub fn trace_id(&self, row: u32) -> TraceId {
        TraceId(self.trace_id[row as usize].to_ne_bytes())
    }

    /// The span id of a row.
    pub fn span_id(&self, row: u32) -> SpanId {
        SpanId(self.span_id[row as usize].to_ne_bytes())
    }

    /// The parent's span id of a row.
    pub fn parent_span_id(&self, row: u32) -> SpanId {
        SpanId(self.parent_span_id[row as usize].to_ne_bytes())
    }

    /// Whether the row has no parent.
    pub fn is_root(&self, row: u32) -> bool {
        self.parent_span_id[row as usize] == 0
    }

    /// Start and end of a row.
    pub fn times(&self, row: u32) -> (UnixNanos, UnixNanos) {
        (UnixNanos(self.start[row as usize]), UnixNanos(self.end[row as usize]))
    }

    /// Heap bytes of the columns.
    pub fn heap_bytes(&self) -> u64 {
        let wide = self.trace_id.inner().capacity()
            + self.span_id.inner().capacity()
            + self.parent_span_id.inner().capacity()
            + self.start.inner().capacity()
            + self.end.inner().capacity();
        let narrow = self.flags.inner().capacity()
            + self.name_offset.inner().capacity()
            + self.name_length.inner().capacity()
            + self.kind.inner().capacity()
            + self.status_code.inner().capacity()
            + self.has_trace_state.inner().capacity();
        (wide + narrow) as u64
    }

    /// The same buffers as an Arrow record batch; nothing is copied.
    ///
    /// # Errors
    /// When the columns differ in length, which `wire` never builds.
    pub fn record_batch(&self) -> Result<RecordBatch, ArrowError> {
        let id = |size, buffer: arrow_buffer::Buffer| {
            FixedSizeBinaryArray::try_new(size, buffer, None).map(|array| Arc::new(array) as ArrayRef)
        };
        let columns: [(&str, ArrayRef); 11] = [
            ("trace_id", id(16, self.trace_id.inner().clone())?),
            ("span_id", id(8, self.span_id.inner().clone())?),
            ("parent_span_id", id(8, self.parent_span_id.inner().clone())?),
            ("start_time_unix_nano", Arc::new(UInt64Array::new(self.start.clone(), None))),
            ("end_time_unix_nano", Arc::new(UInt64Array::new(self.end.clone(), None))),
            ("flags", Arc::new(UInt32Array::new(self.flags.clone(), None))),
            ("name_offset", Arc::new(UInt32Array::new(self.name_offset.clone(), None))),
            ("name_length", Arc::new(UInt32Array::new(self.name_length.clone(), None))),
            ("kind", Arc::new(UInt8Array::new(self.kind.clone(), None))),
            ("status_code", Arc::new(UInt8Array::new(self.status_code.clone(), None))),
            ("has_trace_state", Arc::new(UInt8Array::new(self.has_trace_state.clone(), None))),
        ];
        let fields: Vec<Field> =
            columns.iter().map(|(name, array)| Field::new(*name, DataType::clone(array.data_type()), false)).collect();
        let arrays = columns.into_iter().map(|(_, array)| array).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
    }
}
