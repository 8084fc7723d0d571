//! A table of spans as CSV (RFC 4180), one row a span, as research data sets publish them. Columns
//! are found by their names in the header: `TraceID`, `SpanID`, `ParentID`, `PodName` or
//! `ServiceName`, `OperationName`, `StartTimeUnixNano`, `EndTimeUnixNano` or `Duration` in
//! microseconds; where there are any, `SpanKind` and `StatusCode`.
//!
//! One trace may be spread over several texts, and a span may stand in more than one: the first
//! one counts. The service of a pod is its name without the last two parts, `shop` of
//! `shop-6f6cfc45b-h5m2n`.

use std::borrow::Cow;

use bytes::Bytes;
use hashbrown::{HashMap, HashSet};

use super::build::{
    Draft, RequestBuilder, STATUS_ERROR, STATUS_OK, Value, attribute, attributes_of, kind_of, padded_hex, scope,
};
use super::{Converted, ForeignError, InvalidRecord};
use crate::model::{SpanId, TraceId};
use crate::wire::csv::{self, Header};

/// Rows of all texts together: about 80 bytes each in memory.
const ROWS_MAX: usize = 50_000_000;
/// Distinct names of pods, services and operations.
const NAMES_MAX: usize = 1_000_000;

type Map<K, V> = HashMap<K, V, rapidhash::fast::RandomState>;

/// Rows of one or more texts, by trace.
#[derive(Debug, Default)]
pub struct SpanTable {
    traces: Vec<Vec<Row>>,
    places: Map<TraceId, usize>,
    known: HashSet<(TraceId, SpanId), rapidhash::fast::RandomState>,
    names: Names,
    invalid: Vec<InvalidRecord>,
    duplicates: u64,
}

#[derive(Debug)]
struct Row {
    trace: TraceId,
    span: SpanId,
    parent: SpanId,
    pod: u32,
    service: u32,
    operation: u32,
    start: u64,
    end: u64,
    kind: u8,
    status: u8,
}

/// Each name once.
#[derive(Debug, Default)]
struct Names {
    places: Map<String, u32>,
    names: Vec<String>,
}

impl Names {
    fn place(&mut self, name: &str) -> Result<u32, ForeignError> {
        if let Some(place) = self.places.get(name) {
            return Ok(*place);
        }
        if self.names.len() >= NAMES_MAX {
            return Err(ForeignError::TooMany { what: "names", limit: NAMES_MAX });
        }
        let place = self.names.len() as u32;
        self.places.insert(name.to_owned(), place);
        self.names.push(name.to_owned());
        Ok(place)
    }
}

/// Where each column is.
struct Columns {
    trace: usize,
    span: usize,
    parent: usize,
    pod: Option<usize>,
    service: Option<usize>,
    operation: usize,
    start: usize,
    end: Option<usize>,
    duration: Option<usize>,
    kind: Option<usize>,
    status: Option<usize>,
}

impl Columns {
    fn of(header: &Header) -> Result<Self, ForeignError> {
        let need = |names: &[&str], missing| {
            header.place(names).ok_or_else(|| ForeignError::Column { missing, found: header.shortened() })
        };
        let columns = Self {
            trace: need(&["traceid"], "TraceID")?,
            span: need(&["spanid"], "SpanID")?,
            parent: need(&["parentid", "parentspanid"], "ParentID")?,
            pod: header.place(&["podname"]),
            service: header.place(&["servicename", "service"]),
            operation: need(&["operationname", "spanname", "name"], "OperationName")?,
            start: need(&["starttimeunixnano"], "StartTimeUnixNano")?,
            end: header.place(&["endtimeunixnano"]),
            duration: header.place(&["duration"]),
            kind: header.place(&["spankind", "kind"]),
            status: header.place(&["statuscode", "status"]),
        };
        if columns.pod.is_none() && columns.service.is_none() {
            need(&[], "PodName or ServiceName")?;
        }
        if columns.end.is_none() && columns.duration.is_none() {
            need(&[], "EndTimeUnixNano or Duration")?;
        }
        Ok(columns)
    }
}

/// Whether a text begins with a header that has the columns of this format.
pub fn is_table(text: &[u8]) -> bool {
    csv::rows(text).next().and_then(Result::ok).is_some_and(|row| Columns::of(&Header::new(&row.fields)).is_ok())
}

impl SpanTable {
    /// Adds the rows of a text.
    ///
    /// # Errors
    /// When the header lacks a column, or the table grows too large. Rows that are no spans are
    /// named in [`Converted::invalid`].
    pub fn add(&mut self, text: &[u8]) -> Result<(), ForeignError> {
        let mut rows = csv::rows(text);
        let header = match rows.next() {
            Some(Ok(row)) => Header::new(&row.fields),
            _ => Header::new(&[]),
        };
        let columns = Columns::of(&header)?;
        for row in rows {
            let (line, read) = match row {
                Ok(row) => (row.line, self.read(&row.fields, &columns)?),
                Err(error) => (error.line, Err(error.message)),
            };
            match read {
                Ok(row) => self.push(row)?,
                Err(message) => {
                    self.invalid.push(InvalidRecord { place: format!("line {line}"), message: message.to_owned() });
                }
            }
        }
        Ok(())
    }

    /// Rows whose span had been there before.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Everything that was added, one request a trace, in the order of their first rows.
    pub fn finish(self) -> Converted {
        let names = &self.names.names;
        let requests = self.traces.iter().map(|rows| request(rows, names)).collect();
        Converted { requests, invalid: self.invalid }
    }

    /// Takes the rows that could not be read out.
    pub fn take_invalid(&mut self) -> Vec<InvalidRecord> {
        std::mem::take(&mut self.invalid)
    }

    fn push(&mut self, row: Row) -> Result<(), ForeignError> {
        if !self.known.insert((row.trace, row.span)) {
            self.duplicates += 1;
            return Ok(());
        }
        if self.known.len() > ROWS_MAX {
            return Err(ForeignError::TooMany { what: "rows", limit: ROWS_MAX });
        }
        let trace = *self.places.entry(row.trace).or_insert_with(|| {
            self.traces.push(Vec::new());
            self.traces.len() - 1
        });
        self.traces[trace].push(row);
        Ok(())
    }

    fn read(&mut self, fields: &[Cow<'_, str>], columns: &Columns) -> Result<Result<Row, &'static str>, ForeignError> {
        let field = |column: usize| fields.get(column).map(|field| &**field);
        let optional = |column: Option<usize>| column.and_then(field).unwrap_or_default();
        let (Some(trace), Some(span), Some(parent), Some(operation), Some(start)) = (
            field(columns.trace),
            field(columns.span),
            field(columns.parent),
            field(columns.operation),
            field(columns.start),
        ) else {
            return Ok(Err("fewer fields than columns"));
        };
        let Some(trace) = padded_hex(trace).map(TraceId) else { return Ok(Err("TraceID is not 1 to 32 hex digits")) };
        let Some(span) = padded_hex(span).map(SpanId) else { return Ok(Err("SpanID is not 1 to 16 hex digits")) };
        let parent = match parent {
            "" | "root" => SpanId::default(),
            parent => match padded_hex(parent) {
                Some(parent) => SpanId(parent),
                None => return Ok(Err("ParentID is neither 1 to 16 hex digits nor \"root\"")),
            },
        };
        let Ok(start) = start.parse::<u64>() else { return Ok(Err("StartTimeUnixNano is no whole number")) };
        let micros = optional(columns.duration).parse::<u64>().ok();
        let by_duration = micros.map(|micros| start.saturating_add(micros.saturating_mul(1_000)));
        let Some(end) = optional(columns.end).parse::<u64>().ok().or(by_duration) else {
            return Ok(Err("neither EndTimeUnixNano nor Duration is a whole number"));
        };
        let status = match optional(columns.status).to_ascii_lowercase().as_str() {
            "error" | "status_code_error" | "2" => STATUS_ERROR,
            "ok" | "status_code_ok" | "1" => STATUS_OK,
            _ => 0,
        };
        let pod = self.names.place(optional(columns.pod))?;
        let service = match columns.service {
            Some(column) => self.names.place(field(column).unwrap_or_default())?,
            None => self.names.place(service_of(optional(columns.pod)))?,
        };
        let operation = self.names.place(operation)?;
        let kind = kind_of(optional(columns.kind));
        Ok(Ok(Row { trace, span, parent, pod, service, operation, start, end, kind, status }))
    }
}

/// A pod's name without the last two parts, which its replica set and the cluster gave it.
fn service_of(pod: &str) -> &str {
    let without = |name: &str| name.rfind('-').filter(|at| *at > 0);
    without(pod).and_then(|end| without(&pod[..end])).map_or(pod, |end| &pod[..end])
}

fn request(rows: &[Row], names: &[String]) -> Bytes {
    let name = |place: u32| names.get(place as usize).map_or("", String::as_str);
    let mut request = RequestBuilder::default();
    let mut draft = Draft::default();
    let mut group = (u32::MAX, u32::MAX, 0);
    for row in rows {
        if (group.0, group.1) != (row.service, row.pod) {
            let mut resource = Vec::new();
            for (key, value) in [("service.name", name(row.service)), ("k8s.pod.name", name(row.pod))] {
                if !value.is_empty() {
                    attribute(&mut resource, attributes_of::RESOURCE, key, Value::Text(value));
                }
            }
            group = (row.service, row.pod, request.group(resource, scope("", "")));
        }
        draft.trace_id = row.trace;
        draft.span_id = row.span;
        draft.parent_span_id = row.parent;
        draft.name.clear();
        draft.name.push_str(name(row.operation));
        (draft.kind, draft.status, draft.start, draft.end) = (row.kind, row.status, row.start, row.end);
        request.push(group.2, &draft);
    }
    request.finish()
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use prost::Message;

    use super::*;

    const HEADER: &str = "TraceID,SpanID,ParentID,PodName,OperationName,StartTimeUnixNano,EndTimeUnixNano,Duration\n";

    fn table(texts: &[&str]) -> (Vec<ExportTraceServiceRequest>, Vec<InvalidRecord>, u64) {
        let mut table = SpanTable::default();
        texts.iter().for_each(|text| table.add(text.as_bytes()).unwrap());
        let duplicates = table.duplicates();
        let converted = table.finish();
        let decode = |body| ExportTraceServiceRequest::decode(body).unwrap();
        (converted.requests.into_iter().map(decode).collect(), converted.invalid, duplicates)
    }

    #[test]
    fn rows_of_several_texts_make_one_request_a_trace() {
        let first =
            format!("{HEADER}a,1,root,shop-web-5d9-x2,GET /,1000,3000,2\nb,1,root,shop-web-5d9-x2,GET /,5,6,0\n");
        let second = format!(
            "{HEADER}a,1,root,shop-web-5d9-x2,GET /,1000,3000,2\na,2,1,db-7c-y,\"select \"\"x\"\", 1\",1100,1200,0\n"
        );
        let (requests, invalid, duplicates) = table(&[&first, &second]);
        assert_eq!((requests.len(), invalid.len(), duplicates), (2, 0, 1));
        let text = format!("{:?}", requests[0]);
        assert!(text.contains("\"shop-web\"") && text.contains("\"db\"") && text.contains("k8s.pod.name"), "{text}");
        let spans: Vec<_> = requests[0].resource_spans.iter().flat_map(|group| &group.scope_spans[0].spans).collect();
        assert_eq!(spans.len(), 2);
        assert!(spans[0].parent_span_id.is_empty());
        assert_eq!((spans[1].parent_span_id[7], spans[1].name.as_str()), (1, "select \"x\", 1"));
        assert_eq!((spans[1].start_time_unix_nano, spans[1].end_time_unix_nano), (1_100, 1_200));
    }

    #[test]
    fn columns_are_found_by_name_in_any_order_and_spelling() {
        let text = "start_time_unix_nano,name,trace_id,span_id,parent_span_id,service_name,duration,status_code,span_kind\n\
                    1000,op,1,2,,shop,5,ERROR,server\n";
        let (requests, invalid, _) = table(&[text]);
        assert_eq!(invalid, []);
        let span = &requests[0].resource_spans[0].scope_spans[0].spans[0];
        assert_eq!((span.end_time_unix_nano, span.kind, span.status.as_ref().unwrap().code), (6_000, 2, 2));
        assert!(is_table(text.as_bytes()) && !is_table(b"a,b\n1,2\n"));
    }

    #[test]
    fn a_broken_row_is_named_by_its_line_and_the_others_are_read() {
        let text = format!(
            "{HEADER}x,1,root,p-a-b,o,1,2,0\na,1,root,p-a-b,o,1,2,0\na,2,up,p-a-b,o,1,2,0\na,3\na,4,1,p-a-b,o,-1,2,0\na,5,1,p,\"o,1,2,0\n"
        );
        let (requests, invalid, _) = table(&[&text]);
        assert_eq!(requests.len(), 1);
        let places: Vec<_> = invalid.iter().map(|record| record.place.as_str()).collect();
        assert_eq!(places, ["line 2", "line 4", "line 5", "line 6", "line 7"]);
        assert_eq!(invalid[0].message, "TraceID is not 1 to 32 hex digits");
    }

    #[test]
    fn a_header_without_a_column_is_refused_by_its_name() {
        let error = SpanTable::default().add(b"TraceID,SpanID\n").unwrap_err();
        assert_eq!(error.to_string(), "the header has no column ParentID; it has TraceID,SpanID");
        assert!(SpanTable::default().add(b"").is_err());
    }

    #[test]
    fn a_pod_belongs_to_the_service_of_its_name() {
        let services = ["ts-auth-service-7f8d7d756d-k7b9j", "a-b-c", "a-b", "a", "", "-a-b", "--"].map(service_of);
        assert_eq!(services, ["ts-auth-service", "a", "a-b", "a", "", "-a-b", "--"]);
    }
}
