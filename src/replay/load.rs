//! From the content of files to requests: each format by its reader, every request scanned once.

use std::sync::Arc;

use bytes::Bytes;

use super::format::{cut_frame, is_zstd};
use super::recording::Recording;
use super::{Format, ReplayError};
use crate::model::{MemoryAccount, Request, Signal};
use crate::net::{Decompression, decompress};
use crate::wire::foreign::span_table::SpanTable;
use crate::wire::foreign::{Converted, ForeignError, InvalidRecord, jaeger_json, zipkin_json};
use crate::wire::{Limits, json, scan};

/// Bytes of all requests together; they stay in memory, as replay needs them in order of time.
const BYTES_MAX: u64 = 32 << 30;
/// Spans of one request: a file may be one request.
const SPANS_MAX: u32 = 50_000_000;
/// Bytes of one frame when it is unpacked.
const FRAME_BYTES_MAX: usize = 1 << 30;
/// Broken records that are remembered by name.
const NAMED_MAX: usize = 10;

/// How files are read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The format of all of them; told by the content when it is not given.
    pub format: Option<Format>,
    /// Leave broken records out instead of stopping.
    pub skip_invalid: bool,
}

/// Reads contents one after the other.
#[derive(Debug, Default)]
pub struct Loader {
    options: Options,
    /// Of its own, so that a recording in memory does not count against a `memory_limiter`.
    account: MemoryAccount,
    requests: Vec<Arc<Request>>,
    bytes: u64,
    table: SpanTable,
    files: usize,
    invalid: u64,
    named: Vec<String>,
}

impl Loader {
    /// Nothing read yet.
    pub fn new(options: Options) -> Self {
        Self { options, ..Self::default() }
    }

    /// Adds the content of a file; `name` is for messages.
    ///
    /// # Errors
    /// When the format is not known, a record is broken (unless those are left out), or there is
    /// too much.
    pub fn add(&mut self, name: &str, content: Bytes) -> Result<(), ReplayError> {
        self.files += 1;
        let unknown = |reason| ReplayError::Format { name: name.to_owned(), reason };
        let format = self.options.format.map_or_else(|| Format::of(&content), Ok).map_err(unknown)?;
        match format {
            Format::Proto => self.message(name, &|| "the message".to_owned(), Ok(content)),
            Format::Frames => self.frames(name, &content),
            Format::Json => self.json(name, &content),
            Format::Jaeger => self.converted(name, jaeger_json::read(&content)),
            Format::Zipkin => self.converted(name, zipkin_json::read(&content)),
            Format::Csv => {
                self.table.add(&content).map_err(|error| unknown(error.to_string()))?;
                let invalid = self.table.take_invalid();
                self.refuse_all(name, invalid)
            }
        }
    }

    /// Everything that was added, in order of time.
    ///
    /// # Errors
    /// When there was no span.
    pub fn finish(mut self) -> Result<Recording, ReplayError> {
        let table = std::mem::take(&mut self.table);
        let duplicates = table.duplicates();
        self.converted("the table", Ok(table.finish()))?;
        let mut recording = Recording::of(self.requests)?;
        recording.files = self.files;
        recording.invalid = self.invalid;
        recording.invalid_named = self.named;
        recording.duplicates = duplicates;
        Ok(recording)
    }

    fn frames(&mut self, name: &str, content: &Bytes) -> Result<(), ReplayError> {
        let (mut rest, mut number) = (&content[..], 0);
        while let Some((frame, next)) = cut_frame(rest) {
            number += 1;
            rest = next;
            // A file full of zeros is as many empty messages.
            if frame.is_empty() {
                continue;
            }
            let frame = match is_zstd(frame) {
                true => decompress(Decompression::Zstd, frame, FRAME_BYTES_MAX).map_err(|error| error.to_string()),
                false => Ok(content.slice_ref(frame)),
            };
            self.message(name, &|| format!("message {number}"), frame)?;
        }
        match rest {
            [] => Ok(()),
            _ => self.refuse(name, &format!("message {}", number + 1), "it is cut off"),
        }
    }

    /// Lines where the first line is a value; else values one after the other, or an array.
    fn json(&mut self, name: &str, content: &[u8]) -> Result<(), ReplayError> {
        let mut lines = content.split(|byte| *byte == b'\n');
        let first = lines.next().unwrap_or_default();
        let is_lines = matches!(json::first(first), Ok(Some((value, rest))) if value.starts_with(b"{") && rest.trim_ascii().is_empty());
        if is_lines {
            for (at, line) in content.split(|byte| *byte == b'\n').enumerate() {
                if !line.trim_ascii().is_empty() {
                    self.document(name, &|| format!("line {}", at + 1), line)?;
                }
            }
            return Ok(());
        }
        let (mut rest, mut number) = (content, 0);
        loop {
            number += 1;
            match json::first(rest) {
                Ok(None) => return Ok(()),
                Ok(Some((value, behind))) => {
                    rest = behind;
                    self.document(name, &|| format!("document {number}"), value)?;
                }
                Err(error) => return self.refuse(name, &format!("document {number}"), &error.to_string()),
            }
        }
    }

    /// One OTLP/JSON message, or an array of them.
    fn document(&mut self, name: &str, place: &dyn Fn() -> String, text: &[u8]) -> Result<(), ReplayError> {
        if text.trim_ascii_start().first() != Some(&b'[') {
            return self.message(name, place, Ok(Bytes::copy_from_slice(text)));
        }
        match json::elements(text) {
            Ok(elements) => elements.into_iter().enumerate().try_for_each(|(at, element)| {
                self.message(name, &|| format!("{}[{at}]", place()), Ok(Bytes::copy_from_slice(element)))
            }),
            Err(error) => self.refuse(name, &place(), &error.to_string()),
        }
    }

    /// One OTLP message in protobuf or JSON.
    fn message(
        &mut self,
        name: &str,
        place: &dyn Fn() -> String,
        message: Result<Bytes, String>,
    ) -> Result<(), ReplayError> {
        let limits = Limits {
            items_max: SPANS_MAX,
            groups_max: SPANS_MAX,
            attributes_max: u32::MAX,
            events_max: u32::MAX,
            links_max: u32::MAX,
        };
        let request = message.and_then(|message| match message.trim_ascii_start().first() {
            Some(b'{') => {
                json::read(Signal::Traces, &message, &limits, &self.account).map_err(|error| error.to_string())
            }
            _ => scan(Signal::Traces, message, &limits, &self.account).map_err(|error| format!("not OTLP: {error}")),
        });
        match request {
            Ok(request) => self.take(request),
            Err(reason) => self.refuse(name, &place(), &reason),
        }
    }

    fn converted(&mut self, name: &str, converted: Result<Converted, ForeignError>) -> Result<(), ReplayError> {
        let Converted { requests, invalid } =
            converted.map_err(|error| ReplayError::Format { name: name.to_owned(), reason: error.to_string() })?;
        self.refuse_all(name, invalid)?;
        for (place, body) in requests.into_iter().enumerate() {
            self.message(name, &|| format!("trace {place}"), Ok(body))?;
        }
        Ok(())
    }

    fn take(&mut self, request: Arc<Request>) -> Result<(), ReplayError> {
        self.bytes += request.body().len() as u64;
        if self.bytes > BYTES_MAX {
            return Err(ReplayError::TooLarge { limit: BYTES_MAX });
        }
        if request.index().rows() > 0 {
            self.requests.push(request);
        }
        Ok(())
    }

    fn refuse_all(&mut self, name: &str, invalid: Vec<InvalidRecord>) -> Result<(), ReplayError> {
        invalid.into_iter().try_for_each(|record| self.refuse(name, &record.place, &record.message))
    }

    fn refuse(&mut self, name: &str, place: &str, reason: &str) -> Result<(), ReplayError> {
        if !self.options.skip_invalid {
            let (name, place, reason) = (name.to_owned(), place.to_owned(), reason.to_owned());
            return Err(ReplayError::Record { name, place, reason });
        }
        self.invalid += 1;
        if self.named.len() < NAMED_MAX {
            self.named.push(format!("{name}: {place}: {reason}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Batch;
    use crate::net::compress::{Compressor, Encoding};
    use crate::testing::request_of;
    use crate::wire::encode;

    fn framed(message: &[u8]) -> Vec<u8> {
        [&(message.len() as u32).to_be_bytes()[..], message].concat()
    }

    fn load(options: Options, contents: &[&[u8]]) -> Result<Recording, ReplayError> {
        let mut loader = Loader::new(options);
        for content in contents {
            loader.add("file", Bytes::copy_from_slice(content))?;
        }
        loader.finish()
    }

    fn spans(contents: &[&[u8]]) -> u64 {
        load(Options::default(), contents).unwrap().spans
    }

    #[test]
    fn every_form_of_otlp_is_read() {
        let batch = |traces: &[u8]| Batch::from_request(request_of(traces));
        let proto = |traces: &[u8]| encode(&batch(traces)).into_bytes();
        let (first, second) = (json::write(&batch(&[1, 2])), json::write(&batch(&[3])));
        assert_eq!(spans(&[&proto(&[1, 2, 3])]), 3);
        assert_eq!(spans(&[&[proto(&[1, 2]), proto(&[3])].concat()]), 3, "messages that stand in a row are one");
        assert_eq!(spans(&[&[framed(&proto(&[1, 2])), framed(&proto(&[3]))].concat()]), 3);
        let packer = Compressor { encoding: Encoding::Zstd, name: "zstd", level: 1 };
        let packed = packer.compress(&[first.clone().into()]).unwrap();
        assert_eq!(spans(&[&[framed(&packed), framed(&packer.compress(&[proto(&[3])]).unwrap())].concat()]), 3);
        assert_eq!(spans(&[&[&first[..], b"\n", &second, b"\n\n"].concat()]), 3);
        assert_eq!(spans(&[&[b"[", &first[..], b",\n", &second, b"]"].concat()]), 3);
        let pretty: serde_json::Value = serde_json::from_slice(&first).unwrap();
        assert_eq!(spans(&[format!("{pretty:#}\n{pretty:#}").as_bytes(), &second]), 5);
    }

    #[test]
    fn a_broken_record_stops_the_reading_or_is_counted() {
        let line = json::write(&Batch::from_request(request_of(&[1])));
        let text = [&line[..], b"\n{\"resourceSpans\": 7}\n{\"resource\n", &line].concat();
        let error = load(Options::default(), &[&text]).unwrap_err().to_string();
        assert!(error.starts_with("file: line 2: not OTLP/JSON at byte"), "{error}");
        let recording = load(Options { skip_invalid: true, format: None }, &[&text]).unwrap();
        assert_eq!((recording.spans, recording.invalid, recording.invalid_named.len()), (2, 2, 2));
        let frames = [
            framed(&encode(&Batch::from_request(request_of(&[1]))).into_bytes()),
            framed(b"\x0a\x00"),
            vec![0, 0, 0, 9, 1],
        ];
        let error = load(Options::default(), &[&frames.concat()]).unwrap_err().to_string();
        assert!(error.starts_with("file: message 3: it is cut off"), "{error}");
    }

    #[test]
    fn nothing_is_an_error_of_its_own() {
        assert!(matches!(load(Options::default(), &[]), Err(ReplayError::Empty)));
        assert!(matches!(load(Options::default(), &[b"{\"resourceSpans\":[]}"]), Err(ReplayError::Empty)));
        assert!(matches!(load(Options::default(), &[b"plain words"]), Err(ReplayError::Format { .. })));
        let forced = Options { format: Some(Format::Jaeger), skip_invalid: false };
        assert!(load(forced, &[b"[{}]"]).unwrap_err().to_string().contains("data[0]: missing field `spans`"));
    }
}
