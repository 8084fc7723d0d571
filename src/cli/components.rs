//! `tailwater components`: what this build has.

use clap::{Args, ValueEnum};
use serde_json::json;

use super::arguments::version;
use super::{Exit, Terminal};
use crate::model::Signal;
use crate::pipeline::Kind;
use crate::service::registry::{self, Entry};

/// How the listing is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// YAML, as the Collector prints it.
    Yaml,
    /// JSON.
    Json,
}

/// Arguments of the sub-command.
#[derive(Clone, Copy, Debug, Args)]
pub struct Arguments {
    /// How the listing is printed
    #[arg(long, value_enum, default_value = "yaml")]
    output: Format,
}

/// Prints the registry.
pub fn run(arguments: Arguments, terminal: &mut Terminal<'_>) -> Exit {
    match arguments.output {
        Format::Yaml => terminal.print(&yaml()),
        Format::Json => terminal.print(&format!("{:#}\n", json())),
    }
}

/// Signal or pair of signals, with the stability of each.
fn stability(entry: &Entry) -> Vec<(String, &'static str)> {
    let word = entry.stability.as_str();
    let name = |signal: &Signal| match entry.kind() {
        Kind::Connector => format!("{signal}-to-{signal}"),
        _ => signal.to_string(),
    };
    match entry.kind() {
        Kind::Extension => vec![("extension".to_owned(), word)],
        _ => entry.signals.iter().map(|signal| (name(signal), word)).collect(),
    }
}

fn yaml() -> String {
    let mut text = format!("buildinfo:\n  command: tailwater\n  version: \"{}\"\n", version());
    for kind in Kind::ALL {
        let mut entries: Vec<&Entry> = registry::of_kind(kind).collect();
        entries.sort_unstable_by_key(|entry| entry.type_name);
        text.push_str(&format!("{}:{}\n", kind.section(), if entries.is_empty() { " []" } else { "" }));
        for entry in entries {
            text.push_str(&format!("  - name: {}\n", entry.type_name));
            if !entry.aliases.is_empty() {
                text.push_str(&format!("    deprecated_names: [{}]\n", entry.aliases.join(", ")));
            }
            if let Some(instead) = entry.deprecated {
                text.push_str(&format!("    deprecated: {instead:?}\n"));
            }
            text.push_str("    stability:\n");
            for (signal, word) in stability(entry) {
                text.push_str(&format!("      {signal}: {word}\n"));
            }
        }
    }
    text
}

fn json() -> serde_json::Value {
    let mut listing = json!({ "buildinfo": { "command": "tailwater", "version": version() } });
    for kind in Kind::ALL {
        let entries = registry::of_kind(kind).map(|entry| {
            let stability: serde_json::Map<_, _> =
                stability(entry).into_iter().map(|(signal, word)| (signal, word.into())).collect();
            json!({
                "name": entry.type_name,
                "deprecated_names": entry.aliases,
                "deprecated": entry.deprecated,
                "stability": stability,
            })
        });
        listing[kind.section()] = entries.collect();
    }
    listing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Report, parse_yaml, to_json};

    #[test]
    fn yaml_and_json_list_every_component() {
        let listing = parse_yaml(&yaml(), 0, &mut Report::default()).map(|node| to_json(&node)).unwrap();
        let json = json();
        for entry in registry::COMPONENTS {
            for listing in [&listing, &json] {
                let names = listing[entry.kind().section()].as_array().unwrap();
                assert!(names.iter().any(|listed| listed["name"] == entry.type_name), "{entry:?}");
            }
        }
        assert_eq!(listing["connectors"][0]["stability"]["traces-to-traces"], "beta");
    }
}
