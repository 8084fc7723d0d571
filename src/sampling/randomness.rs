//! The 56 random bits of a trace: from its id or from `rv`, the same for all its spans
//! (W3C Trace Context Level 2, "random trace id flag"; OTEP 235).

use std::fmt;

use super::hex::{self, DIGITS_MAX, HexDigits, HexError};
use crate::model::TraceId;

/// A number of 56 bits that every sampler of a trace compares with its threshold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Randomness(u64);

impl Randomness {
    /// The largest value: kept by every threshold but `NEVER`.
    pub const MAX: Self = Self((1 << 56) - 1);

    /// The lowest 56 bits of a number.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits & Self::MAX.0)
    }

    /// The last seven bytes of a trace id, which W3C asks to be random.
    pub const fn from_trace_id(id: TraceId) -> Self {
        let [.., a, b, c, d, e, f, g, h] = id.0;
        Self::from_bits(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    /// Reads `rv`: 14 hex digits in any case.
    ///
    /// # Errors
    /// When there are more or fewer, or one is no hex digit.
    pub fn parse(text: &[u8]) -> Result<Self, HexError> {
        if text.len() != DIGITS_MAX {
            return Err(HexError::Length(text.len()));
        }
        hex::number(text).map(Self)
    }

    /// The number, below 2^56.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The text of `rv`: 14 digits.
    pub fn digits(self) -> HexDigits {
        HexDigits::full(self.0)
    }
}

impl fmt::Display for Randomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.digits(), f)
    }
}

impl fmt::Debug for Randomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn randomness_is_the_last_seven_bytes_of_the_trace_id() {
        // The example of OpenTelemetry's own sampling package.
        let id = TraceId::parse("abababababababababd29d6a7215ced0").unwrap();
        assert_eq!(Randomness::from_trace_id(id).to_string(), "d29d6a7215ced0");
        let ones = TraceId([0xff; 16]);
        assert_eq!(Randomness::from_trace_id(ones), Randomness::MAX);
    }

    #[test]
    fn rv_has_exactly_14_digits() {
        assert_eq!(Randomness::parse(b"d29D6a7215ced0").unwrap().to_string(), "d29d6a7215ced0");
        assert_eq!(Randomness::parse(b"00000000000003").unwrap().bits(), 3);
        assert_eq!(Randomness::parse(b"3"), Err(HexError::Length(1)));
        assert_eq!(Randomness::parse(b"100000000000000"), Err(HexError::Length(15)));
        assert_eq!(Randomness::parse(b"d29d6a7215ce-0"), Err(HexError::Digit(12)));
    }
}
