//! The converters, by name: one file for each kind of them, each with its table.

pub(super) mod civil;
mod encoding;
mod lists;
mod matching;
mod parameter;
mod text;
mod time;
mod types;
mod url;

pub(super) use parameter::Parameter;

use super::condition::Context;
use super::convert::{self, Text};
use super::evaluate::Scene;
use super::program::{Call, Node};
use super::value::Value;
use super::{EvalError, pattern};

/// What a call comes to.
type Outcome<'a> = Result<Value<'a>, EvalError>;

/// What is done with a call once, when the condition is read.
type Prepare = fn(&mut Call) -> Result<(), String>;

/// A converter.
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) parameters: &'static [Parameter],
    pub(super) run: for<'a> fn(&Scene<'a>, &'a Call) -> Outcome<'a>,
    /// Checks literal arguments, and keeps what can be made of them once.
    prepare: Option<Prepare>,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Every file's converters.
static TABLES: [&[Function]; 7] = [
    types::FUNCTIONS,
    matching::FUNCTIONS,
    text::FUNCTIONS,
    lists::FUNCTIONS,
    time::FUNCTIONS,
    encoding::FUNCTIONS,
    url::FUNCTIONS,
];

/// Converters of the Collector 0.155 that are not built.
const NOT_YET: [&str; 31] = [
    "Append",
    "CommunityID",
    "ConvertAttributesToElementsXML",
    "ConvertTextToElementsXML",
    "DeleteIndex",
    "ExtractGrokPatterns",
    "Format",
    "FormatTime",
    "GetXML",
    "InsertXML",
    "MD5",
    "Murmur3Hash",
    "Murmur3Hash128",
    "ParseCSV",
    "ParseKeyValue",
    "ParseSeverity",
    "ParseSimplifiedXML",
    "ParseXML",
    "ProfileID",
    "RemoveXML",
    "SHA1",
    "SHA256",
    "SHA512",
    "Time",
    "UUID",
    "UUIDv7",
    "UserAgent",
    "XXH128",
    "XXH3",
    "HasAttributeKeyOnDatapoint",
    "HasAttributeOnDatapoint",
];

impl Function {
    const fn new(
        name: &'static str,
        parameters: &'static [Parameter],
        run: for<'a> fn(&Scene<'a>, &'a Call) -> Outcome<'a>,
    ) -> Self {
        Self { name, parameters, run, prepare: None }
    }

    const fn prepared(self, prepare: Prepare) -> Self {
        Self { prepare: Some(prepare), ..self }
    }

    /// As an error shows how it is called.
    pub(super) fn signature(&self) -> String {
        let parameters: Vec<_> = self.parameters.iter().map(ToString::to_string).collect();
        format!("write {}({})", self.name, parameters.join(", "))
    }

    fn refuses<T>(&self, why: &'static str) -> Result<T, EvalError> {
        Err(EvalError::Refused { function: self.name, why })
    }
}

/// The converter of a name.
///
/// # Errors
/// What is wrong with the name, and what is known.
pub(super) fn find(name: &str, context: Context) -> Result<&'static Function, String> {
    let is_here = |function: &&Function| function.name != "IsRootSpan" || context == Context::Span;
    let known = || TABLES.iter().flat_map(|table| table.iter()).filter(is_here);
    if let Some(function) = known().find(|function| function.name == name) {
        return Ok(function);
    }
    let mut names: Vec<_> = known().map(|function| function.name).collect();
    names.sort_unstable();
    let names = names.join(", ");
    Err(match name {
        "IsRootSpan" => "IsRootSpan is a function of spans only".to_owned(),
        _ if NOT_YET.contains(&name) => format!("function {name:?} is not supported yet; known: {names}"),
        _ => format!("undefined function {name:?}; known: {names}"),
    })
}

/// Checks the literal arguments of a call, and keeps what can be made of them once.
///
/// # Errors
/// What is wrong with them.
pub(super) fn prepare(call: &mut Call) -> Result<(), String> {
    call.function.prepare.map_or(Ok(()), |prepare| prepare(call))
}

impl Call {
    fn literal(&self, place: usize) -> Option<&Value<'static>> {
        self.arguments[place].as_ref().and_then(Node::literal)
    }

    /// The text of an argument that has to be literal; empty when it is not given.
    fn literal_text(&self, place: usize) -> Option<&[u8]> {
        match self.literal(place) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    fn literal_flag(&self, place: usize) -> bool {
        matches!(self.literal(place), Some(Value::Bool(true)))
    }

    fn items(&self, place: usize) -> &[Node] {
        match &self.arguments[place] {
            Some(Node::List(items)) => items,
            _ => &[],
        }
    }
}

impl<'a> Scene<'a> {
    /// The value of an argument; nil when it is not given.
    fn argument(&self, call: &'a Call, place: usize) -> Outcome<'a> {
        call.arguments[place].as_ref().map_or(Ok(Value::Nil), |node| self.value(node))
    }

    fn text(&self, call: &'a Call, place: usize) -> Result<Text<'a>, EvalError> {
        convert::text(self.argument(call, place)?)
    }

    fn int(&self, call: &'a Call, place: usize) -> Result<i64, EvalError> {
        convert::int(&self.argument(call, place)?)
    }
}

/// Compiles the pattern of a function when it is literal.
fn prepare_pattern(call: &mut Call) -> Result<(), String> {
    if let Some(pattern) = call.literal_text(1) {
        let pattern = String::from_utf8_lossy(pattern);
        let compiled = pattern::compile(&pattern).map_err(|why| format!("{pattern:?} is no valid pattern: {why}"))?;
        call.pattern = Some(compiled);
    }
    Ok(())
}
