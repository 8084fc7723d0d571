//! Attributes to set, already in OTLP's bytes, and how they get into the scope of a part.

use std::ops::Range;

use crate::model::{Cursor, Field, Piece, ValueView, put_varint, varint_len};
use crate::wire::frame::{field_len, put_header};

/// Attributes to set on a span, a log record or a scope. Setting replaces: every attribute of the
/// same key goes, and the new one stands at the end. Reused; clearing keeps its memory.
#[derive(Debug, Default)]
pub struct AttributePatch {
    /// `KeyValue` messages, one after another.
    bytes: Vec<u8>,
    /// Where in `bytes` each message that counts is, and where its key is.
    entries: Vec<(Range<usize>, Range<usize>)>,
}

impl AttributePatch {
    /// Sets an attribute. Arrays and maps are given as the bytes of their OTLP message.
    pub fn push(&mut self, key: &str, value: ValueView<'_>) {
        let place = self.entries.iter().position(|(_, known)| &self.bytes[known.clone()] == key.as_bytes());
        if let Some(place) = place {
            self.entries.remove(place);
        }
        let start = self.bytes.len();
        put_header(&mut self.bytes, 1, key.len() as u64);
        let key_start = self.bytes.len();
        self.bytes.extend_from_slice(key.as_bytes());
        let key = key_start..self.bytes.len();
        put_header(&mut self.bytes, 2, value_len(&value));
        put_value(&mut self.bytes, &value);
        self.entries.push((start..self.bytes.len(), key));
    }

    /// Whether there is nothing to set.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }

    /// Whether an attribute is to be replaced, given its `KeyValue` message.
    #[inline]
    pub(super) fn replaces(&self, message: &[u8]) -> bool {
        if self.entries.is_empty() {
            return false;
        }
        let mut key: &[u8] = b"";
        let mut cursor = Cursor::new(message);
        while let Some((number, field)) = cursor.next_field() {
            if let (1, Field::Length(text)) = (number, field) {
                key = text;
            }
        }
        self.entries.iter().any(|(_, known)| &self.bytes[known.clone()] == key)
    }

    /// Appends the attributes as fields of this number.
    pub(super) fn put(&self, number: u8, out: &mut Vec<u8>) {
        for (message, _) in &self.entries {
            put_header(out, number, message.len() as u64);
            out.extend_from_slice(&self.bytes[message.clone()]);
        }
    }

    /// Bytes that [`AttributePatch::put`] appends.
    fn put_len(&self) -> u64 {
        self.entries.iter().map(|(message, _)| field_len(message.len() as u64)).sum()
    }

    /// Appends a scope's own fields with the attributes set in its scope message: in the last one,
    /// should it stand twice; in a new one, should there be none. Notes the length of each field.
    pub(super) fn put_into_scope<'a>(
        &self,
        fields: impl Iterator<Item = &'a [u8]> + Clone,
        out: &mut Vec<u8>,
        pieces: &mut Vec<Piece>,
    ) {
        let mut left = fields.clone().filter(|field| scope_message(field).is_some()).count();
        let mut noted = |start: usize, out: &Vec<u8>| {
            pieces.push(Piece { offset: 0, length: (out.len() - start) as u32 });
        };
        if left == 0 {
            let start = out.len();
            put_header(out, 1, self.put_len());
            self.put(SCOPE_ATTRIBUTES, out);
            noted(start, out);
        }
        for field in fields {
            let start = out.len();
            match scope_message(field) {
                None => out.extend_from_slice(field),
                Some(message) => {
                    left -= 1;
                    self.put_scope_message(message, left == 0, out);
                }
            }
            noted(start, out);
        }
    }

    /// Appends a scope message without what is replaced, and with the attributes in the last one.
    fn put_scope_message(&self, message: &[u8], is_last: bool, out: &mut Vec<u8>) {
        let mut content = Vec::with_capacity(message.len());
        let mut cursor = Cursor::new(message);
        while !cursor.is_at_end() {
            let start = cursor.position();
            let field = cursor.field();
            let end = if field.is_ok() { cursor.position() } else { message.len() };
            let is_replaced = matches!(field, Ok(Some((number, Field::Length(attribute))))
                if number == u32::from(SCOPE_ATTRIBUTES) && self.replaces(attribute));
            if !is_replaced {
                content.extend_from_slice(&message[start..end]);
            }
            if field.is_err() {
                break;
            }
        }
        if is_last {
            self.put(SCOPE_ATTRIBUTES, &mut content);
        }
        put_header(out, 1, content.len() as u64);
        out.extend_from_slice(&content);
    }
}

/// Number of the attributes in `InstrumentationScope`.
const SCOPE_ATTRIBUTES: u8 = 3;

/// The scope message in a field of a `ScopeSpans` or `ScopeLogs`.
fn scope_message(field: &[u8]) -> Option<&[u8]> {
    match Cursor::new(field).field() {
        Ok(Some((1, Field::Length(message)))) => Some(message),
        _ => None,
    }
}

/// Bytes of an `AnyValue` message.
fn value_len(value: &ValueView<'_>) -> u64 {
    match value {
        ValueView::Empty => 0,
        ValueView::Bool(_) => 2,
        ValueView::Int(int) => 1 + varint_len(int.cast_unsigned()) as u64,
        ValueView::Double(_) => 9,
        ValueView::String(bytes) | ValueView::Array(bytes) | ValueView::Map(bytes) | ValueView::Bytes(bytes) => {
            field_len(bytes.len() as u64)
        }
    }
}

/// Appends an `AnyValue` message.
fn put_value(out: &mut Vec<u8>, value: &ValueView<'_>) {
    let mut put_bytes = |number, bytes: &[u8]| {
        put_header(out, number, bytes.len() as u64);
        out.extend_from_slice(bytes);
    };
    match value {
        ValueView::Empty => {}
        ValueView::String(text) => put_bytes(1, text),
        ValueView::Array(message) => put_bytes(5, message),
        ValueView::Map(message) => put_bytes(6, message),
        ValueView::Bytes(bytes) => put_bytes(7, bytes),
        ValueView::Bool(flag) => out.extend_from_slice(&[2 << 3, u8::from(*flag)]),
        ValueView::Int(int) => {
            out.push(3 << 3);
            put_varint(out, int.cast_unsigned());
        }
        ValueView::Double(number) => {
            out.push(4 << 3 | 1);
            out.extend_from_slice(&number.to_le_bytes());
        }
    }
}
