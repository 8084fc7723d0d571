//! The strict reader of one section. Every key that a component knows is asked for by name, with
//! its default; what was not asked for is an unknown key. Problems are collected, so decoding
//! never fails early: a component gets its defaults in place of bad values.

use std::time::Duration;

use super::{Location, Node, Report, Scalar, Secret, Value, closest, parse_duration};

/// The three kinds of optional sections of the Collector. All accept `enabled: true|false`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Optional {
    /// Off when absent or null, on when given.
    None,
    /// On unless disabled.
    Some,
    /// Off when absent; giving the key, even with null, turns it on with defaults.
    Default,
}

/// A section being read.
///
/// Reading a key marks it as known. [`Section::finish`] reports every key that nobody asked for;
/// closures given to the nested readers are finished by their caller.
pub struct Section<'a> {
    path: String,
    node: &'a Node,
    asked: Vec<&'static str>,
    is_open: bool,
    report: &'a mut Report,
}

impl<'a> Section<'a> {
    /// Starts reading `node`, which stands at `path` (`processors::batch`). A node that is
    /// neither null nor a map is reported at once.
    pub fn new(path: impl Into<String>, node: &'a Node, report: &'a mut Report) -> Self {
        let path = path.into();
        if !matches!(node.value, Value::Null | Value::Map(_)) {
            report.error(&path, format!("expected a section of keys, found {}", node.describe()), node.location);
        }
        Self { path, node, asked: Vec::new(), is_open: false, report }
    }

    /// Path of this section.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where this section stands.
    pub fn location(&self) -> Location {
        self.node.location
    }

    /// Path of a key in this section.
    pub fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}::{key}", self.path) }
    }

    /// Whether the key is given, even as null.
    pub fn is_given(&mut self, key: &'static str) -> bool {
        self.look(key).is_some()
    }

    /// The raw node of a key.
    pub fn look(&mut self, key: &'static str) -> Option<&'a Node> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.node.entry(key)
    }

    /// Every key with its node, for maps with free keys. Of such a section [`Section::finish`]
    /// reports nothing.
    pub fn entries(&mut self) -> &'a [(String, Location, Node)] {
        self.is_open = true;
        match &self.node.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// Reports an error at a key, or at the section when the key is not given.
    pub fn error(&mut self, key: &str, message: impl Into<String>) {
        let location = self.node.entry(key).map_or(self.node.location, |node| node.location);
        let path = if key.is_empty() { self.path.clone() } else { self.path_of(key) };
        self.report.error(path, message, location);
    }

    /// Reports a warning at a key, or at the section when the key is not given.
    pub fn warn(&mut self, key: &str, message: impl Into<String>) {
        let location = self.node.entry(key).map_or(self.node.location, |node| node.location);
        let path = if key.is_empty() { self.path.clone() } else { self.path_of(key) };
        self.report.warning(path, message, location);
    }

    /// A key of the Collector that this build does not do: giving it is an error that says so.
    pub fn unsupported(&mut self, key: &'static str, instead: &str) {
        if self.look(key).is_some_and(|node| !node.is_null()) {
            self.error(key, format!("not supported yet; {instead}"));
        }
    }

    /// A key of the Collector that has no meaning here: giving it is a warning that says why.
    pub fn ignored(&mut self, key: &'static str, why: &str) {
        if self.look(key).is_some_and(|node| !node.is_null()) {
            self.warn(key, format!("accepted and ignored: {why}"));
        }
    }

    fn scalar<T>(&mut self, key: &'static str, expected: &str, read: impl FnOnce(&Scalar) -> Option<T>) -> Option<T> {
        let node = self.look(key)?;
        match &node.value {
            Value::Null => None,
            Value::Scalar(scalar) => match read(scalar) {
                Some(value) => Some(value),
                None => {
                    self.error(key, format!("expected {expected}, found {}", node.describe()));
                    None
                }
            },
            _ => {
                self.error(key, format!("expected {expected}, found {}", node.describe()));
                None
            }
        }
    }

    /// A bool.
    pub fn bool(&mut self, key: &'static str, default: bool) -> bool {
        self.scalar(key, "true or false", Scalar::as_bool).unwrap_or(default)
    }

    /// An unsigned integer.
    pub fn uint(&mut self, key: &'static str, default: u64) -> u64 {
        self.scalar(key, "a whole number of zero or more", |scalar| u64::try_from(scalar.as_int()?).ok())
            .unwrap_or(default)
    }

    /// A signed integer.
    pub fn int(&mut self, key: &'static str, default: i64) -> i64 {
        self.scalar(key, "a whole number", |scalar| i64::try_from(scalar.as_int()?).ok()).unwrap_or(default)
    }

    /// A number.
    pub fn float(&mut self, key: &'static str, default: f64) -> f64 {
        self.scalar(key, "a number", Scalar::as_float).unwrap_or(default)
    }

    /// Text; a plain number or bool keeps its source text.
    pub fn string(&mut self, key: &'static str, default: &str) -> String {
        self.opt_string(key).unwrap_or_else(|| default.to_owned())
    }

    /// Text, or nothing when the key is absent or null.
    pub fn opt_string(&mut self, key: &'static str) -> Option<String> {
        if let Some(text) = self.look(key).and_then(|node| self.report.read_text(node.location)) {
            return Some(text);
        }
        self.scalar(key, "text", |scalar| Some(scalar.text.clone()))
    }

    /// Text that is never shown.
    pub fn secret(&mut self, key: &'static str) -> Option<Secret> {
        self.report.mark_secret(self.path_of(key));
        self.opt_string(key).map(Secret::new)
    }

    /// The text of one value of a free map or list, as [`Section::entries`] gives them; `None`
    /// and an error when it is no text. Null is empty text.
    pub fn text_of(&mut self, key: &str, node: &Node) -> Option<String> {
        if let Some(text) = self.report.read_text(node.location) {
            return Some(text);
        }
        match &node.value {
            Value::Null => Some(String::new()),
            Value::Scalar(scalar) => Some(scalar.text.clone()),
            _ => {
                let message = format!("expected text, found {}", node.describe());
                self.report.error(self.path_of(key), message, node.location);
                None
            }
        }
    }

    /// A map from names to secret texts, such as `headers`; the Collector's list form
    /// `[{name, value}]` is taken too.
    pub fn secrets(&mut self, key: &'static str) -> Vec<(String, Secret)> {
        self.report.mark_secret(self.path_of(key));
        if matches!(self.look(key), Some(Node { value: Value::List(_), .. })) {
            return self.list(key, |item| (item.string("name", ""), item.secret("value").unwrap_or_default()));
        }
        let read = |section: &mut Section<'_>| {
            let entries = section.entries();
            entries
                .iter()
                .filter_map(|(name, _, node)| Some((name.clone(), Secret::new(section.text_of(name, node)?))))
                .collect()
        };
        self.section(key, read).unwrap_or_default()
    }

    /// A duration in Go's syntax. A bare integer is nanoseconds, as in the Collector, and warned of.
    pub fn duration(&mut self, key: &'static str, default: Duration) -> Duration {
        self.opt_duration(key).unwrap_or(default)
    }

    /// A duration, or nothing when the key is absent or null.
    pub fn opt_duration(&mut self, key: &'static str) -> Option<Duration> {
        let text = self.scalar(key, "a duration such as 10s", |scalar| Some(scalar.clone()))?;
        match (text.as_int(), parse_duration(&text.text)) {
            (_, Ok(duration)) => Some(duration),
            (Some(nanos), Err(error)) => match u64::try_from(nanos) {
                Ok(nanos) => {
                    self.warn(key, format!("{nanos} has no unit and means nanoseconds, as in the Collector; write a duration such as 10s"));
                    Some(Duration::from_nanos(nanos))
                }
                Err(_) => {
                    self.error(key, error.to_string());
                    None
                }
            },
            (None, Err(error)) => {
                self.error(key, error.to_string());
                None
            }
        }
    }

    /// One of several words; the first argument pairs each word with its value.
    pub fn choice<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)], default: T) -> T {
        let Some(word) = self.opt_string(key) else { return default };
        if let Some((_, value)) = words.iter().find(|(known, _)| *known == word) {
            return *value;
        }
        let known: Vec<&str> = words.iter().map(|(known, _)| *known).filter(|known| !known.is_empty()).collect();
        let hint = closest(&word, known.iter().copied());
        let hint = hint.map(|word| format!("did you mean {word:?}? ")).unwrap_or_default();
        self.error(key, format!("unknown value {word:?}; {hint}write one of {}", known.join(", ")));
        default
    }

    /// A list of texts; one text with commas counts as a list, as in the Collector.
    pub fn strings(&mut self, key: &'static str) -> Option<Vec<String>> {
        let node = self.look(key)?;
        match &node.value {
            Value::Null => None,
            Value::Scalar(scalar) if scalar.text.is_empty() => Some(Vec::new()),
            Value::Scalar(scalar) => Some(scalar.text.split(',').map(str::to_owned).collect()),
            Value::List(items) => {
                let mut texts = Vec::with_capacity(items.len());
                for item in items {
                    match &item.value {
                        _ if self.report.keeps_text(item.location) => {
                            texts.extend(self.report.read_text(item.location));
                        }
                        Value::Scalar(scalar) => texts.push(scalar.text.clone()),
                        _ => self.report.error(
                            self.path_of(key),
                            format!("expected text in this list, found {}", item.describe()),
                            item.location,
                        ),
                    }
                }
                Some(texts)
            }
            Value::Map(_) => {
                self.error(key, "expected a list, found a section");
                None
            }
        }
    }

    /// A nested section, or nothing when absent or null. Unknown keys in it are reported.
    pub fn section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'_>) -> T) -> Option<T> {
        let node = self.look(key)?;
        if node.is_null() {
            return None;
        }
        let mut section = Section::new(self.path_of(key), node, self.report);
        let value = read(&mut section);
        section.finish();
        Some(value)
    }

    /// A nested section that is read even when absent, so that its defaults come from one place.
    pub fn section_or_default<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'_>) -> T) -> T {
        let empty = Node::default();
        let node = self.look(key).unwrap_or(&empty);
        let mut section = Section::new(self.path_of(key), node, self.report);
        let value = read(&mut section);
        section.finish();
        value
    }

    /// An optional section of one of the Collector's three kinds; `None` when it is off.
    pub fn optional<T>(
        &mut self,
        key: &'static str,
        kind: Optional,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> Option<T> {
        let given = self.look(key);
        let on = match (kind, given) {
            (Optional::Some, _) => true,
            (Optional::Default, given) => given.is_some(),
            (Optional::None, given) => given.is_some_and(|node| !node.is_null()),
        };
        if !on {
            return None;
        }
        let mut enabled = true;
        let value = self.section_or_default(key, |section| {
            enabled = section.bool("enabled", true);
            read(section)
        });
        enabled.then_some(value)
    }

    /// A list of sections.
    pub fn list<T>(&mut self, key: &'static str, mut read: impl FnMut(&mut Section<'_>) -> T) -> Vec<T> {
        let Some(node) = self.look(key) else { return Vec::new() };
        match &node.value {
            Value::Null => Vec::new(),
            Value::List(items) => {
                let mut values = Vec::with_capacity(items.len());
                for (position, item) in items.iter().enumerate() {
                    let path = format!("{}[{position}]", self.path_of(key));
                    let mut section = Section::new(path, item, self.report);
                    values.push(read(&mut section));
                    section.finish();
                }
                values
            }
            _ => {
                self.error(key, format!("expected a list, found {}", node.describe()));
                Vec::new()
            }
        }
    }

    /// Reports the keys that nobody asked for.
    pub fn finish(self) {
        let Value::Map(entries) = &self.node.value else { return };
        if self.is_open {
            return;
        }
        for (key, location, _) in entries {
            if self.asked.iter().any(|asked| asked == key) {
                continue;
            }
            let hint = match closest(key, self.asked.iter().copied()) {
                Some(asked) => format!("did you mean {asked:?}?"),
                None if self.asked.is_empty() => "no keys are known here".to_owned(),
                None => format!("known keys: {}", self.asked.join(", ")),
            };
            self.report.error(&self.path, format!("has invalid keys: {key}; {hint}"), *location);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse_yaml;
    use super::*;

    fn read<T>(text: &str, read: impl FnOnce(&mut Section<'_>) -> T) -> (T, Vec<String>) {
        let mut report = Report::default();
        let node = parse_yaml(text, 0, &mut report).unwrap();
        let mut section = Section::new("s", &node, &mut report);
        let value = read(&mut section);
        section.finish();
        (value, report.problems().iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect())
    }

    #[test]
    fn an_unknown_key_gets_a_suggestion_or_the_known_keys() {
        let ask = |section: &mut Section<'_>| (section.uint("send_batch_size", 1), section.bool("on", false));
        assert_eq!(
            read("Send_batch_siz: 5", ask).1,
            ["s: has invalid keys: Send_batch_siz; did you mean \"send_batch_size\"?"]
        );
        assert_eq!(read("elephant: 5", ask).1, ["s: has invalid keys: elephant; known keys: send_batch_size, on"]);
    }

    #[test]
    fn a_wrong_type_is_an_error_and_the_default_stands() {
        let (values, problems) = read("{a: \"10\", b: -1, c: [1], d: yes, e: x}", |section| {
            (
                section.uint("a", 1),
                section.uint("b", 2),
                section.string("c", "z"),
                section.bool("d", true),
                section.float("e", 0.5),
            )
        });
        assert_eq!(values, (1, 2, "z".to_owned(), true, 0.5));
        assert_eq!(problems[0], "s::a: expected a whole number of zero or more, found \"10\"");
        assert_eq!(problems.len(), 5, "{problems:?}");
    }

    #[test]
    fn durations_take_units_and_bare_numbers_are_nanoseconds_with_a_warning() {
        let (values, problems) = read("{a: 5, b: 1m, c: 5 parsecs}", |section| {
            ["a", "b", "c"].map(|key| section.duration(key, Duration::ZERO))
        });
        assert_eq!(values, [Duration::from_nanos(5), Duration::from_secs(60), Duration::ZERO]);
        assert!(problems[0].contains("nanoseconds") && problems[1].contains("parsecs"), "{problems:?}");
    }

    #[test]
    fn optional_sections_come_in_three_kinds() {
        let kinds = [Optional::None, Optional::Some, Optional::Default];
        let on = |text: &str| read(text, |section| kinds.map(|kind| section.optional("k", kind, |_| ()).is_some())).0;
        assert_eq!(on("{}"), [false, true, false]);
        assert_eq!(on("{k: }"), [false, true, true]);
        assert_eq!(on("{k: {}}"), [true, true, true]);
        assert_eq!(on("{k: {enabled: false}}"), [false, false, false]);
    }

    #[test]
    fn lists_take_items_or_commas() {
        assert_eq!(read("k: a,b", |section| section.strings("k")).0, Some(vec!["a".into(), "b".into()]));
        assert_eq!(read("k: [a, 1]", |section| section.strings("k")).0, Some(vec!["a".into(), "1".into()]));
        assert!(read("k: {a: b}", |section| section.strings("k")).1[0].contains("expected a list"));
        let (names, problems) =
            read("k: [{name: a}, {nam: b}]", |section| section.list("k", |item| item.string("name", "")));
        assert_eq!(names, ["a", ""]);
        assert_eq!(problems, ["s::k[1]: has invalid keys: nam; did you mean \"name\"?"]);
    }

    #[test]
    fn secrets_are_marked_whatever_form_they_have() {
        let mut report = Report::default();
        let node = parse_yaml("{token: t, headers: {a: b}}", 0, &mut report).unwrap();
        let mut section = Section::new("s", &node, &mut report);
        assert_eq!(section.secret("token").unwrap().expose(), "t");
        assert_eq!(section.secrets("headers")[0].1.expose(), "b");
        section.finish();
        assert!(report.is_secret("s::token") && report.is_secret("s::headers"));
        let (headers, _) = read("headers: [{name: a, value: b}]", |section| section.secrets("headers"));
        assert_eq!((headers[0].0.as_str(), headers[0].1.expose()), ("a", "b"));
    }

    #[test]
    fn words_and_relics_are_answered() {
        let (value, problems) = read("{mode: fast, old: 1, later: 2}", |section| {
            section.ignored("old", "a relic");
            section.unsupported("later", "leave it out");
            section.choice("mode", &[("slow", 1), ("quick", 2)], 1)
        });
        assert_eq!(value, 1);
        assert_eq!(problems.len(), 3);
        assert!(problems[1].contains("not supported yet") && problems[2].contains("slow, quick"), "{problems:?}");
        let (_, problems) = read("mode: quik", |section| section.choice("mode", &[("slow", 1), ("quick", 2)], 1));
        assert!(problems[0].contains("did you mean \"quick\"?"), "{problems:?}");
    }
}
