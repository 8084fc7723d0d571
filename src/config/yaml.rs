//! YAML text into [`Node`]s, by the events of `saphyr-parser`: source text, style and place of
//! every key and value are kept. Anchors, aliases and `<<` as in Go's yaml v3, which reads the
//! Collector's files. Total on any text; knows no file and no environment.

use std::collections::{BTreeMap, HashSet};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, StrInput, Tag};

use super::{Location, Node, Report, Scalar, Value};

/// Longest text of one source, in bytes; a longer one is refused.
pub const TEXT_BYTES_MAX: usize = 4 << 20;
/// Most values in one source, those that aliases repeat counted each time; more is refused.
pub const NODES_MAX: usize = 100_000;
/// Deepest nesting of sections and lists; deeper is refused.
pub const DEPTH_MAX: usize = 64;

/// Reads the first document of a text. An empty document is a null node.
///
/// Problems are added to `report`; after an error that ends the reading there is no node.
pub fn parse_yaml(text: &str, source: u32, report: &mut Report) -> Option<Node> {
    let start = Location { source, line: 1, column: 1 };
    if text.len() > TEXT_BYTES_MAX {
        report.error("", format!("yaml: {} bytes of text; at most {TEXT_BYTES_MAX} are read", text.len()), start);
        return None;
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder { source, report, frames: Vec::new(), anchors: BTreeMap::new(), nodes: 0, root: None };
    match builder.run(Parser::new_from_str(text)) {
        Ok(()) => Some(builder.root.unwrap_or(Node { value: Value::Null, location: start })),
        Err(Stop::Syntax(error)) => {
            let location = place(source, error.marker());
            report.error("", syntax_message(text, &error), location);
            None
        }
        Err(Stop::Refused(message, location)) => {
            report.error("", format!("yaml: {message}"), location);
            None
        }
    }
}

fn place(source: u32, marker: &Marker) -> Location {
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Location { source, line: number(marker.line().max(1)), column: number(marker.col()).saturating_add(1) }
}

fn syntax_message(text: &str, error: &ScanError) -> String {
    let line = error.marker().line();
    // The scanner may notice a tab only at the start of the next token.
    let indented_by_tab = text.lines().take(line).skip(line.saturating_sub(2)).any(|line| {
        let indent = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
        indent.contains('\t')
    });
    if indented_by_tab {
        return format!("yaml: line {line} is indented by a tab character; YAML allows only spaces there");
    }
    format!("yaml: line {line}: {}", error.info())
}

/// Why reading ends.
enum Stop {
    Syntax(ScanError),
    Refused(String, Location),
}

/// A node with what it costs to repeat it.
struct Anchored {
    node: Node,
    nodes: usize,
    height: usize,
}

/// An unfinished section or list.
struct Frame {
    location: Location,
    anchor: usize,
    nodes_before: usize,
    height: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<(String, Location, Node)>, seen: HashSet<String>, key: Key, merged: Vec<Node> },
}

/// The key whose value is awaited.
enum Key {
    None,
    Text(String, Location),
    Merge(Location),
}

struct Builder<'r> {
    source: u32,
    report: &'r mut Report,
    frames: Vec<Frame>,
    anchors: BTreeMap<usize, Anchored>,
    nodes: usize,
    root: Option<Node>,
}

impl Builder<'_> {
    fn run(&mut self, mut parser: Parser<'_, StrInput<'_>>) -> Result<(), Stop> {
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(Stop::Syntax)?;
            let location = place(self.source, &span.start);
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(_) if self.root.is_some() => {
                    self.report.warning("", "only the first YAML document of this source is read", location);
                    break;
                }
                Event::Alias(anchor) => self.alias(anchor, location)?,
                Event::Scalar(text, style, anchor, tag) => {
                    let value = self.scalar(&text, style, tag.as_deref(), location)?;
                    let merge = style == ScalarStyle::Plain && tag.is_none() && text == "<<";
                    self.count(1, 0, location)?;
                    let node = Node { value, location };
                    self.remember(anchor, &node, 1, 0);
                    self.place_node(node, merge, 0)?;
                }
                Event::SequenceStart(anchor, _) => self.open(anchor, location, Content::List(Vec::new()))?,
                Event::MappingStart(anchor, _) => self.open(
                    anchor,
                    location,
                    Content::Map { entries: Vec::new(), seen: HashSet::new(), key: Key::None, merged: Vec::new() },
                )?,
                Event::SequenceEnd | Event::MappingEnd => self.close()?,
                Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
            }
        }
        Ok(())
    }

    fn count(&mut self, nodes: usize, height: usize, location: Location) -> Result<(), Stop> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > NODES_MAX {
            return Err(Stop::Refused(format!("more than {NODES_MAX} values, repeated aliases included"), location));
        }
        if self.frames.len() + height > DEPTH_MAX {
            return Err(Stop::Refused(format!("nested deeper than {DEPTH_MAX} levels"), location));
        }
        Ok(())
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, location: Location) -> Result<Value, Stop> {
        let mut is_plain = style == ScalarStyle::Plain;
        if let Some(tag) = tag.filter(|tag| tag.is_yaml_core_schema()) {
            match tag.suffix.as_str() {
                "null" => return Ok(Value::Null),
                "str" => is_plain = false,
                "int" | "float" | "bool" => is_plain = true,
                other => return Err(Stop::Refused(format!("the tag !!{other} is not supported"), location)),
            }
            return Ok(Value::Scalar(Scalar { text: text.to_owned(), is_plain }));
        }
        Ok(match text {
            "" | "~" | "null" | "Null" | "NULL" if is_plain => Value::Null,
            text => Value::Scalar(Scalar { text: text.to_owned(), is_plain }),
        })
    }

    fn alias(&mut self, anchor: usize, location: Location) -> Result<(), Stop> {
        let Some(Anchored { node, nodes, height }) = self.anchors.get(&anchor) else {
            return Err(Stop::Refused("an alias stands inside the value that it repeats".to_owned(), location));
        };
        let (nodes, height) = (*nodes, *height);
        let node = node.clone();
        self.count(nodes, height, location)?;
        self.place_node(node, false, height)
    }

    fn remember(&mut self, anchor: usize, node: &Node, nodes: usize, height: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, Anchored { node: node.clone(), nodes, height });
        }
    }

    fn open(&mut self, anchor: usize, location: Location, content: Content) -> Result<(), Stop> {
        let nodes_before = self.nodes;
        self.count(1, 1, location)?;
        self.frames.push(Frame { location, anchor, nodes_before, height: 0, content });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Stop> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let value = match frame.content {
            Content::List(items) => Value::List(items),
            Content::Map { mut entries, mut seen, merged, .. } => {
                // What a section says itself beats what it takes over, wherever `<<` stands.
                for node in merged {
                    let Value::Map(inherited) = node.value else { continue };
                    entries.extend(inherited.into_iter().filter(|(key, ..)| seen.insert(key.clone())));
                }
                Value::Map(entries)
            }
        };
        let node = Node { value, location: frame.location };
        let height = frame.height + 1;
        self.remember(frame.anchor, &node, self.nodes - frame.nodes_before, height);
        self.place_node(node, false, height)
    }

    /// Puts a finished node where it belongs: the document, a list, or a map's key or value.
    fn place_node(&mut self, mut node: Node, is_merge_key: bool, height: usize) -> Result<(), Stop> {
        let location = node.location;
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.height = frame.height.max(height);
        let (entries, seen, key, merged) = match &mut frame.content {
            Content::List(items) => {
                items.push(node);
                return Ok(());
            }
            Content::Map { entries, seen, key, merged } => (entries, seen, key, merged),
        };
        match std::mem::replace(key, Key::None) {
            Key::None if is_merge_key => *key = Key::Merge(location),
            Key::None => match node.value {
                Value::Scalar(scalar) => *key = Key::Text(scalar.text, location),
                _ => return Err(Stop::Refused(format!("a key must be text, found {}", node.describe()), location)),
            },
            Key::Text(name, at) => {
                // Problems of a block below its key are best shown at the key.
                if !matches!(node.value, Value::Scalar(_)) && location.line != at.line || node.is_null() {
                    node.location = at;
                }
                if seen.insert(name.clone()) {
                    entries.push((name, at, node));
                } else {
                    let message = format!("yaml: the key {name:?} stands twice in this section; keep one");
                    self.report.error("", message, at);
                }
            }
            Key::Merge(at) => match node.value {
                Value::Map(_) => merged.push(node),
                Value::List(items) if items.iter().all(|item| matches!(item.value, Value::Map(_))) => {
                    merged.extend(items);
                }
                _ => return Err(Stop::Refused("<< takes over a section or a list of sections".to_owned(), at)),
            },
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> (Option<Node>, Vec<String>) {
        let mut report = Report::default();
        let node = parse_yaml(text, 0, &mut report);
        (node, report.problems().iter().map(|problem| problem.message.clone()).collect())
    }

    fn good(text: &str) -> Node {
        let (node, problems) = read(text);
        assert_eq!(problems, Vec::<String>::new(), "{text}");
        node.unwrap()
    }

    fn text_of(node: &Node) -> (&str, bool) {
        match &node.value {
            Value::Scalar(scalar) => (&scalar.text, scalar.is_plain),
            other => panic!("no scalar: {other:?}"),
        }
    }

    #[test]
    fn scalars_keep_text_style_and_place() {
        let root = good("a: 0123\nb: \"x y\"\n  # comment\nc: |\n  block\nd: ~\ne:\n");
        assert_eq!(text_of(root.entry("a").unwrap()), ("0123", true));
        assert_eq!(root.entry("a").unwrap().location, Location { source: 0, line: 1, column: 4 });
        assert_eq!(text_of(root.entry("b").unwrap()), ("x y", false));
        assert_eq!(text_of(root.entry("c").unwrap()), ("block\n", false));
        assert!(root.entry("d").unwrap().is_null());
        assert_eq!(root.entry("e").unwrap().location, Location { source: 0, line: 7, column: 1 });
    }

    #[test]
    fn a_section_below_its_key_is_placed_at_the_key() {
        let root = good("a:\n  b: 1\nc: {d: 2}\n");
        assert_eq!(root.entry("a").unwrap().location.line, 1);
        assert_eq!(root.entry("c").unwrap().location, Location { source: 0, line: 3, column: 4 });
    }

    #[test]
    fn a_duplicate_key_is_an_error_and_every_one_is_reported() {
        let (node, problems) = read("a: 1\na: 2\nb: {c: 1, c: 2}\n");
        assert!(node.is_some());
        assert_eq!(problems.len(), 2);
        assert!(problems[0].contains("yaml") && problems[0].contains("\"a\""), "{problems:?}");
    }

    #[test]
    fn merge_keys_follow_go_yaml() {
        let root = good("base: &base {x: 1, y: 2}\nother: &other {y: 3, z: 4}\nuse:\n  <<: [*base, *other]\n  x: 9\n");
        let section = root.entry("use").unwrap();
        let values: Vec<_> = ["x", "y", "z"].map(|key| text_of(section.entry(key).unwrap()).0.to_owned()).into();
        assert_eq!(values, ["9", "2", "4"]);
        assert!(read("a: {<<: 3}").1[0].contains("yaml"));
    }

    #[test]
    fn tags_of_the_core_schema_are_honoured() {
        let root = good("a: !!str 12\nb: !!int \"3\"\nc: !!null x\nd: !custom y\n");
        assert_eq!(text_of(root.entry("a").unwrap()), ("12", false));
        assert_eq!(text_of(root.entry("b").unwrap()), ("3", true));
        assert!(root.entry("c").unwrap().is_null());
        assert_eq!(text_of(root.entry("d").unwrap()), ("y", true));
    }

    #[test]
    fn a_tab_is_named_as_such() {
        let (_, problems) = read("receivers:\n\totlp:\n\t\tprotocols:\n");
        assert!(problems[0].contains("tab") && problems[0].contains("yaml"), "{problems:?}");
    }

    #[test]
    fn limits_refuse_long_wide_deep_and_repeated_text() {
        let long = " ".repeat(TEXT_BYTES_MAX + 1);
        let wide = format!("[{}]", "1,".repeat(NODES_MAX));
        let deep = "[".repeat(DEPTH_MAX + 1);
        let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let previous = format!("*a{}, ", level - 1).repeat(10);
            laughs.push_str(&format!("a{level}: &a{level} [{previous}]\n"));
        }
        let mut tower = "a0: &a0 [x]\n".to_owned();
        for level in 1..40 {
            tower.push_str(&format!("a{level}: &a{level} [[*a{}]]\n", level - 1));
        }
        for text in [long, wide, deep, laughs, tower] {
            let (node, problems) = read(&text);
            assert!(node.is_none() && problems[0].starts_with("yaml"), "{problems:?}");
        }
    }

    #[test]
    fn only_the_first_document_is_read_and_that_is_said() {
        let (node, problems) = read("a: 1\n---\nb: 2\n");
        assert!(node.unwrap().entry("b").is_none());
        assert_eq!(problems.len(), 1);
    }

    #[test]
    fn a_bad_text_says_yaml_and_where() {
        for text in ["receivers: [otlp\nexporters: {", "a: *nowhere", "a: &a [*a]", "? [x]\n: y", "a: !!binary aGk="] {
            let (node, problems) = read(text);
            assert!(node.is_none(), "{text}");
            assert!(problems[0].starts_with("yaml"), "{problems:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_panic(text in "\\PC{0,80}") {
            read(&text);
        }

        #[test]
        fn any_soup_of_yaml_signs_is_read_or_refused(text in "[a-c0-1:\\-\\[\\]{},&*!#|>'\"%@`?<~ \t\n\r\\\\$]{0,120}") {
            read(&text);
        }
    }
}
