//! A condition whose names are bound: what the evaluation walks over.

use regex::bytes::Regex;

use super::functions::Function;
use super::path::Field;
use super::syntax::{Comparison, Operator};
use super::value::Value;

/// Something that is true or false.
#[derive(Clone, Debug)]
pub(super) enum Test {
    Or(Vec<Test>),
    And(Vec<Test>),
    Not(Box<Test>),
    Compare(Node, Comparison, Node),
    Bool(bool),
    Call(Node),
}

/// Something that has a value.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Literal(Value<'static>),
    Path(Field, Vec<Index>),
    Call(Box<Call>),
    List(Vec<Node>),
    Map(Vec<(Vec<u8>, Node)>),
    Chain(Box<Node>, Vec<(Operator, Node)>),
    Negate(Box<Node>),
}

/// An index.
#[derive(Clone, Debug)]
pub(super) enum Index {
    Text(Vec<u8>),
    Int(i64),
    Node(Node),
}

/// A call of a converter.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) function: &'static Function,
    /// One for each parameter; nothing for an optional one that is not given.
    pub(super) arguments: Vec<Option<Node>>,
    pub(super) keys: Vec<Index>,
    /// The pattern of a function that takes one, when it is a literal.
    pub(super) pattern: Option<Regex>,
}

impl Node {
    pub(super) fn literal(&self) -> Option<&Value<'static>> {
        match self {
            Self::Literal(value) => Some(value),
            _ => None,
        }
    }
}
