//! Tokens to syntax, by recursive descent. A parenthesis may open a calculation or a condition:
//! the calculation is tried first, as in the Collector, and the error that got further is told.

use super::lexer::{Keyword, Token, TokenKind, column, tokens};
use super::syntax::{Argument, At, Call, Comparison, Expression, Key, Operator, Path, Segment, Term};
use super::{DEPTH_MAX, ITEMS_MAX, ParseError};

/// Reads a condition.
pub(super) fn parse(text: &str) -> Result<Expression, ParseError> {
    let mut parser = Parser { tokens: tokens(text)?, place: 0, depth: 0 };
    let parsed = parser.expression().and_then(|expression| {
        parser.expect_end()?;
        Ok(expression)
    });
    parsed.map_err(|fault| ParseError::new(column(text, fault.byte), fault.message))
}

/// What is wrong, and the byte where it stands.
struct Fault {
    byte: usize,
    message: String,
    /// Nothing else can be meant: a limit, or a value with a clear fault.
    is_final: bool,
}

type Parsed<T> = Result<T, Fault>;

struct Parser {
    tokens: Vec<Token>,
    place: usize,
    depth: u32,
}

impl Parser {
    fn token(&self) -> &Token {
        &self.tokens[self.place]
    }

    fn advance(&mut self) {
        self.place = (self.place + 1).min(self.tokens.len() - 1);
    }

    fn next_is(&self, symbol: &str) -> bool {
        matches!(self.tokens.get(self.place + 1), Some(Token { kind: TokenKind::Symbol(next), .. }) if *next == symbol)
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let is_next = matches!(self.token().kind, TokenKind::Symbol(next) if next == symbol);
        if is_next {
            self.advance();
        }
        is_next
    }

    fn take_keyword(&mut self, keyword: Keyword) -> bool {
        let is_next = self.token().kind == TokenKind::Keyword(keyword);
        if is_next {
            self.advance();
        }
        is_next
    }

    fn expected<T>(&self, what: &str) -> Parsed<T> {
        let Token { kind, start } = self.token();
        Err(Fault { byte: *start, message: format!("expected {what}, found {}", kind.describe()), is_final: false })
    }

    fn refused<T>(&self, message: impl Into<String>) -> Parsed<T> {
        Err(Fault { byte: self.token().start, message: message.into(), is_final: true })
    }

    fn expect(&mut self, symbol: &str) -> Parsed<()> {
        if self.take_symbol(symbol) { Ok(()) } else { self.expected(&format!("{symbol:?}")) }
    }

    fn expect_end(&self) -> Parsed<()> {
        match self.token().kind {
            TokenKind::End => Ok(()),
            _ => self.expected("\"and\", \"or\" or the end"),
        }
    }

    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == DEPTH_MAX {
            return self.refused(format!("nested deeper than {DEPTH_MAX} levels"));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn push<T>(&self, items: &mut Vec<T>, item: T) -> Parsed<()> {
        if items.len() == ITEMS_MAX {
            return self.refused(format!("more than {ITEMS_MAX} items"));
        }
        items.push(item);
        Ok(())
    }

    fn expression(&mut self) -> Parsed<Expression> {
        self.joined(Keyword::Or, |parser| parser.joined(Keyword::And, Self::negatable, Expression::And), Expression::Or)
    }

    fn joined(
        &mut self,
        keyword: Keyword,
        mut part: impl FnMut(&mut Self) -> Parsed<Expression>,
        join: fn(Vec<Expression>) -> Expression,
    ) -> Parsed<Expression> {
        let first = part(self)?;
        let mut parts = Vec::new();
        while self.take_keyword(keyword) {
            let next = part(self)?;
            self.push(&mut parts, next)?;
        }
        if parts.is_empty() {
            return Ok(first);
        }
        parts.insert(0, first);
        Ok(join(parts))
    }

    fn negatable(&mut self) -> Parsed<Expression> {
        if self.take_keyword(Keyword::Not) {
            return Ok(Expression::Not(Box::new(self.condition()?)));
        }
        self.condition()
    }

    fn condition(&mut self) -> Parsed<Expression> {
        let start = self.place;
        let fault = match self.comparison() {
            Err(fault) if !fault.is_final => fault,
            result => return result,
        };
        self.place = start;
        if !self.take_symbol("(") {
            return Err(fault);
        }
        let grouped = self.nested(|parser| {
            let inner = parser.expression()?;
            parser.expect(")")?;
            Ok(inner)
        });
        grouped.map_err(|other| if fault.byte > other.byte && !other.is_final { fault } else { other })
    }

    /// A comparison, or what is a condition by itself.
    fn comparison(&mut self) -> Parsed<Expression> {
        let left = self.term()?;
        let comparison = match self.token().kind {
            TokenKind::Symbol(symbol) => Comparison::of(symbol),
            _ => None,
        };
        let Some(comparison) = comparison else {
            return match left {
                Term::Bool(value) => Ok(Expression::Bool(value)),
                Term::Call(call) => Ok(Expression::Call(call)),
                _ => self.expected("a comparison (==, !=, <, <=, >, >=)"),
            };
        };
        self.advance();
        Ok(Expression::Compare(left, comparison, self.term()?))
    }

    fn term(&mut self) -> Parsed<Term> {
        let term = match &self.token().kind {
            TokenKind::Keyword(Keyword::Nil) => Term::Nil,
            TokenKind::Keyword(Keyword::True) => Term::Bool(true),
            TokenKind::Keyword(Keyword::False) => Term::Bool(false),
            TokenKind::Text(text) => Term::Text(text.clone()),
            TokenKind::Bytes(bytes) => Term::Bytes(bytes.clone()),
            TokenKind::Capital(word) if !self.next_is("(") => Term::Enum(word.clone(), At(self.token().start)),
            TokenKind::Symbol("[") => return self.nested(Self::list),
            TokenKind::Symbol("{") => return self.nested(Self::map),
            _ => return self.sum(),
        };
        self.advance();
        Ok(term)
    }

    fn sum(&mut self) -> Parsed<Term> {
        self.chain(&[("+", Operator::Add), ("-", Operator::Subtract)], |parser| {
            parser.chain(&[("*", Operator::Multiply), ("/", Operator::Divide)], Self::operand)
        })
    }

    fn chain(
        &mut self,
        operators: &[(&'static str, Operator)],
        mut operand: impl FnMut(&mut Self) -> Parsed<Term>,
    ) -> Parsed<Term> {
        let first = operand(self)?;
        let mut rest = Vec::new();
        while let Some((_, operator)) = operators.iter().find(|(symbol, _)| self.take_symbol(symbol)) {
            let term = operand(self)?;
            self.push(&mut rest, (*operator, term))?;
        }
        Ok(if rest.is_empty() { first } else { Term::Chain(Box::new(first), rest) })
    }

    fn operand(&mut self) -> Parsed<Term> {
        let is_negative = self.take_symbol("-");
        if !is_negative {
            self.take_symbol("+");
        }
        let term = self.unsigned()?;
        Ok(match term {
            term if !is_negative => term,
            Term::Int(number) => Term::Int(-number),
            Term::Double(number) => Term::Double(-number),
            term => Term::Negate(Box::new(term)),
        })
    }

    fn unsigned(&mut self) -> Parsed<Term> {
        let term = match &self.token().kind {
            TokenKind::Int(number) => Term::Int(*number),
            TokenKind::Double(number) => Term::Double(*number),
            TokenKind::Capital(_) if self.next_is("(") => return self.nested(Self::call).map(Term::Call),
            TokenKind::Capital(word) => {
                let message = format!("{word:?} is an enum, with which nothing is calculated");
                // Behind a parenthesis it may begin a comparison.
                return Err(Fault { byte: self.token().start, message, is_final: false });
            }
            TokenKind::Lower(word) | TokenKind::Mixed(word) if self.next_is("(") => {
                return self.refused(format!("{word:?} is no converter: their names start with a capital letter"));
            }
            TokenKind::Lower(_) => return self.path().map(Term::Path),
            TokenKind::Mixed(word) => {
                return self.refused(format!("{word:?} is no path: paths are lower case"));
            }
            TokenKind::Symbol("(") => {
                self.advance();
                return self.nested(|parser| {
                    let inner = parser.sum()?;
                    parser.expect(")")?;
                    Ok(inner)
                });
            }
            _ => return self.expected("a value"),
        };
        self.advance();
        Ok(term)
    }

    fn list(&mut self) -> Parsed<Term> {
        self.advance();
        let mut items = Vec::new();
        if self.take_symbol("]") {
            return Ok(Term::List(items));
        }
        loop {
            let item = self.term()?;
            self.push(&mut items, item)?;
            if self.take_symbol("]") {
                return Ok(Term::List(items));
            }
            if !self.take_symbol(",") {
                return self.expected("\",\" or \"]\"");
            }
        }
    }

    fn map(&mut self) -> Parsed<Term> {
        self.advance();
        let mut entries = Vec::new();
        while !self.take_symbol("}") {
            let TokenKind::Text(key) = &self.token().kind else { return self.expected("a key in quotes or \"}\"") };
            let key = key.clone();
            self.advance();
            self.expect(":")?;
            let value = self.term()?;
            self.push(&mut entries, (key, value))?;
            self.take_symbol(",");
        }
        Ok(Term::Map(entries))
    }

    fn word(&mut self) -> Option<String> {
        let word = match &self.token().kind {
            TokenKind::Lower(word) | TokenKind::Capital(word) | TokenKind::Mixed(word) => word.clone(),
            _ => return None,
        };
        self.advance();
        Some(word)
    }

    fn path(&mut self) -> Parsed<Path> {
        let at = At(self.token().start);
        let mut segments = Vec::new();
        loop {
            let Some(name) = self.word() else { return self.expected("the next part of the path") };
            let keys = self.keys()?;
            self.push(&mut segments, Segment { name, keys })?;
            if !self.take_symbol(".") {
                return Ok(Path { segments, at });
            }
        }
    }

    fn call(&mut self) -> Parsed<Call> {
        let at = At(self.token().start);
        let name = self.word().unwrap_or_default();
        self.expect("(")?;
        let mut arguments = Vec::new();
        if !self.take_symbol(")") {
            loop {
                let argument = self.argument()?;
                self.push(&mut arguments, argument)?;
                if self.take_symbol(")") {
                    break;
                }
                if !self.take_symbol(",") {
                    return self.expected("\",\" or \")\"");
                }
            }
        }
        Ok(Call { name, arguments, keys: self.keys()?, at })
    }

    fn argument(&mut self) -> Parsed<Argument> {
        let at = At(self.token().start);
        let is_named = matches!(self.token().kind, TokenKind::Lower(_)) && self.next_is("=");
        let name = if is_named { self.word() } else { None };
        if is_named {
            self.expect("=")?;
        }
        Ok(Argument { name, value: self.term()?, at })
    }

    fn keys(&mut self) -> Parsed<Vec<Key>> {
        let mut keys = Vec::new();
        while self.take_symbol("[") {
            let key = match &self.token().kind {
                TokenKind::Text(text) => {
                    let key = Key::Text(text.clone());
                    self.advance();
                    key
                }
                _ => match self.nested(Self::sum)? {
                    Term::Int(number) => Key::Int(number),
                    term => Key::Term(term),
                },
            };
            self.expect("]")?;
            self.push(&mut keys, key)?;
        }
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str) -> String {
        parse(text).map_or_else(|error| error.to_string(), |expression| expression.to_string())
    }

    #[test]
    fn operators_bind_as_they_should() {
        for (text, meaning) in [
            ("true or false and true", "true or false and true"),
            ("(true or false) and true", "(true or false) and true"),
            ("((true))", "true"),
            ("not (a==1)", "not a == 1"),
            ("not (a==1 and b==2)", "not (a == 1 and b == 2)"),
            ("1+2*3 == (1+2)*3", "1 + 2 * 3 == (1 + 2) * 3"),
            ("1-(2-3) == (1-2)-3", "1 - (2 - 3) == (1 - 2) - 3"),
            ("-(a + 1) == - a", "-(a + 1) == -a"),
            ("((a)) == (1)", "a == 1"),
        ] {
            assert_eq!(printed(text), meaning);
            assert_eq!(printed(meaning), meaning);
        }
    }

    #[test]
    fn an_error_names_the_column_and_what_is_missing() {
        for (text, message) in [
            ("name ==", "column 8: expected a value, found the end"),
            ("name", "column 5: expected a comparison (==, !=, <, <=, >, >=), found the end"),
            ("name = 1", "column 6: expected a comparison (==, !=, <, <=, >, >=), found \"=\""),
            ("(a == 1", "column 8: expected \")\", found the end"),
            ("(a == 1 and b == ) or true", "column 18: expected a value, found \")\""),
            ("a == 1)", "column 7: expected \"and\", \"or\" or the end, found \")\""),
            ("a == b.", "column 8: expected the next part of the path, found the end"),
            ("F(1", "column 4: expected \",\" or \")\", found the end"),
            ("a == [1", "column 8: expected \",\" or \"]\", found the end"),
            ("not not true", "column 5: expected a value, found \"not\""),
            ("lower(a) == 1", "column 1: \"lower\" is no converter: their names start with a capital letter"),
            ("(lower(a) == 1)", "column 2: \"lower\" is no converter: their names start with a capital letter"),
            ("X + 1 == 2", "column 3: expected a comparison (==, !=, <, <=, >, >=), found \"+\""),
        ] {
            assert_eq!(printed(text), message, "{text}");
        }
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |depth: usize| format!("{}1{} == 1", "(".repeat(depth), ")".repeat(depth));
        assert!(parse(&nested(DEPTH_MAX as usize)).is_ok());
        let error = parse(&nested(DEPTH_MAX as usize + 1)).unwrap_err();
        assert_eq!(error.message, format!("nested deeper than {DEPTH_MAX} levels"));
        for (open, close) in [("(", ")"), ("[", "]"), ("F(", ")"), ("a[", "]"), ("{\"a\":", "}")] {
            let text = format!("{}1{} == 1", open.repeat(5_000), close.repeat(5_000));
            assert!(parse(&text).is_err());
        }
    }

    #[test]
    fn a_chain_has_a_limit() {
        let chain = |terms: usize| format!("{}1 == 1", "1+".repeat(terms));
        assert!(parse(&chain(ITEMS_MAX)).is_ok());
        assert!(parse(&chain(ITEMS_MAX + 1)).is_err());
    }
}
