//! The tree of a config file: values that remember where they stand and how they were written.

/// Where a value stands: which source, and its line and column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Location {
    /// Number of the source, in the order of `--config`.
    pub source: u32,
    /// Line, from 1; 0 when a value stands in no file (a default, `--set`).
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it stands.
    pub location: Location,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Value {
    /// `null`, `~` or nothing.
    #[default]
    Null,
    /// A single value.
    Scalar(Scalar),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the file. Keys are unique and remember where they stand.
    Map(Vec<(String, Location, Node)>),
}

/// A single value: its text, and what YAML takes it for.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    /// The source text without quotes: `0123` stays `0123`.
    pub text: String,
    /// Quoted or block text is never taken for a number or bool.
    pub is_plain: bool,
}

impl Node {
    /// A plain scalar.
    pub fn plain(text: impl Into<String>, location: Location) -> Self {
        Self { value: Value::Scalar(Scalar { text: text.into(), is_plain: true }), location }
    }

    /// The entry of a map.
    pub fn entry(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(name, ..)| name == key).map(|(.., node)| node),
            _ => None,
        }
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// What it is, for messages: `a list`, `"text"`, …; long text is cut.
    pub fn describe(&self) -> String {
        const SHOWN_MAX: usize = 200;
        let cut = |text: &str| match text.char_indices().nth(SHOWN_MAX) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        };
        match &self.value {
            Value::Null => "null".to_owned(),
            Value::Scalar(scalar) if scalar.is_plain => cut(&scalar.text),
            Value::Scalar(scalar) => format!("{:?}", cut(&scalar.text)),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a section".to_owned(),
        }
    }
}

impl Scalar {
    /// YAML 1.2 core schema integers, decimal or `0x`, `0o`, `0b`; leading zeros as Go's YAML
    /// reads them (octal).
    pub fn as_int(&self) -> Option<i128> {
        if !self.is_plain {
            return None;
        }
        let (negative, digits) = match self.text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, self.text.strip_prefix('+').unwrap_or(&self.text)),
        };
        let digits = digits.replace('_', "");
        let magnitude = match digits.as_bytes() {
            [b'0', b'x' | b'X', ..] => i128::from_str_radix(&digits[2..], 16),
            [b'0', b'o' | b'O', ..] => i128::from_str_radix(&digits[2..], 8),
            [b'0', b'b' | b'B', ..] => i128::from_str_radix(&digits[2..], 2),
            [b'0', _, ..] if digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit)) => {
                i128::from_str_radix(&digits, 8)
            }
            [b'0'..=b'9', ..] => digits.parse(),
            _ => return None,
        };
        magnitude.ok().map(|value| if negative { -value } else { value })
    }

    /// A number with or without a fraction.
    pub fn as_float(&self) -> Option<f64> {
        if let Some(int) = self.as_int() {
            return Some(int as f64);
        }
        if !self.is_plain || !self.text.bytes().any(|byte| byte.is_ascii_digit()) {
            return match self.text.as_str() {
                ".inf" | "+.inf" if self.is_plain => Some(f64::INFINITY),
                "-.inf" if self.is_plain => Some(f64::NEG_INFINITY),
                ".nan" if self.is_plain => Some(f64::NAN),
                _ => None,
            };
        }
        self.text.parse().ok()
    }

    /// `true` or `false`, as Go's YAML writes them.
    pub fn as_bool(&self) -> Option<bool> {
        match self.text.as_str() {
            "true" | "True" | "TRUE" if self.is_plain => Some(true),
            "false" | "False" | "FALSE" if self.is_plain => Some(false),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Scalar {
        Scalar { text: text.to_owned(), is_plain: true }
    }

    #[test]
    fn numbers_are_read_as_go_yaml_reads_them() {
        for (text, value) in
            [("10", 10), ("-3", -3), ("+4", 4), ("0x1f", 31), ("0o17", 15), ("017", 15), ("0b101", 5), ("1_000", 1000)]
        {
            assert_eq!(plain(text).as_int(), Some(value), "{text}");
        }
        for text in ["", "1.5", "ten", "0x", "1e3", "--1"] {
            assert_eq!(plain(text).as_int(), None, "{text}");
        }
        assert_eq!(plain("1e3").as_float(), Some(1000.0));
        assert_eq!(plain("-.inf").as_float(), Some(f64::NEG_INFINITY));
        assert_eq!(plain("inf").as_float(), None);
    }

    #[test]
    fn quoted_text_is_never_a_number_or_bool() {
        for text in ["10", "1.5", "true"] {
            let scalar = Scalar { text: text.to_owned(), is_plain: false };
            assert_eq!((scalar.as_int(), scalar.as_float(), scalar.as_bool()), (None, None, None));
        }
        assert_eq!(plain("True").as_bool(), Some(true));
        assert_eq!(plain("yes").as_bool(), None);
    }
}
