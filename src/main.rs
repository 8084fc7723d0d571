//! The `tailwater` binary: parse, load, run, exit code.

use std::io::{stderr, stdout};
use std::process::ExitCode;

use tailwater::cli::{self, CommandLine, Exit, Terminal};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Ok(line) => start(&line).into(),
        Err(exit) => exit.into(),
    }
}

fn start(line: &CommandLine) -> Exit {
    let (mut out, mut err) = (stdout(), stderr());
    let mut terminal = Terminal::new(&mut out, &mut err, cli::terminal::wants_colour(line.output.colour));
    match &line.command {
        Some(command) => cli::run(command, &line.config, &cli::run::check_build, &mut terminal),
        None => cli::run::run(line, &mut terminal),
    }
}
