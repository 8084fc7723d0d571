//! Tokens of JSON (RFC 8259), pulled one by one from text. Text in strings is taken as it is, as
//! the scan does: UTF-8 is not checked. Total on any input.

use std::borrow::Cow;

use super::{JsonError, plain_length};

/// Brackets that may stand inside each other in a value that is passed over; as the Collector's
/// reader allows.
const SKIP_DEPTH_MAX: usize = 10_000;

/// Reads tokens from text.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// Bytes that were taken.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// An error at the present position.
    pub(super) fn error(&self, message: impl std::fmt::Display) -> JsonError {
        JsonError::at(self.at, message)
    }

    /// The next byte that is not white space, still to be taken; 0 at the end.
    #[inline]
    pub(super) fn peek(&mut self) -> u8 {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.text.get(self.at) {
            self.at += 1;
        }
        self.text.get(self.at).copied().unwrap_or(0)
    }

    /// Takes `byte` when it comes next.
    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let taken = self.peek() == byte && self.at < self.text.len();
        self.at += usize::from(taken);
        taken
    }

    /// Takes `byte`, which must come next.
    #[inline]
    pub(super) fn expect(&mut self, byte: u8, what: &str) -> Result<(), JsonError> {
        if self.take(byte) { Ok(()) } else { Err(self.error(format_args!("expected {what}"))) }
    }

    /// After an element: whether another one follows, or the list is closed by `close`.
    #[inline]
    pub(super) fn more(&mut self, close: u8) -> Result<bool, JsonError> {
        if self.take(b',') {
            return Ok(true);
        }
        if self.take(close) {
            return Ok(false);
        }
        Err(self.error(format_args!("expected a comma or {:?}", char::from(close))))
    }

    /// Whether nothing but white space is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.peek();
        self.at >= self.text.len()
    }

    /// Takes `null` when it comes next.
    #[inline]
    pub(super) fn null(&mut self) -> Result<bool, JsonError> {
        if self.peek() != b'n' {
            return Ok(false);
        }
        self.word("null").map(|()| true)
    }

    /// Takes `true` or `false`.
    pub(super) fn boolean(&mut self) -> Result<bool, JsonError> {
        match self.peek() {
            b't' => self.word("true").map(|()| true),
            b'f' => self.word("false").map(|()| false),
            _ => Err(self.error("expected true or false")),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), JsonError> {
        if !self.text[self.at..].starts_with(word.as_bytes()) {
            return Err(self.error(format_args!("expected {word}")));
        }
        self.at += word.len();
        Ok(())
    }

    /// Takes a number and returns its text.
    pub(super) fn number(&mut self) -> Result<&'a str, JsonError> {
        self.peek();
        let start = self.at;
        self.at += usize::from(self.text.get(self.at) == Some(&b'-'));
        let whole = self.digits();
        let leading_zero = whole > 1 && self.text[self.at - whole] == b'0';
        let mut is_valid = whole > 0 && !leading_zero;
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            is_valid &= self.digits() > 0;
        }
        if let Some(b'e' | b'E') = self.text.get(self.at) {
            self.at += 1;
            self.at += usize::from(matches!(self.text.get(self.at), Some(b'+' | b'-')));
            is_valid &= self.digits() > 0;
        }
        match std::str::from_utf8(&self.text[start..self.at]) {
            Ok(number) if is_valid => Ok(number),
            _ => Err(JsonError::at(start, "expected a number")),
        }
    }

    fn digits(&mut self) -> usize {
        let rest = &self.text[self.at..];
        let count = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        self.at += count;
        count
    }

    /// Takes a string and returns its text without escapes.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Cow<'a, [u8]>, JsonError> {
        self.expect(b'"', "text in quotes")?;
        let rest = &self.text[self.at..];
        let plain = plain_length(rest);
        if rest.get(plain) == Some(&b'"') {
            self.at += plain + 1;
            return Ok(Cow::Borrowed(&rest[..plain]));
        }
        self.escaped_string().map(Cow::Owned)
    }

    #[cold]
    fn escaped_string(&mut self) -> Result<Vec<u8>, JsonError> {
        let mut out = Vec::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = plain_length(rest);
            out.extend_from_slice(&rest[..plain]);
            self.at += plain;
            match rest.get(plain..).unwrap_or_default() {
                [b'"', ..] => {
                    self.at += 1;
                    return Ok(out);
                }
                [b'\\', b'u', ..] => {
                    let mut utf8 = [0; 4];
                    out.extend_from_slice(self.unicode()?.encode_utf8(&mut utf8).as_bytes());
                }
                [b'\\', escape, ..] => {
                    out.push(unescape(*escape).ok_or_else(|| self.error("unknown escape"))?);
                    self.at += 2;
                }
                [] | [b'\\'] => return Err(self.error("text without a closing quote")),
                [..] => return Err(self.error("control character in text")),
            }
        }
    }

    /// Takes `\u` and four digits, two of them for a pair; half a pair becomes U+FFFD.
    fn unicode(&mut self) -> Result<char, JsonError> {
        let first = self.hex_escape()?;
        if !(0xd800..0xdc00).contains(&first) {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        if !self.text[self.at..].starts_with(b"\\u") {
            return Ok(char::REPLACEMENT_CHARACTER);
        }
        let before = self.at;
        let second = self.hex_escape()?;
        if !(0xdc00..0xe000).contains(&second) {
            self.at = before;
            return Ok(char::REPLACEMENT_CHARACTER);
        }
        let joined = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        Ok(char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex_escape(&mut self) -> Result<u32, JsonError> {
        let digits = self.text.get(self.at + 2..self.at + 6).ok_or_else(|| self.error("escape is cut off"))?;
        let mut value = 0;
        for digit in digits {
            let digit = char::from(*digit).to_digit(16).ok_or_else(|| self.error("escape is not hex"))?;
            value = value << 4 | digit;
        }
        self.at += 6;
        Ok(value)
    }

    /// Passes over any value; nesting costs a bit a level, not stack.
    pub(super) fn skip(&mut self) -> Result<(), JsonError> {
        let mut open: Vec<bool> = Vec::new();
        loop {
            match self.peek() {
                bracket @ (b'{' | b'[') => {
                    self.at += 1;
                    let is_object = bracket == b'{';
                    if !self.take(if is_object { b'}' } else { b']' }) {
                        if open.len() >= SKIP_DEPTH_MAX {
                            return Err(self.error("brackets are nested too deeply"));
                        }
                        open.push(is_object);
                        self.skip_key(is_object)?;
                        continue;
                    }
                }
                b'"' => drop(self.string()?),
                b't' | b'f' => drop(self.boolean()?),
                b'n' => drop(self.null()?),
                _ => drop(self.number()?),
            }
            while let Some(&is_object) = open.last() {
                if self.more(if is_object { b'}' } else { b']' })? {
                    self.skip_key(is_object)?;
                    break;
                }
                open.pop();
            }
            if open.is_empty() {
                return Ok(());
            }
        }
    }

    fn skip_key(&mut self, is_object: bool) -> Result<(), JsonError> {
        if is_object {
            self.string()?;
            self.expect(b':', "a colon")?;
        }
        Ok(())
    }
}

fn unescape(escape: u8) -> Option<u8> {
    Some(match escape {
        b'"' | b'\\' | b'/' => escape,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_read_and_half_pairs_replaced() {
        let read =
            |text: &str| Lexer::new(text.as_bytes()).string().map(|text| String::from_utf8(text.to_vec()).unwrap());
        assert_eq!(read(r#""a\n\"\u00e9\ud83d\ude00""#).unwrap(), "a\n\"é😀");
        assert_eq!(read(r#""\ud83dx""#).unwrap(), "\u{fffd}x");
        assert_eq!(read(r#""\ud83d\u0041""#).unwrap(), "\u{fffd}A");
        for bad in [r#""\x""#, r#""\u12""#, "\"a", "\"\\", "\"\n\"", "a"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_value_is_passed_over_exactly_when_it_is_json(text in "[\\[\\]{}\",:0-9eE.+\\- a-z\\\\]{0,12}") {
            let mut lexer = Lexer::new(text.as_bytes());
            let ours = lexer.skip().is_ok() && lexer.is_at_end();
            prop_assert_eq!(ours, serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok());
        }
    }
}
