//! `${…}` inside values, as the Collector expands them. The environment and the files are
//! arguments; nothing is read from the process.
//!
//! A value that is wholly one expansion is read as YAML, so that `${env:PORT}` can be a number,
//! but keeps its source text for keys that want text. Inside other text an expansion is text.

use std::io;
use std::path::Path;

use super::{DEPTH_MAX, Location, Node, Report, Scalar, Sources, Value, parse_yaml};

/// Most expansions in one value, nested ones included; then the config is refused.
pub const EXPANSIONS_MAX: usize = 1000;
/// Most bytes that all expansions of a config may bring in; then the config is refused.
pub const EXPANDED_BYTES_MAX: usize = 4 << 20;

/// Where expansions take their values from.
#[derive(Clone, Copy)]
pub struct Providers<'a> {
    /// The value of an environment variable, if it is set.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The text of a file.
    pub read_file: &'a dyn Fn(&Path) -> io::Result<String>,
}

impl std::fmt::Debug for Providers<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Providers")
    }
}

/// Expands every value below `root`; keys are left as they are. What cannot be expanded is
/// reported and null.
pub fn expand(root: Node, providers: Providers<'_>, sources: &mut Sources, report: &mut Report) -> Node {
    Expander { providers, sources, report, bytes: 0 }.node(root, "", 0)
}

struct Expander<'a> {
    providers: Providers<'a>,
    sources: &'a mut Sources,
    report: &'a mut Report,
    bytes: usize,
}

/// Who is being expanded, for messages.
#[derive(Clone, Copy)]
struct Target<'a> {
    path: &'a str,
    location: Location,
    depth: usize,
}

/// What a provider gave.
struct Retrieved {
    /// `env:NAME`, `file:PATH`, …
    name: String,
    /// `None`: the variable is not set.
    text: Option<String>,
    /// Text as it is, never YAML.
    is_verbatim: bool,
    /// Whether lines of it may be shown.
    is_public: bool,
}

impl Expander<'_> {
    fn node(&mut self, node: Node, path: &str, depth: usize) -> Node {
        let location = node.location;
        let value = match node.value {
            Value::Null => Value::Null,
            Value::Scalar(scalar) if !scalar.text.contains('$') => Value::Scalar(scalar),
            Value::Scalar(scalar) => return self.scalar(scalar, Target { path, location, depth }),
            _ if depth > DEPTH_MAX => {
                self.report.error(path, format!("nested deeper than {DEPTH_MAX} levels after expansion"), location);
                Value::Null
            }
            Value::List(items) => Value::List(
                items
                    .into_iter()
                    .enumerate()
                    .map(|(place, item)| self.node(item, &format!("{path}[{place}]"), depth + 1))
                    .collect(),
            ),
            Value::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(key, at, item)| {
                        let path = if path.is_empty() { key.clone() } else { format!("{path}::{key}") };
                        let item = self.node(item, &path, depth + 1);
                        (key, at, item)
                    })
                    .collect(),
            ),
        };
        Node { value, location }
    }

    fn scalar(&mut self, scalar: Scalar, target: Target<'_>) -> Node {
        let null = Node { value: Value::Null, location: target.location };
        let Scalar { mut text, mut is_plain } = scalar;
        let mut expansions = 0;
        while let Some((start, end)) = find(&text) {
            expansions += 1;
            if expansions > EXPANSIONS_MAX {
                let message = format!("more than {EXPANSIONS_MAX} expansions in one value; does it expand to itself?");
                self.report.error(target.path, message, target.location);
                return null;
            }
            let Some(retrieved) = self.retrieve(&text[start + 2..end - 1], target) else { return null };
            is_plain = false;
            if start > 0 || end < text.len() {
                text.replace_range(start..end, retrieved.text.as_deref().unwrap_or(""));
                continue;
            }
            match self.whole(retrieved, target) {
                Whole::Text(inner) => text = inner,
                Whole::Done(node) => return node,
            }
        }
        if text.contains("$$") {
            is_plain = false;
            text = text.replace("$$", "$");
        }
        Node { value: Value::Scalar(Scalar { text, is_plain }), location: target.location }
    }

    /// A value that is wholly one expansion.
    fn whole(&mut self, retrieved: Retrieved, target: Target<'_>) -> Whole {
        let location = target.location;
        let Some(text) = retrieved.text else { return Whole::Done(Node { value: Value::Null, location }) };
        if retrieved.is_verbatim {
            return Whole::Text(text);
        }
        // Text that is no YAML is taken as it is: a password may begin with `{`.
        let mut parsing = Report::default();
        let source = self.sources.next();
        let Some(inner) = parse_yaml(&text, source, &mut parsing).filter(|_| !parsing.has_errors()) else {
            return Whole::Text(text);
        };
        let keeps = |report: &mut Report, shown: &str| {
            if shown != text {
                report.keep_text(location, text.replace("$$", "$"));
            }
        };
        match inner.value {
            Value::Null => {
                keeps(self.report, "");
                Whole::Done(Node { value: Value::Null, location })
            }
            Value::Scalar(scalar) if is_typed(&scalar) => {
                keeps(self.report, &scalar.text);
                Whole::Done(Node { value: Value::Scalar(scalar), location })
            }
            Value::Scalar(_) => Whole::Text(text),
            Value::List(_) | Value::Map(_) => {
                keeps(self.report, "");
                let name = format!("{} (from {})", retrieved.name, self.sources.describe(location));
                if retrieved.is_public {
                    self.sources.add(name, text);
                } else {
                    self.sources.add_hidden(name);
                }
                let inner = self.node(inner, target.path, target.depth + 1);
                Whole::Done(Node { location, ..inner })
            }
        }
    }

    fn retrieve(&mut self, opaque: &str, target: Target<'_>) -> Option<Retrieved> {
        let retrieved = retrieve(opaque, self.providers);
        let result = retrieved.and_then(|retrieved| {
            self.bytes = self.bytes.saturating_add(retrieved.text.as_ref().map_or(0, String::len));
            if self.bytes > EXPANDED_BYTES_MAX {
                return Err(format!("expansions bring in more than {EXPANDED_BYTES_MAX} bytes"));
            }
            Ok(retrieved)
        });
        match result {
            Ok(retrieved) => {
                let note = match &retrieved.text {
                    None => "is not set and stands for null; set it, or write a default as in ${env:NAME:-default}",
                    Some(text) if text.is_empty() && !retrieved.is_verbatim => {
                        self.report.note(target.path, format!("{} is set but empty", retrieved.name), target.location);
                        return Some(retrieved);
                    }
                    Some(_) => return Some(retrieved),
                };
                self.report.warning(target.path, format!("{} {note}", retrieved.name), target.location);
                Some(retrieved)
            }
            Err(message) => {
                self.report.error(target.path, message, target.location);
                None
            }
        }
    }
}

/// What a whole expansion came to.
enum Whole {
    /// Text, to be searched for further expansions.
    Text(String),
    /// A finished value.
    Done(Node),
}

fn is_typed(scalar: &Scalar) -> bool {
    scalar.as_float().is_some() || scalar.as_bool().is_some()
}

/// The first live expansion: the innermost `${` before the first `}` that closes one. An odd
/// count of `$` before the brace is live, an even count is escaped.
fn find(text: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    while let Some(close) = text[from..].find('}') {
        let end = from + close + 1;
        if let Some(open) = text[from..end].rfind("${") {
            let start = from + open;
            let dollars = text[from..start].bytes().rev().take_while(|byte| *byte == b'$').count();
            if dollars.is_multiple_of(2) {
                return Some((start, end));
            }
        }
        from = end;
    }
    None
}

fn retrieve(opaque: &str, providers: Providers<'_>) -> Result<Retrieved, String> {
    let (scheme, rest) = match opaque.split_once(':') {
        None => ("env", opaque),
        // A variable without its scheme but with a default.
        Some((name, rest)) if rest.starts_with('-') && !["env", "file", "yaml"].contains(&name) => ("env", opaque),
        Some((scheme, rest)) => (scheme, rest),
    };
    if rest.contains('$') {
        return Err(format!("the uri \"{scheme}:{rest}\" contains unsupported characters ('$')"));
    }
    match scheme {
        "env" => retrieve_env(rest, providers.env),
        "file" => retrieve_file(rest, providers.read_file),
        "yaml" => {
            Ok(Retrieved { name: "yaml:".to_owned(), text: Some(rest.to_owned()), is_verbatim: false, is_public: true })
        }
        "http" | "https" => Err(format!("the scheme {scheme:?} is not supported yet; write env, file or yaml")),
        _ => Err(format!("scheme {scheme:?} is not supported for uri \"{scheme}:{rest}\"; write env, file or yaml")),
    }
}

fn retrieve_env(opaque: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Retrieved, String> {
    let (name, default) = match opaque.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (opaque, None),
    };
    let mut letters = name.chars();
    let valid = letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    if !valid {
        return Err(format!(
            "environment variable {name:?} has invalid name: must match regex ^[a-zA-Z_][a-zA-Z0-9_]*$; \
             write $${{ for a text that begins with ${{"
        ));
    }
    let value = env(name);
    let is_verbatim = value.is_none() && default == Some("");
    let text = value.or_else(|| default.map(str::to_owned));
    Ok(Retrieved { name: format!("env:{name}"), text, is_verbatim, is_public: false })
}

fn retrieve_file(path: &str, read_file: &dyn Fn(&Path) -> io::Result<String>) -> Result<Retrieved, String> {
    let text = read_file(Path::new(path)).map_err(|error| format!("unable to read the file {path:?}: {error}"))?;
    // Editors end a file with a line break; a token in a header must not.
    let text = text.strip_suffix('\n').map_or(&*text, |text| text.strip_suffix('\r').unwrap_or(text)).to_owned();
    Ok(Retrieved { name: format!("file:{path}"), text: Some(text), is_verbatim: false, is_public: true })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(text: &str, variables: &[(&str, &str)]) -> (Node, Report) {
        let (mut sources, mut report) = (Sources::default(), Report::default());
        sources.add("c.yaml", text);
        let root = parse_yaml(text, 0, &mut report).unwrap_or_default();
        let env = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let read_file = |path: &Path| match path.to_str() {
            Some("token") => Ok("abc\n".to_owned()),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        let root = expand(root, Providers { env: &env, read_file: &read_file }, &mut sources, &mut report);
        (root, report)
    }

    fn value(text: &str, variables: &[(&str, &str)]) -> String {
        let (root, report) = run(&format!("k: {text}"), variables);
        assert!(!report.has_errors(), "{:?}", report.problems());
        root.entry("k").unwrap().describe()
    }

    fn problem(text: &str, variables: &[(&str, &str)]) -> String {
        let (_, report) = run(&format!("k: {text}"), variables);
        report.problems().first().map(|problem| problem.message.clone()).unwrap_or_default()
    }

    #[test]
    fn a_whole_expansion_is_typed_and_an_embedded_one_is_text() {
        let env = [("PORT", "4317"), ("ON", "true"), ("HOST", "eu"), ("LIST", "[a, b]")];
        assert_eq!(value("${env:PORT}", &env), "4317");
        assert_eq!(value("${ON}", &env), "true");
        assert_eq!(value("${env:HOST}:${env:PORT}", &env), "\"eu:4317\"");
        assert_eq!(value("1${env:PORT}", &env), "\"14317\"");
        assert_eq!(value("${env:LIST}", &env), "a list");
        assert_eq!(value("x${env:LIST}", &env), "\"x[a, b]\"");
    }

    #[test]
    fn a_default_applies_only_when_the_variable_is_unset() {
        assert_eq!(value("${env:X:-5s}", &[]), "\"5s\"");
        assert_eq!(value("${X:-7}", &[]), "7");
        assert_eq!(value("${env:X:-5s}", &[("X", "9")]), "9");
        assert_eq!(value("${env:X:-5s}", &[("X", "")]), "null");
        assert_eq!(value("${env:X:-}", &[]), "\"\"");
        assert_eq!(value("${env:X}", &[]), "null");
        assert!(problem("${env:X}", &[]).contains("env:X is not set"));
        assert!(problem("${env:X}", &[("X", "")]).contains("empty"));
    }

    #[test]
    fn dollars_escape_by_odd_and_even() {
        let env = [("X", "v")];
        assert_eq!(value("$X", &env), "$X");
        assert_eq!(value("$${env:X}", &env), "\"${env:X}\"");
        assert_eq!(value("$$${env:X}", &env), "\"$v\"");
        assert_eq!(value("a$$b", &env), "\"a$b\"");
        assert_eq!(value("\"${unclosed\"", &env), "\"${unclosed\"");
    }

    #[test]
    fn expansions_nest_from_the_inside_and_through_values() {
        let env = [("WHICH", "B"), ("B", "deep"), ("A", "${env:B}"), ("M", "{x: \"${env:B}\"}")];
        assert_eq!(value("${env:${env:WHICH}}", &env), "\"deep\"");
        assert_eq!(value("${env:A}", &env), "\"deep\"");
        let (root, _) = run("k: ${env:M}", &env);
        assert_eq!(root.entry("k").unwrap().entry("x").unwrap().describe(), "\"deep\"");
    }

    #[test]
    fn files_and_inline_yaml_are_providers() {
        assert_eq!(value("${file:token}", &[]), "\"abc\"");
        assert_eq!(value("'${yaml:[1, 2]}'", &[]), "a list");
        assert!(problem("${file:gone}", &[]).contains("gone"));
    }

    #[test]
    fn bad_expansions_are_errors_that_say_why() {
        assert!(problem("${env:1X}", &[]).contains("invalid name"));
        assert!(problem("${s3:bucket}", &[]).contains("scheme \"s3\" is not supported"));
        assert!(problem("${https://x}", &[]).contains("not supported yet"));
        assert!(problem("${env:a$b}", &[]).contains("'$'"));
        assert!(problem("${env:LOOP}", &[("LOOP", "${env:LOOP}")]).contains("1000"));
        assert!(problem("${env:LOOP}", &[("LOOP", "[\"${env:LOOP}\"]")]).contains("nested deeper"));
    }

    #[test]
    fn source_text_is_kept_for_keys_that_want_text() {
        let env = [("PIN", "0123"), ("ODD", "12 #34"), ("JSON", "{\"a\": 1}"), ("BROKEN", "{x"), ("QUOTED", "\"q\"")];
        let (root, mut report) = run(
            "{pin: \"${PIN}\", odd: \"${ODD}\", json: \"${JSON}\", broken: \"${BROKEN}\", quoted: \"${QUOTED}\"}",
            &env,
        );
        let mut section = super::super::Section::new("s", &root, &mut report);
        assert_eq!(section.string("pin", ""), "0123");
        assert_eq!(section.string("odd", ""), "12 #34");
        assert_eq!(section.string("json", ""), "{\"a\": 1}");
        assert_eq!(section.string("broken", ""), "{x");
        assert_eq!(section.string("quoted", ""), "\"q\"");
        assert_eq!(section.int("odd", 0), 12);
        section.finish();
        assert!(!report.has_errors(), "{:?}", report.problems());
    }

    /// The naive twin of the escape rule for text without braces that close.
    fn unescaped(text: &str) -> String {
        text.replace("$$", "$")
    }

    proptest! {
        #[test]
        fn text_without_a_closing_brace_only_loses_doubled_dollars(text in "[a-z$ {]{1,20}") {
            let quoted = format!("'{text}'");
            prop_assert_eq!(value(&quoted, &[]), format!("{:?}", unescaped(&text)));
        }

        #[test]
        fn any_value_expands_or_is_refused_without_panic(text in "[${}:a-bAB\\-]{0,40}", inner in "[${}:a-bAB\\-]{0,20}") {
            run(&format!("k: '{text}'"), &[("A", &inner), ("B", "${env:A}")]);
        }

        #[test]
        fn a_variable_comes_through_unchanged_as_text(inner in "[a-zA-Z0-9 #:,\"{}\\[\\]-]{1,20}") {
            let (root, mut report) = run("k: ${env:V}", &[("V", &inner)]);
            let mut section = super::super::Section::new("s", &root, &mut report);
            prop_assert_eq!(section.opt_string("k"), Some(inner));
        }
    }
}
