//! The command line as `clap` reads it. Each sub-command keeps its own arguments in its file.

use std::sync::LazyLock;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::exit::EXIT_CODES;
use super::{components, demo, explain, generate, print_config, replay, validate};
use crate::config::parse_duration;

/// The whole command line.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "tailwater",
    version = version(),
    about = "An OpenTelemetry-compatible tracing pipeline: raw bytes in, decided traces out",
    after_help = EXIT_CODES,
    args_conflicts_with_subcommands = false
)]
pub struct CommandLine {
    /// Where the config comes from.
    #[command(flatten)]
    pub config: ConfigArguments,
    /// How lines look.
    #[command(flatten)]
    pub output: OutputArguments,
    /// How long a stopping pipeline may take to hand on what it holds, such as 30s; the rest is
    /// counted as dropped
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub drain: Duration,
    /// What to do; without one the pipeline runs.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Where the config comes from.
#[derive(Clone, Debug, Default, Args)]
pub struct ConfigArguments {
    /// A config: a path, file:PATH, env:NAME or yaml:TEXT; may be repeated, later ones are laid over
    #[arg(long = "config", value_name = "SOURCE", global = true)]
    pub sources: Vec<String>,
    /// Sets one value over all configs, such as processors.batch.timeout=2s; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", global = true)]
    pub sets: Vec<String>,
    /// Turns feature gates of the Collector on (id, +id) or off (-id), separated by commas
    #[arg(long = "feature-gates", value_name = "IDS", global = true, allow_hyphen_values = true)]
    pub gates: Vec<String>,
}

/// How lines look.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct OutputArguments {
    /// How log lines look; beats service::telemetry::logs::encoding
    #[arg(long = "log-format", value_enum, value_name = "FORMAT", global = true)]
    pub log_format: Option<LogFormat>,
    /// When to use colours; NO_COLOR counts for auto
    #[arg(long = "color", value_enum, value_name = "WHEN", default_value = "auto", global = true)]
    pub colour: Colour,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Predicts whether a config starts: file, components, pipelines, ports, files, addresses
    Validate(validate::Arguments),
    /// Lists every component of this build with its signals and stability
    Components(components::Arguments),
    /// Prints the merged and expanded config, with secrets masked
    #[command(alias = "print-initial-config")]
    PrintConfig(print_config::Arguments),
    /// Says why a running instance kept or dropped a trace
    Explain(explain::Arguments),
    /// Sends generated traces to an OTLP port and says what became of them
    Generate(generate::Arguments),
    /// Feeds the default pipeline from a simulated shop and shows what it keeps, and why
    Demo(demo::Arguments),
    /// Sends recorded traces through a config's processors and reports what they keep, and why
    Replay(Box<replay::Arguments>),
}

/// A time as the config file writes it: `30s`, `1m30s`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

/// Version, and the commit when the build knew it (`TAILWATER_COMMIT`).
pub fn version() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| match option_env!("TAILWATER_COMMIT") {
        Some(commit) if !commit.is_empty() => format!("{} ({commit})", env!("CARGO_PKG_VERSION")),
        _ => env!("CARGO_PKG_VERSION").to_owned(),
    });
    &TEXT
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(arguments: &[&str]) -> CommandLine {
        CommandLine::try_parse_from(std::iter::once(&"tailwater").chain(arguments)).unwrap()
    }

    #[test]
    fn the_definition_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn config_arguments_stand_before_or_after_the_sub_command() {
        for arguments in [["--config=a", "--config=b", "validate"], ["validate", "--config=a", "--config=b"]] {
            let line = parse(&arguments);
            assert_eq!(line.config.sources, ["a", "b"]);
            assert!(matches!(line.command, Some(Command::Validate(_))));
        }
    }

    #[test]
    fn a_run_takes_the_collectors_flags() {
        let line = parse(&["--config", "yaml:a::b: 1", "--set", "a.b=c", "--feature-gates", "-x,+y"]);
        assert!(line.command.is_none());
        assert_eq!((line.config.sets[0].as_str(), line.config.gates[0].as_str()), ("a.b=c", "-x,+y"));
        assert_eq!(
            (line.drain, parse(&["--drain", "1m30s"]).drain),
            (Duration::from_secs(30), Duration::from_secs(90))
        );
        assert!(matches!(parse(&["print-initial-config"]).command, Some(Command::PrintConfig(_))));
    }
}
