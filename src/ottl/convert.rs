//! What converters take their arguments as: a type that the value must have, or one that it is
//! turned into.

use std::borrow::Cow;
use std::fmt::Write;

use super::value::{List, Map, Value};
use super::{EvalError, json};

/// Bytes of text.
pub(super) type Text<'a> = Cow<'a, [u8]>;

fn mismatch<T>(expected: &'static str, value: &Value<'_>) -> Result<T, EvalError> {
    Err(EvalError::Type { expected, found: value.type_name() })
}

/// The value, unless it is nil.
pub(super) fn nil_as_error<'a>(value: Value<'a>, expected: &'static str) -> Result<Value<'a>, EvalError> {
    match value {
        Value::Nil => mismatch(expected, &value),
        value => Ok(value),
    }
}

/// Text, and nothing else.
pub(super) fn text(value: Value<'_>) -> Result<Text<'_>, EvalError> {
    match value {
        Value::Text(text) => Ok(text),
        other => mismatch("string", &other),
    }
}

/// An int, and nothing else.
pub(super) fn int(value: &Value<'_>) -> Result<i64, EvalError> {
    match value {
        Value::Int(number) => Ok(*number),
        other => mismatch("int", other),
    }
}

/// A time, and nothing else.
pub(super) fn time(value: &Value<'_>) -> Result<i128, EvalError> {
    match value {
        Value::Time(nanos) => Ok(*nanos),
        other => mismatch("time", other),
    }
}

/// A duration, and nothing else.
pub(super) fn duration(value: &Value<'_>) -> Result<i64, EvalError> {
    match value {
        Value::Duration(nanos) => Ok(*nanos),
        other => mismatch("duration", other),
    }
}

/// A map, and nothing else.
pub(super) fn map(value: Value<'_>) -> Result<Map<'_>, EvalError> {
    match value {
        Value::Map(map) => Ok(map),
        other => mismatch("map", &other),
    }
}

/// A list, and nothing else.
pub(super) fn list(value: Value<'_>) -> Result<List<'_>, EvalError> {
    match value {
        Value::List(list) => Ok(list),
        other => mismatch("list", &other),
    }
}

/// Any value as text; nil stays nil.
pub(super) fn text_like(value: Value<'_>) -> Result<Option<Text<'_>>, EvalError> {
    Ok(Some(match value {
        Value::Nil => return Ok(None),
        Value::Text(text) => text,
        Value::Bytes(bytes) => Cow::Owned(hex(&bytes).into_bytes()),
        Value::Bool(flag) => Cow::Borrowed(if flag { b"true" } else { b"false" }),
        other => Cow::Owned(json::write(&other)?.into_bytes()),
    }))
}

/// A number of some kind as an int; text that is none, like nil, is nil.
pub(super) fn int_like(value: &Value<'_>) -> Result<Option<i64>, EvalError> {
    Ok(Some(match value {
        Value::Nil => return Ok(None),
        Value::Int(number) => *number,
        Value::Double(number) => truncated(*number),
        Value::Bool(flag) => i64::from(*flag),
        Value::Text(text) => return Ok(str::from_utf8(text).ok().and_then(|text| text.parse().ok())),
        other => return mismatch("a value that can be an int", other),
    }))
}

/// As the Collector's platform cuts it: what does not fit is the smallest number.
fn truncated(number: f64) -> i64 {
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    if (-BOUND..BOUND).contains(&number) { number as i64 } else { i64::MIN }
}

/// A number of some kind as a double; nil stays nil.
pub(super) fn double_like(value: &Value<'_>) -> Result<Option<f64>, EvalError> {
    Ok(Some(match value {
        Value::Nil => return Ok(None),
        Value::Int(number) => *number as f64,
        Value::Double(number) => *number,
        Value::Bool(flag) => f64::from(u8::from(*flag)),
        Value::Text(text) => match str::from_utf8(text).ok().and_then(parse_double) {
            Some(number) => number,
            None => return mismatch("text that is a number", value),
        },
        other => return mismatch("a value that can be a double", other),
    }))
}

/// Infinity has to be asked for by name.
fn parse_double(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    (!number.is_infinite() || !text.bytes().any(|byte| byte.is_ascii_digit())).then_some(number)
}

/// A value as a bool; nil stays nil.
pub(super) fn bool_like(value: &Value<'_>) -> Result<Option<bool>, EvalError> {
    Ok(Some(match value {
        Value::Nil => return Ok(None),
        Value::Bool(flag) => *flag,
        Value::Int(number) => *number != 0,
        Value::Double(number) => *number != 0.0,
        Value::Text(text) => match &**text {
            b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True" => true,
            b"0" | b"f" | b"F" | b"false" | b"FALSE" | b"False" => false,
            _ => return mismatch("text that is a bool", value),
        },
        other => return mismatch("a value that can be a bool", other),
    }))
}

/// A value as bytes, numbers in big endian; nil has none.
pub(super) fn bytes_like(value: Value<'_>) -> Result<Cow<'_, [u8]>, EvalError> {
    Ok(match value {
        Value::Nil => Cow::Borrowed(&[]),
        Value::Bytes(bytes) | Value::Text(bytes) => bytes,
        Value::Int(number) => Cow::Owned(number.to_be_bytes().to_vec()),
        Value::Double(number) => Cow::Owned(number.to_be_bytes().to_vec()),
        Value::Bool(flag) => Cow::Owned(vec![flag.into()]),
        other => return mismatch("a value that can be bytes", &other),
    })
}

/// Lower-case hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
