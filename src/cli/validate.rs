//! `tailwater validate`: predicts whether a config starts.

use clap::{Args, ValueEnum};
use serde_json::json;

use super::{BuildCheck, ConfigArguments, Exit, Terminal, complain, counted, load, verdict};
use crate::config::{Severity, render_json};
use crate::service::{Loaded, preflight};

/// How the outcome is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people, on standard error.
    Text,
    /// One JSON object on standard output.
    Json,
}

/// Arguments of the sub-command.
#[derive(Clone, Copy, Debug, Args)]
pub struct Arguments {
    /// Exit with 3 when there are warnings
    #[arg(long)]
    strict: bool,
    /// Look at the config alone: try no ports, files or addresses of this machine
    #[arg(long)]
    offline: bool,
    /// How the outcome is printed
    #[arg(long, value_enum, default_value = "text")]
    output: Format,
}

/// Loads, checks, tries to build, and tries what the components take hold of.
pub fn run(arguments: Arguments, config: &ConfigArguments, build: BuildCheck<'_>, terminal: &mut Terminal<'_>) -> Exit {
    let mut loaded = load(config);
    if let Loaded { config: Some(config), report, .. } = &mut loaded {
        build(config, report);
        if !arguments.offline && !report.has_errors() {
            preflight::check(config, report);
        }
    }
    let exit = match verdict(&loaded.report) {
        Exit::Ok if arguments.strict && loaded.report.has_warnings() => Exit::Warnings,
        exit => exit,
    };
    match arguments.output {
        Format::Json => {
            let outcome = json!({
                "ok": exit == Exit::Ok,
                "headline": loaded.report.has_errors().then(|| loaded.headline()),
                "problems": render_json(&loaded.report, &loaded.sources),
            });
            match terminal.print(&format!("{outcome:#}\n")) {
                Exit::Ok => exit,
                failed => failed,
            }
        }
        Format::Text => {
            complain(&loaded, terminal);
            if let Some(config) = loaded.config.filter(|_| !loaded.report.has_errors()) {
                let pipelines = counted(config.pipelines.len(), "pipeline");
                let components = counted(config.places.len(), "component");
                let warnings = counted(loaded.report.count(Severity::Warning), "warning");
                terminal.complain(&format!("valid: {pipelines}, {components}, {warnings}\n"));
            }
            exit
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "yaml:{receivers: {nop: }, exporters: {nop: }, service: {telemetry: {metrics: {level: none}}, \
                        pipelines: {traces: {receivers: [nop], exporters: [nop]}}}}";

    fn run_on(source: &str, sets: &[&str], arguments: Arguments) -> (Exit, String, String) {
        let sets = sets.iter().map(|set| (*set).to_owned()).collect();
        let config = ConfigArguments { sources: vec![source.to_owned()], sets, gates: Vec::new() };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = run(arguments, &config, &|_, _| {}, &mut Terminal::new(&mut out, &mut err, false));
        (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    const PLAIN: Arguments = Arguments { strict: false, offline: false, output: Format::Text };

    #[test]
    fn a_good_config_is_one_line_and_zero() {
        let (exit, out, err) = run_on(GOOD, &[], PLAIN);
        assert_eq!((exit, out.as_str(), err.as_str()), (Exit::Ok, "", "valid: 1 pipeline, 2 components, 0 warnings\n"));
    }

    #[test]
    fn warnings_are_errors_only_when_strict() {
        let unused = ["exporters.nop/spare=null"];
        assert_eq!(run_on(GOOD, &unused, PLAIN).0, Exit::Ok);
        assert_eq!(run_on(GOOD, &unused, Arguments { strict: true, ..PLAIN }).0, Exit::Warnings);
    }

    #[test]
    fn a_bad_config_begins_with_the_collectors_words() {
        let (exit, _, err) = run_on(GOOD, &["exporters.nop.x=1"], PLAIN);
        assert_eq!(exit, Exit::Usage);
        assert!(
            err.starts_with("invalid configuration: 1 error\nerror: --set exporters.nop.x=1: exporters::nop: "),
            "{err}"
        );
        let (exit, _, err) = run_on("yaml:{", &[], PLAIN);
        assert_eq!(exit, Exit::Usage);
        assert!(err.starts_with("failed to get config: cannot resolve the configuration: 1 error\n"), "{err}");
    }

    #[test]
    fn a_port_in_use_is_found_unless_offline() {
        let foreign = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = foreign.local_addr().unwrap().port();
        let metrics = format!(
            "service.telemetry.metrics={{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {port}}}}}}}}}]}}"
        );
        let level = "service.telemetry.metrics.level=basic";
        let (exit, _, err) = run_on(GOOD, &[&metrics, level], PLAIN);
        assert!(exit == Exit::Usage && err.contains("in use"), "{err}");
        assert_eq!(run_on(GOOD, &[&metrics, level], Arguments { offline: true, ..PLAIN }).0, Exit::Ok);
    }

    #[test]
    fn json_says_the_same_to_scripts() {
        let (exit, out, err) = run_on(GOOD, &["exporters.nop.x=1"], Arguments { output: Format::Json, ..PLAIN });
        let outcome: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!((exit, err.as_str()), (Exit::Usage, ""));
        assert_eq!(outcome["ok"], false);
        assert_eq!(outcome["problems"][0]["path"], "exporters::nop");
    }
}
