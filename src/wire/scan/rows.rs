//! The columns while they are filled: made in one go at their final length, zero where a span says
//! nothing.

use crate::model::{Items, Signal, SpanColumns};

/// Columns that every signal has.
#[derive(Debug)]
pub(super) struct ItemRows {
    pub offset: Vec<u32>,
    pub length: Vec<u32>,
    pub scope: Vec<u32>,
}

/// Columns of spans; empty for other signals.
#[derive(Debug)]
pub(super) struct SpanRows {
    pub trace_id: Vec<i128>,
    pub span_id: Vec<u64>,
    pub parent_span_id: Vec<u64>,
    pub start: Vec<u64>,
    pub end: Vec<u64>,
    pub flags: Vec<u32>,
    pub name_offset: Vec<u32>,
    pub name_length: Vec<u32>,
    pub kind: Vec<u8>,
    pub status_code: Vec<u8>,
    pub has_trace_state: Vec<u8>,
}

impl ItemRows {
    pub(super) fn new(rows: usize) -> Self {
        Self { offset: vec![0; rows], length: vec![0; rows], scope: vec![0; rows] }
    }

    pub(super) fn finish(self) -> Items {
        Items { offset: self.offset.into(), length: self.length.into(), scope: self.scope.into() }
    }
}

impl SpanRows {
    pub(super) fn new(signal: Signal, rows: usize) -> Self {
        let rows = if signal == Signal::Traces { rows } else { 0 };
        Self {
            trace_id: vec![0; rows],
            span_id: vec![0; rows],
            parent_span_id: vec![0; rows],
            start: vec![0; rows],
            end: vec![0; rows],
            flags: vec![0; rows],
            name_offset: vec![0; rows],
            name_length: vec![0; rows],
            kind: vec![0; rows],
            status_code: vec![0; rows],
            has_trace_state: vec![0; rows],
        }
    }

    pub(super) fn finish(self) -> SpanColumns {
        SpanColumns {
            trace_id: self.trace_id.into(),
            span_id: self.span_id.into(),
            parent_span_id: self.parent_span_id.into(),
            start: self.start.into(),
            end: self.end.into(),
            flags: self.flags.into(),
            name_offset: self.name_offset.into(),
            name_length: self.name_length.into(),
            kind: self.kind.into(),
            status_code: self.status_code.into(),
            has_trace_state: self.has_trace_state.into(),
        }
    }
}
