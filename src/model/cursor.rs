//! A forward reader of protobuf fields: the one place that knows varints, tags and wire types.
//! Total on any input: it returns an error or a field, and never reads past the end.

/// Why bytes are not a protobuf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A field ends after the message does.
    #[error("the message is cut off")]
    Truncated,
    /// A varint of more than ten bytes, or above 64 bits.
    #[error("a varint does not fit 64 bits")]
    Varint,
    /// Field number 0 or a tag above 32 bits.
    #[error("a field has an invalid tag")]
    Tag,
    /// Wire type 6 or 7, or one that the field does not have.
    #[error("a field has the wrong wire type")]
    WireType,
    /// An end-group tag without its start, or of another field.
    #[error("a group is not closed where it was opened")]
    Group,
    /// Messages or groups nested too deeply.
    #[error("messages are nested deeper than the recursion limit of 100")]
    Depth,
}

/// The wire types of protobuf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireType {
    /// 0: integers, bools, enums.
    Varint,
    /// 1: eight bytes, little endian.
    Fixed64,
    /// 2: strings, bytes, messages, packed numbers.
    Length,
    /// 3: start of a group.
    StartGroup,
    /// 4: end of a group.
    EndGroup,
    /// 5: four bytes, little endian.
    Fixed32,
}

/// One field of a message. Groups are skipped, so none is ever returned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Field<'a> {
    /// An integer.
    Varint(u64),
    /// Eight bytes as a little-endian integer.
    Fixed64(u64),
    /// Bytes of a string, a message or packed numbers.
    Length(&'a [u8]),
    /// Four bytes as a little-endian integer.
    Fixed32(u32),
}

/// Reads a message field by field.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    rest: &'a [u8],
    length: usize,
}

/// Bytes that a number takes as a varint: 1 to 10.
pub const fn varint_len(value: u64) -> usize {
    ((70 - (value | 1).leading_zeros()) / 7) as usize
}

/// Appends a number as a varint.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

impl<'a> Cursor<'a> {
    /// Starts at the first byte.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, length: bytes.len() }
    }

    /// Position of the next byte.
    #[inline]
    pub fn position(&self) -> usize {
        self.length - self.rest.len()
    }

    /// Whether every byte was read.
    #[inline]
    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// What was not read yet.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Reads a varint.
    ///
    /// # Errors
    /// [`WireError::Truncated`] or [`WireError::Varint`].
    #[inline]
    pub fn varint(&mut self) -> Result<u64, WireError> {
        match self.rest {
            [byte @ 0..0x80, rest @ ..] => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            [low, high @ 0..0x80, rest @ ..] => {
                self.rest = rest;
                Ok(u64::from(low & 0x7f) | u64::from(*high) << 7)
            }
            _ => self.long_varint(),
        }
    }

    #[inline(never)]
    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0;
        for shift in (0..70).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(WireError::Truncated)?;
            self.rest = rest;
            if shift == 63 && byte > 1 {
                return Err(WireError::Varint);
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(WireError::Varint)
    }

    /// Reads a tag: field number and wire type.
    ///
    /// # Errors
    /// When the tag is cut off, has field number 0, is above 32 bits or names no wire type.
    #[inline]
    pub fn tag(&mut self) -> Result<(u32, WireType), WireError> {
        let tag = u32::try_from(self.varint()?).map_err(|_| WireError::Tag)?;
        let wire_type = match tag & 7 {
            0 => WireType::Varint,
            1 => WireType::Fixed64,
            2 => WireType::Length,
            3 => WireType::StartGroup,
            4 => WireType::EndGroup,
            5 => WireType::Fixed32,
            _ => return Err(WireError::WireType),
        };
        if tag >> 3 == 0 {
            return Err(WireError::Tag);
        }
        Ok((tag >> 3, wire_type))
    }

    /// Takes the next `count` bytes.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    #[inline]
    pub fn take(&mut self, count: u64) -> Result<&'a [u8], WireError> {
        if count > self.rest.len() as u64 {
            return Err(WireError::Truncated);
        }
        let (taken, rest) = self.rest.split_at(count as usize);
        self.rest = rest;
        Ok(taken)
    }

    /// Reads a length and that many bytes.
    ///
    /// # Errors
    /// When either is cut off.
    #[inline]
    pub fn length_delimited(&mut self) -> Result<&'a [u8], WireError> {
        let count = self.varint()?;
        self.take(count)
    }

    /// Skips the value of a field whose tag was just read. `depth` is how many levels of groups
    /// may still open, as prost counts them: at 0 no unknown field is passed over at all.
    ///
    /// # Errors
    /// When the value is malformed, or groups are nested deeper than `depth`.
    pub fn skip(&mut self, number: u32, wire_type: WireType, depth: u32) -> Result<(), WireError> {
        let inner_depth = depth.checked_sub(1).ok_or(WireError::Depth)?;
        match wire_type {
            WireType::Varint => self.varint().map(drop),
            WireType::Fixed64 => self.take(8).map(drop),
            WireType::Fixed32 => self.take(4).map(drop),
            WireType::Length => self.length_delimited().map(drop),
            WireType::EndGroup => Err(WireError::Group),
            WireType::StartGroup => loop {
                let (inner, wire_type) = self.tag()?;
                if wire_type == WireType::EndGroup {
                    return if inner == number { Ok(()) } else { Err(WireError::Group) };
                }
                self.skip(inner, wire_type, inner_depth)?;
            },
        }
    }

    /// Reads the field at the cursor with its number; `None` for a group, which is passed over.
    ///
    /// # Errors
    /// When the field is malformed, or nothing is left.
    #[inline]
    pub fn field(&mut self) -> Result<Option<(u32, Field<'a>)>, WireError> {
        let (number, wire_type) = self.tag()?;
        let field = match wire_type {
            WireType::Length => Field::Length(self.length_delimited()?),
            WireType::Varint => Field::Varint(self.varint()?),
            WireType::Fixed64 => Field::Fixed64(u64::from_le_bytes(self.array()?)),
            WireType::Fixed32 => Field::Fixed32(u32::from_le_bytes(self.array()?)),
            WireType::StartGroup | WireType::EndGroup => return self.skip(number, wire_type, 100).map(|()| None),
        };
        Ok(Some((number, field)))
    }

    /// Takes the next `N` bytes.
    ///
    /// # Errors
    /// [`WireError::Truncated`].
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(*bytes)
    }

    /// The next field with its number; groups are passed over. `None` at the end, and at the first
    /// malformed field: meant for bytes that the scan has accepted.
    #[inline]
    pub fn next_field(&mut self) -> Option<(u32, Field<'a>)> {
        while !self.is_at_end() {
            match self.field() {
                Ok(None) => {}
                Ok(field) => return field,
                Err(_) => return None,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_have_the_length_that_is_predicted() {
        for (value, length) in [(0, 1), (127, 1), (128, 2), (16_383, 2), (16_384, 3), (u64::MAX, 10)] {
            assert_eq!(varint_len(value), length);
        }
    }

    #[test]
    fn a_varint_above_64_bits_is_refused() {
        let mut bytes = [0xff; 10];
        bytes[9] = 1;
        assert_eq!(Cursor::new(&bytes).varint(), Ok(u64::MAX));
        bytes[9] = 2;
        assert_eq!(Cursor::new(&bytes).varint(), Err(WireError::Varint));
        assert_eq!(Cursor::new(&bytes[..9]).varint(), Err(WireError::Truncated));
    }

    #[test]
    fn a_group_is_passed_over_and_must_close_itself() {
        let bytes = [0x0b, 0x10, 5, 0x0c, 0x18, 7];
        assert_eq!(Cursor::new(&bytes).next_field(), Some((3, Field::Varint(7))));
        let mut crossed = Cursor::new(&[0x0b, 0x14]);
        let (number, wire_type) = crossed.tag().unwrap();
        assert_eq!(crossed.skip(number, wire_type, 100), Err(WireError::Group));
    }
}
