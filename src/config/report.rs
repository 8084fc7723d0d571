//! Problems found in a config: collected, not thrown, so that a user sees all of them at once.

use std::collections::{BTreeSet, HashMap};

use super::Location;

/// Whether a problem stops the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is wrong, but it may surprise.
    Note,
    /// Worth mending; the config still runs.
    Warning,
    /// The config does not run.
    Error,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether it stops the start.
    pub severity: Severity,
    /// Path of the key, as `processors::batch::timeout`; may be empty.
    pub path: String,
    /// What is wrong and how to mend it.
    pub message: String,
    /// Where it stands.
    pub location: Location,
}

/// The source text of an expansion that YAML takes for something else than text.
#[derive(Clone, Debug)]
struct KeptText {
    text: String,
    /// Whether a key that wants text stands there.
    is_read: bool,
}

/// All problems of a config.
#[derive(Clone, Debug, Default)]
pub struct Report {
    problems: Vec<Problem>,
    secrets: BTreeSet<String>,
    texts: HashMap<Location, KeptText>,
}

impl Report {
    /// Adds a problem.
    pub fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Adds an error.
    pub fn error(&mut self, path: impl Into<String>, message: impl Into<String>, location: Location) {
        self.push(Problem { severity: Severity::Error, path: path.into(), message: message.into(), location });
    }

    /// Adds a warning.
    pub fn warning(&mut self, path: impl Into<String>, message: impl Into<String>, location: Location) {
        self.push(Problem { severity: Severity::Warning, path: path.into(), message: message.into(), location });
    }

    /// Adds a note.
    pub fn note(&mut self, path: impl Into<String>, message: impl Into<String>, location: Location) {
        self.push(Problem { severity: Severity::Note, path: path.into(), message: message.into(), location });
    }

    /// Remembers that the value at a path is never shown.
    pub fn mark_secret(&mut self, path: impl Into<String>) {
        self.secrets.insert(path.into());
    }

    /// Whether the value at a path is never shown.
    pub fn is_secret(&self, path: &str) -> bool {
        self.secrets.contains(path)
    }

    /// Remembers the source text of an expansion that YAML takes for something else than text.
    pub(super) fn keep_text(&mut self, location: Location, text: String) {
        self.texts.insert(location, KeptText { text, is_read: false });
    }

    /// The source text of the expansion at a place, when it differs from the node's own text,
    /// for a key that wants text.
    pub(super) fn read_text(&mut self, location: Location) -> Option<String> {
        let kept = self.texts.get_mut(&location)?;
        kept.is_read = true;
        Some(kept.text.clone())
    }

    /// Whether the node at a place is an expansion whose source text differs.
    pub(super) fn keeps_text(&self, location: Location) -> bool {
        self.texts.contains_key(&location)
    }

    /// The source text at a place, if a key has read it as text.
    pub(super) fn text_as_read(&self, location: Location) -> Option<&str> {
        self.texts.get(&location).filter(|kept| kept.is_read).map(|kept| kept.text.as_str())
    }

    /// Problems of one severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.problems.iter().filter(|problem| problem.severity == severity).count()
    }

    /// Every problem in the order found.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Whether some problem stops the start.
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// Whether there is something beside errors that `--strict` refuses.
    pub fn has_warnings(&self) -> bool {
        self.count(Severity::Warning) > 0
    }
}

impl Severity {
    /// `error`, `warning` or `note`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}
