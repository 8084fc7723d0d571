//! What was written, before any name is looked up.

/// Where something stands, in bytes. Equal to every other: it is no part of what was written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct At(pub(super) usize);

impl PartialEq for At {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Something that is true or false.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    Or(Vec<Expression>),
    And(Vec<Expression>),
    Not(Box<Expression>),
    Compare(Term, Comparison, Term),
    Bool(bool),
    Call(Call),
}

/// A comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    GreaterEqual,
    Greater,
}

/// An arithmetic operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// Something that has a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Term {
    Nil,
    Bool(bool),
    Text(String),
    Bytes(Vec<u8>),
    Int(i64),
    Double(f64),
    Enum(String, At),
    Path(Path),
    Call(Call),
    List(Vec<Term>),
    Map(Vec<(String, Term)>),
    /// A chain of `+` and `-`, or one of `*` and `/`, from left to right.
    Chain(Box<Term>, Vec<(Operator, Term)>),
    Negate(Box<Term>),
}

/// `segment.segment["key"]`
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Path {
    pub(super) segments: Vec<Segment>,
    pub(super) at: At,
}

/// A name with its indexes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Segment {
    pub(super) name: String,
    pub(super) keys: Vec<Key>,
}

/// An index.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Key {
    Text(String),
    Int(i64),
    Term(Term),
}

/// `Converter(argument, name = argument)["key"]`
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) arguments: Vec<Argument>,
    pub(super) keys: Vec<Key>,
    pub(super) at: At,
}

/// An argument, by place or by name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Argument {
    pub(super) name: Option<String>,
    pub(super) value: Term,
    pub(super) at: At,
}

impl Comparison {
    pub(super) fn of(symbol: &str) -> Option<Self> {
        Some(match symbol {
            "==" => Self::Equal,
            "!=" => Self::NotEqual,
            "<" => Self::Less,
            "<=" => Self::LessEqual,
            ">=" => Self::GreaterEqual,
            ">" => Self::Greater,
            _ => return None,
        })
    }

    pub(super) fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::GreaterEqual => ">=",
            Self::Greater => ">",
        }
    }
}

impl Operator {
    pub(super) fn symbol(self) -> char {
        match self {
            Self::Add => '+',
            Self::Subtract => '-',
            Self::Multiply => '*',
            Self::Divide => '/',
        }
    }
}
