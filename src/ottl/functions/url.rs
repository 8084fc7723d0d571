//! `URL`: an address to a map with the names of the semantic conventions, read as Go's `net/url`
//! reads it. `url.original` is the text as it came.

use std::borrow::Cow;

use super::super::evaluate::Scene;
use super::super::program::Call;
use super::super::value::{Entry, Map, Value};
use super::parameter::Takes;
use super::{Function, Outcome, Parameter};

pub(super) const FUNCTIONS: &[Function] = &[Function::new("URL", &[Parameter::new("uri", Takes::Text)], url)];

/// The parts of an address, escapes decoded where Go decodes them.
#[derive(Debug, Default)]
struct Address {
    scheme: String,
    user: Option<String>,
    host: String,
    path: Vec<u8>,
    query: String,
    fragment: Vec<u8>,
}

fn url<'a>(scene: &Scene<'a>, call: &'a Call) -> Outcome<'a> {
    let text = scene.text(call, 0)?;
    let parsed = str::from_utf8(&text).ok().filter(|text| !text.is_empty()).and_then(|text| map_of(text, parse(text)?));
    match parsed {
        Some(map) => Ok(Value::Map(Map::Owned(map))),
        None => call.function.refuses("the text is no URL"),
    }
}

fn map_of(text: &str, address: Address) -> Option<Vec<Entry<'static>>> {
    let entry = |name: &'static str, value: Value<'static>| (Cow::Borrowed(name.as_bytes()), value);
    let (host, port) = host_and_port(&address.host);
    let mut map = vec![
        entry("url.original", Value::owned_text(text)),
        entry("url.domain", Value::owned_text(host)),
        entry("url.scheme", Value::owned_text(address.scheme)),
    ];
    if !port.is_empty() {
        map.push(entry("url.port", Value::Int(port.parse().ok()?)));
    }
    if !address.fragment.is_empty() {
        map.push(entry("url.fragment", Value::owned_text(address.fragment)));
    }
    if let Some(user) = address.user {
        let (name, password) = user.split_once(':').map_or((&*user, None), |(name, password)| (name, Some(password)));
        let name = unescaped(name)?;
        if !name.is_empty() {
            map.push(entry("url.username", Value::owned_text(name)));
        }
        if let Some(password) = password {
            map.push(entry("url.password", Value::owned_text(unescaped(password)?)));
        }
        map.push(entry("url.user_info", Value::owned_text(user)));
    }
    if !address.query.is_empty() {
        map.push(entry("url.query", Value::owned_text(address.query)));
    }
    let extension =
        address.path.iter().rposition(|byte| *byte == b'.').map_or(&[] as &[u8], |at| &address.path[at + 1..]);
    if !extension.is_empty() {
        map.push(entry("url.extension", Value::owned_text(extension)));
    }
    map.push(entry("url.path", Value::owned_text(address.path)));
    Some(map)
}

fn parse(text: &str) -> Option<Address> {
    if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return None;
    }
    let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (scheme, rest) = scheme(text)?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut address = Address {
        scheme: scheme.to_ascii_lowercase(),
        query: query.to_owned(),
        fragment: unescaped(fragment)?,
        ..Address::default()
    };
    if !rest.starts_with('/') {
        if !scheme.is_empty() {
            return Some(address);
        }
        if rest.split('/').next().is_some_and(|first| first.contains(':')) {
            return None;
        }
    }
    let mut path = rest;
    if let Some(behind) = rest.strip_prefix("//").filter(|_| !scheme.is_empty() || !rest.starts_with("///")) {
        let (authority, behind) = behind.split_at(behind.find('/').unwrap_or(behind.len()));
        let host = match authority.rsplit_once('@') {
            Some((user, host)) => {
                address.user = Some(user.to_owned()).filter(|user| is_user(user));
                address.user.as_ref()?;
                host
            }
            None => authority,
        };
        address.host = checked_host(host)?.to_owned();
        path = behind;
    }
    address.path = unescaped(path)?;
    Some(address)
}

/// The scheme before the first colon and what follows; no scheme when something else stands there.
fn scheme(text: &str) -> Option<(&str, &str)> {
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return None,
            b':' => return Some((&text[..at], &text[at + 1..])),
            _ => break,
        }
    }
    Some(("", text))
}

fn is_user(user: &str) -> bool {
    user.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte))
}

/// The host, when its characters and its port are allowed.
fn checked_host(host: &str) -> Option<&str> {
    let is_port = |port: &str| {
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
    };
    if host.starts_with('[') {
        return is_port(&host[host.rfind(']')? + 1..]).then_some(host);
    }
    let is_allowed =
        |byte: u8| byte >= 0x80 || byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:[]<>\"".contains(&byte);
    let port = host.rfind(':').map_or("", |at| &host[at..]);
    (is_port(port) && host.bytes().all(is_allowed)).then_some(host)
}

fn host_and_port(host: &str) -> (&str, &str) {
    if let Some((inner, port)) = host.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        return (inner, port.trim_start_matches(':'));
    }
    host.rsplit_once(':').unwrap_or((host, ""))
}

/// The bytes with `%41` decoded; nothing when an escape is malformed.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
            out.push((digit()? << 4 | digit()?) as u8);
        } else {
            out.push(byte);
        }
    }
    Some(out)
}
