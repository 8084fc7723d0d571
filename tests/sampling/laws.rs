//! Laws of `tail_sampling` over random arrivals.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use prop::collection::vec;
use proptest::prelude::*;
use tailwater::model::{Batch, Part, Rows, Signal};
use tailwater::pipeline::{DecisionLog, Settings};
use tailwater::processors::tail_sampling::policy::{
    PolicyKind, bytes_limiting, composite, latency, probabilistic, rate_limiting, span_count, status_code,
    string_attribute,
};
use tailwater::processors::tail_sampling::{Config, SamplingStrategy, TailSampler};
use tailwater::routing::{shard_of, slot_of};
use tailwater::wire::{Limits, scan};

use crate::driver::{Driver, settings};
use crate::spans::{
    Span, adaptive, any_span, config, id_of, kept_traces, numbered, policy, request, sampler, spans_out,
};

fn window() -> PolicyKind {
    PolicyKind::Latency(latency::Config { threshold_ms: 60, upper_threshold_ms: 140 })
}

/// One policy of each type whose verdict depends on the trace alone.
fn stateless() -> impl Strategy<Value = PolicyKind> {
    let error = PolicyKind::StatusCode(status_code::Config { statuses: 4 });
    let many = PolicyKind::SpanCount(span_count::Config { min_spans: 3, max_spans: 6 });
    let half = PolicyKind::Probabilistic(probabilistic::Config { sampling_percentage: 50.0, ..Default::default() });
    let slow = PolicyKind::Latency(latency::Config { threshold_ms: 200, upper_threshold_ms: 0 });
    let both = PolicyKind::And(vec![policy("slow", slow.clone()), policy("error", error.clone())]);
    let service = PolicyKind::StringAttribute(string_attribute::Config {
        key: "service.name".to_owned(),
        values: vec!["service-1".to_owned()],
        ..string_attribute::Config::default()
    });
    let others = PolicyKind::Not(Box::new(policy("service", service.clone())));
    prop::sample::select(vec![error, many, half, slow, both, window(), service, others])
}

#[derive(Clone, Debug)]
enum Step {
    Send(Vec<Span>),
    Sleep(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => vec(any_span(12), 0..12).prop_map(Step::Send),
        1 => (0..3_000_u64).prop_map(Step::Sleep),
    ];
    vec(step, 1..25)
}

fn any_config() -> impl Strategy<Value = Config> {
    let limiting = PolicyKind::RateLimiting(rate_limiting::Config { spans_per_second: 4, burst_capacity: 8 });
    let drop = PolicyKind::Drop(vec![policy("window", window())]);
    let bytes = PolicyKind::BytesLimiting(bytes_limiting::Config { bytes_per_second: 300, burst_capacity: 600 });
    let not = PolicyKind::Not(Box::new(policy("bytes", bytes.clone())));
    let composite = PolicyKind::Composite(composite::Config {
        max_total_spans_per_second: 9,
        policies: vec![policy("window", window()), policy("all", PolicyKind::AlwaysSample)],
        rate_allocation: vec![("window".to_owned(), 40), ("all".to_owned(), 0)],
    });
    let kinds = prop::sample::select(vec![limiting, bytes, drop, not, composite, PolicyKind::AlwaysSample]);
    let kinds = prop_oneof![stateless(), kinds, (0.1..2.0).prop_map(adaptive)];
    let sizes = (1..9_u64, 0..4_u64, 0..4_u64, prop_oneof![Just(0), 100..900_u64]);
    (vec(kinds, 1..3), sizes, any::<[bool; 5]>()).prop_map(
        |(kinds, (num_traces, sampled_cache_size, non_sampled_cache_size, maximum_trace_size_bytes), flags)| {
            // Refused by the decoder: an adaptive policy needs whole traces.
            let learns = kinds.iter().any(|kind| matches!(kind, PolicyKind::Adaptive(_)));
            let ingests = flags[4] && !learns;
            Config {
                num_traces,
                sampled_cache_size,
                non_sampled_cache_size,
                maximum_trace_size_bytes,
                block_on_overflow: flags[0],
                sample_on_first_match: flags[1],
                drop_pending_traces_on_shutdown: flags[2],
                sampling_strategy: if ingests { SamplingStrategy::SpanIngest } else { SamplingStrategy::TraceComplete },
                decision_wait_after_root_received: Duration::from_millis(u64::from(flags[3]) * 300),
                ..config(kinds)
            }
        },
    )
}

proptest! {
    /// The driver checks `in = out + dropped + held` after every step.
    #[test]
    fn no_span_is_lost_or_doubled(config in any_config(), steps in steps(), is_recorded: bool) {
        let decisions = is_recorded.then(|| Arc::new(DecisionLog::new(100)));
        let settings = Settings { decisions, ..settings() };
        let sampler = TailSampler::new(&config, &settings, NonZeroUsize::MIN);
        let mut driver = Driver::new(Box::new(sampler), settings);
        for step in steps {
            match step {
                Step::Send(spans) => {
                    let refused = driver.send(&request(&spans), None).is_err();
                    prop_assert!(!refused || config.block_on_overflow);
                }
                Step::Sleep(millis) => driver.sleep(Duration::from_millis(millis)),
            }
        }
        driver.stop();
        driver.out.clear();
        prop_assert_eq!(driver.settings.account.held_bytes(), 0);
    }

    #[test]
    fn a_decision_does_not_depend_on_how_a_trace_is_cut_into_requests(
        kinds in vec(stateless(), 1..4),
        spans in vec(any_span(5), 1..40).prop_map(numbered),
        cuts in vec(1..9_usize, 40),
    ) {
        let config = config(kinds);
        let (mut whole, mut pieces) = (sampler(&config), sampler(&config));
        whole.send(&request(&spans), None).unwrap();
        let mut rest = &spans[..];
        for cut in cuts {
            let (piece, other) = rest.split_at(cut.min(rest.len()));
            pieces.send(&request(piece), None).unwrap();
            rest = other;
        }
        for driver in [&mut whole, &mut pieces] {
            driver.sleep(Duration::from_secs(3));
            prop_assert_eq!(driver.processor.held_items(), 0);
        }
        prop_assert_eq!(kept_traces(&whole), kept_traces(&pieces));
        prop_assert_eq!(spans_out(&whole.out), spans_out(&pieces.out));
    }

    #[test]
    fn kept_spans_leave_as_they_came(spans in vec(any_span(30), 1..60).prop_map(numbered)) {
        let half = PolicyKind::Probabilistic(probabilistic::Config { sampling_percentage: 30.0, ..Default::default() });
        let mut driver = sampler(&config(vec![half]));
        driver.send(&request(&spans), None).unwrap();
        driver.stop();
        let kept = kept_traces(&driver);
        let mut wanted = sampler(&config(vec![PolicyKind::AlwaysSample]));
        let chosen: Vec<Span> = spans.into_iter().filter(|span| kept.contains(&id_of(span.trace))).collect();
        wanted.send(&request(&chosen), None).unwrap();
        wanted.stop();
        prop_assert_eq!(spans_out(&driver.out), spans_out(&wanted.out));
    }

    #[test]
    fn shards_keep_what_one_keeps(
        kinds in vec(stateless(), 1..4),
        shards in 2..5_usize,
        requests in vec(vec(any_span(40), 1..30), 1..6),
    ) {
        let config = Config { num_traces: 1_000, ..config(kinds) };
        let shards = NonZeroUsize::new(shards).unwrap();
        let mut alone = sampler(&config);
        let mut samplers: Vec<Driver> = (0..shards.get())
            .map(|_| {
                let settings = settings();
                Driver::new(Box::new(TailSampler::new(&config, &settings, shards)), settings)
            })
            .collect();
        for spans in &requests {
            let body = request(spans);
            alone.send(&body, None).unwrap();
            let request = scan(Signal::Traces, body.into(), &Limits::default(), &settings().account).unwrap();
            let columns = request.index().spans.as_ref().unwrap();
            for (number, sampler) in samplers.iter_mut().enumerate() {
                let owned = |row: &u32| shard_of(slot_of(columns.trace_id(*row)), shards) == number;
                let rows: Vec<u32> = (0..columns.len() as u32).filter(owned).collect();
                let mut batch = Batch::new(Signal::Traces);
                batch.push(Part { request: request.clone(), rows: Rows::from_sorted(&rows) });
                sampler.give(batch).unwrap();
            }
        }
        alone.sleep(Duration::from_secs(3));
        let mut kept = BTreeSet::new();
        for sampler in &mut samplers {
            sampler.sleep(Duration::from_secs(3));
            kept.append(&mut kept_traces(sampler));
        }
        prop_assert_eq!(kept, kept_traces(&alone));
    }
}
