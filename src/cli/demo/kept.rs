//! Kept traces as the file exporter wrote them, and which one of them tells most.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::path::Path;

use serde_json::Value;

use super::super::terminal::plain;
use crate::model::UnixNanos;

/// A line of a file is one request; longer ones are not ours.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// A span of a kept trace.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Span {
    pub(super) id: String,
    pub(super) parent: String,
    pub(super) service: String,
    pub(super) name: String,
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    /// The message of status ERROR; empty when there is none to it.
    pub(super) error: Option<String>,
}

/// A kept trace.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Trace {
    pub(super) id: String,
    pub(super) spans: Vec<Span>,
    /// The policy that kept it, where the sampler recorded it.
    pub(super) policy: Option<String>,
}

impl Trace {
    /// From the earliest start to the latest end.
    pub(super) fn bounds_ns(&self) -> (u64, u64) {
        let start = self.spans.iter().map(|span| span.start_ns).min().unwrap_or_default();
        (start, self.spans.iter().map(|span| span.end_ns).max().unwrap_or_default().max(start))
    }

    /// How long it took.
    pub(super) fn duration_ns(&self) -> u64 {
        let (start, end) = self.bounds_ns();
        end - start
    }
}

/// Traces of a file of OTLP/JSON lines that began after `since`.
///
/// # Errors
/// When the file cannot be read. A line that is no OTLP/JSON is passed over.
pub(super) fn read(path: &Path, since: UnixNanos) -> Result<Vec<Trace>, String> {
    let file = std::fs::File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut reader = std::io::BufReader::new(file);
    let mut traces = BTreeMap::<String, Trace>::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = std::io::Read::take(&mut reader, LINE_BYTES_MAX);
        let bytes = limited.read_until(b'\n', &mut line).map_err(|error| format!("{}: {error}", path.display()))?;
        if bytes == 0 {
            break;
        }
        if let Ok(request) = serde_json::from_slice(&line) {
            add(&request, &mut traces);
        }
    }
    Ok(traces.into_values().filter(|trace| trace.bounds_ns().0 >= since.0).collect())
}

fn add(request: &Value, traces: &mut BTreeMap<String, Trace>) {
    for resource in list(request, "resourceSpans") {
        let service = attribute(&resource["resource"], "service.name");
        for scope in list(resource, "scopeSpans") {
            let policy = attribute(&scope["scope"], "tailsampling.policy");
            for span in list(scope, "spans") {
                let id = text(span, "traceId");
                let trace = traces.entry(id.clone()).or_insert_with(|| Trace { id, ..Trace::default() });
                trace.policy = trace.policy.take().or_else(|| policy.clone());
                trace.spans.push(read_span(span, service.as_deref().unwrap_or("?")));
            }
        }
    }
}

fn read_span(span: &Value, service: &str) -> Span {
    let status = &span["status"];
    Span {
        id: text(span, "spanId"),
        parent: text(span, "parentSpanId"),
        service: service.to_owned(),
        name: text(span, "name"),
        start_ns: number(&span["startTimeUnixNano"]),
        end_ns: number(&span["endTimeUnixNano"]),
        error: (number(&status["code"]) == 2).then(|| text(status, "message")),
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value, key: &str) -> String {
    plain(value[key].as_str().unwrap_or_default()).into_owned()
}

/// OTLP/JSON writes 64-bit integers as text.
fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default()
}

fn attribute(of: &Value, key: &str) -> Option<String> {
    let found = list(of, "attributes").iter().find(|attribute| attribute["key"] == key)?;
    found["value"]["stringValue"].as_str().map(|text| plain(text).into_owned())
}

/// The trace that tells most: errors before slowness before size.
pub(super) fn most_telling(traces: Vec<Trace>) -> Option<Trace> {
    traces.into_iter().max_by_key(|trace| {
        let services: BTreeSet<&str> = trace.spans.iter().map(|span| span.service.as_str()).collect();
        let has_error = trace.spans.iter().any(|span| span.error.is_some());
        let is_slow = trace.duration_ns() > super::tree::SLOW_NS;
        (u8::from(has_error) + u8::from(is_slow), services.len(), has_error, trace.duration_ns())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"cart"}}]},"scopeSpans":[{"scope":{},"spans":[{"traceId":"0a","spanId":"01","name":"g\u001bet","startTimeUnixNano":"100","endTimeUnixNano":"350","status":{"code":2,"message":"boom"}},{"traceId":"0b","spanId":"02","parentSpanId":"01","name":"old","startTimeUnixNano":"10","endTimeUnixNano":"20","status":{}}]}]}]}"#;

    #[test]
    fn traces_of_this_run_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("traces.jsonl");
        std::fs::write(&path, format!("{LINE}\nnot json\n{LINE}\n")).unwrap();
        let traces = read(&path, UnixNanos(50)).unwrap();
        assert_eq!(traces.len(), 1);
        let trace = &traces[0];
        assert_eq!((trace.spans.len(), trace.duration_ns(), trace.spans[0].service.as_str()), (2, 250, "cart"));
        assert_eq!(trace.spans[0].error.as_deref(), Some("boom"));
        assert_eq!(trace.spans[0].name, "g\u{fffd}et", "a name does not steer the terminal");
    }

    #[test]
    fn a_missing_file_is_named() {
        assert!(
            read(Path::new("/nowhere/traces.jsonl"), UnixNanos(0)).unwrap_err().starts_with("/nowhere/traces.jsonl: ")
        );
    }

    #[test]
    fn an_error_tells_more_than_size() {
        let span = |service: &str, error: Option<&str>, end_ns| Span {
            service: service.to_owned(),
            error: error.map(str::to_owned),
            end_ns,
            ..Span::default()
        };
        let large = Trace { id: "large".into(), spans: vec![span("a", None, 9), span("b", None, 9)], policy: None };
        let wrong = Trace { id: "wrong".into(), spans: vec![span("a", Some(""), 1)], policy: None };
        let both = Trace {
            id: "both".into(),
            spans: vec![span("a", Some(""), super::super::tree::SLOW_NS + 1)],
            policy: None,
        };
        assert_eq!(most_telling(vec![large.clone(), wrong.clone()]).unwrap().id, "wrong");
        assert_eq!(most_telling(vec![wrong, both, large]).unwrap().id, "both");
        assert_eq!(most_telling(Vec::new()), None);
    }
}
