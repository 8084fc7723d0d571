//! Numbers of 56 bits as `tracestate` writes them: up to 14 hex digits.

use std::fmt;

/// Hex digits in 56 bits.
pub(super) const DIGITS_MAX: usize = 14;

/// Text that is not a threshold or a randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HexError {
    /// There is no digit.
    #[error("a value is empty; it must have hex digits")]
    Empty,
    /// A threshold of more than 14 digits.
    #[error("a threshold has {0} digits; it may have 14")]
    TooLong(usize),
    /// A randomness that has not 14 digits.
    #[error("a randomness has {0} digits; it must have 14")]
    Length(usize),
    /// A character is not a hex digit.
    #[error("character {0} is not a hex digit")]
    Digit(usize),
}

/// Lower-case hex text of at most 14 digits, held in place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HexDigits {
    digits: [u8; DIGITS_MAX],
    length: u8,
}

impl HexDigits {
    /// All 14 digits of a number of 56 bits; higher bits are not looked at.
    pub(super) fn full(number: u64) -> Self {
        let digits = std::array::from_fn(|at| {
            let nibble = (number >> (4 * (DIGITS_MAX - 1 - at)) & 0xf) as u8;
            if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
        });
        Self { digits, length: DIGITS_MAX as u8 }
    }

    /// The digits without trailing zeros; one zero for the number 0.
    pub(super) fn trimmed(number: u64) -> Self {
        let zeros = (number.trailing_zeros() / 4).min(DIGITS_MAX as u32 - 1) as u8;
        Self { length: DIGITS_MAX as u8 - zeros, ..Self::full(number) }
    }

    /// No digit at all.
    pub(super) const fn none() -> Self {
        Self { digits: [b'0'; DIGITS_MAX], length: 0 }
    }

    /// The text's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.digits[..usize::from(self.length)]
    }
}

impl fmt::Display for HexDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl fmt::Debug for HexDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The number that hex digits of any case stand for; the caller has checked that they fit.
pub(super) fn number(text: &[u8]) -> Result<u64, HexError> {
    let mut number = 0_u64;
    for (position, digit) in text.iter().enumerate() {
        let nibble = (*digit as char).to_digit(16).ok_or(HexError::Digit(position))?;
        number = number << 4 | u64::from(nibble);
    }
    Ok(number)
}
