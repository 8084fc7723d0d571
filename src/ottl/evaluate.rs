//! Walks over a bound condition and asks the target for what it names.

use std::borrow::Cow;

use super::arithmetic::{calculate, negate};
use super::compare::compare;
use super::convert::nil_as_error;
use super::path::{Field, SpanField};
use super::program::{Call, Index, Node, Test};
use super::value::{List, Map, Value};
use super::{EvalError, Target};
use crate::model::UnixNanos;

/// What an evaluation knows.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) target: Target<'a>,
    pub(super) now: UnixNanos,
}

impl<'a> Scene<'a> {
    /// Whether the test holds. `or` and `and` stop at the first part that decides.
    pub(super) fn test(&self, test: &'a Test) -> Result<bool, EvalError> {
        match test {
            Test::Compare(left, comparison, right) => Ok(compare(&self.value(left)?, *comparison, &self.value(right)?)),
            Test::And(parts) => {
                for part in parts {
                    if !self.test(part)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Test::Or(parts) => {
                for part in parts {
                    if self.test(part)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Test::Not(inner) => Ok(!self.test(inner)?),
            Test::Bool(value) => Ok(*value),
            Test::Call(call) => match self.value(call)? {
                Value::Bool(value) => Ok(value),
                other => Err(EvalError::Type { expected: "bool", found: other.type_name() }),
            },
        }
    }

    /// The value of a node.
    #[inline]
    pub(super) fn value(&self, node: &'a Node) -> Result<Value<'a>, EvalError> {
        match node {
            Node::Literal(value) => Ok(value.borrowed()),
            Node::Path(field, keys) => match keys.split_first() {
                None => Ok(self.target.read(*field)),
                Some((Index::Text(key), rest)) => self.deeper(self.target.look_up(*field, key)?, rest),
                // The Collector takes only literal keys here.
                Some(_) if *field == Field::Span(SpanField::TraceState) => Err(EvalError::NotIndexable("trace state")),
                Some((first, rest)) => {
                    let key = self.text_key(first)?;
                    self.deeper(self.target.look_up(*field, &key)?, rest)
                }
            },
            Node::Call(call) => self.call(call),
            Node::List(items) => {
                Ok(Value::List(List::Owned(items.iter().map(|item| self.value(item)).collect::<Result<_, _>>()?)))
            }
            Node::Map(entries) => {
                let entry = |(key, node): &'a (Vec<u8>, Node)| Ok((Cow::Borrowed(key.as_slice()), self.value(node)?));
                Ok(Value::Map(Map::Owned(entries.iter().map(entry).collect::<Result<_, _>>()?)))
            }
            Node::Chain(first, rest) => {
                let mut value = self.value(first)?;
                for (operator, node) in rest {
                    value = calculate(&value, *operator, &self.value(node)?)?;
                }
                Ok(value)
            }
            Node::Negate(inner) => negate(&self.value(inner)?),
        }
    }

    fn call(&self, call: &'a Call) -> Result<Value<'a>, EvalError> {
        let mut value = (call.function.run)(self, call)?;
        for key in &call.keys {
            value = match self.key(key)? {
                Value::Text(key) => match value {
                    Value::Map(map) => map.take(&key).ok_or(EvalError::NoSuchKey)?,
                    other => return Err(EvalError::NotIndexable(other.type_name())),
                },
                Value::Int(place) => match value {
                    Value::List(list) => at(list, place)?,
                    other => return Err(EvalError::NotIndexable(other.type_name())),
                },
                other => return Err(EvalError::Type { expected: "string or int", found: other.type_name() }),
            };
        }
        Ok(value)
    }

    /// Further into the value of an attribute: what a map lacks is nil.
    #[inline]
    fn deeper(&self, found: Option<Value<'a>>, keys: &'a [Index]) -> Result<Value<'a>, EvalError> {
        let Some(mut value) = found else { return Ok(Value::Nil) };
        for key in keys {
            value = match value {
                Value::Map(map) => match map.take(&self.text_key(key)?) {
                    Some(found) => found,
                    None => return Ok(Value::Nil),
                },
                Value::List(list) => match self.key(key)? {
                    Value::Int(place) => at(list, place)?,
                    other => return Err(EvalError::Type { expected: "int", found: other.type_name() }),
                },
                other => return Err(EvalError::NotIndexable(other.type_name())),
            };
        }
        Ok(value)
    }

    fn key(&self, index: &'a Index) -> Result<Value<'a>, EvalError> {
        match index {
            Index::Text(key) => Ok(Value::Text(Cow::Borrowed(key))),
            Index::Int(place) => Ok(Value::Int(*place)),
            Index::Node(node) => nil_as_error(self.value(node)?, "string or int"),
        }
    }

    fn text_key(&self, index: &'a Index) -> Result<Cow<'a, [u8]>, EvalError> {
        match self.key(index)? {
            Value::Text(key) => Ok(key),
            other => Err(EvalError::Type { expected: "string", found: other.type_name() }),
        }
    }
}

fn at(list: List<'_>, place: i64) -> Result<Value<'_>, EvalError> {
    usize::try_from(place).ok().and_then(|index| list.take(index)).ok_or(EvalError::OutOfBounds(place))
}
