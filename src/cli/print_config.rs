//! `tailwater print-config`: the merged and expanded config, with secrets masked.

use clap::{ArgAction, Args, ValueEnum};

use super::{ConfigArguments, Exit, Terminal, complain, load, verdict};
use crate::config::{as_read, mask, to_json, to_yaml};

/// The language of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// YAML that can be run again, secrets aside.
    Yaml,
    /// JSON.
    Json,
}

/// What happens to secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// They are masked.
    Redacted,
    /// They are printed.
    Unredacted,
}

/// Arguments of the sub-command.
#[derive(Clone, Copy, Debug, Args)]
pub struct Arguments {
    /// The language of the output
    #[arg(long, value_enum, default_value = "yaml")]
    format: Format,
    /// What happens to secrets
    #[arg(long, value_enum, default_value = "redacted")]
    mode: Mode,
    /// Whether a config with errors is refused
    #[arg(long, action = ArgAction::Set, default_value_t = true, default_missing_value = "true", num_args = 0..=1, require_equals = true)]
    validate: bool,
}

/// Loads and prints.
pub fn run(arguments: Arguments, config: &ConfigArguments, terminal: &mut Terminal<'_>) -> Exit {
    let loaded = load(config);
    let root = match &loaded.root {
        Some(root) if !arguments.validate || !loaded.report.has_errors() => root,
        _ => {
            complain(&loaded, terminal);
            return verdict(&loaded.report);
        }
    };
    let root = as_read(root, &loaded.report);
    let masked = match arguments.mode {
        Mode::Redacted => &mask(&root, &loaded.report),
        Mode::Unredacted => &root,
    };
    terminal.print(&match arguments.format {
        Format::Yaml => to_yaml(masked),
        Format::Json => format!("{:#}\n", to_json(masked)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_on(sets: &[&str], arguments: Arguments) -> (Exit, String, String) {
        let source = "yaml:{receivers: {nop: }, exporters: {nop: }, service: {pipelines: {traces: {receivers: [nop], \
                      exporters: [nop]}}}}";
        let sets = sets.iter().map(|set| (*set).to_owned()).collect();
        let config = ConfigArguments { sources: vec![source.to_owned()], sets, gates: Vec::new() };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = run(arguments, &config, &mut Terminal::new(&mut out, &mut err, false));
        (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    const PLAIN: Arguments = Arguments { format: Format::Yaml, mode: Mode::Redacted, validate: true };

    #[test]
    fn the_merged_config_is_printed_as_yaml_or_json() {
        let (exit, out, _) = run_on(&[], PLAIN);
        assert_eq!(exit, Exit::Ok);
        assert!(out.starts_with("receivers:\n  nop:\nexporters:\n  nop:\nservice:\n"), "{out}");
        let (_, out, _) = run_on(&[], Arguments { format: Format::Json, ..PLAIN });
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(json["service"]["pipelines"]["traces"]["receivers"][0], "nop");
    }

    #[test]
    fn secrets_are_shown_only_when_asked_even_of_a_bad_config() {
        let bad = ["exporters.nop.headers={authorization: hush}"];
        let (exit, out, err) = run_on(&bad, PLAIN);
        assert_eq!((exit, out.as_str()), (Exit::Usage, ""));
        assert!(err.contains("has invalid keys: headers"), "{err}");
        let (exit, out, _) = run_on(&bad, Arguments { validate: false, ..PLAIN });
        assert!(exit == Exit::Ok && out.contains("[REDACTED]") && !out.contains("hush"), "{out}");
        let (_, out, _) = run_on(&bad, Arguments { validate: false, mode: Mode::Unredacted, ..PLAIN });
        assert!(out.contains("hush"), "{out}");
    }
}
