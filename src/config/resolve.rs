//! From the command line's sources to one tree: reading, merging, `--set`, expansion.

use std::path::Path;

use super::{Gates, Lists, Location, Node, Providers, Report, Sources, Value, expand, merge, nest, nested, parse_yaml};

/// What a config is made of. Files and environment come in as functions.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// `--config`: `file:PATH` or a bare path, `env:NAME`, `yaml:TEXT`; later ones are laid over.
    pub sources: &'a [String],
    /// `--set`: `a.b=c`, laid over all sources.
    pub sets: &'a [String],
    /// `--feature-gates`: `id`, `+id` or `-id`, also several with commas.
    pub gates: &'a [String],
    /// Environment and files.
    pub providers: Providers<'a>,
}

/// The one tree, with what was found on the way.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    /// The merged and expanded config; nothing when some part could not be read.
    pub root: Option<Node>,
    /// Problems so far.
    pub report: Report,
    /// Where everything came from.
    pub sources: Sources,
    /// What the command line says of feature gates.
    pub gates: Gates,
}

const APPEND_GATE: &str = "confmap.enableMergeAppendOption";
/// Gates that change something here.
const KNOWN_GATES: [&str; 5] = [
    APPEND_GATE,
    "processor.tailsamplingprocessor.disableinvertdecisions",
    "processor.tailsamplingprocessor.metricstatcountspanssampled",
    "processor.tailsamplingprocessor.recordpolicy",
    "processor.tailsamplingprocessor.usetracestate",
];

/// Reads, merges and expands.
pub fn resolve(inputs: Inputs<'_>) -> Resolved {
    let mut resolved = Resolved::default();
    let lists = resolved.gates(inputs.gates);
    let mut whole = Node { value: Value::Map(Vec::new()), location: Location::default() };
    for uri in inputs.sources {
        if let Some(node) = resolved.source(uri, inputs.providers) {
            whole = merge(whole, node, lists);
        }
    }
    for set in inputs.sets {
        if let Some(node) = resolved.set(set) {
            whole = merge(whole, node, lists);
        }
    }
    let Resolved { mut report, mut sources, gates, .. } = resolved;
    if inputs.sources.is_empty() {
        let message = "at least one config flag must be provided; write --config FILE";
        report.error("", message, Location::default());
    }
    let is_empty = matches!(&whole.value, Value::Map(entries) if entries.is_empty());
    if is_empty && !report.has_errors() {
        report.error("", "the configuration is empty; write receivers, exporters and service", whole.location);
    }
    let root = if report.has_errors() { whole } else { expand(whole, inputs.providers, &mut sources, &mut report) };
    let root = Some(root).filter(|_| !report.has_errors());
    Resolved { root, report, sources, gates }
}

impl Resolved {
    fn fail(&mut self, source: u32, message: String) -> Option<Node> {
        self.report.error("", message, Location { source, line: 0, column: 0 });
        None
    }

    /// Warns of gates that mean nothing here; says what to do with lists.
    fn gates(&mut self, gates: &[String]) -> Lists {
        let mut lists = Lists::Replace;
        for gate in gates.iter().flat_map(|gates| gates.split(',')).map(str::trim).filter(|gate| !gate.is_empty()) {
            let (on, name) = match gate.strip_prefix('-') {
                Some(name) => (false, name),
                None => (true, gate.strip_prefix('+').unwrap_or(gate)),
            };
            self.gates.set(name, on);
            if name == APPEND_GATE {
                lists = if on { Lists::AppendUnderService } else { Lists::Replace };
            }
            if KNOWN_GATES.contains(&name) {
                continue;
            }
            let source = self.sources.add_inline(format!("--feature-gates {gate}"));
            let known = KNOWN_GATES.join(", ");
            let message = format!("the feature gate {name:?} is not known and ignored; known: {known}");
            self.report.warning("", message, Location { source, line: 0, column: 0 });
        }
        lists
    }

    fn source(&mut self, uri: &str, providers: Providers<'_>) -> Option<Node> {
        let (scheme, rest) = split_scheme(uri);
        let text = match scheme {
            "file" => {
                (providers.read_file)(Path::new(rest)).map_err(|error| format!("cannot read the config file: {error}"))
            }
            "env" => (providers.env)(rest).ok_or_else(|| format!("the environment variable {rest:?} is not set")),
            "yaml" => Ok(rest.to_owned()),
            "http" | "https" => {
                Err(format!("the scheme {scheme:?} is not supported yet; fetch the file and name its path"))
            }
            _ => Err(format!("the scheme {scheme:?} is not supported; write file:, env: or yaml:, or a path")),
        };
        let name = if scheme == "file" { rest } else { uri };
        match text {
            Ok(text) => {
                let source = self.sources.add(first_line(name), text.as_str());
                let node = parse_yaml(&text, source, &mut self.report)?;
                self.section(node, source)
            }
            Err(message) => {
                let source = self.sources.add_inline(first_line(name));
                self.fail(source, message)
            }
        }
    }

    fn section(&mut self, node: Node, source: u32) -> Option<Node> {
        match node.value {
            Value::Map(_) => Some(nest(node)),
            Value::Null => {
                let location = Location { source, line: 0, column: 0 };
                self.report.note("", "this source is empty", location);
                None
            }
            _ => {
                let message = format!("yaml: a configuration is a section of keys, found {}", node.describe());
                self.report.error("", message, node.location);
                None
            }
        }
    }

    fn set(&mut self, set: &str) -> Option<Node> {
        let source = self.sources.add_inline(format!("--set {}", first_line(set)));
        let Some((key, value)) = set.split_once('=') else {
            return self.fail(source, "missing \"=\"; write --set key.of.section=value".to_owned());
        };
        let path: Vec<String> = key.trim().replace("::", ".").split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            return self.fail(source, format!("the key {key:?} has an empty part; write --set key.of.section=value"));
        }
        let node = parse_yaml(value, source, &mut self.report)?;
        let location = node.location;
        Some(nested(path, location, node))
    }
}

/// Scheme and rest of a source; a path has the scheme `file`. A scheme has at least two
/// characters, so that `C:\x` is a path.
fn split_scheme(uri: &str) -> (&str, &str) {
    match uri.split_once(':') {
        Some((scheme, rest))
            if scheme.len() >= 2
                && scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
                && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+.-".contains(letter)) =>
        {
            (scheme, rest)
        }
        _ => ("file", uri),
    }
}

fn first_line(text: &str) -> String {
    const SHOWN_MAX: usize = 120;
    let line = text.lines().next().unwrap_or("");
    let mut shown: String = line.chars().take(SHOWN_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn run(sources: &[&str], sets: &[&str], gates: &[&str]) -> Resolved {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let env = |name: &str| (name == "CONF").then(|| "a: {from: env}".to_owned());
        let read_file = |path: &Path| match path.to_str() {
            Some("one.yaml") => Ok("a: {x: 1, l: [1, 2]}\nservice: {extensions: [p]}".to_owned()),
            Some("two.yaml") => Ok("a: {l: [3]}\nservice: {extensions: [q]}".to_owned()),
            Some("empty.yaml") => Ok("# nothing\n".to_owned()),
            Some("list.yaml") => Ok("[1]".to_owned()),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        let (sources, sets, gates) = (owned(sources), owned(sets), owned(gates));
        let providers = Providers { env: &env, read_file: &read_file };
        resolve(Inputs { sources: &sources, sets: &sets, gates: &gates, providers })
    }

    fn at(resolved: &Resolved, path: &str) -> String {
        let mut node = resolved.root.as_ref().unwrap();
        for key in path.split('.') {
            node = node.entry(key).unwrap();
        }
        match &node.value {
            Value::List(items) => items.iter().map(Node::describe).collect::<Vec<_>>().join(","),
            _ => node.describe(),
        }
    }

    #[test]
    fn later_sources_and_sets_win() {
        let resolved =
            run(&["one.yaml", "file:two.yaml", "env:CONF", "yaml:a::x: 5"], &["a.y.z=[7]", "a.from=${yaml:set}"], &[]);
        assert!(!resolved.report.has_errors(), "{:?}", resolved.report);
        assert_eq!(at(&resolved, "a.l"), "3");
        assert_eq!(at(&resolved, "a.x"), "5");
        assert_eq!(at(&resolved, "a.y.z"), "7");
        assert_eq!(at(&resolved, "a.from"), "\"set\"");
        assert_eq!(at(&resolved, "service.extensions"), "q");
    }

    #[test]
    fn no_source_at_all_is_an_error() {
        let resolved = run(&[], &["a=1"], &[]);
        assert!(resolved.root.is_none() && resolved.report.problems()[0].message.contains("--config FILE"));
    }

    #[test]
    fn the_append_gate_appends_and_unknown_gates_are_warned_of() {
        let resolved = run(&["one.yaml", "two.yaml"], &[], &["+confmap.enableMergeAppendOption,-other.gate"]);
        assert_eq!(at(&resolved, "service.extensions"), "p,q");
        assert!(resolved.report.problems()[0].message.contains("other.gate"));
    }

    #[test]
    fn what_cannot_be_read_is_an_error_that_names_it() {
        for (source, word) in [
            ("gone.yaml", "gone.yaml"),
            ("https://x/y", "not supported yet"),
            ("s3:bucket", "\"s3\""),
            ("env:NOPE", "NOPE"),
            ("empty.yaml", "empty"),
            ("list.yaml", "yaml"),
            ("C:\\x", "C:"),
        ] {
            let resolved = run(&[source], &[], &[]);
            assert!(resolved.root.is_none());
            let shown = super::super::render(&resolved.report, &resolved.sources, false);
            assert!(shown.contains(word), "{source}: {shown}");
        }
        assert!(run(&["one.yaml"], &["a.b"], &[]).report.problems()[0].message.contains("missing \"=\""));
        assert!(run(&["one.yaml"], &["a..b=1"], &[]).report.problems()[0].message.contains("empty part"));
    }
}
