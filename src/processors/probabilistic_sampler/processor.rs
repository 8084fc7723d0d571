//! The machine of `probabilistic_sampler`: decides row by row and hands the kept ones on with
//! their new words.

use std::ops::Range;
use std::sync::Arc;

use super::config::Config;
use super::decision::{Carried, Decider};
use super::logs::{self, Records};
use super::metrics::Tally;
use super::traces::Spans;
use crate::model::{Batch, Now, Part, Request, Rows, Signal};
use crate::pipeline::{ConsumeError, DropReason, Ledger, Output, Processor, Settings};
use crate::wire::{ItemPatch, rewrite};

/// See the module.
pub struct ProbabilisticSampler {
    spans: Spans,
    records: Records,
    traces_tally: Tally,
    logs_tally: Tally,
    ledger: Arc<Ledger>,
    /// Kept rows of the part at hand.
    rows: Vec<u32>,
    words: Words,
}

/// What each kept item is to say, in order.
#[derive(Default)]
struct Words {
    /// Of spans, where in `texts` it is.
    spans: Vec<Option<Range<usize>>>,
    texts: Vec<u8>,
    records: Vec<Option<Carried>>,
}

impl ProbabilisticSampler {
    /// Samples as the config says.
    pub fn new(config: &Config, settings: &Settings) -> Self {
        let decider = Decider::new(config);
        let tally = |signal| Tally::new(&settings.metrics, signal, &config.from_attribute);
        Self {
            spans: Spans::new(decider, config.hash_seed),
            records: Records::new(decider, config),
            traces_tally: tally(Signal::Traces),
            logs_tally: tally(Signal::Logs),
            ledger: settings.ledger.clone(),
            rows: Vec::new(),
            words: Words::default(),
        }
    }

    /// Decides on a row; returns whether it is kept.
    fn decide(&mut self, request: &Request, row: u32) -> bool {
        let Words { spans, texts, records } = &mut self.words;
        if request.signal() == Signal::Logs {
            let decision = self.records.decide(request.index().item(row).of(request.body()));
            self.logs_tally.count(&decision);
            if decision.is_kept {
                records.push(decision.says);
            }
            return decision.is_kept;
        }
        let start = texts.len();
        let (decision, is_written) = self.spans.decide(request, row, texts);
        self.traces_tally.count(&decision);
        if decision.is_kept {
            spans.push(is_written.then_some(start..texts.len()));
        }
        decision.is_kept
    }

    /// The batch without what is not kept.
    fn kept(&mut self, batch: &Batch) -> Batch {
        let mut kept = Batch::new(batch.signal()).with_metadata(batch.metadata().cloned());
        for part in batch.parts() {
            let mut rows = std::mem::take(&mut self.rows);
            rows.clear();
            rows.extend(part.rows().filter(|row| self.decide(&part.request, *row)));
            kept.push(Part { request: part.request.clone(), rows: Rows::from_sorted(&rows) });
            self.rows = rows;
        }
        kept
    }

    fn put_words(&mut self, kept: &Batch) -> Batch {
        let Words { spans, texts, records } = &mut self.words;
        let (mut of_spans, mut of_records) = (spans.drain(..), records.drain(..));
        let patch = |_: &Request, _: u32, patch: &mut ItemPatch| {
            if let Some(text) = of_spans.next().flatten() {
                patch.set_trace_state(&texts[text]);
            }
            if let Some(says) = of_records.next().flatten() {
                logs::say(&says, patch);
            }
        };
        rewrite(kept, patch)
    }
}

impl Processor for ProbabilisticSampler {
    fn process(&mut self, batch: Batch, _now: Now) -> Result<Output, ConsumeError> {
        if batch.signal() == Signal::Metrics {
            return Ok(vec![batch]);
        }
        self.words.texts.clear();
        let kept = self.kept(&batch);
        let dropped = batch.item_count() - kept.item_count();
        self.ledger.dropped(batch.signal(), DropReason::NotSampled, dropped);
        self.traces_tally.report();
        self.logs_tally.report();
        let output = self.put_words(&kept);
        Ok(if output.is_empty() { Output::new() } else { vec![output] })
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    use opentelemetry_proto::tonic::trace::v1::Span;
    use prost::Message as _;

    use super::super::config::Mode;
    use super::*;
    use crate::model::MemoryAccount;
    use crate::testing::{batch_of, settings};
    use crate::wire::{Limits, encode, scan};

    fn spans(batch: &Batch) -> Vec<Span> {
        let request = ExportTraceServiceRequest::decode(encode(batch).into_bytes()).unwrap();
        let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    fn config(mode: Mode, sampling_percentage: f32) -> Config {
        Config { mode, sampling_percentage, ..Config::default() }
    }

    #[test]
    fn kept_spans_say_how_they_were_sampled_and_the_rest_is_counted() {
        let ledger = Arc::new(Ledger::default());
        let settings = settings(ledger.clone());
        let mut sampler = ProbabilisticSampler::new(&config(Mode::Proportional, 50.0), &settings);
        let output = sampler.process(batch_of(&[0x10, 0x90, 0x80, 0x7f]), Now::default()).unwrap();
        let spans = spans(&output[0]);
        let kept: Vec<_> = spans.iter().map(|span| (span.trace_id[0], span.trace_state.as_str())).collect();
        assert_eq!(kept, [(0x90, "ot=th:8"), (0x80, "ot=th:8")]);
        assert_eq!(ledger.read(Signal::Traces).dropped, [(DropReason::NotSampled, 2)].into());
        let text = settings.metrics.encode();
        for (sampled, count) in [("true", 2), ("false", 2)] {
            let line = format!("count_traces_sampled_total{{policy=\"trace_id_w3c\",sampled=\"{sampled}\"}} {count}\n");
            assert!(text.contains(&line), "{text}");
        }
        let again = sampler.process(output[0].clone(), Now::default()).unwrap();
        assert!(again.is_empty(), "8 and c: randomness of 90… and 80… is below");
    }

    #[test]
    fn the_hash_and_every_mode_after_it_agree() {
        let settings = settings(Arc::new(Ledger::default()));
        let traces: Vec<u8> = (1..=255).collect();
        let mut hashing = ProbabilisticSampler::new(&config(Mode::HashSeed, 40.0), &settings);
        let output = hashing.process(batch_of(&traces), Now::default()).unwrap();
        let before = spans(&output[0]);
        assert!((60..150).contains(&before.len()), "{}", before.len());
        let mut equalizing = ProbabilisticSampler::new(&config(Mode::Equalizing, 60.0), &settings);
        let output = equalizing.process(output[0].clone(), Now::default()).unwrap();
        assert_eq!(spans(&output[0]), before, "a larger share keeps all and says nothing new");
    }

    #[test]
    fn log_records_get_attributes() {
        let record = |id: u8| LogRecord { trace_id: vec![id; 16], ..LogRecord::default() };
        let scope_logs = vec![ScopeLogs { log_records: vec![record(0x10), record(0xf0)], ..ScopeLogs::default() }];
        let resource_logs = vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }];
        let body = ExportLogsServiceRequest { resource_logs }.encode_to_vec();
        let request = scan(Signal::Logs, body.into(), &Limits::default(), &MemoryAccount::default()).unwrap();
        let settings = settings(Arc::new(Ledger::default()));
        let mut sampler = ProbabilisticSampler::new(&config(Mode::Equalizing, 25.0), &settings);
        let output = sampler.process(Batch::from_request(request), Now::default()).unwrap();
        let logs = ExportLogsServiceRequest::decode(encode(&output[0]).into_bytes()).unwrap();
        let records = &logs.resource_logs[0].scope_logs[0].log_records;
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].attributes[0].key, "sampling.threshold");
        assert!(format!("{:?}", records[0].attributes[0].value).contains("\"c\""));
    }
}
