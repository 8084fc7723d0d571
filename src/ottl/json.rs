//! Values as JSON, in the form that the Collector's converters give, and JSON as values.

use std::borrow::Cow;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::EvalError;
use super::functions::civil;
use super::value::{List, Map, Value};

/// The value as JSON: keys sorted, bytes in base64, `<`, `>` and `&` escaped.
///
/// # Errors
/// For a double that is no number or infinite.
pub(super) fn write(value: &Value<'_>) -> Result<String, EvalError> {
    let mut out = String::new();
    append(&mut out, value)?;
    Ok(out)
}

fn append(out: &mut String, value: &Value<'_>) -> Result<(), EvalError> {
    match value {
        Value::Nil => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Int(number) | Value::Duration(number) => out.push_str(&number.to_string()),
        Value::Double(number) => out.push_str(&double(*number)?),
        Value::Text(text) => quote(out, &String::from_utf8_lossy(text)),
        Value::Bytes(bytes) => quote(out, &STANDARD.encode(bytes)),
        Value::TraceId(id) => numbers(out, &id.0),
        Value::SpanId(id) => numbers(out, &id.0),
        Value::Time(nanos) => quote(out, &civil::rfc3339(*nanos)),
        Value::List(list) => {
            out.push('[');
            for (place, item) in list.items().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                append(out, &item)?;
            }
            out.push(']');
        }
        Value::Map(map) => {
            let mut entries: Vec<_> = map.entries().collect();
            entries.sort_by(|left, right| left.0.cmp(right.0));
            entries.dedup_by(|later, first| later.0 == first.0);
            out.push('{');
            for (place, (key, value)) in entries.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                quote(out, &String::from_utf8_lossy(key));
                out.push(':');
                append(out, value)?;
            }
            out.push('}');
        }
        Value::Status(_) | Value::Messages(..) => out.push_str("{}"),
    }
    Ok(())
}

fn numbers(out: &mut String, bytes: &[u8]) {
    let texts: Vec<_> = bytes.iter().map(u8::to_string).collect();
    let _ = write!(out, "[{}]", texts.join(","));
}

/// With an exponent of two digits or more below 1e-6 and from 1e21 on.
fn double(number: f64) -> Result<String, EvalError> {
    if !number.is_finite() {
        return Err(EvalError::Type { expected: "a finite number", found: "double" });
    }
    let size = number.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return Ok(number.to_string());
    }
    let text = format!("{number:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    Ok(format!("{digits}e{sign}{exponent:0>2}"))
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\x1f' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
}

/// A map or list from JSON; every number is a double.
pub(super) fn read(text: &[u8]) -> Option<Value<'static>> {
    match serde_json::from_slice(text).ok()? {
        value @ (serde_json::Value::Array(_) | serde_json::Value::Object(_)) => Some(of(value)),
        _ => None,
    }
}

fn of(value: serde_json::Value) -> Value<'static> {
    match value {
        serde_json::Value::Null => Value::Nil,
        serde_json::Value::Bool(flag) => Value::Bool(flag),
        serde_json::Value::Number(number) => Value::Double(number.as_f64().unwrap_or_default()),
        serde_json::Value::String(text) => Value::owned_text(text),
        serde_json::Value::Array(items) => Value::List(List::Owned(items.into_iter().map(of).collect())),
        serde_json::Value::Object(entries) => {
            let entry = |(key, value): (String, serde_json::Value)| (Cow::Owned(key.into_bytes()), of(value));
            Value::Map(Map::Owned(entries.into_iter().map(entry).collect()))
        }
    }
}
