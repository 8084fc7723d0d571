//! `tailwater replay`: recorded traces through the processors of a config, and what they keep.
//! Reads, asks `crate::replay`, prints.

mod table;
mod text;

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::json;

use self::table::Paint;
use super::generate::grouped;
use super::{ConfigArguments, Exit, Terminal, complain, load};
use crate::model::{Instant, Signal};
use crate::pipeline::{Clock, PipelineId, SystemClock};
use crate::replay::{
    self, Format, Input, Labels, Loader, Options, Plan, Recording, ReplayError, Report, Run, Versus, write_decisions,
};
use crate::service::ServiceConfig;

/// Time between two drawings of the progress.
const PROGRESS_PERIOD: Duration = Duration::from_millis(100);

/// How the report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// The format of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum InputFormat {
    /// One protobuf request or TracesData.
    Proto,
    /// Messages behind their 4-byte lengths, as file exporters write them.
    Frames,
    /// OTLP/JSON: lines, a document or an array.
    Json,
    /// Jaeger's JSON.
    Jaeger,
    /// Zipkin's v2 JSON.
    Zipkin,
    /// A table of spans.
    Csv,
}

/// Sends recorded traces through the processors of a config, as fast as it can, with a clock that
/// follows the spans; reports what they keep. No receiver or exporter is opened.
///
/// Exit status: 0 when the recording was replayed, 1 when it cannot be read, 2 when the arguments
/// or the config are wrong.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    /// Files and folders: a file exporter's output, OTLP protobuf or JSON, Jaeger JSON, Zipkin v2
    /// JSON, or CSV; packed by gzip or zstd or not; - is standard input
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<String>,
    /// Another config, to see what it would gain and lose
    #[arg(long, value_name = "SOURCE")]
    against: Option<String>,
    /// The pipeline whose processors are meant, when there are several of traces
    #[arg(long, value_name = "ID", value_parser = pipeline)]
    pipeline: Option<PipelineId>,
    /// Known labels: CSV with trace_id and label, or the tables that docs/replay.md names
    #[arg(long, value_name = "FILE")]
    labels: Vec<String>,
    /// Writes a line of JSON for every trace
    #[arg(long, value_name = "FILE")]
    decisions: Option<PathBuf>,
    /// Share of the traces that should be kept, such as 0.05, to be held against what is
    #[arg(long, value_name = "SHARE", value_parser = share)]
    target: Option<f64>,
    /// The format of the input [default: told by its content]
    #[arg(long, value_enum)]
    format: Option<InputFormat>,
    /// Count broken records and leave them out, instead of stopping at the first
    #[arg(long)]
    skip_invalid: bool,
    /// Shards of processors that keep state by trace, as a machine with so many cores has
    #[arg(long, default_value = "1")]
    shards: NonZeroUsize,
    /// How the report is printed
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

impl From<InputFormat> for Format {
    fn from(format: InputFormat) -> Self {
        match format {
            InputFormat::Proto => Self::Proto,
            InputFormat::Frames => Self::Frames,
            InputFormat::Json => Self::Json,
            InputFormat::Jaeger => Self::Jaeger,
            InputFormat::Zipkin => Self::Zipkin,
            InputFormat::Csv => Self::Csv,
        }
    }
}

fn pipeline(text: &str) -> Result<PipelineId, String> {
    PipelineId::parse(text).map_err(|error| error.to_string())
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("write a number above 0 and up to 1, such as 0.05 for one of twenty".to_owned()),
    }
}

/// Replays and prints the report.
pub fn run(arguments: &Arguments, config: &ConfigArguments, terminal: &mut Terminal<'_>) -> Exit {
    let Some(first) = checked(config, terminal) else { return Exit::Usage };
    let other = ConfigArguments { gates: config.gates.clone(), ..ConfigArguments::default() };
    let against = match &arguments.against {
        None => None,
        Some(source) => match checked(&ConfigArguments { sources: vec![source.clone()], ..other }, terminal) {
            Some(second) => Some((source.as_str(), second)),
            None => return Exit::Usage,
        },
    };
    let mut work = Work { arguments, terminal, clock: SystemClock::new(), drawn: None };
    match work.run(config, &first, against.as_ref().map(|(name, config)| (*name, config))) {
        Ok(exit) => exit,
        Err(error) => {
            work.clear();
            let exit = if matches!(error, ReplayError::Config(_)) { Exit::Usage } else { Exit::Failure };
            terminal.complain(&format!("error: {error}\n"));
            exit
        }
    }
}

/// The config, if it has no errors; its problems are said.
fn checked(config: &ConfigArguments, terminal: &mut Terminal<'_>) -> Option<ServiceConfig> {
    let loaded = load(config);
    complain(&loaded, terminal);
    loaded.config
}

/// The pipeline that is meant: the one that is named, the only one of traces, or the only one of
/// them that has processors.
fn choose<'a>(config: &'a ServiceConfig, named: Option<&PipelineId>) -> Result<&'a PipelineId, ReplayError> {
    let of_traces = || config.pipelines.iter().filter(|(id, _)| id.signal == Signal::Traces);
    let known = || of_traces().map(|(id, _)| id.to_string()).collect::<Vec<_>>().join(", ");
    if let Some(named) = named {
        let found = of_traces().find(|(id, _)| *id == named).map(|(id, _)| id);
        let missing = || format!("there is no pipeline \"{named}\" of traces; there are: {}", known());
        return found.ok_or_else(|| ReplayError::Config(missing()));
    }
    let with_processors = || of_traces().filter(|(_, parts)| !parts.processors.is_empty());
    match (of_traces().count(), with_processors().count()) {
        (0 | 1, _) => of_traces().next(),
        (_, 1) => with_processors().next(),
        _ => {
            return Err(ReplayError::Config(format!("choose one of several pipelines with --pipeline: {}", known())));
        }
    }
    .map(|(id, _)| id)
    .ok_or_else(|| ReplayError::Config("the config has no pipeline of traces".to_owned()))
}

/// The name of a config without its folders, where that tells it from the other one.
fn short<'a>(name: &'a str, other: Option<&str>) -> &'a str {
    let last = |name: &'a str| name.rsplit('/').next().unwrap_or(name);
    let is_same = other.is_some_and(|other| other.rsplit('/').next() == Some(last(name)));
    if is_same || name.starts_with("yaml:") { name } else { last(name) }
}

/// A replay at work.
struct Work<'a, 'b> {
    arguments: &'a Arguments,
    terminal: &'a mut Terminal<'b>,
    clock: SystemClock,
    /// When the progress was last drawn, if it is on the screen.
    drawn: Option<Instant>,
}

impl Work<'_, '_> {
    fn run(
        &mut self,
        sources: &ConfigArguments,
        first: &ServiceConfig,
        against: Option<(&str, &ServiceConfig)>,
    ) -> Result<Exit, ReplayError> {
        let arguments = self.arguments;
        let pipeline = choose(first, arguments.pipeline.as_ref())?;
        let other = against.map(|(name, config)| Ok((name, config, choose(config, arguments.pipeline.as_ref())?)));
        let other = other.transpose()?;
        let labels = self.labels()?;
        let recording = self.read()?;
        let run = self.replay(&recording, Plan { config: first, pipeline, shards: arguments.shards }, "")?;
        let report = Report::of(&recording, &run, labels.as_ref(), arguments.target);
        self.write_decisions(&recording, &run)?;
        let full = sources.sources.first().map_or("the built-in config", String::as_str);
        let name = short(full, against.map(|(name, _)| name));
        let mut shown = text::Shown { recording: &recording, name, report: &report, other: None };
        let mut second = None;
        if let Some((name, config, pipeline)) = other {
            let name = short(name, Some(full));
            let run_of_other = self.replay(&recording, Plan { config, pipeline, shards: arguments.shards }, name)?;
            let report = Report::of(&recording, &run_of_other, labels.as_ref(), arguments.target);
            second = Some((name, report, Versus::of(&recording, &run, &run_of_other, labels.as_ref())));
        }
        shown.other = second.as_ref().map(|(name, report, versus)| (*name, report, versus));
        let paint = Paint { has_colour: self.terminal.colour && io::stdout().is_terminal() };
        Ok(match arguments.output {
            Output::Text => self.terminal.print(&text::render(&shown, paint)),
            Output::Json => self.terminal.print(&format!("{:#}\n", as_json(&shown))),
        })
    }

    fn labels(&mut self) -> Result<Option<Labels>, ReplayError> {
        let mut labels = Labels::default();
        for name in &self.arguments.labels {
            labels.add(name, &replay::read(&Input::File(name.into()))?)?;
        }
        if !self.arguments.labels.is_empty() && labels.is_empty() {
            let reason = "no trace has a label".to_owned();
            return Err(ReplayError::Labels { name: self.arguments.labels.join(", "), reason });
        }
        Ok(Some(labels).filter(|labels| !labels.is_empty()))
    }

    fn read(&mut self) -> Result<Recording, ReplayError> {
        let started = self.clock.now().mono;
        let inputs = replay::inputs(&self.arguments.inputs)?;
        let options =
            Options { format: self.arguments.format.map(Format::from), skip_invalid: self.arguments.skip_invalid };
        let mut loader = Loader::new(options);
        for (done, input) in inputs.iter().enumerate() {
            self.progress("reading", done, inputs.len());
            let content = replay::read(input)?;
            // Folders of recordings hold licences and notes as well.
            if let (Input::Found(_), None, Err(reason)) = (input, options.format, Format::of(&content)) {
                self.clear();
                self.terminal.complain(&format!("left out: {input}: {reason}\n"));
                continue;
            }
            loader.add(&input.to_string(), content)?;
        }
        let recording = loader.finish()?;
        self.clear();
        self.took("read", "", &recording, started);
        for broken in &recording.invalid_named {
            self.terminal.complain(&format!("left out: {broken}\n"));
        }
        let more = recording.invalid.saturating_sub(recording.invalid_named.len() as u64);
        if more > 0 {
            self.terminal.complain(&format!("left out: {} more\n", grouped(more)));
        }
        Ok(recording)
    }

    fn replay(&mut self, recording: &Recording, plan: Plan<'_>, name: &str) -> Result<Run, ReplayError> {
        let started = self.clock.now().mono;
        let of = recording.arrivals.len();
        let run = replay::replay(recording, plan, &mut |done| self.progress("replaying", done, of))?;
        self.clear();
        self.took("replayed", name, recording, started);
        Ok(run)
    }

    fn write_decisions(&mut self, recording: &Recording, run: &Run) -> Result<(), ReplayError> {
        let Some(path) = &self.arguments.decisions else { return Ok(()) };
        let write = |path: &Path| {
            let mut out = BufWriter::new(File::create(path)?);
            write_decisions(recording, run, &mut out)?;
            out.flush()
        };
        let failed =
            |error: io::Error| ReplayError::Unwritable { name: path.display().to_string(), reason: error.to_string() };
        write(path).map_err(failed)
    }

    /// Draws how far the work is, on a terminal and not too often.
    fn progress(&mut self, what: &str, done: usize, of: usize) {
        let now = self.clock.now().mono;
        let is_early = self.drawn.is_some_and(|drawn| now.since(drawn) < PROGRESS_PERIOD);
        if is_early || !io::stderr().is_terminal() {
            return;
        }
        const CELLS: usize = 24;
        let filled = (done * CELLS / of.max(1)).min(CELLS);
        let bar = format!("{}{}", "━".repeat(filled), "─".repeat(CELLS - filled));
        self.terminal.complain(&format!("\r\x1b[K{bar} {what} {} of {}", grouped(done as u64), grouped(of as u64)));
        self.drawn = Some(now);
    }

    fn clear(&mut self) {
        if self.drawn.take().is_some() {
            self.terminal.complain("\r\x1b[K");
        }
    }

    /// Says how long a step took: not part of the report, which is the same each time.
    fn took(&mut self, what: &str, name: &str, recording: &Recording, started: Instant) {
        let seconds = self.clock.now().mono.since(started).as_secs_f64();
        let rate = if seconds > 0.0 { recording.spans as f64 / seconds } else { 0.0 };
        let through = if name.is_empty() { String::new() } else { format!(" through {name}") };
        self.terminal.complain(&format!(
            "{what} {} spans{through} in {seconds:.2} s, {} a second\n",
            grouped(recording.spans),
            grouped(rate as u64)
        ));
    }
}

fn as_json(shown: &text::Shown<'_>) -> serde_json::Value {
    let recording = shown.recording;
    let mut json = json!({
        "config": shown.name,
        "files": recording.files,
        "seconds": recording.seconds(),
        "invalid": recording.invalid,
        "duplicates": recording.duplicates,
        "report": shown.report,
    });
    if let Some((name, report, versus)) = &shown.other {
        json["against"] = json!({ "config": name, "report": report, "versus": versus });
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::load_text;

    #[test]
    fn the_pipeline_with_processors_is_meant_when_there_is_one() {
        let config = |pipelines: &str| {
            let text = format!(
                "receivers: {{nop: }}\nexporters: {{nop: }}\nprocessors: {{batch: }}\nservice: {{pipelines: {{{pipelines}}}}}"
            );
            load_text(&text).config.unwrap()
        };
        let plain = "{receivers: [nop], exporters: [nop]}";
        let with = "{receivers: [nop], processors: [batch], exporters: [nop]}";
        let one = config(&format!("traces/a: {plain}, traces/b: {with}, logs: {with}"));
        assert_eq!(choose(&one, None).unwrap().to_string(), "traces/b");
        let named = PipelineId::parse("traces/a").unwrap();
        assert_eq!(choose(&one, Some(&named)).unwrap(), &named);
        let two = config(&format!("traces/a: {with}, traces/b: {with}"));
        assert!(choose(&two, None).unwrap_err().to_string().ends_with("--pipeline: traces/a, traces/b"));
        assert!(choose(&config(&format!("logs: {plain}")), None).is_err());
    }

    #[test]
    fn a_config_is_named_by_its_file_unless_the_other_one_has_that_name() {
        assert_eq!(short("a/b/x.yaml", Some("c/y.yaml")), "x.yaml");
        assert_eq!(short("a/x.yaml", Some("b/x.yaml")), "a/x.yaml");
        assert_eq!(short("yaml:{a: /b}", None), "yaml:{a: /b}");
    }
}
