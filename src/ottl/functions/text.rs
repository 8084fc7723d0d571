//! Text from text.

use std::borrow::Cow;

use super::super::convert::{self, Text, text_like};
use super::super::evaluate::Scene;
use super::super::program::Call;
use super::super::value::{List, Value};
use super::parameter::Takes;
use super::{Function, Outcome, Parameter};

const TARGET: Parameter = Parameter::new("target", Takes::Text);

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("HasPrefix", &[TARGET, Parameter::new("prefix", Takes::Text)], |scene, call| {
        Ok(Value::Bool(scene.text(call, 0)?.starts_with(&scene.text(call, 1)?)))
    }),
    Function::new("HasSuffix", &[TARGET, Parameter::new("suffix", Takes::Text)], |scene, call| {
        Ok(Value::Bool(scene.text(call, 0)?.ends_with(&scene.text(call, 1)?)))
    }),
    Function::new("TrimPrefix", &[TARGET, Parameter::new("prefix", Takes::Text)], |scene, call| {
        let (text, prefix) = (scene.text(call, 0)?, scene.text(call, 1)?);
        Ok(Value::Text(match text.starts_with(&prefix) {
            true => part(text, prefix.len(), usize::MAX),
            false => text,
        }))
    }),
    Function::new("TrimSuffix", &[TARGET, Parameter::new("suffix", Takes::Text)], |scene, call| {
        let (text, suffix) = (scene.text(call, 0)?, scene.text(call, 1)?);
        let end = if text.ends_with(&suffix) { text.len() - suffix.len() } else { text.len() };
        Ok(Value::Text(part(text, 0, end)))
    }),
    Function::new("Trim", &[TARGET, Parameter::optional("replacement", Takes::LiteralText)], trim),
    Function::new("ToLowerCase", &[TARGET], |scene, call| Ok(Value::Text(lower(&scene.text(call, 0)?)))),
    Function::new("ToUpperCase", &[TARGET], |scene, call| Ok(Value::Text(upper(&scene.text(call, 0)?)))),
    Function::new("ToCamelCase", &[TARGET], |scene, call| Ok(Value::Text(camel(&scene.text(call, 0)?)))),
    Function::new("ToSnakeCase", &[TARGET], |scene, call| Ok(Value::Text(snake(&scene.text(call, 0)?)))),
    Function::new("ConvertCase", &[TARGET, Parameter::new("to_case", Takes::LiteralText)], |scene, call| {
        let text = scene.text(call, 0)?;
        Ok(Value::Text(match call.literal_text(1) {
            Some(b"lower") => lower(&text),
            Some(b"upper") => upper(&text),
            Some(b"snake") => snake(&text),
            _ => camel(&text),
        }))
    })
    .prepared(|call| match call.literal_text(1) {
        Some(b"lower" | b"upper" | b"snake" | b"camel") => Ok(()),
        _ => Err("the case must be \"lower\", \"upper\", \"snake\" or \"camel\"".to_owned()),
    }),
    Function::new(
        "Substring",
        &[
            TARGET,
            Parameter::new("start", Takes::Int),
            Parameter::new("length", Takes::Int),
            Parameter::optional("utf8_safe", Takes::LiteralBool),
        ],
        substring,
    ),
    Function::new("Split", &[TARGET, Parameter::new("delimiter", Takes::Text)], split),
    Function::new(
        "Concat",
        &[Parameter::new("vals", Takes::TextLikeList), Parameter::new("delimiter", Takes::Text)],
        concat,
    ),
];

/// Part of a text, borrowed from where the text is borrowed from.
fn part(text: Text<'_>, start: usize, end: usize) -> Text<'_> {
    let end = end.min(text.len());
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[start..end]),
        Cow::Owned(text) => Cow::Owned(text[start..end].to_vec()),
    }
}

fn trim<'a>(scene: &Scene<'a>, call: &'a Call) -> Outcome<'a> {
    let text = scene.text(call, 0)?;
    let characters = String::from_utf8_lossy(call.literal_text(1).unwrap_or(b" "));
    let is_trimmed = |character: char| characters.contains(character);
    let lossy = String::from_utf8_lossy(&text);
    let start = lossy.len() - lossy.trim_start_matches(is_trimmed).len();
    let end = lossy.trim_end_matches(is_trimmed).len().max(start);
    if matches!(lossy, Cow::Owned(_)) {
        return Ok(Value::owned_text(&lossy.as_bytes()[start..end]));
    }
    drop(lossy);
    Ok(Value::Text(part(text, start, end)))
}

/// Letter by letter: one letter never becomes two, as in Go.
fn by_letter<I: Iterator<Item = char>>(text: &[u8], to: impl Fn(char) -> I, keeps_first: bool) -> Text<'static> {
    let convert = |character: char| {
        let mut letters = to(character);
        match (letters.next(), letters.next()) {
            (Some(letter), None) => letter,
            (Some(letter), Some(_)) if keeps_first => letter,
            _ => character,
        }
    };
    Cow::Owned(String::from_utf8_lossy(text).chars().map(convert).collect::<String>().into_bytes())
}

fn lower(text: &[u8]) -> Text<'static> {
    by_letter(text, char::to_lowercase, true)
}

fn upper(text: &[u8]) -> Text<'static> {
    by_letter(text, char::to_uppercase, false)
}

fn trimmed(text: &[u8]) -> String {
    String::from_utf8_lossy(text).trim().to_owned()
}

/// `SomeName`, as the library strcase writes it: only letters and digits of ASCII stay.
fn camel(text: &[u8]) -> Text<'static> {
    let text = trimmed(text);
    let text = if text == "ID" { "id" } else { &text };
    let mut out = Vec::with_capacity(text.len());
    let mut is_next_capital = true;
    let mut was_capital = false;
    for byte in text.bytes() {
        let is_capital = byte.is_ascii_uppercase();
        if byte.is_ascii_alphabetic() {
            let lowers = !is_next_capital && was_capital && is_capital;
            out.push(match () {
                () if is_next_capital => byte.to_ascii_uppercase(),
                () if lowers => byte.to_ascii_lowercase(),
                () => byte,
            });
            is_next_capital = false;
        } else if byte.is_ascii_digit() {
            out.push(byte);
            is_next_capital = true;
        } else {
            is_next_capital = b"_ -.".contains(&byte);
        }
        was_capital = is_capital;
    }
    Cow::Owned(out)
}

/// `some_name`, as the library strcase writes it: a run of capitals is one word.
fn snake(text: &[u8]) -> Text<'static> {
    let text = trimmed(text);
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(text.len() + 2);
    for (place, byte) in bytes.iter().enumerate() {
        let (is_capital, is_lower) = (byte.is_ascii_uppercase(), byte.is_ascii_lowercase());
        let lowered = byte.to_ascii_lowercase();
        let changes = bytes.get(place + 1).filter(|next| match () {
            () if is_capital => next.is_ascii_lowercase() || next.is_ascii_digit(),
            () if is_lower => next.is_ascii_uppercase() || next.is_ascii_digit(),
            () => byte.is_ascii_digit() && next.is_ascii_alphabetic(),
        });
        if let Some(next) = changes {
            if is_capital && next.is_ascii_lowercase() && place > 0 && bytes[place - 1].is_ascii_uppercase() {
                out.push(b'_');
            }
            out.push(lowered);
            if !is_capital || next.is_ascii_digit() {
                out.push(b'_');
            }
        } else {
            out.push(if b" _-.".contains(byte) { b'_' } else { lowered });
        }
    }
    Cow::Owned(out)
}

fn substring<'a>(scene: &Scene<'a>, call: &'a Call) -> Outcome<'a> {
    let (start, length) = (scene.int(call, 1)?, scene.int(call, 2)?);
    let text = scene.text(call, 0)?;
    let range = usize::try_from(start).ok().zip(usize::try_from(length).ok()).filter(|(_, length)| *length > 0);
    let Some((mut start, length)) = range else {
        return call.function.refuses("start must not be negative, and length must be above zero");
    };
    let Some(mut end) = start.checked_add(length).filter(|end| *end <= text.len()) else {
        return call.function.refuses("the range goes beyond the text");
    };
    if call.literal_flag(3) {
        let is_inside = |at: usize| text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
        while is_inside(start) {
            start += 1;
        }
        while start < end && is_inside(end) {
            end -= 1;
        }
        end = end.max(start);
    }
    Ok(Value::Text(part(text, start, end)))
}

fn split<'a>(scene: &Scene<'a>, call: &'a Call) -> Outcome<'a> {
    let text = scene.text(call, 0)?;
    let delimiter = scene.text(call, 1)?;
    let mut pieces = Vec::new();
    if delimiter.is_empty() {
        pieces.extend(String::from_utf8_lossy(&text).chars().map(|letter| Value::owned_text(letter.to_string())));
        return Ok(Value::List(List::Pieces(pieces)));
    }
    let mut rest = &*text;
    while let Some(at) = find(rest, &delimiter) {
        pieces.push(Value::owned_text(&rest[..at]));
        rest = &rest[at + delimiter.len()..];
    }
    pieces.push(Value::owned_text(rest));
    Ok(Value::List(List::Pieces(pieces)))
}

/// Where `wanted`, which is not empty, first stands in a text.
pub(super) fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn concat<'a>(scene: &Scene<'a>, call: &'a Call) -> Outcome<'a> {
    let delimiter = convert::text(scene.argument(call, 1)?)?;
    let mut out = Vec::new();
    for (place, node) in call.items(0).iter().enumerate() {
        if place > 0 {
            out.extend_from_slice(&delimiter);
        }
        match text_like(scene.value(node)?)? {
            Some(text) => out.extend_from_slice(&text),
            None => out.extend_from_slice(b"<nil>"),
        }
    }
    Ok(Value::owned_text(out))
}
