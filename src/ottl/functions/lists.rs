//! Lists and maps.

use std::borrow::Cow;

use super::super::EvalError;
use super::super::compare::compare;
use super::super::convert::{self, text_like};
use super::super::evaluate::Scene;
use super::super::program::{Call, Node};
use super::super::syntax::Comparison;
use super::super::target::messages;
use super::super::value::{Entry, List, Map, Value};
use super::parameter::Takes;
use super::text::find;
use super::{Function, Outcome, Parameter};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("Len", &[Parameter::new("target", Takes::Any)], |scene, call| {
        Ok(Value::Int(match scene.argument(call, 0)? {
            Value::Text(bytes) | Value::Bytes(bytes) => bytes.len(),
            Value::Map(map) => map.len(),
            Value::List(list) => list.len(),
            Value::Messages(message, number) => messages(message, number).count(),
            _ => return call.function.refuses("only text, lists and maps have a length"),
        } as i64))
    }),
    Function::new("Index", &[Parameter::new("target", Takes::Any), Parameter::new("value", Takes::Any)], index),
    Function::new(
        "ContainsValue",
        &[Parameter::new("target", Takes::List), Parameter::new("item", Takes::Any)],
        |scene, call| {
            let list = convert::list(scene.argument(call, 0)?)?;
            Ok(Value::Bool(position(&list, &scene.argument(call, 1)?).is_some()))
        },
    ),
    Function::new("Keys", &[Parameter::new("target", Takes::Map)], |scene, call| {
        let map = convert::map(scene.argument(call, 0)?)?;
        Ok(Value::List(List::Owned(map.entries().map(|(key, _)| Value::owned_text(key)).collect())))
    }),
    Function::new("Values", &[Parameter::new("target", Takes::Map)], |scene, call| {
        Ok(Value::List(List::Owned(convert::map(scene.argument(call, 0)?)?.into_values())))
    }),
    Function::new(
        "SliceToMap",
        &[
            Parameter::new("target", Takes::List),
            Parameter::optional("key_path", Takes::LiteralTextList),
            Parameter::optional("value_path", Takes::LiteralTextList),
        ],
        slice_to_map,
    ),
    Function::new(
        "Sort",
        &[Parameter::new("target", Takes::Any), Parameter::optional("order", Takes::LiteralText)],
        sort,
    )
    .prepared(|call| match call.literal_text(1) {
        None | Some(b"asc" | b"desc") => Ok(()),
        Some(_) => Err("the order must be \"asc\" or \"desc\"".to_owned()),
    }),
    Function::new("Coalesce", &[Parameter::new("values", Takes::AnyList)], |scene, call| {
        for node in call.items(0) {
            match scene.value(node)? {
                Value::Nil => {}
                value => return Ok(value),
            }
        }
        Ok(Value::Nil)
    })
    .prepared(|call| match call.items(0) {
        [] => Err("it needs one value or more".to_owned()),
        _ => Ok(()),
    }),
    Function::new(
        "ToKeyValueString",
        &[
            Parameter::new("target", Takes::Map),
            Parameter::optional("delimiter", Takes::LiteralText),
            Parameter::optional("pair_delimiter", Takes::LiteralText),
            Parameter::optional("sort_output", Takes::LiteralBool),
        ],
        to_key_value_string,
    )
    .prepared(|call| match delimiters(call) {
        (b"", _) | (_, b"") => Err("a delimiter must not be empty".to_owned()),
        (delimiter, pair_delimiter) if delimiter == pair_delimiter => {
            Err("the delimiters must differ from each other".to_owned())
        }
        _ => Ok(()),
    }),
];

fn position(list: &List<'_>, wanted: &Value<'_>) -> Option<usize> {
    list.items().position(|item| compare(&item, Comparison::Equal, wanted))
}

fn index<'a>(scene: &Scene<'a>, call: &'a Call) -> Outcome<'a> {
    let place = match (scene.argument(call, 0)?, scene.argument(call, 1)?) {
        (Value::Text(_), Value::Text(wanted)) if wanted.is_empty() => Some(0),
        (Value::Text(text), Value::Text(wanted)) => find(&text, &wanted),
        (Value::Text(_), _) => return call.function.refuses("in text, only text can be looked for"),
        (target, wanted) => position(&convert::list(target)?, &wanted),
    };
    Ok(Value::Int(place.map_or(-1, |place| place as i64)))
}

fn slice_to_map<'a>(scene: &Scene<'a>, call: &'a Call) -> Outcome<'a> {
    let mut entries: Vec<Entry<'a>> = Vec::new();
    for (place, item) in convert::list(scene.argument(call, 0)?)?.into_items().into_iter().enumerate() {
        let key = match call.arguments[1] {
            Some(_) => convert::text(follow(item.clone(), call, 1)?)?,
            None => Cow::Owned(place.to_string().into_bytes()),
        };
        let value = if call.arguments[2].is_some() { follow(item, call, 2)? } else { item };
        entries.push((key, value));
    }
    // Of equal keys the last one counts; the first is found.
    entries.reverse();
    entries.sort_by(|left, right| left.0.cmp(&right.0));
    entries.dedup_by(|later, first| later.0 == first.0);
    Ok(Value::Map(Map::Owned(entries)))
}

/// What a path of keys leads to.
fn follow<'a>(item: Value<'a>, call: &'a Call, path: usize) -> Outcome<'a> {
    let keys = call.items(path).iter().filter_map(Node::literal);
    let mut value = convert::map(item).map(Value::Map)?;
    let mut is_empty = true;
    for key in keys {
        is_empty = false;
        let (Value::Map(map), Value::Text(key)) = (value, key) else { return Err(EvalError::NoSuchKey) };
        value = map.take(key).ok_or(EvalError::NoSuchKey)?;
    }
    if is_empty { call.function.refuses("a path needs one name or more") } else { Ok(value) }
}

fn sort<'a>(scene: &Scene<'a>, call: &'a Call) -> Outcome<'a> {
    let list = convert::list(scene.argument(call, 0)?)?;
    let are_pieces = matches!(list, List::Pieces(_));
    let mut items = list.into_items();
    let is_number = |item: &Value<'_>| matches!(item, Value::Int(_) | Value::Double(_));
    let is_word = |item: &Value<'_>| matches!(item, Value::Nil | Value::Text(_) | Value::Bool(_));
    let are_numbers = items.iter().all(is_number);
    if !items.iter().all(|item| is_number(item) || is_word(item)) {
        return Ok(Value::List(List::Owned(items)));
    }
    let is_descending = call.literal_text(1) == Some(b"desc");
    let are_ints = items.iter().all(|item| matches!(item, Value::Int(_)));
    items.sort_by(|left, right| {
        let order = match (left, right) {
            (Value::Int(left), Value::Int(right)) if are_ints => left.cmp(right),
            _ if are_numbers => double(left).total_cmp(&double(right)),
            _ => word(left).cmp(&word(right)),
        };
        if is_descending { order.reverse() } else { order }
    });
    Ok(Value::List(if are_pieces { List::Pieces(items) } else { List::Owned(items) }))
}

fn double(value: &Value<'_>) -> f64 {
    match value {
        Value::Int(number) => *number as f64,
        Value::Double(number) => *number,
        _ => 0.0,
    }
}

/// A value as it is sorted among text.
fn word<'v>(value: &'v Value<'_>) -> Cow<'v, [u8]> {
    text_like(value.borrowed()).ok().flatten().unwrap_or_default()
}

fn delimiters(call: &Call) -> (&[u8], &[u8]) {
    (call.literal_text(1).unwrap_or(b"="), call.literal_text(2).unwrap_or(b" "))
}

fn to_key_value_string<'a>(scene: &Scene<'a>, call: &'a Call) -> Outcome<'a> {
    let (delimiter, pair_delimiter) = delimiters(call);
    let map = convert::map(scene.argument(call, 0)?)?;
    let mut entries: Vec<_> = map.entries().collect();
    if call.literal_flag(3) {
        entries.sort_by(|left, right| left.0.cmp(right.0));
    }
    let mut out = Vec::new();
    for (place, (key, value)) in entries.into_iter().enumerate() {
        if place > 0 {
            out.extend_from_slice(pair_delimiter);
        }
        let value = match value {
            Value::Nil => Cow::Borrowed(b"".as_slice()),
            Value::Bytes(bytes) => {
                Cow::Owned(base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes).into_bytes())
            }
            value => text_like(value)?.unwrap_or_default(),
        };
        append_quoted(&mut out, key, delimiter, pair_delimiter);
        out.extend_from_slice(delimiter);
        append_quoted(&mut out, &value, delimiter, pair_delimiter);
    }
    Ok(Value::owned_text(out))
}

/// Quotes get a backslash, and what has a delimiter in it gets quotes.
fn append_quoted(out: &mut Vec<u8>, text: &[u8], delimiter: &[u8], pair_delimiter: &[u8]) {
    let mut escaped = Vec::with_capacity(text.len() + 2);
    for byte in text {
        if *byte == b'"' {
            escaped.push(b'\\');
        }
        escaped.push(*byte);
    }
    let needs_quotes = find(&escaped, delimiter).is_some() || find(&escaped, pair_delimiter).is_some();
    let quote: &[u8] = if needs_quotes { b"\"" } else { b"" };
    out.extend_from_slice(quote);
    out.extend_from_slice(&escaped);
    out.extend_from_slice(quote);
}
