//! Rows of CSV text (RFC 4180): fields in quotes or not, lines that end with LF or CRLF. Total on
//! any bytes; a row that is broken is named, and the line after its first one goes on.

use std::borrow::Cow;

/// Bytes of one row; more is a broken row.
const ROW_BYTES_MAX: usize = 1 << 20;
/// Fields of one row; more is a broken row.
const FIELDS_MAX: usize = 1_024;
/// Characters of a header in a message.
const SHOWN_MAX: usize = 200;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// Line on which the row begins, from 1.
    pub line: usize,
    /// The fields, without their quotes; bytes that are not UTF-8 are replaced.
    pub fields: Vec<Cow<'a, str>>,
}

/// A row that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowError {
    /// Line on which it begins, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: &'static str,
}

/// The names of a table's columns.
#[derive(Clone, Debug, Default)]
pub struct Header {
    names: Vec<String>,
    text: String,
}

/// Iterator over the rows of a text; empty lines are passed over.
#[derive(Clone, Debug)]
pub struct Rows<'a> {
    rest: &'a [u8],
    line: usize,
}

/// The rows of a text, the header among them.
pub fn rows(text: &[u8]) -> Rows<'_> {
    Rows { rest: text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text), line: 1 }
}

impl Header {
    /// The header in the fields of the first row.
    pub fn new(fields: &[Cow<'_, str>]) -> Self {
        let plain = |name: &str| {
            let letters = name.chars().filter(|letter| letter.is_alphanumeric());
            letters.flat_map(char::to_lowercase).collect()
        };
        Self { names: fields.iter().map(|name| plain(name)).collect(), text: fields.join(",") }
    }

    /// The column with one of these names, given in lower case without anything but letters and
    /// digits: `traceid` finds `TraceID` and `trace_id`.
    pub fn place(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| self.names.iter().position(|known| known == name))
    }

    /// The header as it came, not too long for a message.
    pub fn shortened(&self) -> String {
        match self.text.char_indices().nth(SHOWN_MAX) {
            Some((end, _)) => format!("{}…", &self.text[..end]),
            None if self.text.is_empty() => "nothing".to_owned(),
            None => self.text.clone(),
        }
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = Result<Row<'a>, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(end) = line_break(self.rest) {
            self.rest = &self.rest[end..];
            self.line += 1;
        }
        if self.rest.is_empty() {
            return None;
        }
        let line = self.line;
        match row(self.rest) {
            Ok((fields, taken)) => {
                self.line += self.rest[..taken].iter().filter(|byte| **byte == b'\n').count();
                self.rest = &self.rest[taken..];
                Some(Ok(Row { line, fields }))
            }
            Err(message) => {
                let end = self.rest.iter().position(|byte| *byte == b'\n').map_or(self.rest.len(), |at| at + 1);
                self.rest = &self.rest[end..];
                self.line += 1;
                Some(Err(RowError { line, message }))
            }
        }
    }
}

/// Bytes of a line break at the beginning, if there is one.
fn line_break(text: &[u8]) -> Option<usize> {
    match text {
        [b'\n', ..] => Some(1),
        [b'\r', b'\n', ..] => Some(2),
        _ => None,
    }
}

/// The fields of the row at the beginning, and its bytes with the line break.
fn row(text: &[u8]) -> Result<(Vec<Cow<'_, str>>, usize), &'static str> {
    let mut fields = Vec::with_capacity(16);
    let mut at = 0;
    loop {
        let (field, taken) = match text.get(at) {
            Some(b'"') => quoted(&text[at..])?,
            _ => {
                let rest = &text[at..];
                let end = rest.iter().position(|byte| matches!(byte, b',' | b'\n')).unwrap_or(rest.len());
                let is_crlf = rest.get(end) == Some(&b'\n') && rest[..end].ends_with(b"\r");
                let end = end - usize::from(is_crlf);
                (String::from_utf8_lossy(&rest[..end]), end)
            }
        };
        at += taken;
        fields.push(field);
        if at > ROW_BYTES_MAX || fields.len() > FIELDS_MAX {
            return Err("a row of more than 1 MiB or 1,024 fields");
        }
        match text.get(at) {
            None => return Ok((fields, at)),
            Some(b',') => at += 1,
            Some(_) => match line_break(&text[at..]) {
                Some(end) => return Ok((fields, at + end)),
                None => return Err("text after a closing quote"),
            },
        }
    }
}

/// A field that begins with a quote, and its bytes with both quotes.
fn quoted(text: &[u8]) -> Result<(Cow<'_, str>, usize), &'static str> {
    let mut at = 1;
    let mut has_doubled = false;
    loop {
        let limit = text.len().min(ROW_BYTES_MAX);
        let end = text.get(at..limit).and_then(|rest| rest.iter().position(|byte| *byte == b'"'));
        at += end.ok_or("a quote that is not closed")?;
        if text.get(at + 1) != Some(&b'"') {
            break;
        }
        has_doubled = true;
        at += 2;
    }
    let content = String::from_utf8_lossy(&text[1..at]);
    Ok((if has_doubled { Cow::Owned(content.replace("\"\"", "\"")) } else { content }, at + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<Result<Vec<String>, (usize, &'static str)>> {
        let owned = |row: Result<Row<'_>, RowError>| match row {
            Ok(row) => Ok(row.fields.into_iter().map(Cow::into_owned).collect()),
            Err(error) => Err((error.line, error.message)),
        };
        rows(text.as_bytes()).map(owned).collect()
    }

    fn row_of(fields: &[&str]) -> Result<Vec<String>, (usize, &'static str)> {
        Ok(fields.iter().map(|field| (*field).to_owned()).collect())
    }

    #[test]
    fn fields_are_plain_or_in_quotes() {
        assert_eq!(
            read("a,,c\r\n\"x,\"\"y\"\"\n\",2\n\nlast"),
            [row_of(&["a", "", "c"]), row_of(&["x,\"y\"\n", "2"]), row_of(&["last"])]
        );
        assert_eq!(read("\u{feff}a,"), [row_of(&["a", ""])]);
        assert!(read("").is_empty() && read("\n\r\n").is_empty());
    }

    #[test]
    fn a_broken_row_is_named_and_the_next_line_goes_on() {
        assert_eq!(
            read("a\n\"b,c\nd\n\"e\"f\ng"),
            [
                row_of(&["a"]),
                Err((2, "text after a closing quote")),
                row_of(&["d"]),
                Err((4, "text after a closing quote")),
                row_of(&["g"]),
            ]
        );
        assert_eq!(read("\"a"), [Err((1, "a quote that is not closed"))]);
        let lines: Vec<_> = rows(b"a\n\"b\nc\"\n\nd").map(|row| row.unwrap().line).collect();
        assert_eq!(lines, [1, 2, 5]);
    }

    #[test]
    fn columns_are_found_in_any_spelling() {
        let header = Header::new(&["Trace_ID".into(), "span id".into()]);
        assert_eq!(
            (header.place(&["traceid"]), header.place(&["x", "spanid"]), header.place(&["id"])),
            (Some(0), Some(1), None)
        );
        assert_eq!(header.shortened(), "Trace_ID,span id");
        assert_eq!(Header::new(&["x".repeat(300).into()]).shortened().chars().count(), SHOWN_MAX + 1);
    }

    proptest! {
        #[test]
        fn what_is_written_with_quotes_is_read(table in proptest::collection::vec(proptest::collection::vec("[a-z\",\r\n]{0,5}", 1..4), 0..6)) {
            let quote = |field: &String| format!("\"{}\"", field.replace('"', "\"\""));
            let line = |row: &Vec<String>| row.iter().map(quote).collect::<Vec<_>>().join(",");
            let text = table.iter().map(line).collect::<Vec<_>>().join("\n");
            let expected: Vec<_> = table.into_iter().map(Ok).collect();
            prop_assert_eq!(read(&text), expected);
        }

        #[test]
        fn any_bytes_end(text in proptest::collection::vec(prop_oneof![Just(b'"'), Just(b','), Just(b'\n'), Just(b'\r'), any::<u8>()], 0..60)) {
            prop_assert!(rows(&text).count() <= text.len());
        }
    }
}
