//! The samplers that are compared, and what each made of every trace.

use std::collections::VecDeque;

use tailwater::model::{DecisionRecord, Outcome, PolicyVerdict};
use tailwater::processors::tail_sampling;

use crate::otlp::Requests;
use crate::prepared::Prepared;
use crate::random::Random;
use crate::reference::banked::BankedConfig;
use crate::run::{decode, run};
use crate::twin::{DEPTH_SHARE, probabilities};

/// Root latencies that a threshold by root latency looks back on.
const LATENCIES: usize = 500;

/// A way to choose traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sampler {
    /// `probabilistic` alone.
    Uniform,
    /// What a Collector usually runs: errors, a fixed latency threshold, a share of the rest.
    Usual,
    /// The slowest by root latency, by a threshold that follows the traffic.
    RootLatency,
    /// `adaptive` with the whole budget for anomalies.
    ScoreAlone,
    /// `adaptive` with its defaults.
    Adaptive,
    /// `adaptive` with its budget in bytes a second.
    AdaptiveBytes,
    /// The plain twin of `adaptive` with its defaults.
    Twin,
}

/// What became of each trace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdicts {
    pub(crate) kept: Vec<bool>,
    /// Adjusted count of a kept trace, 0 for another; 1 where nobody knows the probability.
    pub(crate) weights: Vec<f64>,
    /// Nanoseconds of excess, where the sampler has a score.
    pub(crate) scores: Vec<f64>,
    /// Service and operation that the sampler blames.
    pub(crate) blamed: Vec<Option<(String, String)>>,
    /// Seconds from the first span to the decision.
    pub(crate) waits: Vec<f64>,
    /// Nanoseconds a span; nothing for what does not go through the processor.
    pub(crate) nanos_per_span: Option<f64>,
}

impl Sampler {
    pub(crate) const ALL: [Self; 7] = [
        Self::Uniform,
        Self::Usual,
        Self::RootLatency,
        Self::ScoreAlone,
        Self::Adaptive,
        Self::AdaptiveBytes,
        Self::Twin,
    ];

    pub(crate) fn is_in_bytes(self) -> bool {
        self == Self::AdaptiveBytes
    }

    /// A budget by the second says nothing where a night is missing between two days.
    pub(crate) fn suits(self, on: &Prepared) -> bool {
        !self.is_in_bytes() || on.is_continuous()
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Usual => "errors, latency, rest",
            Self::RootLatency => "root latency tail",
            Self::ScoreAlone => "adaptive, score alone",
            Self::Adaptive => "adaptive",
            Self::AdaptiveBytes => "adaptive, by bytes",
            Self::Twin => "plain twin of adaptive",
        }
    }

    /// Runs it on the traces of one seed; the reason when it cannot.
    pub(crate) fn run(self, on: &Prepared, drawn: &Requests, budget: f64, seed: u64) -> Result<Verdicts, String> {
        match self {
            Self::RootLatency => Ok(root_latency(on, budget)),
            Self::Twin => Ok(twin(on, budget, seed)),
            _ => {
                let (config, rest) = self.config(on, budget)?;
                Ok(Verdicts::of(&config, on, drawn, rest))
            }
        }
    }

    /// The config, and the chance of a trace that only a `probabilistic` policy kept.
    fn config(self, on: &Prepared, budget: f64) -> Result<(tail_sampling::Config, f64), String> {
        let percent = budget * 100.0;
        let (policies, rest) = match self {
            Self::Usual => usual(on, budget),
            Self::ScoreAlone => (adaptive(&format!("sampling_percentage: {percent}, {ONLY_ANOMALIES}")), 1.0),
            Self::Adaptive => (adaptive(&format!("sampling_percentage: {percent}")), 1.0),
            Self::AdaptiveBytes => {
                let by_second = budget * on.bytes.iter().sum::<u64>() as f64 / on.seconds();
                (adaptive(&format!("bytes_per_second: {by_second}")), 1.0)
            }
            _ => (probabilistic(budget), budget),
        };
        let yaml = format!("decision_wait: 1s\nnum_traces: 200000\npolicies: [{policies}]\n");
        Ok((decode(&yaml)?, rest))
    }
}

const ONLY_ANOMALIES: &str = "shares: {anomaly: 100, novelty: 0, baseline: 0}";

fn adaptive(keys: &str) -> String {
    format!("{{name: adaptive, type: adaptive, adaptive: {{{keys}}}}}")
}

fn probabilistic(share: f64) -> String {
    format!("{{name: rest, type: probabilistic, probabilistic: {{sampling_percentage: {}}}}}", share * 100.0)
}

/// Errors, the slowest by a threshold that somebody read off a dashboard (p99, or half of the
/// budget where that is less), and what is left of the budget for the rest.
fn usual(on: &Prepared, budget: f64) -> (String, f64) {
    let mut sorted = on.durations_ms.clone();
    sorted.sort_by(f64::total_cmp);
    let quantile = 1.0 - f64::min(0.01, budget / 2.0);
    let threshold = sorted[((sorted.len() - 1) as f64 * quantile) as usize].floor();
    let is_certain = |(error, duration): (&bool, &f64)| *error || duration.floor() > threshold;
    let certain = on.errors.iter().zip(&on.durations_ms).filter(|trace| is_certain(*trace)).count();
    let certain = certain as f64 / sorted.len() as f64;
    let rest = ((budget - certain) / (1.0 - certain)).max(0.0);
    let policies = format!(
        "{{name: errors, type: status_code, status_code: {{status_codes: [ERROR]}}}}, \
         {{name: slow, type: latency, latency: {{threshold_ms: {threshold}}}}}, {}",
        probabilistic(rest),
    );
    (policies, rest)
}

impl Verdicts {
    fn of(config: &tail_sampling::Config, on: &Prepared, drawn: &Requests, rest: f64) -> Self {
        let ran = run(config, &on.stream, drawn);
        let mut verdicts =
            Self { nanos_per_span: Some(ran.nanos as f64 / on.stream.spans() as f64), ..Self::default() };
        let last = config.policies.len().saturating_sub(1);
        for record in &ran.decisions {
            let kept = record.outcome == Outcome::Sampled;
            verdicts.kept.push(kept);
            verdicts.weights.push(if kept { weight(record, last, rest) } else { 0.0 });
            verdicts.waits.push(record.waited.as_secs_f64());
            let finding = record.finding.as_deref();
            verdicts.scores.extend(finding.map(|finding| finding.excess_nanos as f64));
            let operation = finding.and_then(|finding| finding.operation.as_ref());
            verdicts.blamed.push(operation.map(|found| (found.service.to_string(), found.name.to_string())));
        }
        verdicts
    }
}

/// Adjusted count of a kept trace: that of its recorded chance, or that of the last policy where
/// it alone kept the trace.
fn weight(record: &DecisionRecord, last: usize, rest: f64) -> f64 {
    let is_rule = (0..last).any(|place| record.policies.of(place) == PolicyVerdict::Sampled);
    let chance = record.chance.probability().unwrap_or(1.0);
    if chance < 1.0 || is_rule { 1.0 / chance } else { 1.0 / rest }
}

fn root_latency(on: &Prepared, budget: f64) -> Verdicts {
    let mut recent: VecDeque<f64> = VecDeque::new();
    let mut sorted: Vec<f64> = Vec::new();
    let mut verdicts = Verdicts::default();
    for trace in &on.stream.traces {
        let latency = trace.root_nanos() as f64;
        let place = (sorted.len() as f64 * (1.0 - budget)) as usize;
        let kept = sorted.get(place).is_some_and(|threshold| latency > *threshold);
        verdicts.kept.push(kept);
        verdicts.weights.push(f64::from(u8::from(kept)));
        sorted.insert(sorted.partition_point(|other| *other < latency), latency);
        recent.push_back(latency);
        if recent.len() > LATENCIES {
            let oldest = recent.pop_front().unwrap_or(0.0);
            sorted.remove(sorted.partition_point(|other| *other < oldest));
        }
    }
    verdicts
}

fn twin(on: &Prepared, budget: f64, seed: u64) -> Verdicts {
    let config = BankedConfig::credited(budget, on.stream.traces.len() as f64 * DEPTH_SHARE);
    let chances = probabilities(&on.stream, &on.facts, &on.scored, &config);
    let mut random = Random::new(seed);
    let kept: Vec<bool> = chances.iter().map(|chance| random.chance(*chance)).collect();
    let weights = kept.iter().zip(&chances).map(|(kept, chance)| if *kept { 1.0 / chance } else { 0.0 }).collect();
    let blamed = on.stream.traces.iter().zip(&on.scored).map(|(trace, scored)| {
        let operation = &on.stream.operations[trace.spans[scored.top?].operation as usize];
        Some((operation.service.clone(), operation.name.clone()))
    });
    Verdicts {
        kept,
        weights,
        scores: on.scored.iter().map(|scored| scored.excess).collect(),
        blamed: blamed.collect(),
        ..Verdicts::default()
    }
}
