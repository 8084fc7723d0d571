//! Text to tokens, with the Collector's rules: what a number is, which escapes text has.

use super::{ParseError, TEXT_BYTES_MAX};

/// One token and the byte where it starts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: usize,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    /// `0x..`
    Bytes(Vec<u8>),
    /// A number with a point.
    Double(f64),
    /// Digits; octal after a leading 0.
    Int(i64),
    /// Text without its quotes and escapes.
    Text(String),
    /// A word that starts with a capital letter: an enum or a converter.
    Capital(String),
    /// A lower-case word: part of a path.
    Lower(String),
    /// A lower-case word with capitals in it, which only an editor can be.
    Mixed(String),
    /// `nil`, `not`, `or`, `and`, `true`, `false`.
    Keyword(Keyword),
    /// Operators and brackets.
    Symbol(&'static str),
    /// The end of the text.
    End,
}

/// Words with a meaning of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    Nil,
    Not,
    Or,
    And,
    True,
    False,
}

/// Longest first, where one starts with another.
const SYMBOLS: [&str; 20] =
    ["==", "!=", ">=", "<=", "=>", ">", "<", "+", "-", "/", "*", "=", "(", ")", "{", "}", ":", ",", ".", "["];

impl TokenKind {
    /// As an error names it.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Bytes(_) => "bytes".to_owned(),
            Self::Double(number) => format!("{number}"),
            Self::Int(number) => format!("{number}"),
            Self::Text(text) => format!("{text:?}"),
            Self::Capital(word) | Self::Lower(word) | Self::Mixed(word) => format!("{word:?}"),
            Self::Keyword(word) => format!("{:?}", word.text()),
            Self::Symbol(symbol) => format!("{symbol:?}"),
            Self::End => "the end".to_owned(),
        }
    }
}

impl Keyword {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "nil" => Self::Nil,
            "not" => Self::Not,
            "or" => Self::Or,
            "and" => Self::And,
            "true" => Self::True,
            "false" => Self::False,
            _ => return None,
        })
    }

    fn text(self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Not => "not",
            Self::Or => "or",
            Self::And => "and",
            Self::True => "true",
            Self::False => "false",
        }
    }
}

/// The column of a byte: characters before it, plus one.
pub(super) fn column(text: &str, byte: usize) -> usize {
    text.char_indices().take_while(|(at, _)| *at < byte).count() + 1
}

/// Every token of a text, and [`TokenKind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, ParseError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(ParseError::new(1, format!("a condition may have {TEXT_BYTES_MAX} bytes, found {}", text.len())));
    }
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        at += text[at..].len() - text[at..].trim_start().len();
        if at == text.len() {
            tokens.push(Token { kind: TokenKind::End, start: at });
            return Ok(tokens);
        }
        let (kind, length) =
            token(&text[at..]).map_err(|(offset, message)| ParseError::new(column(text, at + offset), message))?;
        tokens.push(Token { kind, start: at });
        at += length;
    }
}

type Fault = (usize, String);

fn token(rest: &str) -> Result<(TokenKind, usize), Fault> {
    let bytes = rest.as_bytes();
    match bytes[0] {
        b'"' => text_token(rest),
        b'a'..=b'z' | b'A'..=b'Z' => Ok(word(rest)),
        b'0' if bytes.get(1) == Some(&b'x') && bytes.get(2).is_some_and(u8::is_ascii_hexdigit) => bytes_token(rest),
        b'0'..=b'9' => number(rest),
        b'.' if bytes.get(1).is_some_and(u8::is_ascii_digit) => number(rest),
        b']' => Ok((TokenKind::Symbol("]"), 1)),
        _ => match SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            Some(symbol) => Ok((TokenKind::Symbol(symbol), symbol.len())),
            None => Err((0, format!("unexpected character {:?}", rest.chars().next().unwrap_or_default()))),
        },
    }
}

fn word(rest: &str) -> (TokenKind, usize) {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let length = rest.bytes().position(|byte| !is_part(byte)).unwrap_or(rest.len());
    let word = &rest[..length];
    let kind = match Keyword::of(word) {
        Some(keyword) => TokenKind::Keyword(keyword),
        None if word.starts_with(|first: char| first.is_ascii_uppercase()) => TokenKind::Capital(word.to_owned()),
        None if word.bytes().any(|byte| byte.is_ascii_uppercase()) => TokenKind::Mixed(word.to_owned()),
        None => TokenKind::Lower(word.to_owned()),
    };
    (kind, length)
}

fn bytes_token(rest: &str) -> Result<(TokenKind, usize), Fault> {
    let digits = &rest[2..];
    let length = digits.bytes().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(digits.len());
    if length % 2 == 1 {
        return Err((0, format!("bytes need an even number of hex digits, found {length}")));
    }
    let nibble = |byte: u8| char::from(byte).to_digit(16).unwrap_or_default() as u8;
    let bytes = digits.as_bytes()[..length].chunks_exact(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1]));
    Ok((TokenKind::Bytes(bytes.collect()), length + 2))
}

fn number(rest: &str) -> Result<(TokenKind, usize), Fault> {
    let digits = |from: usize| rest[from..].bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(0);
    if !rest[whole..].starts_with('.') {
        let text = &rest[..whole];
        let parsed = if whole > 1 && text.starts_with('0') { i64::from_str_radix(text, 8) } else { text.parse() };
        return match parsed {
            Ok(number) => Ok((TokenKind::Int(number), whole)),
            Err(_) => Err((0, format!("{text:?} is no whole number of 64 bits (a leading 0 means octal)"))),
        };
    }
    let mut length = whole + 1 + digits(whole + 1);
    if rest[length..].starts_with(['e', 'E']) {
        let sign = usize::from(rest[length + 1..].starts_with(['+', '-']));
        match digits(length + 1 + sign) {
            0 => {}
            exponent => length += 1 + sign + exponent,
        }
    }
    match rest[..length].parse::<f64>() {
        Ok(number) if number.is_finite() => Ok((TokenKind::Double(number), length)),
        _ => Err((0, format!("{:?} is no number", &rest[..length]))),
    }
}

fn text_token(rest: &str) -> Result<(TokenKind, usize), Fault> {
    let mut text = String::new();
    let mut at = 1;
    while let Some(character) = rest[at..].chars().next() {
        match character {
            '"' => return Ok((TokenKind::Text(text), at + 1)),
            '\\' => {
                let (character, length) = escape(&rest[at..]).ok_or_else(|| {
                    (at, "unknown escape in text; write \\\\ for a backslash and \\\" for a quote".to_owned())
                })?;
                text.push(character);
                at += length;
            }
            _ => {
                text.push(character);
                at += character.len_utf8();
            }
        }
    }
    Err((0, "the text has no closing quote".to_owned()))
}

/// Go's escapes in double quotes: the character and the bytes that spell it.
fn escape(rest: &str) -> Option<(char, usize)> {
    let coded = |from: usize, digits: usize, radix: u32| {
        let text = rest.get(from..from + digits).filter(|text| !text.starts_with('+'))?;
        Some((char::from_u32(u32::from_str_radix(text, radix).ok()?)?, from + digits))
    };
    Some(match *rest.as_bytes().get(1)? {
        b'a' => ('\x07', 2),
        b'b' => ('\x08', 2),
        b'f' => ('\x0c', 2),
        b'n' => ('\n', 2),
        b'r' => ('\r', 2),
        b't' => ('\t', 2),
        b'v' => ('\x0b', 2),
        b'\\' => ('\\', 2),
        b'"' => ('"', 2),
        b'x' => coded(2, 2, 16)?,
        b'u' => coded(2, 4, 16)?,
        b'U' => coded(2, 8, 16)?,
        b'0'..=b'3' => coded(1, 3, 8)?,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        let mut kinds: Vec<_> = tokens(text).unwrap().into_iter().map(|token| token.kind).collect();
        assert_eq!(kinds.pop(), Some(TokenKind::End));
        kinds
    }

    #[test]
    fn numbers_are_read_as_the_collector_reads_them() {
        for (text, number) in [("1.", 1.0), (".5", 0.5), ("1.5e3", 1_500.0), ("1.5E-1", 0.15)] {
            assert_eq!(kinds(text), [TokenKind::Double(number)], "{text}");
        }
        assert_eq!(kinds("010 7"), [TokenKind::Int(8), TokenKind::Int(7)]);
        assert_eq!(kinds("1e3"), [TokenKind::Int(1), TokenKind::Lower("e3".to_owned())]);
        assert_eq!(kinds("0x00fF"), [TokenKind::Bytes(vec![0, 255])]);
        for text in ["08", "99999999999999999999", "0x123"] {
            assert!(tokens(text).is_err(), "{text}");
        }
    }

    #[test]
    fn text_has_the_escapes_of_go() {
        assert_eq!(kinds(r#""a\"\\\n\x41\u00e9\103""#), [TokenKind::Text("a\"\\\nAéC".to_owned())]);
        let error = tokens(r#"name == "a\q""#).unwrap_err();
        assert_eq!((error.column, error.message.starts_with("unknown escape")), (11, true));
        assert_eq!(tokens("\"open").unwrap_err().message, "the text has no closing quote");
    }

    #[test]
    fn a_keyword_is_a_whole_word() {
        assert_eq!(kinds("not_x nil"), [TokenKind::Lower("not_x".to_owned()), TokenKind::Keyword(Keyword::Nil)]);
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(tokens("\"größe\" $").unwrap_err().column, 9);
    }

    #[test]
    fn a_text_beyond_the_limit_is_refused() {
        assert!(tokens(&" ".repeat(TEXT_BYTES_MAX)).is_ok());
        assert!(tokens(&" ".repeat(TEXT_BYTES_MAX + 1)).is_err());
    }
}
