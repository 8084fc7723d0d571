//! Decisions one by one: late spans, eviction, precedence, counts.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use proptest::prelude::*;
use prost::Message;
use tailwater::config::Gates;
use tailwater::model::{Batch, Signal};
use tailwater::pipeline::{ComponentId, DropReason};
use tailwater::processors::tail_sampling::policy::{PolicyKind, composite, latency, span_count, status_code};
use tailwater::processors::tail_sampling::{Config, SamplingStrategy, TailSampler};

use crate::driver::{Driver, settings};
use crate::spans::{Span, config, id_of, kept_traces, plain, policy, request, sampler};

fn errors() -> PolicyKind {
    PolicyKind::StatusCode(status_code::Config { statuses: 4 })
}

fn dropped(driver: &Driver, reason: DropReason) -> u64 {
    driver.settings.ledger.read(Signal::Traces).dropped.get(&reason).copied().unwrap_or(0)
}

#[test]
fn late_spans_follow_the_first_verdict() {
    let spans = |trace, status| vec![Span { status, ..plain(trace) }];
    for cache in [0, 10] {
        let config = Config { sampled_cache_size: cache, non_sampled_cache_size: cache, ..config(vec![errors()]) };
        let mut driver = sampler(&config);
        driver.send(&request(&spans(1, 2)), None).unwrap();
        driver.send(&request(&spans(2, 0)), None).unwrap();
        driver.sleep(Duration::from_secs(3));
        assert_eq!(driver.out.len(), 1);
        driver.send(&request(&spans(1, 0)), None).unwrap();
        assert_eq!(driver.out.len(), 2, "a late span of a kept trace leaves at once");
        driver.send(&request(&spans(2, 2)), None).unwrap();
        assert_eq!((driver.out.len(), driver.processor.held_items()), (2, 0), "an error that comes late is dropped");
        assert_eq!(dropped(&driver, DropReason::LateNotSampled), 1);
        let text = driver.settings.metrics.encode();
        let released = text.contains("early_releases_from_cache_decision_total{sampled=\"true\"} 1");
        assert_eq!(released, cache > 0, "{text}");
        assert_eq!(text.contains("sampling_traces_on_memory 2"), cache == 0, "{text}");
    }
}

#[test]
fn with_block_on_overflow_a_batch_waits_for_room() {
    let spans: Vec<Span> = (0..4).map(plain).collect();
    let config = Config { num_traces: 3, block_on_overflow: true, ..config(vec![PolicyKind::AlwaysSample]) };
    let mut driver = sampler(&config);
    driver.send(&request(&spans[..2]), None).unwrap();
    let error = driver.send(&request(&spans[2..]), None).unwrap_err();
    assert!(error.is_retryable() && error.message().contains("num_traces"), "{error}");
    driver.send(&request(&spans[1..3]), None).unwrap();
    driver.sleep(Duration::from_secs(3));
    driver.send(&request(&spans[2..]), None).unwrap();
    driver.sleep(Duration::from_secs(3));
    assert_eq!(kept_traces(&driver).len(), 4, "nothing was evicted");
}

#[test]
fn an_evicted_trace_is_dropped_too_early_and_counted() {
    let spans: Vec<Span> = (0..5).map(plain).collect();
    let mut driver = sampler(&Config { num_traces: 3, ..config(vec![PolicyKind::AlwaysSample]) });
    driver.send(&request(&spans), None).unwrap();
    driver.stop();
    assert_eq!(kept_traces(&driver), [2, 3, 4].map(id_of).into());
    assert_eq!(dropped(&driver, DropReason::TooEarly), 2);
    let text = driver.settings.metrics.encode();
    assert!(text.contains("sampling_trace_dropped_too_early_total 2"), "{text}");
}

#[test]
fn decisions_of_a_burst_are_spread_over_rounds() {
    let spans: Vec<Span> = (0..200).map(plain).collect();
    let mut driver = sampler(&config(vec![PolicyKind::AlwaysSample]));
    for request_number in 0..40_u8 {
        // Ids of their own for each request.
        let mut proto = ExportTraceServiceRequest::decode(&request(&spans)[..]).unwrap();
        for span in proto.resource_spans.iter_mut().flat_map(|group| &mut group.scope_spans[0].spans) {
            span.trace_id[15] = request_number;
        }
        driver.send(&proto.encode_to_vec(), None).unwrap();
    }
    let held = driver.processor.held_items();
    driver.now.mono = driver.now.mono + Duration::from_secs(5);
    driver.out.extend(driver.processor.on_deadline(driver.now));
    assert_eq!(driver.processor.held_items(), held - 5_000);
    assert!(driver.processor.deadline().is_some_and(|deadline| deadline <= driver.now.mono), "the rest is due at once");
}

/// Kept traces of a request that is decided by these policies.
fn decide(kinds: Vec<PolicyKind>, spans: &[Span]) -> Vec<u8> {
    let mut driver = sampler(&config(kinds));
    driver.send(&request(spans), None).unwrap();
    driver.stop();
    let kept = kept_traces(&driver);
    (0..=u8::MAX).filter(|trace| kept.contains(&id_of(*trace))).collect()
}

#[test]
fn a_drop_beats_every_other_policy_wherever_it_stands() {
    let spans = [plain(1), Span { status: 2, ..plain(2) }];
    let drop = PolicyKind::Drop(vec![policy("errors", errors())]);
    assert_eq!(decide(vec![PolicyKind::AlwaysSample, drop.clone()], &spans), [1]);
    assert_eq!(decide(vec![drop.clone(), PolicyKind::AlwaysSample], &spans), [1]);
    assert_eq!(decide(vec![drop], &spans), [0; 0]);
    assert_eq!(decide(vec![PolicyKind::Drop(vec![]), PolicyKind::AlwaysSample], &spans), [0; 0]);
}

#[test]
fn and_needs_all_of_its_policies() {
    let spans = [plain(1), Span { status: 2, ..plain(2) }, Span { status: 2, ..plain(3) }, plain(3)];
    let two = PolicyKind::SpanCount(span_count::Config { min_spans: 2, max_spans: 0 });
    assert_eq!(decide(vec![PolicyKind::And(vec![policy("e", errors()), policy("two", two)])], &spans), [3]);
    assert_eq!(decide(vec![PolicyKind::And(vec![])], &spans), [1, 2, 3]);
}

#[test]
fn a_latency_bound_is_exclusive_below_and_inclusive_above() {
    let spans: Vec<Span> = (1..=4).map(|trace| Span { millis: u64::from(trace) * 10, ..plain(trace) }).collect();
    let latency =
        |threshold_ms, upper_threshold_ms| PolicyKind::Latency(latency::Config { threshold_ms, upper_threshold_ms });
    assert_eq!(decide(vec![latency(20, 0)], &spans), [3, 4]);
    assert_eq!(decide(vec![latency(20, 30)], &spans), [3]);
    assert_eq!(decide(vec![latency(0, 10)], &spans), [1]);
}

/// contrib#43948: a bounded window matches as soon as some prefix of the spans is inside it.
#[test]
fn a_bounded_latency_matches_a_prefix_of_a_longer_trace() {
    let (short, long) = (Span { millis: 150, ..plain(1) }, Span { millis: 400, ..plain(1) });
    let window = PolicyKind::Latency(latency::Config { threshold_ms: 100, upper_threshold_ms: 200 });
    assert_eq!(decide(vec![window.clone()], &[short.clone(), long.clone()]), [1]);
    assert_eq!(decide(vec![window], &[long, short]), [0; 0]);
}

#[test]
fn every_policy_is_counted_unless_the_first_match_is_enough() {
    for (first_match, asked) in [(false, 2), (true, 1)] {
        let mut settings = settings();
        settings.id = ComponentId::parse("tail_sampling/eu").unwrap();
        let policies = vec![errors(), PolicyKind::AlwaysSample];
        let config = Config { sample_on_first_match: first_match, ..config(policies) };
        let sampler = TailSampler::new(&config, &settings, NonZeroUsize::MIN);
        let mut driver = Driver::new(Box::new(sampler), settings);
        driver.send(&request(&[plain(1), Span { status: 2, ..plain(2) }]), None).unwrap();
        driver.stop();
        let text = driver.settings.metrics.encode();
        let series = |policy: &str, sampled: bool, decision: &str, count: u32| {
            let name = "otelcol_processor_tail_sampling_count_traces_sampled_total";
            let labels = format!("sampled=\"{sampled}\",decision=\"{decision}\",policy=\"{policy}\"");
            assert!(text.contains(&format!("{name}{{{labels}}} {count}\n")), "{labels} {count} in {text}");
        };
        series("eu.0", true, "sampled", 1);
        series("eu.0", false, "not_sampled", 1);
        series("eu.1", true, "sampled", asked);
        assert!(text.contains("global_count_traces_sampled_total{sampled=\"true\",decision=\"sampled\"} 2\n"));
    }
}

#[test]
fn a_root_span_brings_the_decision_forward() {
    let config = Config {
        decision_wait: Duration::from_secs(20),
        decision_wait_after_root_received: Duration::from_secs(1),
        ..config(vec![PolicyKind::AlwaysSample])
    };
    let mut driver = sampler(&config);
    driver.send(&request(&[plain(1), plain(2)]), None).unwrap();
    driver.sleep(Duration::from_secs(5));
    driver.send(&request(&[Span { is_root: true, ..plain(2) }]), None).unwrap();
    driver.sleep(Duration::from_secs(2));
    assert_eq!(kept_traces(&driver), [id_of(2)].into());
    driver.sleep(Duration::from_secs(12));
    assert_eq!(driver.processor.held_items(), 1, "the trace without a root waits its time");
    driver.sleep(Duration::from_secs(2));
    assert_eq!(driver.processor.held_items(), 0);
}

#[test]
fn a_trace_that_is_too_large_is_dropped_at_once_and_for_good() {
    let config = Config { maximum_trace_size_bytes: 400, ..config(vec![PolicyKind::AlwaysSample]) };
    let mut driver = sampler(&config);
    let large = Span { padding: 250, ..plain(1) };
    driver.send(&request(&[large.clone(), plain(2)]), None).unwrap();
    assert_eq!(driver.processor.held_items(), 2);
    driver.send(&request(std::slice::from_ref(&large)), None).unwrap();
    assert_eq!((driver.processor.held_items(), dropped(&driver, DropReason::TraceTooLarge)), (1, 2));
    driver.send(&request(&[plain(1)]), None).unwrap();
    driver.stop();
    assert_eq!(kept_traces(&driver), [id_of(2)].into());
    assert!(driver.settings.metrics.encode().contains("traces_dropped_too_large_total 1"));
}

#[test]
fn at_shutdown_waiting_traces_are_dropped_when_so_configured() {
    let config = Config { drop_pending_traces_on_shutdown: true, ..config(vec![PolicyKind::AlwaysSample]) };
    let mut driver = sampler(&config);
    driver.send(&request(&[plain(1), plain(2)]), None).unwrap();
    driver.stop();
    assert_eq!((driver.out.len(), dropped(&driver, DropReason::PendingAtShutdown)), (0, 2));
}

/// Ten thousand traces for each place: their dead timers must not pile up.
#[test]
fn a_flood_of_new_traces_is_evicted_and_counted() {
    let mut driver = sampler(&Config { num_traces: 10, ..config(vec![PolicyKind::AlwaysSample]) });
    let spans: Vec<Span> = (0..250).map(plain).collect();
    let mut proto = ExportTraceServiceRequest::decode(&request(&spans)[..]).unwrap();
    for number in 0..400_u32 {
        for span in proto.resource_spans.iter_mut().flat_map(|group| &mut group.scope_spans[0].spans) {
            span.trace_id[..4].copy_from_slice(&number.to_be_bytes());
        }
        driver.send(&proto.encode_to_vec(), None).unwrap();
        assert_eq!(driver.processor.held_items(), 10);
    }
    driver.sleep(Duration::from_secs(3));
    assert_eq!(kept_traces(&driver).len(), 10);
    assert_eq!(dropped(&driver, DropReason::TooEarly), 400 * 250 - 10);
}

#[test]
fn spans_are_counted_by_policy_where_the_gate_asks_for_it() {
    for is_on in [false, true] {
        let mut settings = settings();
        let mut gates = Gates::default();
        gates.set("processor.tailsamplingprocessor.metricstatcountspanssampled", is_on);
        settings.gates = Arc::new(gates);
        let sampler = TailSampler::new(&config(vec![errors()]), &settings, NonZeroUsize::MIN);
        let mut driver = Driver::new(Box::new(sampler), settings);
        driver.send(&request(&[Span { status: 2, ..plain(1) }, plain(1), plain(2)]), None).unwrap();
        driver.stop();
        let text = driver.settings.metrics.encode();
        let name = "otelcol_processor_tail_sampling_count_spans_sampled_total";
        for (labels, count) in [
            ("sampled=\"true\",decision=\"sampled\",policy=\"0\"", 2),
            ("sampled=\"false\",decision=\"not_sampled\",policy=\"0\"", 1),
        ] {
            assert_eq!(text.contains(&format!("{name}{{{labels}}} {count}\n")), is_on, "{text}");
        }
    }
}

fn ingest(kinds: Vec<PolicyKind>) -> Config {
    Config { sampling_strategy: SamplingStrategy::SpanIngest, ..config(kinds) }
}

#[test]
fn with_span_ingest_a_trace_leaves_when_its_spans_match_and_late_ones_follow() {
    let mut driver = sampler(&ingest(vec![errors()]));
    driver.send(&request(&[plain(1), plain(2)]), None).unwrap();
    assert_eq!((driver.out.len(), driver.processor.held_items()), (0, 2));
    driver.send(&request(&[Span { status: 2, ..plain(1) }]), None).unwrap();
    assert_eq!(kept_traces(&driver), [id_of(1)].into());
    assert_eq!(driver.out.iter().map(Batch::item_count).sum::<u64>(), 2, "what waited leaves too");
    driver.send(&request(&[plain(1)]), None).unwrap();
    assert_eq!(driver.out.iter().map(Batch::item_count).sum::<u64>(), 3);
    driver.sleep(Duration::from_secs(3));
    assert_eq!((driver.processor.held_items(), dropped(&driver, DropReason::NotSampled)), (0, 1));
    driver.send(&request(&[Span { status: 2, ..plain(2) }]), None).unwrap();
    assert_eq!(dropped(&driver, DropReason::LateNotSampled), 1, "nothing is asked after the end");
    let text = driver.settings.metrics.encode();
    assert!(
        text.contains("global_count_traces_sampled_total{sampled=\"false\",decision=\"not_sampled\"} 1\n"),
        "{text}"
    );
}

#[test]
fn with_span_ingest_a_drop_is_at_once() {
    let drop = PolicyKind::Drop(vec![policy("errors", errors())]);
    let mut driver = sampler(&ingest(vec![PolicyKind::AlwaysSample, drop]));
    driver.send(&request(&[plain(1), Span { status: 2, ..plain(2) }]), None).unwrap();
    assert_eq!((driver.processor.held_items(), dropped(&driver, DropReason::NotSampled)), (1, 1));
    driver.stop();
    assert_eq!((driver.out.len(), dropped(&driver, DropReason::NotSampled)), (0, 2));
}

/// A trace that comes, is evicted and comes again within one request has the size of what came
/// again.
#[test]
fn a_trace_that_came_back_within_a_request_is_measured_once() {
    let spans = [plain(1), plain(2), plain(1)];
    let alone = request(&spans[..1]).len() as u64;
    let sizes = Config { num_traces: 1, maximum_trace_size_bytes: alone + 1, ..config(vec![PolicyKind::AlwaysSample]) };
    let mut driver = sampler(&sizes);
    driver.send(&request(&spans), None).unwrap();
    driver.stop();
    assert_eq!(kept_traces(&driver), [id_of(1)].into());
    assert_eq!((dropped(&driver, DropReason::TooEarly), dropped(&driver, DropReason::TraceTooLarge)), (2, 0));
}

/// Budgets of `composite`, counted anew each second, against a plain count.
#[derive(Default)]
struct NaiveComposite {
    second: u64,
    kept: [u64; 2],
}

impl NaiveComposite {
    fn keeps(&mut self, second: u64, spans: u64, is_error: bool, shares: [u64; 2]) -> bool {
        if self.second != second {
            *self = Self { second, kept: [0; 2] };
        }
        let member = usize::from(!is_error);
        let fits = self.kept[member] + spans <= shares[member];
        self.kept[member] += if fits { spans } else { 0 };
        fits
    }
}

proptest! {
    #[test]
    fn a_composite_keeps_what_a_plain_count_keeps(
        traces in prop::collection::vec((any::<bool>(), 1_u64..6, 0_u64..4), 1..40),
        percents in [0_i64..120, 0_i64..120],
    ) {
        let composite = PolicyKind::Composite(composite::Config {
            max_total_spans_per_second: 20,
            policies: vec![policy("errors", errors()), policy("rest", PolicyKind::AlwaysSample)],
            rate_allocation: vec![("errors".to_owned(), percents[0]), ("rest".to_owned(), percents[1])],
        });
        let shares = percents.map(|percent| if percent == 0 { 10 } else { (percent as u64 * 20 / 100).min(20) });
        let (mut driver, mut naive) = (sampler(&Config { decision_wait: Duration::from_secs(1), ..config(vec![composite]) }), NaiveComposite::default());
        let mut wanted = BTreeSet::new();
        for (number, (is_error, spans, tenths)) in (0_u8..).zip(traces) {
            let span = Span { status: i32::from(is_error) * 2, ..plain(number) };
            driver.send(&request(&vec![span; spans as usize]), None).unwrap();
            // Decided a second later.
            if naive.keeps(driver.now.mono.0 / 1_000_000_000 + 1, spans, is_error, shares) {
                wanted.insert(id_of(number));
            }
            driver.sleep(Duration::from_millis(100 * tenths));
        }
        driver.sleep(Duration::from_secs(2));
        prop_assert_eq!(kept_traces(&driver), wanted);
    }
}
