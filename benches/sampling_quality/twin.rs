//! Prints what the plain twin of the algorithm reaches on a stream, without the processor.

use tailwater::evaluation::{area_under_curve, average_precision, rate_error, recall, weighted_ks};

use crate::random::Random;
use crate::reference::banked::{Banked, BankedConfig};
use crate::reference::facts::{Facts, facts};
use crate::reference::score::{ScoreConfig, Scored, scores};
use crate::stream::Stream;

/// Depth of the bank in parts of the stream's budget: 3.7 hours of a stream of 12.
pub(crate) const DEPTH_SHARE: f64 = 0.3;
const SEEDS: u64 = 30;

/// Variants of the score, then of the sampler.
pub(crate) fn print(stream: &Stream) {
    println!("\n{}: the score, in plain code", stream.name);
    for (name, config) in variants() {
        let scored = scores(stream, config);
        let (auc, precision) = quality(stream, &scored);
        println!("  {name:<44} AUC {auc:.4}  AP {precision:.4}");
    }
    let (facts, scored) = (facts(stream), scores(stream, ScoreConfig::default()));
    println!("\n{}: the sampler, in plain code; means of {SEEDS} seeds", stream.name);
    let depth = stream.traces.len() as f64 * DEPTH_SHARE;
    type Make = fn(f64, f64) -> BankedConfig;
    let rules: [(&str, Make); 2] =
        [("as written", BankedConfig::as_written), ("strong ones apart, start lent", BankedConfig::credited)];
    for (name, make) in rules {
        for budget in [0.01, 0.02, 0.05, 0.1] {
            let config = make(budget, depth);
            row(&format!("{name}, score alone"), stream, &facts, &scored, &config.clone().score_alone());
            row(&format!("{name}, mix"), stream, &facts, &scored, &config);
        }
    }
}

fn variants() -> Vec<(&'static str, ScoreConfig)> {
    let usual = ScoreConfig::default;
    vec![
        ("p97.5, 15 min, 0.9 * reference + current", usual()),
        ("p95", ScoreConfig { quantile: 0.95, ..usual() }),
        ("p99", ScoreConfig { quantile: 0.99, ..usual() }),
        ("values learned as at most 4 thresholds", ScoreConfig { clip: 4.0, ..usual() }),
        ("0.8 * reference + current", ScoreConfig { decay: 0.8, ..usual() }),
        ("rotated every 5 min", ScoreConfig { window: 300_000_000_000, ..usual() }),
        ("a window without spans fades the reference", ScoreConfig { idle_fades: true, ..usual() }),
    ]
}

/// Area under the curve, and average precision.
fn quality(stream: &Stream, scored: &[Scored]) -> (f64, f64) {
    let scores: Vec<f64> = scored.iter().map(|scored| scored.excess).collect();
    let labels = stream.labels();
    (area_under_curve(&labels, &scores).unwrap_or(f64::NAN), average_precision(&labels, &scores).unwrap_or(f64::NAN))
}

/// Probability of every trace.
pub(crate) fn probabilities(stream: &Stream, facts: &[Facts], scored: &[Scored], config: &BankedConfig) -> Vec<f64> {
    let mut sampler = Banked::new(config.clone());
    let traces = stream.traces.iter().zip(facts).zip(scored);
    traces.map(|((trace, facts), scored)| sampler.probability(trace.end(), facts, scored.excess)).collect()
}

fn row(name: &str, stream: &Stream, facts: &[Facts], scored: &[Scored], config: &BankedConfig) {
    let chances = probabilities(stream, facts, scored, config);
    let (labels, durations) = (stream.labels(), stream.root_durations());
    let (mut found, mut rate, mut distance, mut sum) = (0.0, 0.0, 0.0, 0.0);
    for seed in 0..SEEDS {
        let mut random = Random::new(seed);
        let kept: Vec<bool> = chances.iter().map(|chance| random.chance(*chance)).collect();
        let of_kept = |trace: usize| kept[trace].then(|| (durations[trace], 1.0 / chances[trace]));
        let weighted: Vec<(f64, f64)> = (0..kept.len()).filter_map(of_kept).collect();
        let target = config.budget * kept.len() as f64;
        found += recall(&labels, &kept).unwrap_or(0.0);
        rate += rate_error(weighted.len() as u64, target).unwrap_or(0.0);
        distance += weighted_ks(&durations, &weighted).unwrap_or(1.0);
        sum += weighted.iter().map(|(_, weight)| weight).sum::<f64>() / kept.len() as f64;
    }
    let mean = |sum: f64| sum / SEEDS as f64;
    println!(
        "  {name:<44} {:>3.0} %  recall {:.3}  kept/target {:+.3}  weighted KS {:.3}  weights/count {:.3}",
        config.budget * 100.0,
        mean(found),
        mean(rate),
        mean(distance),
        mean(sum),
    );
}
