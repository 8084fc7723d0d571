//! Floor 5: the command line, one file a sub-command. Only here and in `main` is anything printed.

pub mod arguments;
pub mod components;
pub mod demo;
pub mod exit;
pub mod explain;
pub mod generate;
pub mod print_config;
pub mod process;
pub mod replay;
pub mod run;
pub mod terminal;
pub mod validate;

use std::ffi::OsString;
use std::path::Path;

use clap::Parser;

pub use arguments::{Colour, Command, CommandLine, ConfigArguments, LogFormat};
pub use exit::Exit;
pub use terminal::Terminal;

use crate::config::{Inputs, Providers, Report, render};
use crate::service::{self, Loaded, ServiceConfig};

/// Tries to build the service from a checked config, and reports why it cannot be built.
pub type BuildCheck<'a> = &'a dyn Fn(&ServiceConfig, &mut Report);

/// Reads the command line. Help, version and mistakes are printed here.
///
/// # Errors
/// The code to exit with, when there is nothing left to do.
pub fn parse<I>(arguments: I) -> Result<CommandLine, Exit>
where
    I: IntoIterator,
    I::Item: Into<OsString> + Clone,
{
    CommandLine::try_parse_from(arguments).map_err(|error| {
        // A closed pipe is no reason to fail a second time.
        let _ = error.print();
        if error.use_stderr() { Exit::Usage } else { Exit::Ok }
    })
}

/// Runs a sub-command. `build` is asked by `validate`.
pub fn run(command: &Command, config: &ConfigArguments, build: BuildCheck<'_>, terminal: &mut Terminal<'_>) -> Exit {
    match command {
        Command::Explain(arguments) => explain::run(arguments, config, terminal),
        Command::Generate(arguments) => generate::run(arguments, terminal),
        Command::Demo(arguments) => demo::run(arguments, terminal),
        Command::Replay(arguments) => replay::run(arguments, config, terminal),
        Command::Validate(arguments) => validate::run(*arguments, config, build, terminal),
        Command::Components(arguments) => components::run(*arguments, terminal),
        Command::PrintConfig(arguments) => print_config::run(*arguments, config, terminal),
    }
}

/// What is used without `--config`.
pub const DEFAULT_CONFIG: &str = include_str!("../../config/default.yaml");
/// What messages call it.
const DEFAULT_NAME: &str = "built-in/default.yaml";

/// Loads what the command line names, or the built-in config, from this process's environment
/// and files.
pub fn load(arguments: &ConfigArguments) -> Loaded {
    let built_in = [DEFAULT_NAME.to_owned()];
    let is_default = arguments.sources.is_empty();
    let read_file = |path: &Path| match is_default && path == Path::new(DEFAULT_NAME) {
        true => Ok(DEFAULT_CONFIG.to_owned()),
        false => process::read_file(path),
    };
    service::load_inputs(Inputs {
        sources: if is_default { &built_in } else { &arguments.sources },
        sets: &arguments.sets,
        gates: &arguments.gates,
        providers: Providers { env: &process::variable, read_file: &read_file },
    })
}

/// Writes every problem to standard error, below one line that says what failed.
pub fn complain(loaded: &Loaded, terminal: &mut Terminal<'_>) {
    let count = |severity| loaded.report.count(severity);
    let errors = count(crate::config::Severity::Error);
    if errors > 0 {
        terminal.complain(&format!("{}: {}\n", loaded.headline(), counted(errors, "error")));
    }
    let text = render(&loaded.report, &loaded.sources, terminal.colour);
    terminal.complain(&text);
}

/// `1 error`, `2 errors`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// The code for a config without errors or with some.
pub fn verdict(report: &Report) -> Exit {
    if report.has_errors() { Exit::Usage } else { Exit::Ok }
}
