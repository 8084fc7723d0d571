//! What goes wrong with a condition: when it is read, and when it meets a span.

/// Text that is no condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct ParseError {
    /// Where it stands: 1 for the first character.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl ParseError {
    pub(super) fn new(column: usize, message: impl Into<String>) -> Self {
        Self { column, message: message.into() }
    }
}

/// A condition that has no result for a span. Making one allocates nothing: under `ignore` there
/// may be one a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// A value has another type than is needed.
    #[error("expected {expected}, found {found}")]
    Type {
        /// What is needed.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// An index into something that has none of this kind.
    #[error("a value of type {0} cannot be indexed this way")]
    NotIndexable(&'static str),
    /// A key that the result of a converter does not have.
    #[error("the key is not in the map")]
    NoSuchKey,
    /// A place that a list does not have.
    #[error("index {0} is out of bounds")]
    OutOfBounds(i64),
    /// A division by zero.
    #[error("attempt to divide by 0")]
    DivisionByZero,
    /// Operands that cannot be calculated with.
    #[error("{left} {operator} {right} cannot be calculated")]
    Operands {
        /// Type of the left side.
        left: &'static str,
        /// The operator.
        operator: char,
        /// Type of the right side.
        right: &'static str,
    },
    /// A converter refuses its argument.
    #[error("{function}: {why}")]
    Refused {
        /// Name of the converter.
        function: &'static str,
        /// What is wrong.
        why: &'static str,
    },
}
