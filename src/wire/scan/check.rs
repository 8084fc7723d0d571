//! Checks any message of OTLP against its table, exactly as prost would, and counts what it holds.
//! Keeps nothing of it.

use crate::model::{Cursor, WireError, WireType};
use crate::wire::schema::{Counter, Field, Id, KEY_VALUE, Kind, Label, Message};
use crate::wire::{Limits, ScanError};

/// Why a scan stops; small, so that results stay in a register on the hot path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Wire(WireError),
    Id(Id, u32),
    TooMany(Counter),
}

impl From<WireError> for Fault {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

/// Levels of messages that may still open inside a request, as prost counts them.
pub(super) const DEPTH: u32 = 100;

/// Checks messages, and counts over all that it has checked.
#[derive(Debug)]
pub(super) struct Checker {
    counts: [u32; Counter::COUNT],
    limits: [u32; Counter::COUNT],
}

impl Checker {
    pub(super) fn new(limits: &Limits) -> Self {
        let mut checker = Self { counts: [0; Counter::COUNT], limits: [u32::MAX; Counter::COUNT] };
        checker.limits[Counter::Attribute as usize] = limits.attributes_max;
        checker.limits[Counter::Event as usize] = limits.events_max;
        checker.limits[Counter::Link as usize] = limits.links_max;
        checker
    }

    /// How many were counted so far.
    pub(super) fn count_of(&self, counter: Counter) -> u32 {
        self.counts[counter as usize]
    }

    /// The error that a fault stands for.
    pub(super) fn error(&self, fault: Fault) -> ScanError {
        match fault {
            Fault::Wire(error) => error.into(),
            Fault::Id(id, found) => {
                ScanError::IdLength { what: id.name(), expected: id.length(), found: found as usize }
            }
            Fault::TooMany(counter) => {
                let what = match counter {
                    Counter::Attribute => "attributes",
                    Counter::Event => "span events",
                    Counter::Link => "span links",
                    Counter::Nothing | Counter::Point => "messages",
                };
                ScanError::TooMany { what, limit: self.limits[counter as usize].into() }
            }
        }
    }

    #[inline]
    fn count(&mut self, counter: Counter) -> Result<(), Fault> {
        let count = &mut self.counts[counter as usize];
        if *count >= self.limits[counter as usize] && counter != Counter::Nothing {
            return Err(Fault::TooMany(counter));
        }
        *count = count.wrapping_add(1);
        Ok(())
    }

    /// Checks a message inside one that may open `depth` more levels.
    pub(super) fn message(&mut self, schema: &Message, bytes: &[u8], depth: u32) -> Result<(), Fault> {
        let inner = depth.checked_sub(1).ok_or(WireError::Depth)?;
        self.count(schema.counter)?;
        let mut cursor = Cursor::new(bytes);
        while !cursor.is_at_end() {
            self.field(schema, &mut cursor, inner)?;
        }
        Ok(())
    }

    /// Checks a `KeyValue`. Nearly all have a short key and a short text or number, in this order
    /// and nothing else.
    #[inline]
    pub(super) fn attribute(&mut self, bytes: &[u8], depth: u32) -> Result<(), Fault> {
        if depth >= 2 && is_plain_attribute(bytes) {
            self.count(Counter::Attribute)
        } else {
            self.any_attribute(bytes, depth)
        }
    }

    /// Kept apart, so that the short way needs no stack.
    #[inline(never)]
    fn any_attribute(&mut self, bytes: &[u8], depth: u32) -> Result<(), Fault> {
        self.message(&KEY_VALUE, bytes, depth)
    }

    /// Checks the field at the cursor and returns its number.
    pub(super) fn field(&mut self, schema: &Message, cursor: &mut Cursor<'_>, depth: u32) -> Result<u32, Fault> {
        let (number, wire_type) = cursor.tag()?;
        match schema.field(number) {
            Some(field) => self.value(field, wire_type, cursor, depth)?,
            None => cursor.skip(number, wire_type, depth)?,
        }
        Ok(number)
    }

    fn value(&mut self, field: &Field, wire_type: WireType, cursor: &mut Cursor<'_>, depth: u32) -> Result<(), Fault> {
        match (field.kind, wire_type) {
            (Kind::String | Kind::Bytes, WireType::Length) => {
                cursor.length_delimited()?;
            }
            (Kind::Message(inner), WireType::Length) => {
                let bytes = cursor.length_delimited()?;
                match inner.counter {
                    Counter::Attribute => self.attribute(bytes, depth)?,
                    _ => self.message(inner, bytes, depth)?,
                }
            }
            (Kind::Id(id), WireType::Length) => {
                let length = cursor.length_delimited()?.len();
                if length != 0 && length != id.length() {
                    return Err(Fault::Id(id, length as u32));
                }
            }
            (Kind::String | Kind::Bytes | Kind::Message(_) | Kind::Id(_), _) => Err(WireError::WireType)?,
            (number, WireType::Length) if field.label == Label::Repeated => {
                let mut packed = Cursor::new(cursor.length_delimited()?);
                while !packed.is_at_end() {
                    scalar(number, wire_type_of(number), &mut packed)?;
                }
            }
            (number, _) => scalar(number, wire_type, cursor)?,
        }
        Ok(())
    }
}

fn wire_type_of(kind: Kind) -> WireType {
    match kind {
        Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => WireType::Fixed64,
        Kind::Fixed32 => WireType::Fixed32,
        Kind::Bool | Kind::Int32 | Kind::Uint32 | Kind::Sint32 | Kind::Int64 | Kind::Uint64 | Kind::Enum(_) => {
            WireType::Varint
        }
        Kind::String | Kind::Bytes | Kind::Id(_) | Kind::Message(_) => WireType::Length,
    }
}

fn scalar(kind: Kind, wire_type: WireType, cursor: &mut Cursor<'_>) -> Result<(), WireError> {
    if wire_type != wire_type_of(kind) {
        return Err(WireError::WireType);
    }
    match wire_type {
        WireType::Varint => cursor.varint().map(drop),
        WireType::Fixed64 => cursor.array::<8>().map(drop),
        WireType::Fixed32 => cursor.array::<4>().map(drop),
        WireType::Length | WireType::StartGroup | WireType::EndGroup => Err(WireError::WireType),
    }
}

/// Whether this is `key`, then `value` with one text, int, bool or double, every length below 128.
/// No is not a refusal: the general check decides then.
#[inline]
fn is_plain_attribute(bytes: &[u8]) -> bool {
    let [0x0a, key_length @ 0..0x80, rest @ ..] = bytes else { return false };
    let Some([0x12, value_length @ 0..0x80, value @ ..]) = rest.get(usize::from(*key_length)..) else { return false };
    usize::from(*value_length) == value.len()
        && match value {
            [0x0a, length, text @ ..] => usize::from(*length) == text.len(),
            [0x18, more @ .., 0..0x80] => more.len() < 9 && more.iter().all(|byte| *byte >= 0x80),
            [0x10, 0..0x80] => true,
            [0x21, double @ ..] => double.len() == 8,
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_plain_attributes_take_the_short_way() {
        assert!(is_plain_attribute(&[0x0a, 1, b'k', 0x12, 3, 0x0a, 1, b'v']));
        assert!(is_plain_attribute(&[0x0a, 0, 0x12, 2, 0x18, 5]));
        assert!(is_plain_attribute(&[0x0a, 0, 0x12, 3, 0x18, 0x80, 1]));
        assert!(!is_plain_attribute(&[0x0a, 0, 0x12, 3, 0x18, 1, 1]));
        assert!(!is_plain_attribute(&[0x0a, 0, 0x12, 3, 0x18, 0x80, 0x80]));
        assert!(!is_plain_attribute(&[0x0a, 1, b'k', 0x12, 3, 0x0a, 2, b'v']));
        assert!(!is_plain_attribute(&[0x0a, 1, b'k', 0x12, 4, 0x0a, 1, b'v']));
        assert!(!is_plain_attribute(&[0x0a, 2, b'k']));
        assert!(!is_plain_attribute(&[]));
    }
}
