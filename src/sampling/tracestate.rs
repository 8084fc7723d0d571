//! W3C `tracestate` and OpenTelemetry's member `ot` in it, whose sub-keys `th` and `rv` carry
//! threshold and randomness (W3C Trace Context Level 2, section 3.3; OpenTelemetry specification,
//! "TraceState handling" and "Probability sampling").
//!
//! Borrows the text: reading keeps nothing of its own, writing copies what did not change.

use super::{HexError, Randomness, Threshold};

/// Longest text that is read or written, in bytes; the Collector's limit. W3C asks for 512.
const TEXT_MAX: usize = 1_024;
/// Members of the list, empty ones counted, as W3C limits them.
const MEMBERS_MAX: usize = 32;
/// Longest value of a member, `ot` included.
const VALUE_MAX: usize = 256;
/// Longest key; of a key with `@`, the tenant before it and the system after it.
const KEY_MAX: usize = 256;
const TENANT_MAX: usize = 241;
const SYSTEM_MAX: usize = 14;

/// Why text is not a `tracestate` that may be changed. Whoever finds one passes it on as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceStateError {
    /// More bytes than 1,024.
    #[error("a tracestate has {0} bytes; it may have 1024")]
    TooLong(usize),
    /// More members than 32.
    #[error("a tracestate has more than 32 members")]
    TooMany,
    /// A member without `=`, or a key that W3C does not allow.
    #[error("a tracestate has a malformed key")]
    Key,
    /// A value that is empty, too long or holds a character that W3C does not allow.
    #[error("a tracestate has a malformed value")]
    Value,
    /// A sub-key of `ot` without `:`, or with a character that is not allowed.
    #[error("the tracestate's member \"ot\" has a malformed sub-key")]
    SubKey,
    /// `th` is no threshold.
    #[error("the tracestate's \"th\": {0}")]
    Threshold(HexError),
    /// `rv` is no randomness.
    #[error("the tracestate's \"rv\": {0}")]
    Randomness(HexError),
}

/// Why a change was not made; the text stays as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// The new threshold is below the one that came: what was dropped before cannot come back.
    #[error("a sampling probability cannot be raised afterwards")]
    RaisesProbability,
    /// The member `ot` would have more than 256 bytes, or the whole text more than 1,024.
    #[error("the changed tracestate would be {0} bytes long")]
    TooLong(usize),
}

/// A `tracestate` that was read, and the threshold and randomness that it is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceState<'a> {
    text: &'a [u8],
    /// Value of the member `ot`; the last one, should there be several.
    ot: &'a [u8],
    threshold: Option<Threshold>,
    randomness: Option<Randomness>,
}

impl<'a> TraceState<'a> {
    /// Reads the text of the header, or of OTLP's `trace_state`. No text is an empty state.
    ///
    /// # Errors
    /// When the text breaks the grammar or a limit of W3C or of `ot`. A full list of 32 members
    /// is read, where the Collector's reader stops at 31.
    pub fn parse(text: &'a [u8]) -> Result<Self, TraceStateError> {
        if text.len() > TEXT_MAX {
            return Err(TraceStateError::TooLong(text.len()));
        }
        let mut state = Self { text, ot: b"", threshold: None, randomness: None };
        for (number, member) in text.split(|byte| *byte == b',').enumerate() {
            if number == MEMBERS_MAX {
                return Err(TraceStateError::TooMany);
            }
            let member = trimmed(member);
            if member.is_empty() {
                continue;
            }
            let (key, value) = Self::member(member)?;
            if key == b"ot" {
                state.read_ot(value)?;
            }
        }
        Ok(state)
    }

    /// Key and value of one member of the list, without the blanks around it.
    ///
    /// # Errors
    /// When the text breaks the grammar of a member.
    pub fn member(text: &[u8]) -> Result<(&[u8], &[u8]), TraceStateError> {
        let (key, value) = cut(trimmed(text), b'=').ok_or(TraceStateError::Key)?;
        if !is_key(key) {
            return Err(TraceStateError::Key);
        }
        if !is_value(value) {
            return Err(TraceStateError::Value);
        }
        Ok((key, value))
    }

    fn read_ot(&mut self, value: &'a [u8]) -> Result<(), TraceStateError> {
        (self.ot, self.threshold, self.randomness) = (value, None, None);
        for pair in value.split(|byte| *byte == b';') {
            let (key, value) = cut(pair, b':').ok_or(TraceStateError::SubKey)?;
            if !is_sub_key(key) || !value.iter().all(|byte| is_sub_value_byte(*byte)) {
                return Err(TraceStateError::SubKey);
            }
            match key {
                b"th" => self.threshold = Some(Threshold::parse(value).map_err(TraceStateError::Threshold)?),
                b"rv" => self.randomness = Some(Randomness::parse(value).map_err(TraceStateError::Randomness)?),
                _ => {}
            }
        }
        Ok(())
    }

    /// `th`: the threshold that the span has passed; `None` when nothing is known.
    pub fn threshold(&self) -> Option<Threshold> {
        self.threshold
    }

    /// `rv`: randomness that stands in for the trace id's.
    pub fn randomness(&self) -> Option<Randomness> {
        self.randomness
    }

    /// Sub-keys of `ot` other than `th` and `rv`, in their order.
    pub fn extras(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let pairs = self.ot.split(|byte| *byte == b';').filter_map(|pair| cut(pair, b':'));
        pairs.filter(|(key, _)| *key != b"th" && *key != b"rv")
    }

    /// Members other than `ot`, as `key=value`, in their order.
    pub fn others(&self) -> impl Iterator<Item = &'a [u8]> {
        let members = self.text.split(|byte| *byte == b',').map(trimmed);
        members.filter(|member| !member.is_empty() && !member.starts_with(b"ot="))
    }

    /// Sets `th` after another sampler; `NEVER` removes it.
    ///
    /// # Errors
    /// When it is below the one that is there; then nothing changes.
    pub fn raise_threshold(&mut self, threshold: Threshold) -> Result<(), UpdateError> {
        if self.threshold.is_some_and(|known| known > threshold) {
            return Err(UpdateError::RaisesProbability);
        }
        self.set_threshold(threshold);
        Ok(())
    }

    /// Sets `th` whatever it was; `NEVER` removes it.
    pub fn set_threshold(&mut self, threshold: Threshold) {
        self.threshold = (threshold != Threshold::NEVER).then_some(threshold);
    }

    /// Removes `th`: nothing is known of how the span was sampled.
    pub fn clear_threshold(&mut self) {
        self.threshold = None;
    }

    /// Sets `rv`.
    pub fn set_randomness(&mut self, randomness: Randomness) {
        self.randomness = Some(randomness);
    }

    /// Removes `rv`.
    pub fn clear_randomness(&mut self) {
        self.randomness = None;
    }

    /// Appends the text: `ot` first, as W3C wants a changed member, with `rv`, `th` and then its
    /// other sub-keys; the other members follow as they stood. Of 32 others the last one makes
    /// room. Without any member nothing is written.
    ///
    /// # Errors
    /// When a limit of length would be broken; then `out` is as it was.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), UpdateError> {
        let start = out.len();
        let checked = self.write_ot(out).and_then(|()| {
            let has_ot = out.len() > start;
            for member in self.others().take(MEMBERS_MAX - usize::from(has_ot)) {
                if out.len() > start {
                    out.push(b',');
                }
                out.extend_from_slice(member);
            }
            let length = out.len() - start;
            if length > TEXT_MAX { Err(UpdateError::TooLong(length)) } else { Ok(()) }
        });
        if checked.is_err() {
            out.truncate(start);
        }
        checked
    }

    fn write_ot(&self, out: &mut Vec<u8>) -> Result<(), UpdateError> {
        const NAME: &[u8] = b"ot=";
        let start = out.len();
        out.extend_from_slice(NAME);
        let value = out.len();
        let mut put = |key: &[u8], text: &[u8]| {
            if out.len() > value {
                out.push(b';');
            }
            out.extend_from_slice(key);
            out.push(b':');
            out.extend_from_slice(text);
        };
        if let Some(randomness) = self.randomness {
            put(b"rv", randomness.digits().as_bytes());
        }
        if let Some(threshold) = self.threshold {
            put(b"th", threshold.digits().as_bytes());
        }
        self.extras().for_each(|(key, text)| put(key, text));
        match out.len() - value {
            0 => out.truncate(start),
            1..=VALUE_MAX => {}
            _ => return Err(UpdateError::TooLong(out.len() - start)),
        }
        Ok(())
    }
}

/// What stands before and after the first `separator`.
fn cut(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == separator)?;
    Some((&text[..at], &text[at + 1..]))
}

/// The text without the white space that W3C allows around members.
fn trimmed(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// `simple-key` or `tenant-id@system-id` of W3C.
fn is_key(key: &[u8]) -> bool {
    let has_letter = |part: &[u8]| part.first().is_some_and(u8::is_ascii_lowercase);
    let is_plain = |part: &[u8]| {
        part.iter()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'*' | b'/'))
    };
    match cut(key, b'@') {
        None => has_letter(key) && key.len() <= KEY_MAX && is_plain(key),
        Some((tenant, system)) => {
            let starts = tenant.first().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
            let fits = tenant.len() <= TENANT_MAX && system.len() <= SYSTEM_MAX;
            starts && fits && has_letter(system) && is_plain(tenant) && is_plain(system)
        }
    }
}

/// A value of W3C: printable, no `,` and no `=`, not empty. Blanks at its ends are cut before.
fn is_value(value: &[u8]) -> bool {
    let is_printable = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'=');
    (1..=VALUE_MAX).contains(&value.len()) && value.iter().all(is_printable)
}

fn is_sub_key(key: &[u8]) -> bool {
    let is_rest = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    key.first().is_some_and(u8::is_ascii_lowercase) && key.iter().all(is_rest)
}

fn is_sub_value_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Result<TraceState<'_>, TraceStateError> {
        TraceState::parse(text.as_bytes())
    }

    fn written(state: &TraceState<'_>) -> String {
        let mut out = b"before".to_vec();
        state.write(&mut out).unwrap();
        String::from_utf8(out.split_off(6)).unwrap()
    }

    fn th(text: &str) -> Threshold {
        Threshold::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn both_values_and_all_strangers_are_found() {
        let state = parsed("ot=th:c;rv:d29d6a7215ced0;pn:abc,zz=vendorcontent").unwrap();
        assert_eq!(state.threshold(), Some(th("c")));
        assert_eq!(state.randomness().unwrap().to_string(), "d29d6a7215ced0");
        assert_eq!(state.extras().collect::<Vec<_>>(), [(&b"pn"[..], &b"abc"[..])]);
        assert_eq!(state.others().collect::<Vec<_>>(), [b"zz=vendorcontent"]);
        assert_eq!(parsed("").unwrap().threshold(), None);
    }

    #[test]
    fn a_changed_member_moves_to_the_front_and_the_rest_stays_in_order() {
        let mut state = parsed(" a=b , ot=x:1;th:3;y: ,, c@d=e f ").unwrap();
        assert_eq!(written(&state), "ot=th:3;x:1;y:,a=b,c@d=e f");
        state.set_randomness(Randomness::from_bits(3));
        assert_eq!(written(&state), "ot=rv:00000000000003;th:3;x:1;y:,a=b,c@d=e f");
        state.clear_threshold();
        state.clear_randomness();
        assert_eq!(written(&state), "ot=x:1;y:,a=b,c@d=e f");
    }

    #[test]
    fn a_member_that_becomes_empty_goes() {
        let mut state = parsed("ot=rv:12341234123412;th:1234").unwrap();
        state.clear_randomness();
        state.set_threshold(Threshold::NEVER);
        assert_eq!(written(&state), "");
        let mut state = parsed("ot=th:1,a=b").unwrap();
        state.clear_threshold();
        assert_eq!(written(&state), "a=b");
    }

    #[test]
    fn thresholds_only_rise() {
        // in, update, out; of OpenTelemetry's own sampling package
        for (before, update, after) in [
            ("ot=th:8", "e", "ot=th:e"),
            ("ot=th:0", "f", "ot=th:f"),
            ("", "f", "ot=th:f"),
            ("", "0", "ot=th:0"),
            ("ot=th:0", "ffffffffffffff", "ot=th:ffffffffffffff"),
            ("ot=th:555", "aab", "ot=th:aab"),
            ("ot=rv:abcdefabcdefab", "3", "ot=rv:abcdefabcdefab;th:3"),
            ("ot=a:b", "3", "ot=th:3;a:b"),
        ] {
            let mut state = parsed(before).unwrap();
            state.raise_threshold(th(update)).unwrap();
            assert_eq!(written(&state), after);
        }
        for (before, update) in [("ot=th:8", "2"), ("ot=th:f", "8"), ("ot=th:8", "0")] {
            let mut state = parsed(before).unwrap();
            assert_eq!(state.raise_threshold(th(update)), Err(UpdateError::RaisesProbability));
            assert_eq!(written(&state), before);
        }
    }

    #[test]
    fn text_outside_the_grammar_is_refused() {
        use TraceStateError::{Key, SubKey, TooLong, TooMany, Value};
        let long = |length| "x".repeat(length);
        let cases = [
            ("-1=2".to_owned(), Key),
            ("=".to_owned(), Key),
            ("a".to_owned(), Key),
            ("KEY=value".to_owned(), Key),
            ("1abc=value".to_owned(), Key),
            ("@system=v".to_owned(), Key),
            ("tenant@=v".to_owned(), Key),
            ("tenant@1system=v".to_owned(), Key),
            ("a@b@c=v".to_owned(), Key),
            ("a b=v".to_owned(), Key),
            (format!("{}=v", long(257)), Key),
            (format!("{}@y=v", long(242)), Key),
            (format!("y@{}=v", long(15)), Key),
            ("key=".to_owned(), Value),
            ("key=a=b".to_owned(), Value),
            ("key=val\u{7f}".to_owned(), Value),
            ("key=v\u{e4}".to_owned(), Value),
            (format!("x={}", long(257)), Value),
            (format!("x={}", long(1_023)), TooLong(1_025)),
            ("x=y,".repeat(32) + "x=y", TooMany),
            ("ot=th:1;".to_owned(), SubKey),
            ("ot=:1".to_owned(), SubKey),
            ("ot=;".to_owned(), SubKey),
            ("ot=1:1;u:V".to_owned(), SubKey),
            ("ot=X:1".to_owned(), SubKey),
            ("ot=x:+".to_owned(), SubKey),
            ("ot=th:".to_owned(), TraceStateError::Threshold(HexError::Empty)),
            ("ot=th:-1".to_owned(), TraceStateError::Threshold(HexError::Digit(0))),
            ("ot=th:14.5".to_owned(), TraceStateError::Threshold(HexError::Digit(2))),
            ("ot=th:100000000000000".to_owned(), TraceStateError::Threshold(HexError::TooLong(15))),
            ("ot=rv:3;p:2".to_owned(), TraceStateError::Randomness(HexError::Length(1))),
        ];
        for (text, error) in cases {
            assert_eq!(parsed(&text), Err(error), "{text}");
        }
    }

    #[test]
    fn text_at_the_limits_is_read() {
        let long = |length| "x".repeat(length);
        for text in [
            ",,,".to_owned(),
            format!("{}=v", long(256)),
            format!("{}@{}=v", long(241), long(14)),
            "0tenant@system=value".to_owned(),
            format!("x={}", long(256)),
            "x=y,".repeat(31) + "x=y",
            format!("ot=x:{}", "_".repeat(254)),
            "ot=x:0X1FFF;y:.-_-.;z:".to_owned(),
            "key=value\t".to_owned(),
        ] {
            assert!(parsed(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_full_list_gives_up_its_last_member_for_a_new_one() {
        let full = (0..32).map(|number| format!("k{number}=v")).collect::<Vec<_>>();
        let text = full.join(",");
        let mut state = parsed(&text).unwrap();
        assert_eq!(written(&state), text);
        state.set_threshold(th("8"));
        assert_eq!(written(&state), format!("ot=th:8,{}", full[..31].join(",")));
    }

    #[test]
    fn what_would_be_too_long_is_not_written() {
        let text = format!("ot=x:{}", "_".repeat(254));
        let mut state = parsed(&text).unwrap();
        state.set_threshold(th("8"));
        let mut out = b"before".to_vec();
        assert_eq!(state.write(&mut out), Err(UpdateError::TooLong(264)));
        let member = format!("a={}", "v".repeat(250));
        let text = [member.as_str(); 4].join(",");
        let mut state = parsed(&text).unwrap();
        state.set_randomness(Randomness::MAX);
        assert_eq!(state.write(&mut out), Err(UpdateError::TooLong(1_032)));
        assert_eq!(out, b"before");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(text: Vec<u8>) {
            let _ = TraceState::parse(&text);
        }

        #[test]
        fn what_is_written_says_the_same_when_it_is_read(
            text in "( ?(ot=(rv:[0-9a-f]{14};)?([a-z][a-z0-9]{0,3}:[A-Za-z0-9._-]{0,4};){0,3}th:[0-9a-f]{1,14}|[a-z]{2,9}=[ -+\\--<>-~]{0,9}x) ?,){0,5}",
        ) {
            if let Ok(state) = parsed(&text) {
                let out = written(&state);
                let again = parsed(&out).unwrap();
                prop_assert_eq!((again.threshold(), again.randomness()), (state.threshold(), state.randomness()));
                prop_assert!(again.extras().eq(state.extras()) && again.others().eq(state.others()));
                prop_assert_eq!(written(&again), out);
            }
        }
    }
}
