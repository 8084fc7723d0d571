//! Syntax to program: paths become fields, enums numbers, calls functions with checked arguments.
//! Until [`super::Condition::parse`] has the text at hand, an error's column is a byte.

use super::compare::compare;
use super::condition::Context;
use super::functions::{self, Parameter};
use super::program::{Call, Index, Node, Test};
use super::syntax::{self, Argument, Expression, Key, Term};
use super::value::{Entry, List, Map, Value};
use super::{ParseError, path};

/// Binds the names of a condition.
pub(super) fn bind(expression: &Expression, context: Context) -> Result<Test, ParseError> {
    Binder { context }.test(expression)
}

struct Binder {
    context: Context,
}

type Bound<T> = Result<T, ParseError>;

impl Binder {
    fn test(&self, expression: &Expression) -> Bound<Test> {
        let all = |parts: &[Expression]| parts.iter().map(|part| self.test(part)).collect::<Bound<Vec<_>>>();
        Ok(match expression {
            Expression::Or(parts) => joined(all(parts)?, true, Test::Or),
            Expression::And(parts) => joined(all(parts)?, false, Test::And),
            Expression::Not(inner) => match self.test(inner)? {
                Test::Bool(value) => Test::Bool(!value),
                test => Test::Not(Box::new(test)),
            },
            Expression::Compare(left, comparison, right) => match (self.node(left)?, self.node(right)?) {
                (Node::Literal(left), Node::Literal(right)) => Test::Bool(compare(&left, *comparison, &right)),
                (left, right) => Test::Compare(left, *comparison, right),
            },
            Expression::Bool(value) => Test::Bool(*value),
            Expression::Call(call) => Test::Call(self.call(call)?),
        })
    }

    fn node(&self, term: &Term) -> Bound<Node> {
        Ok(match term {
            Term::Nil => Node::Literal(Value::Nil),
            Term::Bool(flag) => Node::Literal(Value::Bool(*flag)),
            Term::Text(text) => Node::Literal(Value::owned_text(text.as_str())),
            Term::Bytes(bytes) => Node::Literal(Value::Bytes(bytes.clone().into())),
            Term::Int(number) => Node::Literal(Value::Int(*number)),
            Term::Double(number) => Node::Literal(Value::Double(*number)),
            Term::Enum(name, at) => Node::Literal(Value::Int(path::enum_value(name, at.0, self.context)?)),
            Term::Path(term) => Node::Path(path::resolve(term, self.context)?, self.last_keys(term)?),
            Term::Call(call) => self.call(call)?,
            Term::List(items) => literal_list(items.iter().map(|item| self.node(item)).collect::<Bound<Vec<_>>>()?),
            Term::Map(entries) => self.map(entries)?,
            Term::Chain(first, rest) => {
                let rest = rest.iter().map(|(operator, term)| Ok((*operator, self.node(term)?)));
                Node::Chain(Box::new(self.node(first)?), rest.collect::<Bound<_>>()?)
            }
            Term::Negate(inner) => Node::Negate(Box::new(self.node(inner)?)),
        })
    }

    fn last_keys(&self, path: &syntax::Path) -> Bound<Vec<Index>> {
        path.segments.last().map_or(Ok(Vec::new()), |last| self.keys(&last.keys))
    }

    fn keys(&self, keys: &[Key]) -> Bound<Vec<Index>> {
        let index = |key: &Key| {
            Ok(match key {
                Key::Text(text) => Index::Text(text.clone().into_bytes()),
                Key::Int(place) => Index::Int(*place),
                Key::Term(term) => Index::Node(self.node(term)?),
            })
        };
        keys.iter().map(index).collect()
    }

    /// Of equal keys the last one counts.
    fn map(&self, entries: &[(String, Term)]) -> Bound<Node> {
        let mut bound: Vec<(Vec<u8>, Node)> = Vec::with_capacity(entries.len());
        for (key, term) in entries {
            let node = self.node(term)?;
            match bound.iter_mut().find(|(other, _)| other == key.as_bytes()) {
                Some(entry) => entry.1 = node,
                None => bound.push((key.clone().into_bytes(), node)),
            }
        }
        if bound.iter().any(|(_, node)| node.literal().is_none()) {
            return Ok(Node::Map(bound));
        }
        let literal = |(key, node): (Vec<u8>, Node)| -> Option<Entry<'static>> {
            match node {
                Node::Literal(value) => Some((key.into(), value)),
                _ => None,
            }
        };
        Ok(Node::Literal(Value::Map(Map::Owned(bound.into_iter().filter_map(literal).collect()))))
    }

    fn call(&self, call: &syntax::Call) -> Bound<Node> {
        let error = |message: String| ParseError::new(call.at.0, message);
        let function = functions::find(&call.name, self.context).map_err(error)?;
        let mut arguments: Vec<Option<Node>> = function.parameters.iter().map(|_| None).collect();
        let mut is_named = false;
        for (place, argument) in call.arguments.iter().enumerate() {
            if is_named && argument.name.is_none() {
                return Err(ParseError::new(argument.at.0, "an argument without a name stands after one with a name"));
            }
            is_named |= argument.name.is_some();
            let place = match &argument.name {
                Some(name) => function.parameters.iter().position(|parameter| parameter.name == name),
                None => Some(place).filter(|place| *place < arguments.len()),
            };
            let Some(place) = place.filter(|place| arguments[*place].is_none()) else {
                return Err(ParseError::new(argument.at.0, format!("no such argument; {}", function.signature())));
            };
            arguments[place] = Some(self.argument(argument, &function.parameters[place], function.name)?);
        }
        let is_missing =
            |(argument, parameter): (&Option<Node>, &Parameter)| argument.is_none() && !parameter.is_optional;
        if arguments.iter().zip(function.parameters).any(is_missing) {
            return Err(error(format!("an argument is missing; {}", function.signature())));
        }
        let mut bound = Call { function, arguments, keys: self.keys(&call.keys)?, pattern: None };
        functions::prepare(&mut bound).map_err(|why| error(format!("{}: {why}", function.name)))?;
        Ok(Node::Call(Box::new(bound)))
    }

    fn argument(&self, argument: &Argument, parameter: &Parameter, function: &str) -> Bound<Node> {
        let error =
            |why: String| ParseError::new(argument.at.0, format!("argument {:?} of {function} {why}", parameter.name));
        let node = match (&argument.value, parameter.takes.is_list_of_values()) {
            (Term::List(items), true) => Node::List(items.iter().map(|item| self.node(item)).collect::<Bound<_>>()?),
            (_, true) => return Err(error("must be a list in brackets".to_owned())),
            (term, false) => self.node(term)?,
        };
        parameter.takes.check(&node).map_err(error)?;
        Ok(node)
    }
}

/// Parts that are known already decide the whole, wherever they stand, or have no say in it.
fn joined(mut parts: Vec<Test>, deciding: bool, join: fn(Vec<Test>) -> Test) -> Test {
    if parts.iter().any(|part| matches!(part, Test::Bool(value) if *value == deciding)) {
        return Test::Bool(deciding);
    }
    parts.retain(|part| !matches!(part, Test::Bool(_)));
    match parts.len() {
        0 => Test::Bool(!deciding),
        1 => parts.swap_remove(0),
        _ => join(parts),
    }
}

fn literal_list(nodes: Vec<Node>) -> Node {
    if nodes.iter().any(|node| node.literal().is_none()) {
        return Node::List(nodes);
    }
    let literal = |node| match node {
        Node::Literal(value) => Some(value),
        _ => None,
    };
    Node::Literal(Value::List(List::Owned(nodes.into_iter().filter_map(literal).collect())))
}
