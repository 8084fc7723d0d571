//! Patterns, networks, check digits.

use core::net::IpAddr;
use std::borrow::Cow;

use regex::bytes::Regex;

use super::super::EvalError;
use super::super::convert::{self, text_like};
use super::super::evaluate::Scene;
use super::super::pattern;
use super::super::program::{Call, Node};
use super::super::value::{Entry, Map, Value};
use super::parameter::Takes;
use super::{Function, Outcome, Parameter, prepare_pattern};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "IsMatch",
        &[Parameter::new("target", Takes::TextLike), Parameter::new("pattern", Takes::Text)],
        is_match,
    )
    .prepared(prepare_pattern),
    Function::new(
        "ExtractPatterns",
        &[Parameter::new("target", Takes::Text), Parameter::new("pattern", Takes::Text)],
        extract_patterns,
    )
    .prepared(prepare_pattern),
    Function::new(
        "IsInCIDR",
        &[Parameter::new("target", Takes::Text), Parameter::new("networks", Takes::TextList)],
        is_in_cidr,
    )
    .prepared(prepare_networks),
    Function::new("IsValidLuhn", &[Parameter::new("target", Takes::TextLike)], is_valid_luhn),
];

/// The pattern of a call: compiled once when it is literal, else now.
fn pattern_of<'a>(scene: &Scene<'a>, call: &'a Call) -> Result<Cow<'a, Regex>, EvalError> {
    if let Some(pattern) = &call.pattern {
        return Ok(Cow::Borrowed(pattern));
    }
    let text = scene.text(call, 1)?;
    match pattern::compile_value(&String::from_utf8_lossy(&text)) {
        Ok(pattern) => Ok(Cow::Owned(pattern)),
        Err(_) => call.function.refuses("the pattern is not valid"),
    }
}

fn is_match<'a>(scene: &Scene<'a>, call: &'a Call) -> Outcome<'a> {
    let pattern = pattern_of(scene, call)?;
    let text = text_like(scene.argument(call, 0)?)?;
    Ok(Value::Bool(text.is_some_and(|text| pattern.is_match(&text))))
}

fn extract_patterns<'a>(scene: &Scene<'a>, call: &'a Call) -> Outcome<'a> {
    let pattern = pattern_of(scene, call)?;
    if pattern.capture_names().flatten().next().is_none() {
        return call.function.refuses("the pattern has no named group");
    }
    let text = scene.text(call, 0)?;
    let Some(captures) = pattern.captures(&text) else { return Ok(Value::Map(Map::Owned(Vec::new()))) };
    let entry = |name: &str| -> Entry<'a> {
        let matched = captures.name(name).map_or(&[] as &[u8], |group| group.as_bytes());
        (Cow::Owned(name.as_bytes().to_vec()), Value::owned_text(matched))
    };
    Ok(Value::Map(Map::Owned(pattern.capture_names().flatten().map(entry).collect())))
}

fn prepare_networks(call: &mut Call) -> Result<(), String> {
    let literals = call.items(1).iter().filter_map(|node| match node.literal() {
        Some(Value::Text(text)) => Some(String::from_utf8_lossy(text)),
        _ => None,
    });
    let are_all_literal = call.items(1).iter().all(|node| node.literal().is_some());
    for text in literals {
        if are_all_literal && network(&text).is_none() {
            return Err(format!("{text:?} is no network; write 10.0.0.0/8 or 2001:db8::/32"));
        }
    }
    Ok(())
}

fn is_in_cidr<'a>(scene: &Scene<'a>, call: &'a Call) -> Outcome<'a> {
    let text = scene.text(call, 0)?;
    let Some(address) = str::from_utf8(&text).ok().and_then(|text| text.parse().ok()) else {
        return Ok(Value::Bool(false));
    };
    let address = IpAddr::to_canonical(&address);
    for node in call.items(1) {
        let is_inside = |node: &'a Node| -> Result<Option<bool>, EvalError> {
            let text = convert::text(scene.value(node)?)?;
            Ok(network(&String::from_utf8_lossy(&text)).map(|(network, bits)| contains(network, bits, address)))
        };
        match is_inside(node)? {
            Some(true) => return Ok(Value::Bool(true)),
            Some(false) => {}
            None => return call.function.refuses("a network is not valid"),
        }
    }
    Ok(Value::Bool(false))
}

fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let is_number = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
    let bits = bits.parse().ok().filter(|_| is_number)?;
    (bits <= if address.is_ipv4() { 32 } else { 128 }).then_some((address, bits))
}

fn contains(network: IpAddr, bits: u32, address: IpAddr) -> bool {
    let same = |left: u128, right: u128, width: u32| bits == 0 || (left ^ right) >> (width - bits) == 0;
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => same(network.to_bits().into(), address.to_bits().into(), 32),
        (IpAddr::V6(network), IpAddr::V6(address)) => same(network.to_bits(), address.to_bits(), 128),
        _ => false,
    }
}

fn is_valid_luhn<'a>(scene: &Scene<'a>, call: &'a Call) -> Outcome<'a> {
    let Some(text) = text_like(scene.argument(call, 0)?)? else { return call.function.refuses("the value is nil") };
    let mut sum = 0;
    let mut count = 0_u32;
    for byte in text.iter().rev().filter(|byte| **byte != b' ') {
        let Some(digit) = char::from(*byte).to_digit(10) else {
            return call.function.refuses("the text has other characters than digits");
        };
        let doubled = if count % 2 == 1 { 2 * digit } else { digit };
        sum = (sum + doubled / 10 + doubled % 10) % 10;
        count = (count + 1) % 2 + 2;
    }
    Ok(Value::Bool(count > 0 && sum == 0))
}
