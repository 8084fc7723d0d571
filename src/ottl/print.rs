//! Writes what was read, in one form: parsing it again gives the same.

use std::fmt::{self, Display, Formatter, Write};

use super::syntax::{Argument, Call, Expression, Key, Operator, Path, Term};

impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Or(parts) => joined(f, parts, " or ", |f, part| grouped(f, part, matches!(part, Self::Or(_)))),
            Self::And(parts) => {
                joined(f, parts, " and ", |f, part| grouped(f, part, matches!(part, Self::Or(_) | Self::And(_))))
            }
            Self::Not(inner) => {
                f.write_str("not ")?;
                grouped(f, inner, matches!(**inner, Self::Or(_) | Self::And(_) | Self::Not(_)))
            }
            Self::Compare(left, comparison, right) => write!(f, "{left} {} {right}", comparison.symbol()),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Call(call) => write!(f, "{call}"),
        }
    }
}

impl Display for Term {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Text(text) => quoted(f, text),
            Self::Bytes(bytes) => {
                f.write_str("0x")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::Int(number) => write!(f, "{number}"),
            Self::Double(number) if number.fract() == 0.0 => write!(f, "{number}.0"),
            Self::Double(number) => write!(f, "{number}"),
            Self::Enum(name, _) => f.write_str(name),
            Self::Path(path) => write!(f, "{path}"),
            Self::Call(call) => write!(f, "{call}"),
            Self::List(items) => {
                f.write_char('[')?;
                joined(f, items, ", ", |f, item| write!(f, "{item}"))?;
                f.write_char(']')
            }
            Self::Map(entries) => {
                f.write_char('{')?;
                joined(f, entries, ", ", |f, (key, value)| {
                    quoted(f, key)?;
                    write!(f, ": {value}")
                })?;
                f.write_char('}')
            }
            Self::Negate(inner) => {
                f.write_char('-')?;
                grouped(f, inner, !matches!(**inner, Self::Path(_) | Self::Call(_)))
            }
            Self::Chain(first, rest) => {
                let is_product = matches!(rest.first(), Some((Operator::Multiply | Operator::Divide, _)));
                chained(f, first, is_product)?;
                rest.iter().try_for_each(|(operator, term)| {
                    write!(f, " {} ", operator.symbol())?;
                    chained(f, term, is_product)
                })
            }
        }
    }
}

impl Display for Path {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        joined(f, &self.segments, ".", |f, segment| {
            f.write_str(&segment.name)?;
            indexed(f, &segment.keys)
        })
    }
}

impl Display for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.name)?;
        joined(f, &self.arguments, ", ", |f, Argument { name, value, .. }| {
            if let Some(name) = name {
                write!(f, "{name} = ")?;
            }
            write!(f, "{value}")
        })?;
        f.write_char(')')?;
        indexed(f, &self.keys)
    }
}

fn joined<T>(
    f: &mut Formatter<'_>,
    items: &[T],
    separator: &str,
    mut write: impl FnMut(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            f.write_str(separator)?;
        }
        write(f, item)?;
    }
    Ok(())
}

fn grouped(f: &mut Formatter<'_>, inner: &impl Display, needs_parentheses: bool) -> fmt::Result {
    if needs_parentheses { write!(f, "({inner})") } else { write!(f, "{inner}") }
}

/// An operand: a chain of its own needs parentheses, unless it binds tighter.
fn chained(f: &mut Formatter<'_>, term: &Term, is_product: bool) -> fmt::Result {
    let binds_tighter =
        |rest: &[(Operator, Term)]| matches!(rest.first(), Some((Operator::Multiply | Operator::Divide, _)));
    grouped(f, term, matches!(term, Term::Chain(_, rest) if is_product || !binds_tighter(rest)))
}

fn indexed(f: &mut Formatter<'_>, keys: &[Key]) -> fmt::Result {
    keys.iter().try_for_each(|key| {
        f.write_char('[')?;
        match key {
            Key::Text(text) => quoted(f, text)?,
            Key::Int(number) => write!(f, "{number}")?,
            Key::Term(term) => write!(f, "{term}")?,
        }
        f.write_char(']')
    })
}

fn quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for character in text.chars() {
        match character {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            control if control.is_control() => write!(f, "\\u{:04x}", u32::from(control))?,
            plain => f.write_char(plain)?,
        }
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::condition::normalize;
    use super::super::lexer::tokens;
    use super::super::parser::parse;
    use super::super::syntax::{Argument, At, Call, Comparison, Expression, Key, Operator, Path, Segment, Term};
    use super::super::{Condition, Context};

    fn key(term: impl Strategy<Value = Term> + 'static) -> BoxedStrategy<Key> {
        // A number is a key of its own, and text is not calculated with.
        let term = term.prop_filter("a calculation", |term| {
            matches!(term, Term::Path(_) | Term::Call(_) | Term::Chain(..) | Term::Double(_))
        });
        prop_oneof!["[a-z.]{0,6}".prop_map(Key::Text), (-9_i64..99).prop_map(Key::Int), term.prop_map(Key::Term)]
            .boxed()
    }

    fn path(keys: impl Strategy<Value = Vec<Key>>) -> impl Strategy<Value = Path> {
        (vec("[a-m][a-z0-9_]{0,5}", 1..4), keys).prop_map(|(names, keys)| {
            let is_word = |name: &String| ["and", "false"].contains(&name.as_str());
            let name = |name: String| if is_word(&name) { "x".to_owned() } else { name };
            let mut segments: Vec<_> =
                names.into_iter().map(|text| Segment { name: name(text), keys: Vec::new() }).collect();
            if let Some(last) = segments.last_mut() {
                last.keys = keys;
            }
            Path { segments, at: At(0) }
        })
    }

    fn leaf() -> BoxedStrategy<Term> {
        prop_oneof![
            Just(Term::Nil),
            any::<bool>().prop_map(Term::Bool),
            "\\PC{0,8}|[\"\\\\\n\t]{1,3}".prop_map(Term::Text),
            vec(any::<u8>(), 1..5).prop_map(Term::Bytes),
            (i64::MIN + 1..=i64::MAX).prop_map(Term::Int),
            (-1e9_f64..1e9).prop_map(Term::Double),
            "[A-Z][A-Z_]{0,5}".prop_map(|name| Term::Enum(name, At(0))),
            path(Just(Vec::new())).prop_map(Term::Path),
        ]
        .boxed()
    }

    /// What can be calculated with. A sum in a sum is one chain unless it has parentheses.
    fn chain(term: BoxedStrategy<Term>) -> impl Strategy<Value = Term> {
        let operand = term.prop_filter("an operand", |term| {
            matches!(term, Term::Path(_) | Term::Call(_) | Term::Int(_) | Term::Double(_) | Term::Chain(..))
        });
        (operand.clone(), any::<bool>(), vec((any::<bool>(), operand), 1..3)).prop_map(|(first, is_product, rest)| {
            let operator = |is_first| match (is_product, is_first) {
                (true, true) => Operator::Multiply,
                (true, false) => Operator::Divide,
                (false, true) => Operator::Add,
                (false, false) => Operator::Subtract,
            };
            Term::Chain(Box::new(first), rest.into_iter().map(|(is_first, term)| (operator(is_first), term)).collect())
        })
    }

    fn call(term: BoxedStrategy<Term>) -> impl Strategy<Value = Call> {
        let argument = (proptest::option::of("[b-m][a-z_]{0,4}".prop_map(|name| format!("{name}_"))), term.clone());
        let argument = argument.prop_map(|(name, value)| Argument { name, value, at: At(0) });
        ("[A-Z][a-zA-Z0-9]{0,6}", vec(argument, 0..3), vec(key(term), 0..2)).prop_map(|(name, arguments, keys)| Call {
            name,
            arguments,
            keys,
            at: At(0),
        })
    }

    fn term() -> BoxedStrategy<Term> {
        leaf()
            .prop_recursive(4, 24, 3, |inner| {
                let inner = inner.boxed();
                prop_oneof![
                    3 => leaf(),
                    1 => vec(inner.clone(), 0..3).prop_map(Term::List),
                    1 => vec(("[a-z\"]{0,3}", inner.clone()), 0..3).prop_map(Term::Map),
                    2 => call(inner.clone()).prop_map(Term::Call),
                    1 => path(vec(key(inner.clone()), 0..3)).prop_map(Term::Path),
                    2 => chain(inner.clone()),
                    1 => inner.prop_filter("can be negated", |term| matches!(
                        term, Term::Path(_) | Term::Call(_) | Term::Chain(..)
                    )).prop_map(|term| Term::Negate(Box::new(term))),
                ]
            })
            .boxed()
    }

    fn expression() -> impl Strategy<Value = Expression> {
        let comparison = proptest::sample::select(vec![
            Comparison::Equal,
            Comparison::NotEqual,
            Comparison::Less,
            Comparison::LessEqual,
            Comparison::GreaterEqual,
            Comparison::Greater,
        ]);
        let leaf = prop_oneof![
            any::<bool>().prop_map(Expression::Bool),
            call(leaf()).prop_map(Expression::Call),
            (term(), comparison, term()).prop_map(|(left, operator, right)| Expression::Compare(left, operator, right)),
        ];
        leaf.prop_recursive(3, 16, 3, |inner| {
            prop_oneof![
                vec(inner.clone(), 2..4).prop_map(Expression::Or),
                vec(inner.clone(), 2..4).prop_map(Expression::And),
                inner.prop_map(|inner| Expression::Not(Box::new(inner))),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_as_the_same(expression in expression()) {
            let text = expression.to_string();
            prop_assert_eq!(parse(&text).map_err(|error| format!("{text}: {error}")), Ok(expression));
            prop_assert_eq!(normalize(&text), Ok(text));
        }

        #[test]
        fn no_text_breaks_the_reader(text in "\\PC{0,60}") {
            for context in [Context::Span, Context::SpanEvent, Context::Resource, Context::Scope] {
                let _ = Condition::parse(&text, context);
            }
        }

        #[test]
        fn no_order_of_words_breaks_the_reader(
            words in vec(proptest::sample::select(vec![
                "name", "attributes", "[", "]", "\"a\"", "(", ")", "==", "and", "or", "not", "-", "+", "*", "1",
                "1.5", "0xff", "nil", "true", "IsMatch", "Concat", ",", ".", "{", "}", ":", "=", "span", "kind",
            ]), 0..40),
        ) {
            let text = words.join(" ");
            match Condition::parse(&text, Context::Span) {
                Ok(condition) => prop_assert_eq!(condition.text(), &text),
                Err(error) => prop_assert!((1..=text.len() + 1).contains(&error.column), "{} of {text:?}", error),
            }
            prop_assert!(tokens(&text).is_ok());
        }
    }
}
