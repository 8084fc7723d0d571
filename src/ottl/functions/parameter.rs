//! What converters take.

use std::fmt::{self, Display, Formatter};

use super::super::EvalError;
use super::super::convert;
use super::super::program::Node;
use super::super::value::Value;

/// A parameter of a converter.
#[derive(Debug)]
pub(in super::super) struct Parameter {
    pub(in super::super) name: &'static str,
    pub(in super::super) takes: Takes,
    pub(in super::super) is_optional: bool,
}

/// What an argument has to be. A literal is checked when the condition is read, everything else
/// when it is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Takes {
    Any,
    Text,
    TextLike,
    Int,
    IntLike,
    Double,
    DoubleLike,
    Bool,
    BoolLike,
    BytesLike,
    Map,
    List,
    Time,
    Duration,
    /// Text in quotes.
    LiteralText,
    /// `true` or `false`.
    LiteralBool,
    /// A list in brackets, of each of these.
    AnyList,
    TextList,
    TextLikeList,
    LiteralTextList,
}

impl Parameter {
    pub(super) const fn new(name: &'static str, takes: Takes) -> Self {
        Self { name, takes, is_optional: false }
    }

    pub(super) const fn optional(name: &'static str, takes: Takes) -> Self {
        Self { name, takes, is_optional: true }
    }
}

impl Display for Parameter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.is_optional { write!(f, "[{}]", self.name) } else { f.write_str(self.name) }
    }
}

impl Takes {
    /// What each item of a list in brackets has to be.
    fn item(self) -> Option<Self> {
        match self {
            Self::AnyList => Some(Self::Any),
            Self::TextList => Some(Self::Text),
            Self::TextLikeList => Some(Self::TextLike),
            Self::LiteralTextList => Some(Self::LiteralText),
            _ => None,
        }
    }

    /// Whether the argument is written as a list, each item with a value of its own.
    pub(in super::super) fn is_list_of_values(self) -> bool {
        self.item().is_some()
    }

    /// Checks an argument as far as that is possible without a span.
    ///
    /// # Errors
    /// What it must be.
    pub(in super::super) fn check(self, node: &Node) -> Result<(), String> {
        if let (Some(item), Node::List(nodes)) = (self.item(), node) {
            return nodes.iter().try_for_each(|node| item.check(node));
        }
        match (self, node) {
            (Self::LiteralText, Node::Literal(Value::Text(_))) | (Self::LiteralBool, Node::Literal(Value::Bool(_))) => {
                Ok(())
            }
            (Self::LiteralText, _) => Err("must be text in quotes".to_owned()),
            (Self::LiteralBool, _) => Err("must be true or false".to_owned()),
            (_, Node::Literal(value)) => self.check_literal(value).map_err(|error| format!("does not fit: {error}")),
            _ => Ok(()),
        }
    }

    fn check_literal(self, value: &Value<'static>) -> Result<(), EvalError> {
        match self {
            Self::Text => convert::text(value.borrowed()).map(drop),
            Self::TextLike => convert::text_like(value.borrowed()).map(drop),
            Self::Int => convert::int(value).map(drop),
            Self::IntLike => convert::int_like(value).map(drop),
            Self::DoubleLike => convert::double_like(value).map(drop),
            Self::Bool if !matches!(value, Value::Bool(_)) => {
                Err(EvalError::Type { expected: "bool", found: value.type_name() })
            }
            Self::Double if !matches!(value, Value::Double(_)) => {
                Err(EvalError::Type { expected: "double", found: value.type_name() })
            }
            Self::BoolLike => convert::bool_like(value).map(drop),
            Self::BytesLike => convert::bytes_like(value.borrowed()).map(drop),
            Self::Map => convert::map(value.borrowed()).map(drop),
            Self::List => convert::list(value.borrowed()).map(drop),
            Self::Time => convert::time(value).map(drop),
            Self::Duration => convert::duration(value).map(drop),
            _ => Ok(()),
        }
    }
}
