//! The hot loop: one span into one row. Fields in the form that every SDK writes (one-byte tag,
//! one-byte length) are matched by their bytes; any other form takes the general check.

use crate::model::{Cursor, WireError};
use crate::wire::schema::{Id, SPAN, STATUS};

use super::check::{Checker, Fault};
use super::rows::SpanRows;

/// What is needed to take up one span.
pub(super) struct SpanScan<'a> {
    pub checker: &'a mut Checker,
    pub rows: &'a mut SpanRows,
    /// The row to fill.
    pub row: usize,
    /// Position in the body of the first byte after the span.
    pub end: usize,
    /// Levels that may still open inside the span.
    pub depth: u32,
}

impl SpanScan<'_> {
    /// Checks the span and fills its row.
    #[inline]
    pub(super) fn run(mut self, message: &[u8]) -> Result<(), Fault> {
        let mut rest = message;
        while let [tag, ..] = rest {
            rest = match (tag, rest) {
                (0x4a, [_, length @ 0..0x80, tail @ ..]) => {
                    let (attribute, tail) = split(tail, *length)?;
                    self.checker.attribute(attribute, self.depth)?;
                    tail
                }
                (0x0a, [_, 16, tail @ ..]) => {
                    let (id, tail) = chunk(tail)?;
                    self.rows.trace_id[self.row] = i128::from_ne_bytes(*id);
                    tail
                }
                (0x12, [_, 8, tail @ ..]) => {
                    let (id, tail) = chunk(tail)?;
                    self.rows.span_id[self.row] = u64::from_ne_bytes(*id);
                    tail
                }
                (0x22, [_, 8, tail @ ..]) => {
                    let (id, tail) = chunk(tail)?;
                    self.rows.parent_span_id[self.row] = u64::from_ne_bytes(*id);
                    tail
                }
                (0x2a, [_, length @ 0..0x80, tail @ ..]) => {
                    let (name, tail) = split(tail, *length)?;
                    self.name(name, tail);
                    tail
                }
                (0x30, [_, kind @ 0..0x80, tail @ ..]) => {
                    self.rows.kind[self.row] = *kind;
                    tail
                }
                (0x39, [_, tail @ ..]) => {
                    let (time, tail) = chunk(tail)?;
                    self.rows.start[self.row] = u64::from_le_bytes(*time);
                    tail
                }
                (0x41, [_, tail @ ..]) => {
                    let (time, tail) = chunk(tail)?;
                    self.rows.end[self.row] = u64::from_le_bytes(*time);
                    tail
                }
                (0x85, [_, 0x01, tail @ ..]) => {
                    let (flags, tail) = chunk(tail)?;
                    self.rows.flags[self.row] = u32::from_le_bytes(*flags);
                    tail
                }
                (0x7a, [_, length @ 0..0x80, tail @ ..]) => {
                    let (status, tail) = split(tail, *length)?;
                    self.status(status)?;
                    tail
                }
                _ => self.general(rest)?,
            };
        }
        Ok(())
    }

    /// Takes the first field of `rest` in whatever form it has; returns what follows.
    #[inline(never)]
    fn general<'a>(&mut self, rest: &'a [u8]) -> Result<&'a [u8], Fault> {
        let mut cursor = Cursor::new(rest);
        let number = self.checker.field(&SPAN, &mut cursor, self.depth)?;
        let tail = cursor.rest();
        // The check has seen the field: only its value is read again, where a column wants it.
        let mut again = Cursor::new(&rest[..rest.len() - tail.len()]);
        match number {
            1 => self.rows.trace_id[self.row] = i128::from_ne_bytes(id(&mut again, Id::Trace)?),
            2 => self.rows.span_id[self.row] = u64::from_ne_bytes(id(&mut again, Id::Span)?),
            4 => self.rows.parent_span_id[self.row] = u64::from_ne_bytes(id(&mut again, Id::Parent)?),
            3 => self.rows.has_trace_state[self.row] = u8::from(!content(&mut again)?.is_empty()),
            5 => self.name(content(&mut again)?, tail),
            6 => self.rows.kind[self.row] = small_enum(varint(&mut again)?),
            7 => self.rows.start[self.row] = u64::from_le_bytes(fixed(&mut again)?),
            8 => self.rows.end[self.row] = u64::from_le_bytes(fixed(&mut again)?),
            15 => self.status(content(&mut again)?)?,
            16 => self.rows.flags[self.row] = u32::from_le_bytes(fixed(&mut again)?),
            _ => {}
        }
        Ok(tail)
    }

    /// Puts down a name after which `tail` is left of the span.
    #[inline]
    fn name(&mut self, name: &[u8], tail: &[u8]) {
        self.rows.name_offset[self.row] = (self.end - tail.len() - name.len()) as u32;
        self.rows.name_length[self.row] = name.len() as u32;
    }

    /// Takes the code of a status; a status that stands twice merges, so a code stays when the
    /// later one has none.
    fn status(&mut self, status: &[u8]) -> Result<(), Fault> {
        let mut cursor = Cursor::new(status);
        while !cursor.is_at_end() {
            let field = cursor.clone();
            if self.checker.field(&STATUS, &mut cursor, self.depth.saturating_sub(1))? == 3 {
                self.rows.status_code[self.row] = small_enum(varint(&mut field.clone())?);
            }
        }
        Ok(())
    }
}

/// An enum as protobuf reads it, 32 bits with a sign, in a byte; 255 for what does not fit.
fn small_enum(value: u64) -> u8 {
    u8::try_from(value as i32).unwrap_or(u8::MAX)
}

#[inline]
fn split(bytes: &[u8], length: u8) -> Result<(&[u8], &[u8]), WireError> {
    bytes.split_at_checked(usize::from(length)).ok_or(WireError::Truncated)
}

#[inline]
fn chunk<const N: usize>(bytes: &[u8]) -> Result<(&[u8; N], &[u8]), WireError> {
    bytes.split_first_chunk().ok_or(WireError::Truncated)
}

fn content<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], WireError> {
    cursor.tag()?;
    cursor.length_delimited()
}

fn varint(cursor: &mut Cursor<'_>) -> Result<u64, WireError> {
    cursor.tag()?;
    cursor.varint()
}

fn fixed<const N: usize>(cursor: &mut Cursor<'_>) -> Result<[u8; N], WireError> {
    cursor.tag()?;
    cursor.array()
}

/// An id as bytes; all zero when it is empty.
fn id<const N: usize>(cursor: &mut Cursor<'_>, id: Id) -> Result<[u8; N], Fault> {
    let bytes = content(cursor)?;
    if bytes.is_empty() {
        return Ok([0; N]);
    }
    bytes.try_into().map_err(|_| Fault::Id(id, bytes.len() as u32))
}
