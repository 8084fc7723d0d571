//! The scan, the views, re-framing and compacting against prost, on messages that nobody would
//! write: any order, any form of a number, unknown fields and groups, things that stand twice, and
//! bytes that were damaged afterwards.

mod entropy;
mod rewrite;

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message as _;

use self::entropy::Entropy;
use super::*;
use crate::model::{AttributeView, Batch, Index, MemoryAccount, Part, Request, Rows, Signal, SpanView, ValueView};
use crate::wire::twin::{self, Data};

/// One item with everything above it, each in prost's own encoding.
type Flat = (Vec<u8>, Vec<u8>, Vec<u8>);

fn scan_any(signal: Signal, body: &[u8]) -> Result<Arc<Request>, ScanError> {
    scan(signal, Bytes::copy_from_slice(body), &Limits::default(), &MemoryAccount::default())
}

/// The items of a request as prost reads them; `None` when it refuses.
fn flat(signal: Signal, body: &[u8]) -> Option<Vec<Flat>> {
    macro_rules! flatten {
        ($type:ident, $resource:ident, $scope:ident) => {{
            let mut items = Vec::new();
            for mut resource in twin::$type::decode(body).ok()?.resources {
                for mut scope in std::mem::take(&mut resource.scopes) {
                    for item in std::mem::take(&mut scope.items) {
                        items.push((resource.encode_to_vec(), scope.encode_to_vec(), item.encode_to_vec()));
                    }
                }
            }
            items
        }};
    }
    Some(match signal {
        Signal::Traces => flatten!(Traces, ResourceSpans, ScopeSpans),
        Signal::Metrics => flatten!(Metrics, ResourceMetrics, ScopeMetrics),
        Signal::Logs => flatten!(Logs, ResourceLogs, ScopeLogs),
    })
}

/// Checks everything that can be checked about one body.
fn check(signal: Signal, body: &[u8], picks: &[u8]) {
    let theirs = flat(signal, body);
    let request = match scan_any(signal, body) {
        Ok(request) => request,
        Err(ScanError::IdLength { .. }) => return,
        Err(error) => {
            assert!(theirs.is_none(), "refused although prost accepts: {error}");
            return;
        }
    };
    let items = theirs.expect("accepted although prost refuses");
    assert_eq!(request.index().rows() as usize, items.len());
    match signal {
        Signal::Traces => check_columns(&request),
        Signal::Metrics => check_points(&request),
        Signal::Logs => {}
    }
    check_frame(&request, &items, picks);
    let text = json::write(&Batch::from_request(Arc::clone(&request)));
    if let Err(error) = serde_json::from_slice::<serde_json::Value>(&text) {
        assert!(error.to_string().contains("recursion limit"), "what we write is JSON: {error}");
    }
}

fn small(number: i32) -> u8 {
    u8::try_from(number).unwrap_or(255)
}

/// The columns and the views say what prost says.
fn check_columns(request: &Request) {
    let columns = request.index().spans.as_ref().unwrap();
    let body = request.body();
    let theirs = twin::Traces::decode(&body[..]).unwrap();
    let scopes =
        theirs.resources.iter().flat_map(|resource| resource.scopes.iter().map(move |scope| (resource, scope)));
    let spans = scopes.flat_map(|(resource, scope)| scope.items.iter().map(move |span| (resource, scope, span)));
    for (row, (resource, scope, span)) in (0..).zip(spans) {
        let at = row as usize;
        let padded = |id: &[u8], length| if id.is_empty() { vec![0; length] } else { id.to_vec() };
        assert_eq!(columns.trace_id(row).0.to_vec(), padded(&span.trace_id, 16));
        assert_eq!(columns.span_id(row).0.to_vec(), padded(&span.span_id, 8));
        assert_eq!(columns.parent_span_id(row).0.to_vec(), padded(&span.parent_span_id, 8));
        assert_eq!((columns.start[at], columns.end[at], columns.flags[at]), (span.start, span.end, span.flags));
        assert_eq!(columns.kind[at], small(span.kind));
        assert_eq!(columns.status_code[at], small(span.status.as_ref().map_or(0, |status| status.code)));
        assert_eq!(columns.has_trace_state[at] == 1, !span.trace_state.is_empty());
        let view = SpanView::new(request, row).unwrap();
        assert_eq!(view.name(), String::from_utf8_lossy(&span.name));
        assert_eq!(view.trace_state(), String::from_utf8_lossy(&span.trace_state));
        check_attributes(view.attributes(), &span.attributes);
        let theirs = scope.scope.clone().unwrap_or_default();
        assert_eq!(view.scope().name(), String::from_utf8_lossy(&theirs.name));
        assert_eq!(view.scope().version(), String::from_utf8_lossy(&theirs.version));
        check_attributes(view.scope().attributes(), &theirs.attributes);
        check_attributes(view.resource().attributes(), &resource.resource.clone().unwrap_or_default().attributes);
    }
}

fn check_attributes<'a>(ours: impl Iterator<Item = AttributeView<'a>>, theirs: &[twin::KeyValue]) {
    let ours: Vec<AttributeView<'_>> = ours.collect();
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert_eq!(ours.key, theirs.key);
        let value = theirs.value.as_ref().and_then(|value| value.value.as_ref());
        match (&ours.value, value) {
            (ValueView::String(ours), Some(twin::Value::String(theirs)))
            | (ValueView::Bytes(ours), Some(twin::Value::Bytes(theirs))) => assert_eq!(ours, theirs),
            (ValueView::Bool(ours), Some(twin::Value::Bool(theirs))) => assert_eq!(ours, theirs),
            (ValueView::Int(ours), Some(twin::Value::Int(theirs))) => assert_eq!(ours, theirs),
            (ValueView::Double(ours), Some(twin::Value::Double(theirs))) => {
                assert_eq!(ours.to_bits(), theirs.to_bits())
            }
            // Those that stand twice are joined by prost and replaced by us.
            (ValueView::Array(_), Some(twin::Value::Array(_))) | (ValueView::Map(_), Some(twin::Value::Map(_))) => {}
            (ValueView::Empty, None | Some(twin::Value::Strindex(_))) => {}
            (ours, theirs) => panic!("{ours:?} is not {theirs:?}"),
        }
    }
}

fn check_points(request: &Request) {
    let theirs = twin::Metrics::decode(&request.body()[..]).unwrap();
    let metrics = theirs.resources.iter().flat_map(|resource| &resource.scopes).flat_map(|scope| &scope.items);
    let points: Vec<u32> = metrics
        .map(|metric| match &metric.data {
            None => 0,
            Some(Data::Gauge(gauge)) => gauge.points.len() as u32,
            Some(Data::Sum(sum)) => sum.points.len() as u32,
            Some(Data::Histogram(histogram)) => histogram.points.len() as u32,
            Some(Data::Exponential(histogram)) => histogram.points.len() as u32,
            Some(Data::Summary(summary)) => summary.points.len() as u32,
        })
        .collect();
    assert_eq!(request.index().points.as_ref().unwrap().to_vec(), points);
    assert_eq!(request.index().item_count, points.iter().map(|points| u64::from(*points)).sum::<u64>());
}

/// Rows that are picked come out as they went in, under the same scope and resource.
fn check_frame(request: &Arc<Request>, items: &[Flat], picks: &[u8]) {
    let signal = request.signal();
    let pick = |row: &u32| picks.get(*row as usize % picks.len().max(1)).is_none_or(|pick| pick % 3 > 0);
    let rows: Vec<u32> = (0..request.index().rows()).filter(pick).collect();
    let wanted: Vec<Flat> = rows.iter().map(|row| items[*row as usize].clone()).collect();
    let mut batch = Batch::new(signal);
    batch.push(Part { request: Arc::clone(request), rows: Rows::from_sorted(&rows) });
    let is_whole = batch.parts().iter().all(Part::is_whole);
    let length = encoded_len(&batch);
    let encoded = encode(&batch).into_bytes();
    assert_eq!(encoded.len() as u64, length);
    assert_eq!(flat(signal, &encoded).unwrap(), wanted);
    if is_whole {
        return;
    }
    let again = scan_any(signal, &encoded).expect("what we write is accepted");
    let compacted = compact(batch.clone());
    let [only] = compacted.parts() else { panic!("one part") };
    assert_eq!(only.request.body(), &encoded);
    assert_eq!(meaning(only.request.index()), meaning(again.index()));
    // Twice the batch: two parts become one request.
    let mut twice = batch.clone();
    twice.append(batch);
    let twice = compact(twice);
    let body = twice.parts()[0].request.body();
    assert_eq!(body[..], [&encoded[..], &encoded[..]].concat());
    let again = scan_any(signal, body).unwrap();
    assert_eq!(meaning(twice.parts()[0].request.index()), meaning(again.index()));
}

/// An index as text, whatever the order of its list of pieces.
fn meaning(index: &Index) -> String {
    let scopes = (0..index.scopes.len() as u32)
        .map(|scope| (index.scopes[scope as usize].resource, index.scope_pieces(scope)))
        .collect::<Vec<_>>();
    let resources =
        (0..index.resources.len() as u32).map(|resource| index.resource_pieces(resource)).collect::<Vec<_>>();
    let rows = (&index.items, &index.spans, &index.points, index.item_count);
    format!("{scopes:?} {resources:?} {:?} {rows:?}", index.rest)
}

/// Two thousand cases, or what `PROPTEST_CASES` asks for beyond.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases.max(2_000), failure_persistence: None, ..default }
}

fn signals() -> impl Strategy<Value = Signal> {
    proptest::sample::select(&Signal::ALL[..])
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn odd_messages_are_read_as_prost_reads_them(signal in signals(), seed: Vec<u8>, picks: Vec<u8>) {
        let body = Entropy::new(&seed).body(schema::request(signal));
        check(signal, &body, &picks);
    }

    #[test]
    fn damaged_messages_are_refused_exactly_when_prost_refuses(
        signal in signals(),
        seed in proptest::collection::vec(any::<u8>(), 20..400),
        damage in proptest::collection::vec(any::<(u16, u8, u8)>(), 1..4),
    ) {
        let mut body = Entropy::new(&seed).body(schema::request(signal));
        for (at, how, byte) in damage {
            entropy::damage(&mut body, at.into(), how, byte);
        }
        check(signal, &body, &[1, 2, 3]);
    }

    #[test]
    fn any_bytes_are_refused_exactly_when_prost_refuses(signal in signals(), body: Vec<u8>) {
        check(signal, &body, &[]);
    }

    #[test]
    fn json_keeps_all_that_prost_reads(signal in signals(), seed: Vec<u8>) {
        let body = Entropy::new(&seed).body(schema::request(signal));
        let (Some(before), Ok(request)) = (official(signal, &body), scan_any(signal, &body)) else { return Ok(()) };
        let text = json::write(&Batch::from_request(request));
        // Deeper than JSON may nest is an error.
        let read = json::read(signal, &text, &Limits::default(), &MemoryAccount::default());
        if let Ok(read) = read {
            prop_assert_eq!(official(signal, read.body()).unwrap(), before, "{}", String::from_utf8_lossy(&text));
        }
    }
}

/// The message as `opentelemetry-proto` reads it, as text; `None` when it refuses, which it also
/// does where text is not UTF-8.
fn official(signal: Signal, body: &[u8]) -> Option<String> {
    use opentelemetry_proto::tonic::collector;
    Some(match signal {
        Signal::Traces => format!("{:?}", collector::trace::v1::ExportTraceServiceRequest::decode(body).ok()?),
        Signal::Metrics => format!("{:?}", collector::metrics::v1::ExportMetricsServiceRequest::decode(body).ok()?),
        Signal::Logs => format!("{:?}", collector::logs::v1::ExportLogsServiceRequest::decode(body).ok()?),
    })
}

#[test]
fn messages_may_nest_exactly_as_deep_as_prost_lets_them() {
    let field = |number: u8, content: &[u8]| {
        let mut out = vec![number << 3 | 2];
        prost::encoding::encode_varint(content.len() as u64, &mut out);
        out.extend_from_slice(content);
        out
    };
    let mut accepted = 0;
    for unknown in [&[][..], &[0x78, 1], &[0x7b, 0x7c], &[0x7b, 0x78, 1, 0x7c]] {
        for levels in 40..55 {
            let mut value = unknown.to_vec();
            for _ in 0..levels {
                value = field(5, &field(1, &value));
            }
            let span = field(9, &field(2, &value));
            let body = field(1, &field(2, &field(2, &span)));
            check(Signal::Traces, &body, &[]);
            accepted += u32::from(scan_any(Signal::Traces, &body).is_ok());
        }
    }
    assert!(accepted > 20 && accepted < 60, "{accepted}");
}

#[test]
fn fields_that_nobody_knows_survive_when_rows_are_picked() {
    let unknown = [0xf8, 0x01, 7];
    let field = |number: u8, content: &[u8]| [&[number << 3 | 2, content.len() as u8], content].concat();
    let span = field(2, &[&[0x30, 2][..], &unknown].concat());
    let scope = field(2, &[&span[..], &field(1, &unknown), &span, &unknown].concat());
    let resource = field(1, &[&scope[..], &field(1, &unknown), &unknown].concat());
    let body = [&unknown[..], &resource].concat();
    let request = scan_any(Signal::Traces, &body).unwrap();
    let mut batch = Batch::new(Signal::Traces);
    batch.push(Part { request, rows: Rows::from_sorted(&[1]) });
    let encoded = encode(&batch).into_bytes();
    assert_eq!(encoded.windows(3).filter(|window| *window == unknown).count(), 6);
}

#[test]
fn a_request_beyond_a_limit_is_refused_before_it_is_built() {
    let account = MemoryAccount::default();
    let spans = [[0x12, 0]; 2 * 1024 * 1024 - 8].concat();
    let mut scope = vec![0x12];
    prost::encoding::encode_varint(spans.len() as u64, &mut scope);
    let mut body = vec![0x0a];
    prost::encoding::encode_varint((scope.len() + spans.len()) as u64, &mut body);
    body.extend_from_slice(&scope);
    body.extend_from_slice(&spans);
    let error = scan(Signal::Traces, body.into(), &Limits::default(), &account).unwrap_err();
    assert_eq!(error, ScanError::TooMany { what: "spans", limit: 250_000 });
    assert!(error.is_too_large());
}

#[test]
fn each_limit_refuses_one_too_many() {
    let span = twin::Span {
        attributes: vec![twin::KeyValue::default(); 2],
        events: vec![twin::Event::default(); 2],
        links: vec![twin::Link::default(); 2],
        ..twin::Span::default()
    };
    let scope = twin::ScopeSpans { items: vec![span; 1], scope: None, schema_url: Vec::new() };
    let resource = twin::ResourceSpans { scopes: vec![scope], resource: None, schema_url: Vec::new() };
    let body = Bytes::from(twin::Traces { resources: vec![resource] }.encode_to_vec());
    let exact = Limits { items_max: 1, groups_max: 2, attributes_max: 2, events_max: 2, links_max: 2 };
    let try_with = |limits: Limits| scan(Signal::Traces, body.clone(), &limits, &MemoryAccount::default());
    assert!(try_with(exact.clone()).is_ok());
    for tight in [
        Limits { items_max: 0, ..exact.clone() },
        Limits { groups_max: 1, ..exact.clone() },
        Limits { attributes_max: 1, ..exact.clone() },
        Limits { events_max: 1, ..exact.clone() },
        Limits { links_max: 1, ..exact.clone() },
    ] {
        assert!(try_with(tight).unwrap_err().is_too_large());
    }
}

#[test]
fn ids_of_a_wrong_length_are_refused_wherever_they_stand() {
    let link = twin::Link { trace_id: vec![1; 15], ..twin::Link::default() };
    let spans = [
        twin::Span { trace_id: vec![1; 17], ..twin::Span::default() },
        twin::Span { span_id: vec![1; 4], ..twin::Span::default() },
        twin::Span { parent_span_id: vec![1; 16], ..twin::Span::default() },
        twin::Span { links: vec![link], ..twin::Span::default() },
    ];
    for span in spans {
        let scope = twin::ScopeSpans { items: vec![span], scope: None, schema_url: Vec::new() };
        let resource = twin::ResourceSpans { scopes: vec![scope], resource: None, schema_url: Vec::new() };
        let body = twin::Traces { resources: vec![resource] }.encode_to_vec();
        assert!(matches!(scan_any(Signal::Traces, &body), Err(ScanError::IdLength { .. })));
    }
    let record = twin::LogRecord { span_id: vec![1; 7], ..twin::LogRecord::default() };
    let scope = twin::ScopeLogs { items: vec![record], scope: None, schema_url: Vec::new() };
    let resource = twin::ResourceLogs { scopes: vec![scope], resource: None, schema_url: Vec::new() };
    let body = twin::Logs { resources: vec![resource] }.encode_to_vec();
    assert!(matches!(scan_any(Signal::Logs, &body), Err(ScanError::IdLength { what: "span_id", .. })));
}
