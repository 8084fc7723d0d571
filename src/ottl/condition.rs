//! A condition, ready to be asked.

use super::evaluate::Scene;
use super::program::Test;
use super::{EvalError, ParseError, Target, compile, lexer, parser};
use crate::model::UnixNanos;

/// What a condition is about, and with it the paths that it can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// A span: `name`, `span.name`, `scope.*`, `resource.*`.
    Span,
    /// An event of a span: `name`, `spanevent.name`, `span.*`, `scope.*`, `resource.*`.
    SpanEvent,
    /// A resource: `attributes`, `resource.attributes`.
    Resource,
    /// A scope: `name`, `scope.name`, `resource.*`.
    Scope,
}

/// A boolean expression of the OpenTelemetry Transformation Language.
///
/// What must hold beyond the grammar: names are known, literal arguments have the types that their
/// converters take, literal patterns compile.
#[derive(Clone, Debug)]
pub struct Condition {
    test: Test,
    context: Context,
    text: Box<str>,
}

impl PartialEq for Condition {
    /// The same text about the same thing.
    fn eq(&self, other: &Self) -> bool {
        self.context == other.context && self.text == other.text
    }
}

impl Condition {
    /// Reads a condition and binds its names.
    ///
    /// # Errors
    /// With the column, what is wrong there, and what is known.
    pub fn parse(text: &str, context: Context) -> Result<Self, ParseError> {
        let expression = parser::parse(text)?;
        let test = compile::bind(&expression, context)
            .map_err(|error| ParseError { column: lexer::column(text, error.column), ..error })?;
        Ok(Self { test, context, text: text.into() })
    }

    /// Whether it holds for a target of its context. `now` is what `Now()` gives.
    ///
    /// # Errors
    /// When a value has a type that an operator or converter cannot take.
    #[inline]
    pub fn evaluate(&self, target: &Target<'_>, now: UnixNanos) -> Result<bool, EvalError> {
        Scene { target: *target, now }.test(&self.test)
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A condition in its one printed form, without binding its names.
///
/// # Errors
/// When it has invalid syntax.
pub fn normalize(text: &str) -> Result<String, ParseError> {
    parser::parse(text).map(|expression| expression.to_string())
}
