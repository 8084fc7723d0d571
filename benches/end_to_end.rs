//! From socket to socket: CPU time of the real binary for each span, printed as a table.
//!
//! ```text
//! cargo bench --bench end_to_end                     every row, 8 s each
//! cargo bench --bench end_to_end -- --row tail       rows whose name holds "tail"
//! cargo bench --bench end_to_end -- --smoke          2 s a row; fails when a row does not work
//! ```
//! The server runs on core 1, the load and the backend on core 0. `TAILWATER_BENCH_SECONDS` sets
//! the seconds of a row, `TAILWATER_BENCH_BINARY` the program under test, `TAILWATER_OTELCOL` a
//! Collector that runs the same configuration right after, because only paired runs compare.
//! The numbers also go to `target/bench/end_to_end.json`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its table")]

mod support;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use support::process::{again_on_core_0, can_pin};
use support::row::{ROWS, Row};
use support::run::Settings;
use support::table::{HEAD, Line, notes};
use tailwater::pipeline::{Clock, SystemClock};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.iter().any(|argument| argument == "--list") {
        ROWS.iter().for_each(|row| println!("{:<12} {}", row.name, row.title));
        return ExitCode::SUCCESS;
    }
    if let Some(code) = again_on_core_0() {
        return ExitCode::from(code);
    }
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// False when a smoke run found a row that does not work.
fn run(arguments: &[String]) -> Result<bool, String> {
    let is_smoke = arguments.iter().any(|argument| argument == "--smoke");
    let settings = settings(is_smoke)?;
    let beside = std::env::var_os("TAILWATER_OTELCOL").map(PathBuf::from);
    let wanted: Vec<&String> = arguments.iter().skip_while(|argument| *argument != "--row").skip(1).collect();
    let rows =
        ROWS.iter().filter(|row| wanted.is_empty() || wanted.iter().any(|name| row.name.contains(name.as_str())));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    if !can_pin() {
        println!("no second core or no taskset: server, load and backend share what there is");
    }
    println!("{HEAD}");
    let (mut lines, mut failures) = (Vec::new(), Vec::new());
    for row in rows {
        match runtime.block_on(one(&settings, row, beside.as_deref())) {
            Ok(line) => {
                println!("{line}");
                lines.push(line);
            }
            Err(message) => {
                println!("| {} | failed | | | | | MISS |", row.title);
                failures.push(format!("{}: {message}", row.name));
            }
        }
    }
    println!();
    for line in &lines {
        notes(&line.measured).into_iter().for_each(|note| println!("{}: {note}", line.name));
        let lost = line.measured.lost_spans.unwrap_or_default();
        if lost > 0 {
            failures.push(format!("{}: {lost} acknowledged spans were lost", line.name));
        }
    }
    failures.iter().for_each(|failure| println!("{failure}"));
    save(&settings.scratch, &lines)?;
    Ok(failures.is_empty() || !is_smoke)
}

async fn one(settings: &Settings, row: &Row, beside: Option<&Path>) -> Result<Line, String> {
    let measured = settings.measure(row).await?;
    let beside = match beside {
        Some(binary) => {
            let theirs = Settings { binary: binary.to_owned(), scratch: settings.scratch.clone(), ..*settings };
            theirs.measure(row).await.map_err(|message| eprintln!("{} beside: {message}", row.name)).ok()
        }
        None => None,
    };
    Ok(Line::new(row, measured, beside))
}

fn settings(is_smoke: bool) -> Result<Settings, String> {
    let seconds = match std::env::var("TAILWATER_BENCH_SECONDS") {
        Ok(text) => text.parse().map_err(|_| format!("TAILWATER_BENCH_SECONDS {text:?} is not a number of seconds"))?,
        Err(_) if is_smoke => 2,
        Err(_) => 8,
    };
    let binary = std::env::var_os("TAILWATER_BENCH_BINARY")
        .map_or_else(|| env!("CARGO_BIN_EXE_tailwater").into(), PathBuf::from);
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    let scratch = target.join("bench");
    std::fs::create_dir_all(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
    Ok(Settings { seconds, is_smoke, binary, scratch })
}

fn save(scratch: &Path, lines: &[Line]) -> Result<(), String> {
    let path = scratch.join("end_to_end.json");
    let unix_seconds = SystemClock::new().now().wall.0 / 1_000_000_000;
    let report = serde_json::json!({"unix_seconds": unix_seconds, "rows": lines});
    let text = serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?;
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
}
