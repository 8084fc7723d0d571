//! What the integration tests of exporters share: a built exporter with its ledger and metrics,
//! batches, and a backend that does as it is told.
#![expect(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test file uses its own part")]

pub mod backend;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span};
use prost::Message;
use tailwater::config::{Report, Section, parse_yaml};
use tailwater::model::{Batch, ClientMetadata, MemoryAccount, Part, Rows, Signal};
use tailwater::pipeline::{
    BuiltExporter, ComponentId, ConsumeError, ExporterConfig, Kind, LedgerReading, Settings, SystemClock,
};
use tailwater::wire::{Limits, scan};

/// Settings with a fresh ledger and fresh metrics.
pub fn settings(id: &str) -> Settings {
    Settings::lone(Kind::Exporter, ComponentId::parse(id).unwrap(), Arc::new(SystemClock::new()))
}

/// Decodes a section; returns the config and every problem as `path: message`.
pub fn decode<C>(text: &str, decode: impl FnOnce(&mut Section<'_>) -> C) -> (C, Vec<String>) {
    let mut report = Report::default();
    let root = parse_yaml(text, 0, &mut report).unwrap();
    let mut section = Section::new("exporters::x", &root, &mut report);
    let config = decode(&mut section);
    section.finish();
    (config, report.problems().iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect())
}

/// A request of `count` spans, each named by its number.
pub fn spans(count: usize) -> Bytes {
    let text = |text: &str| Some(AnyValue { value: Some(any_value::Value::StringValue(text.to_owned())) });
    let span = |number: usize| Span {
        trace_id: vec![1; 16],
        span_id: (number as u64 + 1).to_be_bytes().to_vec(),
        name: format!("span {number}"),
        start_time_unix_nano: 1_700_000_000_000_000_000,
        end_time_unix_nano: 1_700_000_000_000_000_500,
        attributes: vec![KeyValue { key: "http.method".to_owned(), value: text("GET"), ..Default::default() }],
        ..Default::default()
    };
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes: vec![KeyValue {
                    key: "service.name".to_owned(),
                    value: text("shop"),
                    ..Default::default()
                }],
                ..Default::default()
            }),
            scope_spans: vec![ScopeSpans {
                scope: Some(InstrumentationScope {
                    name: "lib".to_owned(),
                    version: "1".to_owned(),
                    ..Default::default()
                }),
                spans: (0..count).map(span).collect(),
                ..Default::default()
            }],
            ..Default::default()
        }],
    };
    Bytes::from(request.encode_to_vec())
}

/// A batch of one request of `count` spans.
pub fn batch_of(count: usize) -> Batch {
    let account = MemoryAccount::default();
    Batch::from_request(scan(Signal::Traces, spans(count), &Limits::default(), &account).unwrap())
}

/// A started exporter.
pub struct Built {
    pub settings: Settings,
    pub exporter: BuiltExporter,
}

impl Built {
    /// Builds and starts an exporter from the text of its section, which must have no problem.
    pub async fn start<C: ExporterConfig>(text: &str, how: impl FnOnce(&mut Section<'_>) -> C) -> Self {
        let (config, problems) = decode(text, how);
        assert_eq!(problems, Vec::<String>::new());
        let settings = settings("otlp/test");
        let exporter = config.build(&settings, &Signal::ALL).unwrap();
        exporter.component.start().await.unwrap();
        Self { settings, exporter }
    }

    /// Hands a batch over as a receiver would, with its entries in the ledger.
    pub async fn send(&self, batch: Batch) -> Result<(), ConsumeError> {
        let (signal, items) = (batch.signal(), batch.item_count());
        self.settings.ledger.received(signal, items);
        let result = self.exporter.consumers.get(signal).unwrap().consume(batch).await;
        if result.is_err() {
            self.settings.ledger.refused(signal, items);
        }
        result
    }

    /// Stops it, with `seconds` to drain.
    pub async fn stop(&self, seconds: u64) {
        let deadline = self.settings.clock.now().mono + Duration::from_secs(seconds);
        self.exporter.component.shutdown(deadline).await;
    }

    /// The ledger of traces.
    pub fn reading(&self) -> LedgerReading {
        self.settings.ledger.read(Signal::Traces)
    }

    /// Sum of a metric over its labels.
    pub fn metric(&self, name: &str) -> i64 {
        let text = self.settings.metrics.encode();
        let lines = text.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{')));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as i64).sum()
    }
}

/// One span with every kind of field.
pub fn rich_batch() -> Batch {
    let mut request = ExportTraceServiceRequest::decode(spans(1)).unwrap();
    request.resource_spans[0].schema_url = "https://schema".to_owned();
    let value = |value| Some(AnyValue { value: Some(value) });
    let list = vec![
        AnyValue { value: Some(any_value::Value::StringValue("a".to_owned())) },
        AnyValue { value: Some(any_value::Value::BoolValue(true)) },
    ];
    let number = KeyValue { key: "n".to_owned(), value: value(any_value::Value::IntValue(7)), ..Default::default() };
    let list = value(any_value::Value::ArrayValue(ArrayValue { values: list }));
    let span = &mut request.resource_spans[0].scope_spans[0].spans[0];
    span.name = "pay".to_owned();
    span.kind = 2;
    span.trace_state = "a=b".to_owned();
    span.status = Some(Status { code: 2, message: "broke".to_owned() });
    span.attributes = vec![number.clone(), KeyValue { key: "list".to_owned(), value: list, ..Default::default() }];
    span.events = vec![span::Event {
        name: "oops".to_owned(),
        time_unix_nano: span.start_time_unix_nano,
        attributes: vec![number],
        dropped_attributes_count: 2,
    }];
    span.links = vec![span::Link { trace_id: vec![2; 16], span_id: vec![3; 8], ..Default::default() }];
    let body = Bytes::from(request.encode_to_vec());
    Batch::from_request(scan(Signal::Traces, body, &Limits::default(), &MemoryAccount::default()).unwrap())
}

/// The batch with headers beside it.
pub fn with_metadata(batch: Batch, headers: &[(&str, &str)]) -> Batch {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    batch.with_metadata(Some(Arc::new(ClientMetadata::new(headers))))
}

/// Some rows of a batch's first request.
pub fn select(batch: &Batch, rows: &[u32]) -> Batch {
    let mut selected = Batch::new(batch.signal());
    selected.push(Part { request: batch.parts()[0].request.clone(), rows: Rows::List(rows.into()) });
    selected
}
