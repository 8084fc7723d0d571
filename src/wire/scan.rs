//! One forward scan of an OTLP request: builds the index and checks the whole message.

use std::sync::Arc;

use arrow_buffer::ScalarBuffer;
use bytes::Bytes;

use super::{Limits, ScanError};
use crate::model::{
    Cursor, Index, Items, MemoryAccount, Piece, Request, ResourceEntry, ScopeEntry, Signal, SpanColumns, WireError,
    WireType,
};

/// Scans a protobuf `Export…ServiceRequest` body of `signal` and joins it with its index.
///
/// # Errors
/// When the body is not such a message, or holds more than `limits` allow.
pub fn scan(signal: Signal, body: Bytes, limits: &Limits, account: &MemoryAccount) -> Result<Arc<Request>, ScanError> {
    let mut build = Build { limits: limits.clone(), ..Build::default() };
    let mut request = Cursor::new(&body);
    while !request.is_at_end() {
        let start = request.position();
        let (number, wire_type) = request.tag()?;
        if (number, wire_type) == (1, WireType::Length) {
            let message = request.length_delimited()?;
            build.resource(message, request.position() - message.len(), signal)?;
        } else {
            request.skip(number, wire_type, 100)?;
            build.rest.push(piece(start, request.position() - start));
        }
    }
    let index = build.finish(signal);
    Ok(Arc::new(Request::new(body, index, account)))
}

#[derive(Default)]
struct Build {
    limits: Limits,
    offset: Vec<u32>,
    length: Vec<u32>,
    scope: Vec<u32>,
    scopes: Vec<ScopeEntry>,
    resources: Vec<ResourceEntry>,
    pieces: Vec<Piece>,
    rest: Vec<Piece>,
    trace_id: Vec<i128>,
    span_id: Vec<u64>,
    parent: Vec<u64>,
    start: Vec<u64>,
    end: Vec<u64>,
    flags: Vec<u32>,
    name: Vec<Piece>,
    kind: Vec<u8>,
    status: Vec<u8>,
    state: Vec<u8>,
}

fn piece(offset: usize, length: usize) -> Piece {
    Piece { offset: offset as u32, length: length as u32 }
}

impl Build {
    fn resource(&mut self, message: &[u8], base: usize, signal: Signal) -> Result<(), ScanError> {
        let mut own = Vec::new();
        let resource = self.resources.len() as u32;
        self.resources.push(ResourceEntry { piece_first: 0, piece_count: 0 });
        let mut cursor = Cursor::new(message);
        while !cursor.is_at_end() {
            let start = cursor.position();
            let (number, wire_type) = cursor.tag()?;
            if (number, wire_type) == (2, WireType::Length) {
                let scope = cursor.length_delimited()?;
                self.scope(scope, base + cursor.position() - scope.len(), resource, signal)?;
            } else {
                cursor.skip(number, wire_type, 100)?;
                own.push(piece(base + start, cursor.position() - start));
            }
        }
        self.resources[resource as usize] =
            ResourceEntry { piece_first: self.pieces.len() as u32, piece_count: own.len() as u32 };
        self.pieces.extend(own);
        Ok(())
    }

    fn scope(&mut self, message: &[u8], base: usize, resource: u32, signal: Signal) -> Result<(), ScanError> {
        let scope = self.scopes.len() as u32;
        let piece_first = self.pieces.len() as u32;
        let mut cursor = Cursor::new(message);
        while !cursor.is_at_end() {
            let start = cursor.position();
            let (number, wire_type) = cursor.tag()?;
            if (number, wire_type) == (2, WireType::Length) {
                let item = cursor.length_delimited()?;
                if self.offset.len() as u32 >= self.limits.items_max {
                    return Err(ScanError::TooMany { what: signal.items(), limit: self.limits.items_max.into() });
                }
                let offset = base + cursor.position() - item.len();
                self.offset.push(offset as u32);
                self.length.push(item.len() as u32);
                self.scope.push(scope);
                if signal == Signal::Traces {
                    self.span(item, offset)?;
                }
            } else {
                cursor.skip(number, wire_type, 100)?;
                self.pieces.push(piece(base + start, cursor.position() - start));
            }
        }
        let piece_count = self.pieces.len() as u32 - piece_first;
        self.scopes.push(ScopeEntry { resource, piece_first, piece_count });
        Ok(())
    }

    fn span(&mut self, message: &[u8], base: usize) -> Result<(), ScanError> {
        let (mut trace_id, mut span_id, mut parent) = ([0; 16], [0; 8], [0; 8]);
        let (mut start, mut end, mut flags, mut kind, mut status, mut state) = (0, 0, 0, 0, 0, 0);
        let mut name = Piece::default();
        let mut cursor = Cursor::new(message);
        while !cursor.is_at_end() {
            let (number, wire_type) = cursor.tag()?;
            match (number, wire_type) {
                (1, WireType::Length) => trace_id = id("trace_id", cursor.length_delimited()?)?,
                (2, WireType::Length) => span_id = id("span_id", cursor.length_delimited()?)?,
                (3, WireType::Length) => state = u8::from(!cursor.length_delimited()?.is_empty()),
                (4, WireType::Length) => parent = id("parent_span_id", cursor.length_delimited()?)?,
                (5, WireType::Length) => {
                    let text = cursor.length_delimited()?;
                    name = piece(base + cursor.position() - text.len(), text.len());
                }
                (6, WireType::Varint) => kind = u8::try_from(cursor.varint()?).unwrap_or(255),
                (7, WireType::Fixed64) => start = fixed64(&mut cursor)?,
                (8, WireType::Fixed64) => end = fixed64(&mut cursor)?,
                (15, WireType::Length) => {
                    let mut inner = Cursor::new(cursor.length_delimited()?);
                    while let Some((number, field)) = inner.next_field() {
                        if let (3, crate::model::Field::Varint(code)) = (number, field) {
                            status = u8::try_from(code).unwrap_or(255);
                        }
                    }
                }
                (16, WireType::Fixed32) => {
                    flags = u32::from_le_bytes(cursor.take(4)?.try_into().map_err(|_| WireError::Truncated)?);
                }
                _ => cursor.skip(number, wire_type, 100)?,
            }
        }
        self.trace_id.push(i128::from_ne_bytes(trace_id));
        self.span_id.push(u64::from_ne_bytes(span_id));
        self.parent.push(u64::from_ne_bytes(parent));
        self.start.push(start);
        self.end.push(end);
        self.flags.push(flags);
        self.name.push(name);
        self.kind.push(kind);
        self.status.push(status);
        self.state.push(state);
        Ok(())
    }

    fn finish(self, signal: Signal) -> Index {
        let item_count = self.offset.len() as u64;
        let spans = (signal == Signal::Traces).then(|| SpanColumns {
            trace_id: self.trace_id.into(),
            span_id: self.span_id.into(),
            parent_span_id: self.parent.into(),
            start: self.start.into(),
            end: self.end.into(),
            flags: self.flags.into(),
            name_offset: self.name.iter().map(|name| name.offset).collect(),
            name_length: self.name.iter().map(|name| name.length).collect(),
            kind: self.kind.into(),
            status_code: self.status.into(),
            has_trace_state: self.state.into(),
        });
        let points = (signal == Signal::Metrics).then(|| ScalarBuffer::from(vec![1; self.offset.len()]));
        Index {
            signal,
            items: Items { offset: self.offset.into(), length: self.length.into(), scope: self.scope.into() },
            scopes: self.scopes,
            resources: self.resources,
            pieces: self.pieces,
            rest: self.rest,
            spans,
            points,
            item_count,
        }
    }
}

fn id<const N: usize>(what: &'static str, bytes: &[u8]) -> Result<[u8; N], ScanError> {
    match bytes.len() {
        0 => Ok([0; N]),
        found => bytes.try_into().map_err(|_| ScanError::IdLength { what, expected: N, found }),
    }
}

fn fixed64(cursor: &mut Cursor<'_>) -> Result<u64, WireError> {
    Ok(u64::from_le_bytes(cursor.take(8)?.try_into().map_err(|_| WireError::Truncated)?))
}
