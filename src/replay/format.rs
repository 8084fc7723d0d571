//! Which format a recording is in, told by its content. Knows no file names.

use crate::model::Cursor;
use crate::wire::foreign::span_table;
use crate::wire::json;

/// Bytes of the content that a message shows.
const SHOWN_MAX: usize = 40;
/// First bytes of a zstd frame.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The formats that can be replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One protobuf `ExportTraceServiceRequest` or `TracesData`.
    Proto,
    /// Protobuf or JSON messages behind their length (4 bytes, big endian), each compressed with
    /// zstd or not: what file exporters write.
    Frames,
    /// OTLP/JSON: lines, one document, or an array.
    Json,
    /// Jaeger's JSON.
    Jaeger,
    /// Zipkin's v2 JSON.
    Zipkin,
    /// A table of spans as CSV.
    Csv,
}

impl Format {
    /// The format of a content.
    ///
    /// # Errors
    /// When it is none of them; says what was seen.
    pub fn of(content: &[u8]) -> Result<Self, String> {
        match content.trim_ascii_start() {
            [] => Err("the file is empty".to_owned()),
            [b'{' | b'[', ..] => of_json(content),
            _ if is_frames(content) => Ok(Self::Frames),
            _ if is_message(content) => Ok(Self::Proto),
            _ if span_table::is_table(content) => Ok(Self::Csv),
            _ => Err(format!(
                "the format is not recognized; it begins with {}; known are OTLP protobuf, OTLP JSON, Jaeger JSON, \
                 Zipkin v2 JSON, and CSV with TraceID, SpanID, ParentID and so on; choose one with --format",
                shown(content)
            )),
        }
    }
}

fn of_json(content: &[u8]) -> Result<Format, String> {
    let is_array = content.trim_ascii_start().first() == Some(&b'[');
    let known = |key: &[u8]| match key {
        b"resourceSpans" | b"resource_spans" => Some(Ok(Format::Json)),
        b"resourceMetrics" | b"resource_metrics" => Some(Err("the file holds metrics; replay needs traces".to_owned())),
        b"resourceLogs" | b"resource_logs" => Some(Err("the file holds logs; replay needs traces".to_owned())),
        b"data" | b"traceID" | b"spans" | b"processes" => Some(Ok(Format::Jaeger)),
        b"traceId" | b"id" if is_array => Some(Ok(Format::Zipkin)),
        _ => None,
    };
    json::probe(content, known).unwrap_or_else(|| {
        Err(format!(
            "the JSON is neither OTLP (resourceSpans), Jaeger (data, spans) nor Zipkin v2 ([{{traceId, id}}]); it begins with {}",
            shown(content)
        ))
    })
}

/// Whether the content is whole frames, of which the first holds something that can be read.
fn is_frames(content: &[u8]) -> bool {
    let (mut rest, mut frames) = (content, 0);
    while let Some((frame, next)) = cut_frame(rest) {
        if frames == 0 && !matches!(frame, [0x0a | b'{', ..] | []) && !frame.starts_with(&ZSTD_MAGIC) {
            return false;
        }
        (rest, frames) = (next, frames + 1);
    }
    // A recorder that was killed leaves half a frame, which is an error of its own.
    frames > 0 && (rest.is_empty() || frames > 1)
}

/// A frame and what follows it; `None` when none is whole.
pub(super) fn cut_frame(content: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = content.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}

/// Whether a frame is compressed.
pub(super) fn is_zstd(frame: &[u8]) -> bool {
    frame.starts_with(&ZSTD_MAGIC)
}

/// Whether the content is a protobuf message whose first field is a resource.
fn is_message(content: &[u8]) -> bool {
    let mut cursor = Cursor::new(content);
    let mut is_message = content.first() == Some(&0x0a);
    while is_message && !cursor.is_at_end() {
        is_message = cursor.field().is_ok();
    }
    is_message
}

/// The beginning of a content, for a message.
pub(super) fn shown(content: &[u8]) -> String {
    let start = &content[..content.len().min(SHOWN_MAX)];
    let is_text = start.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t'));
    if is_text {
        return format!("{:?}", String::from_utf8_lossy(start));
    }
    let bytes: Vec<String> = start.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("the bytes {}", bytes.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(message: &[u8]) -> Vec<u8> {
        [&(message.len() as u32).to_be_bytes()[..], message].concat()
    }

    #[test]
    fn every_format_is_known_by_its_content() {
        let cases: [(&[u8], Format); 10] = [
            (b"{\"resourceSpans\":[]}\n{\"resourceSpans\"", Format::Json),
            (b" [{\"resource_spans\": []}]", Format::Json),
            (b"{\"total\": 0, \"data\": [{", Format::Jaeger),
            (b"{\"traceID\": \"1\"", Format::Jaeger),
            (b"[{\"traceId\": \"1\"", Format::Zipkin),
            (b"[[{\"id\": \"1\"", Format::Zipkin),
            (b"\x0a\x02\x12\x00", Format::Proto),
            (b"TraceID,SpanID,ParentID,PodName,OperationName,StartTimeUnixNano,Duration\n", Format::Csv),
            (&framed(b"\x0a\x00"), Format::Frames),
            (&[framed(b"{}"), framed(&ZSTD_MAGIC), vec![0, 0]].concat(), Format::Frames),
        ];
        for (content, expected) in cases {
            assert_eq!(Format::of(content), Ok(expected), "{}", shown(content));
        }
    }

    #[test]
    fn what_is_not_known_is_shown() {
        let refused = |content: &[u8]| Format::of(content).unwrap_err();
        assert_eq!(refused(b" \n"), "the file is empty");
        assert!(refused(b"{\"resourceLogs\":[]}").contains("holds logs"));
        assert!(refused(b"{\"traceId\": 1}").contains("neither OTLP"));
        assert!(refused(b"<html>").contains("it begins with \"<html>\""), "{}", refused(b"<html>"));
        assert!(refused(b"\xff\x00\x01").contains("the bytes ff 00 01"));
    }
}
