//! The small messages of the protocol, written and read by hand: what a server answers when it
//! took a request (`Export…ServiceResponse`), and when it did not (`google.rpc.Status`).
//!
//! Knows nothing of gRPC or HTTP: callers choose the encoding and the status line.

use std::time::Duration;

use serde_json::Value;

use crate::model::{Cursor, Field, Signal, WireError, put_varint, varint_len};

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// `google.rpc.Status` with the one detail that OTLP gives a meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The gRPC code, by number.
    pub code: u32,
    /// Text for people.
    pub message: String,
    /// `RetryInfo.retry_delay`: how long the sender should wait.
    pub retry_delay: Option<Duration>,
}

/// `partial_success` of an `Export…ServiceResponse`; all default when everything was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartialSuccess {
    /// Spans, data points or log records that were not taken, and must not be sent again.
    pub rejected: i64,
    /// Why, or a warning when nothing was rejected.
    pub message: String,
}

/// Why bytes are not one of these messages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// Not protobuf of this kind.
    #[error("the reply is not a protobuf message: {0}")]
    Wire(#[from] WireError),
    /// Not JSON of this kind.
    #[error("the reply is not a JSON message of OTLP: {0}")]
    Json(String),
}

impl Status {
    /// The message in protobuf.
    pub fn encode_proto(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint_field(&mut out, 1, u64::from(self.code));
        put_bytes(&mut out, 2, self.message.as_bytes());
        if let Some(delay) = self.retry_delay {
            let mut duration = Vec::new();
            put_varint_field(&mut duration, 1, delay.as_secs());
            put_varint_field(&mut duration, 2, u64::from(delay.subsec_nanos()));
            let mut any = Vec::new();
            put_bytes(&mut any, 1, RETRY_INFO.as_bytes());
            put_bytes(&mut any, 2, &message(1, &duration));
            out.extend_from_slice(&message(3, &any));
        }
        out
    }

    /// The message in JSON.
    pub fn encode_json(&self) -> Vec<u8> {
        let mut text = format!(r#"{{"code":{},"message":{}"#, self.code, Value::from(self.message.as_str()));
        if let Some(delay) = self.retry_delay {
            let delay = duration_text(delay);
            text.push_str(&format!(r#","details":[{{"@type":"{RETRY_INFO}","retryDelay":"{delay}"}}]"#));
        }
        text.push('}');
        text.into_bytes()
    }

    /// Reads protobuf; `None` when it is not a status. Details other than `RetryInfo` are passed
    /// over, and text that is not UTF-8 is replaced.
    pub fn decode_proto(bytes: &[u8]) -> Option<Self> {
        let mut status = Self::default();
        each_field(bytes, |number, field| {
            match (number, field) {
                (1, Field::Varint(code)) => status.code = code as u32,
                (2, Field::Length(text)) => status.message = String::from_utf8_lossy(text).into_owned(),
                (3, Field::Length(any)) => status.retry_delay = retry_info(any)?.or(status.retry_delay),
                (1..=3, _) => return Err(WireError::WireType),
                _ => {}
            }
            Ok(())
        })
        .ok()?;
        Some(status)
    }

    /// Reads JSON; `None` when it is not a status. Details other than `RetryInfo` are passed over.
    pub fn decode_json(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let status = value.as_object()?;
        let code = status.get("code").map_or(Some(0), integer)?;
        let message = match status.get("message") {
            None | Some(Value::Null) => String::new(),
            Some(text) => text.as_str()?.to_owned(),
        };
        let details = status.get("details").and_then(Value::as_array).map_or(&[] as &[Value], Vec::as_slice);
        let retry_delay = details
            .iter()
            .filter(|detail| detail.get("@type").and_then(Value::as_str).is_some_and(is_retry_info))
            .find_map(|detail| parse_duration(either(detail, "retryDelay", "retry_delay")?.as_str()?));
        Some(Self { code: u32::try_from(code).ok()?, message, retry_delay })
    }
}

/// Writes the reply to an export: an empty message when everything was taken.
pub fn encode_response_proto(partial: &PartialSuccess, _signal: Signal) -> Vec<u8> {
    if *partial == PartialSuccess::default() {
        return Vec::new();
    }
    let mut success = Vec::new();
    put_varint_field(&mut success, 1, partial.rejected.cast_unsigned());
    put_bytes(&mut success, 2, partial.message.as_bytes());
    message(1, &success)
}

/// Writes the reply to an export as JSON: `{"partialSuccess":{}}` when everything was taken, as
/// the Collector does.
pub fn encode_response_json(partial: &PartialSuccess, signal: Signal) -> Vec<u8> {
    let mut success = serde_json::Map::new();
    if partial.rejected != 0 {
        success.insert(rejected_keys(signal).0.to_owned(), partial.rejected.to_string().into());
    }
    if !partial.message.is_empty() {
        success.insert("errorMessage".to_owned(), partial.message.clone().into());
    }
    serde_json::json!({ "partialSuccess": success }).to_string().into_bytes()
}

/// Reads a backend's reply to an export.
///
/// # Errors
/// When the bytes are not such a message.
pub fn decode_response_proto(bytes: &[u8], _signal: Signal) -> Result<PartialSuccess, ReplyError> {
    let mut partial = PartialSuccess::default();
    each_field(bytes, |number, field| match (number, field) {
        (1, Field::Length(success)) => each_field(success, |number, field| {
            match (number, field) {
                (1, Field::Varint(rejected)) => partial.rejected = rejected.cast_signed(),
                (2, Field::Length(text)) => partial.message = String::from_utf8_lossy(text).into_owned(),
                (1 | 2, _) => return Err(WireError::WireType),
                _ => {}
            }
            Ok(())
        }),
        (1, _) => Err(WireError::WireType),
        _ => Ok(()),
    })?;
    Ok(partial)
}

/// Reads a backend's reply to an export. An empty body counts as an empty message.
///
/// # Errors
/// When the bytes are not such a message.
pub fn decode_response_json(bytes: &[u8], signal: Signal) -> Result<PartialSuccess, ReplyError> {
    if bytes.trim_ascii().is_empty() {
        return Ok(PartialSuccess::default());
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|error| ReplyError::Json(error.to_string()))?;
    if !value.is_object() {
        return Err(ReplyError::Json("expected an object".to_owned()));
    }
    let Some(success) = either(&value, "partialSuccess", "partial_success") else {
        return Ok(PartialSuccess::default());
    };
    if !success.is_object() {
        return Err(ReplyError::Json("partialSuccess is not an object".to_owned()));
    }
    let (camel, snake) = rejected_keys(signal);
    let rejected = match either(success, camel, snake) {
        None => 0,
        Some(count) => integer(count).ok_or_else(|| ReplyError::Json(format!("{camel} is not an integer")))?,
    };
    let message = match either(success, "errorMessage", "error_message") {
        None => String::new(),
        Some(text) => text.as_str().ok_or_else(|| ReplyError::Json("errorMessage is not text".to_owned()))?.to_owned(),
    };
    Ok(PartialSuccess { rejected, message })
}

fn rejected_keys(signal: Signal) -> (&'static str, &'static str) {
    match signal {
        Signal::Traces => ("rejectedSpans", "rejected_spans"),
        Signal::Metrics => ("rejectedDataPoints", "rejected_data_points"),
        Signal::Logs => ("rejectedLogRecords", "rejected_log_records"),
    }
}

/// A member by either of its two names; `null` counts as absent.
fn either<'a>(object: &'a Value, camel: &str, snake: &str) -> Option<&'a Value> {
    object.get(camel).or_else(|| object.get(snake)).filter(|value| !value.is_null())
}

/// A 64-bit integer as a number or as text; `null` is 0.
fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Null => Some(0),
        Value::String(text) => text.parse().ok(),
        other => other.as_i64(),
    }
}

fn is_retry_info(type_url: &str) -> bool {
    type_url.rsplit('/').next() == Some("google.rpc.RetryInfo")
}

/// The delay of an `Any`, when that is a `RetryInfo` with one that is not negative.
fn retry_info(any: &[u8]) -> Result<Option<Duration>, WireError> {
    let (mut type_url, mut value): (&[u8], &[u8]) = (b"", b"");
    each_field(any, |number, field| {
        match (number, field) {
            (1, Field::Length(url)) => type_url = url,
            (2, Field::Length(bytes)) => value = bytes,
            (1 | 2, _) => return Err(WireError::WireType),
            _ => {}
        }
        Ok(())
    })?;
    if !std::str::from_utf8(type_url).is_ok_and(is_retry_info) {
        return Ok(None);
    }
    let mut delay = None;
    each_field(value, |number, field| {
        if let (1, Field::Length(duration)) = (number, field) {
            let (mut seconds, mut nanos) = (0_i64, 0_i64);
            each_field(duration, |number, field| {
                match (number, field) {
                    (1, Field::Varint(count)) => seconds = count.cast_signed(),
                    (2, Field::Varint(count)) => nanos = count.cast_signed(),
                    _ => {}
                }
                Ok(())
            })?;
            delay = duration_of(seconds, nanos);
        }
        Ok(())
    })?;
    Ok(delay)
}

fn duration_of(seconds: i64, nanos: i64) -> Option<Duration> {
    let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    Some(Duration::new(u64::try_from(seconds).ok()?, nanos))
}

/// `google.protobuf.Duration` in JSON: seconds with up to nine places, and `s`.
fn duration_text(duration: Duration) -> String {
    match duration.subsec_nanos() {
        0 => format!("{}s", duration.as_secs()),
        nanos => format!("{}.{}s", duration.as_secs(), format!("{nanos:09}").trim_end_matches('0')),
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let number = text.strip_suffix('s')?;
    let (seconds, places) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if places.len() > 9 || !digits(places) || !digits(seconds) {
        return None;
    }
    let nanos = format!("{places:0<9}").parse().ok()?;
    Some(Duration::new(seconds.parse().ok()?, nanos))
}

/// Calls `take` with every field, groups aside.
fn each_field<'a>(
    bytes: &'a [u8],
    mut take: impl FnMut(u32, Field<'a>) -> Result<(), WireError>,
) -> Result<(), WireError> {
    let mut cursor = Cursor::new(bytes);
    while !cursor.is_at_end() {
        if let Some((number, field)) = cursor.field()? {
            take(number, field)?;
        }
    }
    Ok(())
}

fn put_varint_field(out: &mut Vec<u8>, number: u8, value: u64) {
    if value != 0 {
        out.push(number << 3);
        put_varint(out, value);
    }
}

fn put_bytes(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    if !bytes.is_empty() {
        out.extend_from_slice(&message(number, bytes));
    }
}

fn message(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + varint_len(content.len() as u64) + content.len());
    out.push(number << 3 | 2);
    put_varint(&mut out, content.len() as u64);
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1 as otlp;
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    #[test]
    fn a_status_is_written_as_the_specification_shows_it() {
        let status = Status { code: 14, message: "later".into(), retry_delay: Some(Duration::from_secs(1)) };
        assert_eq!(
            String::from_utf8(status.encode_json()).unwrap(),
            r#"{"code":14,"message":"later","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1s"}]}"#
        );
        assert_eq!(&status.encode_proto()[..9], [8, 14, 18, 5, b'l', b'a', b't', b'e', b'r']);
    }

    #[test]
    fn a_reply_with_nothing_rejected_is_empty() {
        let all = PartialSuccess::default();
        assert_eq!(encode_response_proto(&all, Signal::Traces), b"");
        assert_eq!(encode_response_json(&all, Signal::Logs), br#"{"partialSuccess":{}}"#);
        assert_eq!(decode_response_json(b"", Signal::Traces).unwrap(), all);
        assert_eq!(decode_response_json(b"{}", Signal::Traces).unwrap(), all);
    }

    #[test]
    fn what_is_not_a_reply_is_an_error() {
        for text in ["<html>", "[]", "1", r#"{"partialSuccess":1}"#, r#"{"partialSuccess":{"rejectedSpans":"x"}}"#] {
            assert!(decode_response_json(text.as_bytes(), Signal::Traces).is_err(), "{text}");
        }
        for bytes in [&b"<html>"[..], &[8, 1], &[10, 2, 8], &[10, 2, 10, 0]] {
            assert!(decode_response_proto(bytes, Signal::Traces).is_err(), "{bytes:?}");
        }
        assert_eq!(Status::decode_proto(b"<html>"), None);
        assert_eq!(Status::decode_json(b"<html>"), None);
    }

    #[test]
    fn a_negative_or_malformed_delay_is_no_delay() {
        for delay in ["-1s", "1", "1.5", "1.0000000001s", "1.-5s", "+1s", "s"] {
            let text =
                serde_json::json!({"code": 8, "details": [{"@type": RETRY_INFO, "retryDelay": delay}]}).to_string();
            assert_eq!(Status::decode_json(text.as_bytes()).unwrap().retry_delay, None, "{delay}");
        }
    }

    fn status() -> impl Strategy<Value = Status> {
        let delay = proptest::option::of((0..u64::MAX >> 1, 0..1_000_000_000_u32));
        (0..1000_u32, "\\PC{0,20}", delay).prop_map(|(code, message, delay)| Status {
            code,
            message,
            retry_delay: delay.map(|(seconds, nanos)| Duration::new(seconds, nanos)),
        })
    }

    proptest! {
        #[test]
        fn a_status_reads_back_as_it_was_written(status in status()) {
            prop_assert_eq!(Status::decode_proto(&status.encode_proto()), Some(status.clone()));
            prop_assert_eq!(Status::decode_json(&status.encode_json()), Some(status));
        }

        #[test]
        fn a_reply_is_what_prost_reads_and_writes(rejected: i64, message in "\\PC{0,20}") {
            let partial = PartialSuccess { rejected, message: message.clone() };
            let bytes = encode_response_proto(&partial, Signal::Traces);
            let decoded = otlp::ExportTraceServiceResponse::decode(&bytes[..]).unwrap();
            let theirs = decoded.partial_success.clone().unwrap_or_default();
            prop_assert_eq!((theirs.rejected_spans, theirs.error_message), (rejected, message));
            prop_assert_eq!(decode_response_proto(&decoded.encode_to_vec(), Signal::Traces).unwrap(), partial.clone());
            for signal in Signal::ALL {
                let text = encode_response_json(&partial, signal);
                prop_assert_eq!(decode_response_json(&text, signal).unwrap(), partial.clone());
            }
        }

        #[test]
        fn bytes_never_panic(bytes: Vec<u8>) {
            let _ = (Status::decode_proto(&bytes), Status::decode_json(&bytes));
            let _ = decode_response_proto(&bytes, Signal::Metrics);
            let _ = decode_response_json(&bytes, Signal::Metrics);
        }
    }
}
