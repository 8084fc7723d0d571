//! Problems found in a config: collected, not thrown, so that a user sees all of them at once.

use super::Location;

/// Whether a problem stops the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; the config still runs.
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

/// All problems of a config.
#[derive(Clone, Debug, Default)]
pub struct Report {
    problems: Vec<Problem>,
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

    /// Every problem in the order found.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Whether some problem stops the start.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }
}
