//! Bytes as text and text as bytes; ids, JSON, and a hash.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use super::super::convert::{self, bytes_like, hex};
use super::super::evaluate::Scene;
use super::super::json;
use super::super::program::Call;
use super::super::value::Value;
use super::parameter::Takes;
use super::{Function, Outcome, Parameter};
use crate::model::{SpanId, TraceId};

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("ParseJSON", &[Parameter::new("target", Takes::Text)], |scene, call| {
        match json::read(&scene.text(call, 0)?) {
            Some(value) => Ok(value),
            None => call.function.refuses("the text is no JSON map or list"),
        }
    }),
    Function::new("Hex", &[Parameter::new("target", Takes::BytesLike)], |scene, call| {
        Ok(Value::owned_text(hex(&bytes_like(scene.argument(call, 0)?)?)))
    }),
    Function::new("Base64Decode", &[Parameter::new("target", Takes::Text)], |scene, call| {
        decoded(call, &STANDARD, &scene.text(call, 0)?)
    }),
    Function::new(
        "Base64Encode",
        &[Parameter::new("target", Takes::Text), Parameter::optional("variant", Takes::Text)],
        base64_encode,
    ),
    Function::new("Decode", &[Parameter::new("target", Takes::Any), Parameter::new("encoding", Takes::Text)], decode)
        .prepared(|call| match call.literal_text(1) {
            Some(name) if !is_utf8(name) && base64_of(name).is_none() => {
                Err("the encoding must be base64, base64-raw, base64-url, base64-raw-url or utf-8".to_owned())
            }
            _ => Ok(()),
        }),
    Function::new("SpanID", &[Parameter::new("target", Takes::BytesLike)], |scene, call| {
        match id(&bytes_like(scene.argument(call, 0)?)?) {
            Some(bytes) => Ok(Value::SpanId(SpanId(bytes))),
            None => call.function.refuses("expected 8 bytes or 16 hex digits"),
        }
    })
    .prepared(|call| match literal_id::<8>(call) {
        true => Ok(()),
        false => Err("expected 8 bytes or 16 hex digits".to_owned()),
    }),
    Function::new("TraceID", &[Parameter::new("target", Takes::BytesLike)], |scene, call| {
        match id(&bytes_like(scene.argument(call, 0)?)?) {
            Some(bytes) => Ok(Value::TraceId(TraceId(bytes))),
            None => call.function.refuses("expected 16 bytes or 32 hex digits"),
        }
    })
    .prepared(|call| match literal_id::<16>(call) {
        true => Ok(()),
        false => Err("expected 16 bytes or 32 hex digits".to_owned()),
    }),
    Function::new("FNV", &[Parameter::new("target", Takes::Text)], |scene, call| {
        let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME);
        Ok(Value::Int(scene.text(call, 0)?.iter().fold(FNV_OFFSET, step).cast_signed()))
    }),
];

/// An id from its bytes or from its hex digits.
fn id<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    if let Ok(id) = bytes.try_into() {
        return Some(id);
    }
    if bytes.len() != 2 * N {
        return None;
    }
    let mut id = [0; N];
    for (byte, pair) in id.iter_mut().zip(bytes.chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Some(id)
}

fn literal_id<const N: usize>(call: &Call) -> bool {
    call.literal(0).is_none_or(|value| bytes_like(value.borrowed()).is_ok_and(|bytes| id::<N>(&bytes).is_some()))
}

fn base64_of(name: &[u8]) -> Option<&'static GeneralPurpose> {
    Some(match name {
        b"base64" => &STANDARD,
        b"base64-raw" => &STANDARD_NO_PAD,
        b"base64-url" => &URL_SAFE,
        b"base64-raw-url" => &URL_SAFE_NO_PAD,
        _ => return None,
    })
}

/// No name is UTF-8 too.
fn is_utf8(name: &[u8]) -> bool {
    name.is_empty() || name.eq_ignore_ascii_case(b"utf-8") || name.eq_ignore_ascii_case(b"utf8")
}

fn decoded<'a>(call: &Call, engine: &GeneralPurpose, text: &[u8]) -> Outcome<'a> {
    match engine.decode(text) {
        Ok(bytes) => Ok(Value::owned_text(bytes)),
        Err(_) => call.function.refuses("the text is not of this encoding"),
    }
}

fn base64_encode<'a>(scene: &Scene<'a>, call: &'a Call) -> Outcome<'a> {
    let text = scene.text(call, 0)?;
    let variant = if call.arguments[1].is_some() { scene.text(call, 1)? } else { Cow::Borrowed(b"base64".as_slice()) };
    match base64_of(&variant) {
        Some(engine) => Ok(Value::owned_text(engine.encode(text))),
        None => call.function.refuses("the variant must be base64, base64-raw, base64-url or base64-raw-url"),
    }
}

fn decode<'a>(scene: &Scene<'a>, call: &'a Call) -> Outcome<'a> {
    let bytes = match scene.argument(call, 0)? {
        Value::Text(bytes) | Value::Bytes(bytes) => bytes,
        _ => return call.function.refuses("only text and bytes can be decoded"),
    };
    let encoding = convert::text(scene.argument(call, 1)?)?;
    match base64_of(&encoding) {
        Some(engine) => decoded(call, engine, &bytes),
        None if is_utf8(&encoding) => Ok(Value::owned_text(&*String::from_utf8_lossy(&bytes))),
        None => call.function.refuses("the encoding is not supported"),
    }
}
