//! How good `tail_sampling` is at keeping the traces that matter: streams with known faults go
//! through the real processor, and every measure is printed beside other samplers'.
//!
//! `cargo bench --bench sampling_quality`, and after `--`: `--quick` for one seed and two budgets,
//! `--check` for what the bars need, failing when one is missed by more than noise, `--markdown` for tables of a document, `--reference` for the plain twin alone. The folder of
//! the TrainTicket traces is read from `TAILWATER_NEZHA`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its numbers")]

mod bias;
mod metrics;
mod otlp;
mod prepared;
mod random;
mod reference;
mod report;
mod run;
mod samplers;
mod stream;
mod twin;

use std::path::PathBuf;
use std::process::ExitCode;

use metrics::Measured;
use prepared::Prepared;
use report::Style;
use samplers::Sampler;
use stream::Stream;
use tailwater::model::MemoryAccount;

/// Where the TrainTicket traces are unless the environment says it.
const NEZHA: &str = "../shared/data/nezha/trainticket";

/// How much is run.
struct Extent {
    budgets: &'static [f64],
    seeds: u64,
    bias_seeds: u64,
}

const WHOLE: Extent = Extent { budgets: &[0.01, 0.02, 0.05, 0.1], seeds: 5, bias_seeds: 30 };
/// As many seeds as the bars are stated for.
const BARS: Extent = Extent { budgets: &[0.05, 0.1], seeds: 5, bias_seeds: 30 };
const QUICK: Extent = Extent { budgets: &[0.05, 0.1], seeds: 1, bias_seeds: 0 };

fn nezha() -> Option<Stream> {
    let folder = std::env::var_os("TAILWATER_NEZHA").map_or_else(|| PathBuf::from(NEZHA), PathBuf::from);
    let stream = stream::nezha::load(&folder);
    if stream.is_none() {
        println!("S3 is left out: no traces in {}; set TAILWATER_NEZHA", folder.display());
    }
    stream
}

fn describe(style: Style, stream: &Stream) {
    let (traces, affected) = (stream.traces.len(), stream.affected());
    style.title(&format!(
        "{}: {traces} traces, {} spans, {} operations, {affected} affected ({:.1} %), {} faults",
        stream.name,
        stream.spans(),
        stream.operations.len(),
        affected as f64 * 100.0 / traces as f64,
        stream.faults.len(),
    ));
}

/// Every sampler that ran, with the means over the seeds.
type Rows = Vec<(Sampler, Measured)>;

/// What one sampler did at one budget, seed by seed.
type Runs = Vec<Result<Measured, String>>;

/// Budget by budget; and why a sampler is missing.
fn rows(on: &Prepared, extent: &Extent) -> (Vec<Rows>, Vec<String>) {
    let samplers: Vec<Sampler> = Sampler::ALL.into_iter().filter(|sampler| sampler.suits(on)).collect();
    let mut runs: Vec<Vec<Runs>> = vec![vec![Vec::new(); samplers.len()]; extent.budgets.len()];
    for seed in 0..extent.seeds {
        let drawn = on.templates.draw(seed, &MemoryAccount::default());
        for (budget, of_budget) in extent.budgets.iter().zip(&mut runs) {
            for (sampler, of_sampler) in samplers.iter().zip(of_budget) {
                let verdicts = sampler.run(on, &drawn, *budget, seed);
                let in_bytes = sampler.is_in_bytes();
                of_sampler.push(verdicts.map(|verdicts| metrics::measure(on, &verdicts, *budget, in_bytes)));
            }
        }
    }
    let mut missing = Vec::new();
    let mut of_sampler = |(sampler, runs): (&Sampler, Runs)| match runs.into_iter().collect::<Result<Vec<_>, _>>() {
        Ok(runs) => Some((*sampler, report::mean(&runs))),
        Err(error) => {
            missing.push(format!("{} is left out: {}", sampler.name(), error.split(';').next().unwrap_or("")));
            None
        }
    };
    let of_budget = |runs: Vec<Runs>| samplers.iter().zip(runs).filter_map(&mut of_sampler).collect();
    let rows = runs.into_iter().map(of_budget).collect();
    missing.dedup();
    (rows, missing)
}

/// Prints the tables of one stream; returns how many bars are missed.
fn evaluate(style: Style, stream: Stream, extent: &Extent) -> usize {
    let mut missed = 0;
    describe(style, &stream);
    let on = Prepared::new(stream);
    let (rows, missing) = rows(&on, extent);
    missing.iter().for_each(|missing| style.note(missing));
    for (budget, rows) in extent.budgets.iter().zip(&rows) {
        let named: Vec<(&str, &Measured)> = rows.iter().map(|(sampler, run)| (sampler.name(), run)).collect();
        let heading = format!("{}, budget {:.0} %", on.stream.name, budget * 100.0);
        style.table(&heading, &named);
        if on.stream.name == "S3" {
            let of = |wanted: Sampler| rows.iter().find(|(sampler, _)| *sampler == wanted).map(|(_, run)| &run.row);
            missed += report::bars(style, *budget, of(Sampler::ScoreAlone), of(Sampler::Adaptive));
        } else if on.stream.name == "S5" {
            style.kinds(&format!("{heading}: recall by kind of fault"), &on.kinds, &named);
        }
    }
    if extent.bias_seeds > 0 {
        missed += bias::print(style, &on, Sampler::Adaptive, 0.1, extent.bias_seeds);
    }
    missed
}

fn main() -> ExitCode {
    let given = |flag: &str| std::env::args().any(|argument| argument == flag);
    let style = if given("--markdown") { Style::Markdown } else { Style::Text };
    let extent = match (given("--quick"), given("--check")) {
        (true, _) => &QUICK,
        (_, true) => &BARS,
        _ => &WHOLE,
    };
    let real: Vec<Stream> = nezha().into_iter().collect();
    let rearranged =
        || real.iter().flat_map(|real| [stream::rearranged::early(real), stream::rearranged::thinned(real)]);
    let mut streams: Vec<Stream> =
        if extent.budgets.len() < WHOLE.budgets.len() { Vec::new() } else { rearranged().collect() };
    streams.push(stream::generated::generate());
    let streams = real.into_iter().chain(streams);
    if given("--reference") {
        streams.for_each(|stream| twin::print(&stream));
        return ExitCode::SUCCESS;
    }
    let missed: usize = streams.map(|stream| evaluate(style, stream, extent)).sum();
    match missed {
        missed if missed > 0 && given("--check") => {
            println!("\n{missed} bars are missed");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
