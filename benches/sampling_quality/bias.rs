//! Whether adjusted counts are right on average, which needs no labels.

use std::collections::BTreeMap;

use tailwater::model::MemoryAccount;

use crate::prepared::Prepared;
use crate::report::Style;
use crate::samplers::Sampler;

/// Root operations with fewer traces are too noisy to say anything.
const GROUP_MIN: u64 = 300;
const BAR: f64 = 0.02;

/// Sums over seeds.
#[derive(Default)]
struct Sums {
    traces: u64,
    sum: f64,
    squares: f64,
}

impl Sums {
    fn add(&mut self, weights: f64) {
        let ratio = weights / self.traces as f64;
        self.sum += ratio;
        self.squares += ratio * ratio;
    }

    /// Mean, and the standard error of the mean.
    fn mean(&self, seeds: f64) -> (f64, f64) {
        let mean = self.sum / seeds;
        let variance = (self.squares / seeds - mean * mean).max(0.0) * seeds / (seeds - 1.0).max(1.0);
        (mean, (variance / seeds).sqrt())
    }
}

/// Runs one sampler over many seeds and prints the mean of the sum of weights over the count;
/// returns how many are off by more than the bar and the noise.
pub(crate) fn print(style: Style, on: &Prepared, sampler: Sampler, budget: f64, seeds: u64) -> usize {
    let mut all = Sums { traces: on.stream.traces.len() as u64, ..Sums::default() };
    let mut roots: BTreeMap<u32, Sums> = BTreeMap::new();
    for trace in &on.stream.traces {
        roots.entry(trace.root().operation).or_default().traces += 1;
    }
    for seed in 0..seeds {
        let drawn = on.templates.draw(1_000 + seed, &MemoryAccount::default());
        let Ok(verdicts) = sampler.run(on, &drawn, budget, 1_000 + seed) else { return 0 };
        all.add(verdicts.weights.iter().sum());
        let mut by_root: BTreeMap<u32, f64> = BTreeMap::new();
        for (trace, weight) in on.stream.traces.iter().zip(&verdicts.weights) {
            *by_root.entry(trace.root().operation).or_default() += weight;
        }
        by_root.into_iter().for_each(|(root, sum)| roots.entry(root).or_default().add(sum));
    }
    let heading = format!(
        "{}: sum of weights / count, {} at {:.0} %, mean of {seeds} seeds",
        on.stream.name,
        sampler.name(),
        budget * 100.0
    );
    style.heading(&heading);
    style.names("root operation", &["traces", "mean", "+- s.e.", ""]);
    let mut missed = usize::from(line(style, "all", &all, seeds));
    for (root, sums) in roots.iter().filter(|(_, sums)| sums.traces >= GROUP_MIN) {
        let operation = &on.stream.operations[*root as usize];
        missed += usize::from(line(style, &format!("{} {}", operation.service, operation.name), sums, seeds));
    }
    missed
}

/// Returns whether the bar is missed.
fn line(style: Style, name: &str, sums: &Sums, seeds: u64) -> bool {
    let (mean, error) = sums.mean(seeds as f64);
    let word = match (mean - 1.0).abs() {
        off if off <= BAR => "holds",
        off if off <= BAR + 2.0 * error => "noise",
        _ => "MISSED",
    };
    style.row(name, &[sums.traces.to_string(), format!("{mean:.3}"), format!("{error:.3}"), word.to_owned()]);
    word == "MISSED"
}
