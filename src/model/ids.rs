//! Trace and span ids: opaque bytes, written as lower-case hex.

use std::fmt;

/// A 16-byte trace id; all zero means absent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TraceId(pub [u8; 16]);

/// An 8-byte span id; all zero means absent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SpanId(pub [u8; 8]);

/// Text that is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseIdError {
    /// The text has the wrong number of characters.
    #[error("an id of {expected} hex characters was expected, found {found} characters")]
    Length {
        /// How many characters an id has.
        expected: usize,
        /// How many there were.
        found: usize,
    },
    /// A character is not a hex digit.
    #[error("character {position} is not a hex digit")]
    Digit {
        /// Zero-based byte position of the first bad character.
        position: usize,
    },
}

impl TraceId {
    /// Reads 32 hex characters in any case.
    ///
    /// # Errors
    /// When the length is not 32 or a character is not a hex digit.
    pub fn parse(text: &str) -> Result<Self, ParseIdError> {
        parse_hex(text).map(Self)
    }

    /// Whether the id is absent (all zero).
    pub fn is_empty(&self) -> bool {
        self.0 == [0; 16]
    }
}

impl SpanId {
    /// Reads 16 hex characters in any case.
    ///
    /// # Errors
    /// When the length is not 16 or a character is not a hex digit.
    pub fn parse(text: &str) -> Result<Self, ParseIdError> {
        parse_hex(text).map(Self)
    }

    /// Whether the id is absent (all zero).
    pub fn is_empty(&self) -> bool {
        self.0 == [0; 8]
    }
}

fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], ParseIdError> {
    if text.len() != 2 * N {
        return Err(ParseIdError::Length { expected: 2 * N, found: text.len() });
    }
    let mut bytes = [0; N];
    for (position, digit) in text.bytes().enumerate() {
        let nibble = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            b'A'..=b'F' => digit - b'A' + 10,
            _ => return Err(ParseIdError::Digit { position }),
        };
        bytes[position / 2] = bytes[position / 2] << 4 | nibble;
    }
    Ok(bytes)
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

macro_rules! hex_text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }
    };
}
hex_text!(TraceId);
hex_text!(SpanId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_in_any_case_and_written_in_lower_case() {
        let id = TraceId::parse("0AF7651916cd43dd8448eb211c80319C").unwrap();
        assert_eq!(id.to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(SpanId::parse("b7ad6b716920333"), Err(ParseIdError::Length { expected: 16, found: 15 }));
        assert_eq!(SpanId::parse("b7ad6b716920333g"), Err(ParseIdError::Digit { position: 15 }));
    }
}
