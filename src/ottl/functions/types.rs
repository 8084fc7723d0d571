//! What type a value has, and the same value as another type.

use super::super::convert::{bool_like, double_like, int_like, text_like};
use super::super::evaluate::Scene;
use super::super::program::Call;
use super::super::value::Value;
use super::parameter::Takes;
use super::{Function, Outcome, Parameter};
use crate::ottl::path::{Field, SpanField};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("IsString", &[Parameter::new("target", Takes::Text)], |scene, call| {
        Ok(Value::Bool(matches!(scene.argument(call, 0)?, Value::Text(_))))
    }),
    Function::new("IsInt", &[Parameter::new("target", Takes::Int)], |scene, call| {
        Ok(Value::Bool(matches!(scene.argument(call, 0)?, Value::Int(_))))
    }),
    Function::new("IsDouble", &[Parameter::new("target", Takes::Double)], |scene, call| {
        Ok(Value::Bool(matches!(scene.argument(call, 0)?, Value::Double(_))))
    }),
    Function::new("IsBool", &[Parameter::new("target", Takes::Bool)], |scene, call| {
        Ok(Value::Bool(matches!(scene.argument(call, 0)?, Value::Bool(_))))
    }),
    Function::new("IsMap", &[Parameter::new("target", Takes::Map)], |scene, call| {
        Ok(Value::Bool(matches!(scene.argument(call, 0)?, Value::Map(_))))
    }),
    Function::new("IsList", &[Parameter::new("target", Takes::Any)], |scene, call| {
        Ok(Value::Bool(matches!(scene.argument(call, 0)?, Value::List(_) | Value::Messages(..))))
    }),
    Function::new("IsRootSpan", &[], |scene, _| {
        let parent = scene.target.read(Field::Span(SpanField::ParentSpanId));
        Ok(Value::Bool(matches!(parent, Value::SpanId(id) if id.is_empty())))
    }),
    Function::new("Int", &[Parameter::new("target", Takes::IntLike)], |scene, call| {
        Ok(int_like(&scene.argument(call, 0)?)?.map_or(Value::Nil, Value::Int))
    }),
    Function::new("Double", &[Parameter::new("target", Takes::DoubleLike)], |scene, call| {
        Ok(double_like(&scene.argument(call, 0)?)?.map_or(Value::Nil, Value::Double))
    }),
    Function::new("Bool", &[Parameter::new("target", Takes::BoolLike)], |scene, call| {
        Ok(bool_like(&scene.argument(call, 0)?)?.map_or(Value::Nil, Value::Bool))
    }),
    Function::new("String", &[Parameter::new("target", Takes::TextLike)], |scene, call| {
        Ok(text_like(scene.argument(call, 0)?)?.map_or(Value::Nil, Value::Text))
    }),
    Function::new("ParseInt", &[Parameter::new("target", Takes::Text), Parameter::new("base", Takes::Int)], parse_int),
    Function::new("Log", &[Parameter::new("target", Takes::DoubleLike)], |scene, call| {
        match double_like(&scene.argument(call, 0)?)? {
            Some(number) if number > 0.0 || number.is_nan() => Ok(Value::Double(number.ln())),
            _ => call.function.refuses("expected a number above zero"),
        }
    }),
];

fn parse_int<'a>(scene: &Scene<'a>, call: &'a Call) -> Outcome<'a> {
    let text = scene.text(call, 0)?;
    let base = scene.int(call, 1)?;
    let Ok(text) = str::from_utf8(&text) else { return call.function.refuses("the text is no number") };
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => ("-", &text[1..]),
        Some(b'+') => ("", &text[1..]),
        _ => ("", text),
    };
    let (digits, base) = match base {
        0 => prefixed(digits),
        2..=36 => (digits, base as u32),
        _ => return call.function.refuses("the base must be 0 or from 2 to 36"),
    };
    if !digits.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return call.function.refuses("the text is no number");
    }
    match i64::from_str_radix(&format!("{sign}{digits}"), base) {
        Ok(number) => Ok(Value::Int(number)),
        Err(_) => call.function.refuses("the text is no number of this base in 64 bits"),
    }
}

/// Digits and base of a number as it is written in programs.
fn prefixed(digits: &str) -> (&str, u32) {
    let behind = |prefix: &[&str]| prefix.iter().find_map(|prefix| digits.strip_prefix(prefix));
    if let Some(digits) = behind(&["0x", "0X"]) {
        return (digits, 16);
    }
    if let Some(digits) = behind(&["0b", "0B"]) {
        return (digits, 2);
    }
    match behind(&["0o", "0O"]) {
        Some(digits) => (digits, 8),
        None if digits.len() > 1 && digits.starts_with('0') => (&digits[1..], 8),
        None => (digits, 10),
    }
}
