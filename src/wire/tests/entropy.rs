//! Messages made from a string of random bytes: the shorter the string, the smaller the message,
//! so that a failure shrinks.

use crate::wire::schema::{Field, Id, Kind, Message};

/// Random bytes that run out; then everything is zero.
pub(super) struct Entropy<'a>(&'a [u8]);

impl<'a> Entropy<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn next(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    /// True once in `times`.
    fn once_in(&mut self, times: u8) -> bool {
        self.next() % times == times - 1
    }

    /// A request: one message inside the other, down to the items.
    pub(super) fn body(&mut self, schema: &Message) -> Vec<u8> {
        self.message(schema, 0)
    }

    fn message(&mut self, schema: &Message, depth: u8) -> Vec<u8> {
        let mut out = Vec::new();
        let upper = depth < 3 && !self.0.is_empty();
        if upper {
            // Otherwise nearly all messages would be empty at the top.
            self.field(&mut out, &schema.fields[usize::from(depth > 0).min(schema.fields.len() - 1)], depth);
        }
        for _ in 0..self.next() % 6 {
            if self.0.is_empty() || depth > 12 {
                break;
            }
            if self.once_in(12) {
                self.stranger(&mut out);
            } else {
                let at = usize::from(self.next()) % schema.fields.len();
                self.field(&mut out, &schema.fields[at], depth);
            }
        }
        out
    }

    fn field(&mut self, out: &mut Vec<u8>, field: &Field, depth: u8) {
        let wire_type = match field.kind {
            Kind::Fixed32 => 5,
            Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => 1,
            Kind::String | Kind::Bytes | Kind::Id(_) | Kind::Message(_) => 2,
            _ => 0,
        };
        let is_packed = wire_type != 2 && self.once_in(3);
        self.varint(out, u64::from(field.number) << 3 | if is_packed { 2 } else { wire_type });
        if is_packed {
            let mut content = Vec::new();
            for _ in 0..self.next() % 4 {
                self.scalar(&mut content, wire_type);
            }
            return self.length_delimited(out, &content);
        }
        let content = match field.kind {
            Kind::Message(inner) => self.message(inner, depth + 1),
            Kind::Id(id) if self.once_in(40) => vec![7; id.length() - 1],
            Kind::Id(_) if self.once_in(6) => Vec::new(),
            Kind::Id(id) => vec![self.next(); if id == Id::Trace { 16 } else { 8 }],
            Kind::String | Kind::Bytes if self.once_in(9) => vec![b'x'; 100 + usize::from(self.next())],
            Kind::Bytes => (0..self.next() % 5).map(|_| self.next()).collect(),
            Kind::String => {
                let is_utf8 = !self.once_in(30);
                (0..self.next() % 5).map(|_| if is_utf8 { self.next() & 0x7f } else { self.next() }).collect()
            }
            _ => return self.scalar(out, wire_type),
        };
        self.length_delimited(out, &content);
    }

    fn scalar(&mut self, out: &mut Vec<u8>, wire_type: u64) {
        let width = match wire_type {
            1 => 8,
            5 => 4,
            _ => {
                let value = match self.next() {
                    200.. => u64::MAX - u64::from(self.next()),
                    150.. => u64::from(self.next()) << 40,
                    _ => self.next().into(),
                };
                return self.varint(out, value);
            }
        };
        (0..width).for_each(|_| out.push(self.next()));
    }

    /// A field with any number and type, a group at times.
    fn stranger(&mut self, out: &mut Vec<u8>) {
        let number = self.next() % 20;
        let wire_type = self.next() % 8;
        self.varint(out, u64::from(number) << 3 | u64::from(wire_type));
        match wire_type {
            2 => {
                let content = vec![0x08; usize::from(self.next() % 3 * 2)];
                self.length_delimited(out, &content);
            }
            3 => {
                if !self.0.is_empty() && self.once_in(2) {
                    self.stranger(out);
                }
                let end = if self.once_in(5) { number + 1 } else { number };
                self.varint(out, u64::from(end) << 3 | 4);
            }
            other => self.scalar(out, other.into()),
        }
    }

    fn length_delimited(&mut self, out: &mut Vec<u8>, content: &[u8]) {
        let wrong = u64::from(self.once_in(100));
        self.varint(out, content.len() as u64 + wrong);
        out.extend_from_slice(content);
    }

    /// A varint, at times longer than it must be.
    fn varint(&mut self, out: &mut Vec<u8>, value: u64) {
        prost::encoding::encode_varint(value, out);
        if self.once_in(20)
            && value < 1 << 50
            && let Some(last) = out.last_mut()
        {
            *last |= 0x80;
            out.push(0);
        }
    }
}

/// Flips bits, cuts or doubles a part.
pub(super) fn damage(body: &mut Vec<u8>, at: usize, how: u8, byte: u8) {
    if body.is_empty() {
        return;
    }
    let at = at % body.len();
    match how % 6 {
        0 => body.truncate(at),
        1 => body[at] = byte,
        2 => body.insert(at, byte),
        3 => drop(body.remove(at)),
        4 => {
            let end = (at + usize::from(byte)).min(body.len());
            let copy = body[at..end].to_vec();
            body.splice(at..at, copy);
        }
        _ => body[at] ^= 1 << (byte % 8),
    }
}
