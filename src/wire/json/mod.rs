//! OTLP/JSON, read into protobuf bytes and their index, and written from them. Both directions
//! follow the table in `schema`, so a field is named in one place.
//!
//! Reading accepts what the Collector accepts: ids in hex of any case, 64-bit integers as numbers
//! or text, enums as numbers or names, keys in camelCase or snake_case, `null` for a default;
//! unknown keys are passed over.

mod cut;
mod lexer;
mod read;
mod write;

use std::sync::Arc;

use bytes::Bytes;

pub use self::cut::{Cut, elements, first, member, probe};

use self::lexer::Lexer;
use self::read::Reader;
use super::{Limits, ScanError, encode, scan, schema};
use crate::model::{Batch, MemoryAccount, Request, Signal};

/// Why text is not an OTLP/JSON request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}", self.begin())]
pub struct JsonError {
    position: Option<usize>,
    reason: String,
    is_too_large: bool,
}

impl JsonError {
    fn at(position: usize, reason: impl std::fmt::Display) -> Self {
        Self { position: Some(position), reason: reason.to_string(), is_too_large: false }
    }

    fn begin(&self) -> String {
        self.position.map_or_else(String::new, |position| format!("not OTLP/JSON at byte {position}: "))
    }

    /// The byte at which the text is no such JSON; nothing when it is, and holds what it must not.
    pub fn position(&self) -> Option<usize> {
        self.position
    }

    /// What is wrong, without the place.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether the request is well formed but too large.
    pub fn is_too_large(&self) -> bool {
        self.is_too_large
    }
}

impl From<ScanError> for JsonError {
    fn from(error: ScanError) -> Self {
        Self { position: None, reason: error.to_string(), is_too_large: error.is_too_large() }
    }
}

/// Reads an OTLP/JSON `Export…ServiceRequest` into a protobuf request and its index.
///
/// # Errors
/// When the text is not such a message, or holds more than `limits` allow.
pub fn read(signal: Signal, text: &[u8], limits: &Limits, account: &MemoryAccount) -> Result<Arc<Request>, JsonError> {
    let body = Reader::new(Lexer::new(text)).read(schema::request(signal))?;
    Ok(scan(signal, Bytes::from(body), limits, account)?)
}

/// Writes a batch as one OTLP/JSON message, without a line break: camelCase keys, ids in hex,
/// enums as numbers, 64-bit integers as text; defaults are left out, and bytes that are not UTF-8
/// are replaced.
pub fn write(batch: &Batch) -> Vec<u8> {
    let body = encode(batch).into_bytes();
    let mut out = Vec::with_capacity(body.len() * 5 / 2);
    write::message(&mut out, schema::request(batch.signal()), &body);
    out
}

/// Bytes before the first quote, backslash or control character, which cannot stand in text as
/// they are.
#[inline]
fn plain_length(text: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    // Eight bytes at a time: a bit of `HIGHS` is set when some byte is below `bound`.
    let has_below = |word: u64, bound: u64| word.wrapping_sub(ONES * bound) & !word & HIGHS != 0;
    let has = |word: u64, byte: u8| has_below(word ^ (ONES * u64::from(byte)), 1);
    let (words, _) = text.as_chunks::<8>();
    let is_plain = |word: &&[u8; 8]| {
        let word = u64::from_le_bytes(**word);
        !(has_below(word, 0x20) || has(word, b'"') || has(word, b'\\'))
    };
    let plain = words.iter().take_while(is_plain).count() * 8;
    let special = text[plain..].iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
    special.map_or(text.len(), |at| plain + at)
}

#[cfg(test)]
mod tests;
