//! The texts that a config came from, so that a problem can show its line.

use super::Location;

/// One source.
#[derive(Clone, Debug)]
struct Source {
    name: String,
    text: Option<String>,
    has_places: bool,
}

/// Every source, by the number in [`Location::source`].
#[derive(Clone, Debug, Default)]
pub struct Sources {
    list: Vec<Source>,
}

impl Sources {
    /// Adds a source whose lines may be shown; returns its number.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> u32 {
        self.push(Source { name: name.into(), text: Some(text.into()), has_places: true })
    }

    /// Adds a source whose text is never shown, such as an environment variable.
    pub fn add_hidden(&mut self, name: impl Into<String>) -> u32 {
        self.push(Source { name: name.into(), text: None, has_places: true })
    }

    /// Adds a source so short that its name says all, such as a `--set`.
    pub fn add_inline(&mut self, name: impl Into<String>) -> u32 {
        self.push(Source { name: name.into(), text: None, has_places: false })
    }

    /// The number that the next source will have.
    pub fn next(&self) -> u32 {
        u32::try_from(self.list.len()).unwrap_or(u32::MAX)
    }

    fn push(&mut self, source: Source) -> u32 {
        let number = self.next();
        self.list.push(source);
        number
    }

    fn source(&self, location: Location) -> Option<&Source> {
        self.list.get(location.source as usize)
    }

    /// The name of a place's source: a path, `env:NAME`, `--set key=value`.
    pub fn name(&self, location: Location) -> &str {
        self.source(location).map_or("", |source| &source.name)
    }

    /// Whether line and column of a place say something.
    pub fn has_places(&self, location: Location) -> bool {
        location.line > 0 && self.source(location).is_some_and(|source| source.has_places)
    }

    /// The line of a place, when it may be shown.
    pub fn line(&self, location: Location) -> Option<&str> {
        let index = (location.line as usize).checked_sub(1)?;
        self.source(location)?.text.as_ref()?.lines().nth(index)
    }

    /// A place as `name:line:column`, or the name alone when it has no line.
    pub fn describe(&self, location: Location) -> String {
        let (name, Location { line, column, .. }) = (self.name(location), location);
        match self.has_places(location) {
            true => format!("{name}:{line}:{column}"),
            false => name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_names_its_source_and_shows_its_line_unless_hidden() {
        let mut sources = Sources::default();
        let file = sources.add("a.yaml", "one\ntwo\n");
        let hidden = sources.add_hidden("env:TOKEN");
        let at = |source, line| Location { source, line, column: 2 };
        assert_eq!((sources.describe(at(file, 2)), sources.line(at(file, 2))), ("a.yaml:2:2".to_owned(), Some("two")));
        let inline = sources.add_inline("--set a=1");
        assert_eq!(sources.describe(at(hidden, 0)), "env:TOKEN");
        assert_eq!(sources.describe(at(inline, 1)), "--set a=1");
        assert_eq!(sources.line(at(hidden, 1)), None);
        assert_eq!(sources.line(at(file, 9)), None);
    }
}
