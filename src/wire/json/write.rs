//! Protobuf bytes that the scan has accepted, to OTLP/JSON, driven by the table of messages.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::plain_length;
use crate::model::{Cursor, Field as Wire};
use crate::wire::schema::{Field, Kind, Label, Message};

/// Writes a message as an object. Fields stand in the order of the wire.
pub(super) fn message(out: &mut Vec<u8>, schema: &Message, bytes: &[u8]) {
    if !is_regular(schema, bytes) {
        return merged(out, schema, &[bytes]);
    }
    let mut object = Object::start(out);
    let mut cursor = Cursor::new(bytes);
    while let Some((number, wire)) = cursor.next_field() {
        if let Some(field) = schema.field(number) {
            object.put(field, wire);
        }
    }
    object.finish();
}

/// Whether each field stands in one place, and what can stand once does: so writers write. What
/// they may do else, [`merged`] puts right.
fn is_regular(schema: &Message, bytes: &[u8]) -> bool {
    let (mut seen, mut one_of, mut last) = (0_u32, false, 0);
    let mut cursor = Cursor::new(bytes);
    while let Some((number, _)) = cursor.next_field() {
        let Some(field) = schema.field(number) else { continue };
        let is_more = field.label == Label::Repeated && number == last;
        let is_second_choice = field.label == Label::OneOf && std::mem::replace(&mut one_of, true);
        if (seen >> number & 1 == 1 && !is_more) || is_second_choice {
            return false;
        }
        seen |= 1 << number;
        last = number;
    }
    true
}

/// Writes the message that `pieces` in a row are, in the order of the table: of numbers and texts
/// the last one, messages merged, of a choice the last one made. No bytes are copied on the way
/// down, so a message made for it costs no memory at each level.
fn merged(out: &mut Vec<u8>, schema: &Message, pieces: &[&[u8]]) {
    let mut fields: Vec<(u32, Wire<'_>)> = Vec::new();
    for piece in pieces {
        let mut cursor = Cursor::new(piece);
        fields.extend(std::iter::from_fn(|| cursor.next_field()));
    }
    let is_choice = |number: u32| schema.field(number).is_some_and(|field| field.label == Label::OneOf);
    let chosen = fields.iter().rev().map(|(number, _)| *number).find(|number| is_choice(*number));
    let refused = fields.iter().rposition(|(number, _)| is_choice(*number) && Some(*number) != chosen);
    let mut object = Object::start(out);
    for field in schema.fields {
        let since = refused.filter(|_| field.label == Label::OneOf).map_or(0, |at| at + 1);
        let mut found = fields[since..].iter().filter(|(number, _)| *number == u32::from(field.number));
        match (field.label, field.kind) {
            (Label::Repeated, _) => found.for_each(|(_, wire)| object.put(field, *wire)),
            (_, Kind::Message(inner)) => {
                let pieces: Vec<&[u8]> = found.filter_map(|(_, wire)| content(*wire)).collect();
                object.put_merged(field, inner, &pieces);
            }
            _ => found.next_back().into_iter().for_each(|(_, wire)| object.put(field, *wire)),
        }
    }
    object.finish();
}

fn content(wire: Wire<'_>) -> Option<&[u8]> {
    match wire {
        Wire::Length(bytes) => Some(bytes),
        _ => None,
    }
}

/// An object while it is written: its commas and the array that is open in it.
struct Object<'o> {
    out: &'o mut Vec<u8>,
    is_first: bool,
    /// Number of the repeated field whose array is open; 0 for none.
    open: u8,
}

impl<'o> Object<'o> {
    fn start(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, is_first: true, open: 0 }
    }

    /// Writes one field; a default that says nothing is left out.
    fn put(&mut self, field: &Field, wire: Wire<'_>) {
        let is_repeated = field.label == Label::Repeated;
        if is_repeated && self.open == field.number {
            return element(self.out, field, wire, true);
        }
        let says_nothing = match field.label {
            Label::Singular => is_default(field.kind, wire),
            Label::Repeated => is_empty_pack(field.kind, wire),
            Label::Optional | Label::OneOf => false,
        };
        if says_nothing {
            return;
        }
        self.key(field);
        if is_repeated {
            self.out.push(b'[');
            self.open = field.number;
            element(self.out, field, wire, false);
        } else {
            value(self.out, field.kind, wire);
        }
    }

    /// Writes a message that stands in pieces; none when there is no piece.
    fn put_merged(&mut self, field: &Field, schema: &Message, pieces: &[&[u8]]) {
        match pieces {
            [] => {}
            [only] => self.put(field, Wire::Length(only)),
            _ => {
                self.key(field);
                merged(self.out, schema, pieces);
            }
        }
    }

    fn key(&mut self, field: &Field) {
        self.close();
        if !std::mem::take(&mut self.is_first) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(field.name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn close(&mut self) {
        if std::mem::take(&mut self.open) != 0 {
            self.out.push(b']');
        }
    }

    fn finish(mut self) {
        self.close();
        self.out.push(b'}');
    }
}

/// One element of an array, or the many of a packed field.
fn element(out: &mut Vec<u8>, field: &Field, wire: Wire<'_>, mut comma: bool) {
    let mut put = |kind, wire| {
        if std::mem::replace(&mut comma, true) {
            out.push(b',');
        }
        value(out, kind, wire);
    };
    match (field.kind, wire) {
        (Kind::String | Kind::Bytes | Kind::Id(_) | Kind::Message(_), _) => put(field.kind, wire),
        (kind, Wire::Length(packed)) => {
            let mut cursor = Cursor::new(packed);
            while !cursor.is_at_end() {
                let next = match kind {
                    Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => {
                        cursor.array().map(|bytes| Wire::Fixed64(u64::from_le_bytes(bytes)))
                    }
                    Kind::Fixed32 => cursor.array().map(|bytes| Wire::Fixed32(u32::from_le_bytes(bytes))),
                    _ => cursor.varint().map(Wire::Varint),
                };
                let Ok(next) = next else { break };
                put(kind, next);
            }
        }
        (kind, wire) => put(kind, wire),
    }
}

fn is_empty_pack(kind: Kind, wire: Wire<'_>) -> bool {
    let is_number = !matches!(kind, Kind::String | Kind::Bytes | Kind::Id(_) | Kind::Message(_));
    is_number && wire == Wire::Length(b"")
}

fn is_default(kind: Kind, wire: Wire<'_>) -> bool {
    match wire {
        Wire::Length(bytes) => bytes.is_empty() && !matches!(kind, Kind::Message(_)),
        Wire::Varint(value) => match kind {
            Kind::Int64 | Kind::Uint64 | Kind::Bool => value == 0,
            _ => value as u32 == 0,
        },
        Wire::Fixed64(value) => value == 0,
        Wire::Fixed32(value) => value == 0,
    }
}

fn value(out: &mut Vec<u8>, kind: Kind, wire: Wire<'_>) {
    match (kind, wire) {
        (Kind::Message(schema), Wire::Length(bytes)) => message(out, schema, bytes),
        (Kind::String, Wire::Length(bytes)) => quoted(out, String::from_utf8_lossy(bytes).as_bytes()),
        (Kind::Bytes, Wire::Length(bytes)) => {
            out.push(b'"');
            out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
            out.push(b'"');
        }
        (Kind::Id(_), Wire::Length(bytes)) => {
            out.push(b'"');
            out.extend(bytes.iter().flat_map(|byte| [hex_digit(byte >> 4), hex_digit(byte & 15)]));
            out.push(b'"');
        }
        (Kind::Bool, Wire::Varint(flag)) => out.extend_from_slice(if flag == 0 { "false" } else { "true" }.as_bytes()),
        (Kind::Int32 | Kind::Enum(_), Wire::Varint(value)) => signed(out, (value as i32).into()),
        (Kind::Sint32, Wire::Varint(value)) => {
            let value = value as u32;
            signed(out, ((value >> 1).cast_signed() ^ -(value & 1).cast_signed()).into());
        }
        (Kind::Double, Wire::Fixed64(bits)) => double(out, f64::from_bits(bits)),
        (Kind::Uint32, Wire::Varint(value)) => decimal(out, (value as u32).into()),
        (Kind::Int64, Wire::Varint(value)) | (Kind::Sfixed64, Wire::Fixed64(value)) => {
            out.push(b'"');
            signed(out, value.cast_signed());
            out.push(b'"');
        }
        (_, Wire::Varint(value) | Wire::Fixed64(value)) => {
            out.push(b'"');
            decimal(out, value);
            out.push(b'"');
        }
        (_, Wire::Fixed32(value)) => decimal(out, value.into()),
        // No other pair passes the scan.
        (_, Wire::Length(_)) => out.extend_from_slice(b"null"),
    }
}

fn signed(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    decimal(out, value.unsigned_abs());
}

fn decimal(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [b'0'; 20];
    let mut first = digits.len() - 1;
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
        first = at;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

fn double(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        out.extend_from_slice(b"\"NaN\"");
    } else if value.is_infinite() {
        let text: &[u8] = if value > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" };
        out.extend_from_slice(text);
    } else if value == 0.0 || (1e-6..1e21).contains(&value.abs()) {
        // As Go writes numbers, so that both files compare equal: 1, not 1.0.
        out.extend_from_slice(value.to_string().as_bytes());
    } else {
        out.extend_from_slice(format!("{value:e}").as_bytes());
    }
}

fn hex_digit(nibble: u8) -> u8 {
    b"0123456789abcdef"[usize::from(nibble & 15)]
}

fn quoted(out: &mut Vec<u8>, mut text: &[u8]) {
    out.push(b'"');
    loop {
        let (plain, rest) = text.split_at(plain_length(text));
        out.extend_from_slice(plain);
        let Some((special, rest)) = rest.split_first() else { break };
        match special {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.extend([hex_digit(special >> 4), hex_digit(*special)]);
            }
        }
        text = rest;
    }
    out.push(b'"');
}
