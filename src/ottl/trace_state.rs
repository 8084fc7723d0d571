//! Look-up in a `tracestate`, as OpenTelemetry's Go API reads it: a member that is malformed makes
//! the whole of it worth nothing.

const MEMBERS_MAX: usize = 32;

/// The value of a key, empty when it is not among the members; `None` for a malformed header.
pub(super) fn look_up<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let mut members: [&[u8]; MEMBERS_MAX] = [&[]; MEMBERS_MAX];
    let mut found: &[u8] = &[];
    for (count, member) in text.split(|byte| *byte == b',').filter(|member| !member.is_empty()).enumerate() {
        let equals = member.iter().position(|byte| *byte == b'=')?;
        let name = trim_start(&member[..equals]);
        let value = trim_end(&member[equals + 1..]);
        if !is_key(name) || !is_value(value) || count == MEMBERS_MAX || members[..count].contains(&name) {
            return None;
        }
        members[count] = name;
        if name == key {
            found = value;
        }
    }
    Some(found)
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn trim_start(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().take_while(|byte| is_blank(**byte)).count()..]
}

fn trim_end(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len() - bytes.iter().rev().take_while(|byte| is_blank(**byte)).count()]
}

fn is_key(key: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_lowercase();
    let is_rest = |bytes: &[u8]| {
        bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/".contains(byte))
    };
    let part = |part: &[u8], rest_max: usize, is_first: &dyn Fn(&u8) -> bool| {
        part.split_first().is_some_and(|(first, rest)| is_first(first) && rest.len() <= rest_max && is_rest(rest))
    };
    match key.iter().position(|byte| *byte == b'@') {
        None => part(key, 255, &is_letter),
        Some(at) => {
            part(&key[..at], 240, &|byte| is_letter(byte) || byte.is_ascii_digit())
                && part(&key[at + 1..], 13, &is_letter)
        }
    }
}

fn is_value(value: &[u8]) -> bool {
    let is_allowed = |byte: &u8| (0x20..=0x7e).contains(byte) && *byte != b',' && *byte != b'=';
    (1..=256).contains(&value.len()) && value.iter().all(is_allowed) && !value.ends_with(b" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_found_and_a_malformed_header_is_worth_nothing() {
        let look_up = |text: &'static str, key: &str| look_up(text.as_bytes(), key.as_bytes());
        assert_eq!(look_up("a=1,b@x=2 , c=3", "c"), Some(b"3".as_slice()));
        assert_eq!(look_up("a=1,b@x=2", "b@x"), Some(b"2".as_slice()));
        assert_eq!(look_up("a=1", "z"), Some(b"".as_slice()));
        assert_eq!(look_up("", "z"), Some(b"".as_slice()));
        for malformed in ["a", "A=1", "a=", "a=1,a=2", "a=1=2", "1a=2", "a=\u{7f}"] {
            assert_eq!(look_up(malformed, "a"), None, "{malformed}");
        }
        let many: String = (0..33).map(|number| format!("k{number}=v,")).collect();
        assert_eq!(super::look_up(many.as_bytes(), b"k0"), None);
    }
}
