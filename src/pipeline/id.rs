//! Ids as the config file writes them: `type` or `type/name`.

use std::fmt;

use crate::model::Signal;

/// What a component is; the plural is its section in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Feeds pipelines from outside.
    Receiver,
    /// Works on batches inside a pipeline.
    Processor,
    /// Joins pipelines: an exporter in one, a receiver in another.
    Connector,
    /// Sends batches to a backend.
    Exporter,
    /// Serves the process, not a pipeline.
    Extension,
}

/// `type` or `type/name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentId {
    component_type: String,
    name: String,
}

/// `signal` or `signal/name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PipelineId {
    /// What the pipeline carries.
    pub signal: Signal,
    /// The part after the slash; may be empty.
    pub name: String,
}

/// Text that is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing stands where the type should.
    #[error("the id is empty; write type or type/name")]
    Empty,
    /// The type has a character that types do not have.
    #[error("invalid character(s) in type {0:?}; a type is a letter, then up to 62 letters, digits or underscores")]
    Type(String),
    /// The name has a character that names do not have, or none at all.
    #[error(
        "invalid character(s) in name {0:?}; a name is 1 to 1024 characters without spaces, control characters or symbols"
    )]
    Name(String),
    /// The pipeline's type is no signal.
    #[error("unknown signal {0:?}; write traces, metrics or logs")]
    Signal(String),
}

impl Kind {
    /// Every kind, in the order of the flow.
    pub const ALL: [Self; 5] = [Self::Receiver, Self::Processor, Self::Connector, Self::Exporter, Self::Extension];

    /// The section of the config file: `receivers`, `processors`, …
    pub const fn section(self) -> &'static str {
        match self {
            Self::Receiver => "receivers",
            Self::Processor => "processors",
            Self::Connector => "connectors",
            Self::Exporter => "exporters",
            Self::Extension => "extensions",
        }
    }

    /// One of them: `receiver`, `processor`, …
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Receiver => "receiver",
            Self::Processor => "processor",
            Self::Connector => "connector",
            Self::Exporter => "exporter",
            Self::Extension => "extension",
        }
    }
}

impl ComponentId {
    /// Reads `type` or `type/name`; blanks around both are trimmed.
    ///
    /// # Errors
    /// When a part is empty or has a character that it may not have.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let (component_type, name) = split(text)?;
        let mut letters = component_type.chars();
        let valid = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
            && component_type.len() <= 63
            && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        if !valid {
            return Err(IdError::Type(component_type.to_owned()));
        }
        Ok(Self { component_type: component_type.to_owned(), name: name.to_owned() })
    }

    /// The part before the slash.
    pub fn component_type(&self) -> &str {
        &self.component_type
    }

    /// The part after the slash; may be empty.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl PipelineId {
    /// Reads `signal` or `signal/name`.
    ///
    /// # Errors
    /// When the signal is unknown or the name has a character that it may not have.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let (signal, name) = split(text)?;
        let signal = Signal::parse(signal).ok_or_else(|| IdError::Signal(signal.to_owned()))?;
        Ok(Self { signal, name: name.to_owned() })
    }
}

fn split(text: &str) -> Result<(&str, &str), IdError> {
    let (first, name) = match text.split_once('/') {
        Some((first, name)) => (first.trim(), Some(name.trim())),
        None => (text.trim(), None),
    };
    if first.is_empty() {
        return Err(IdError::Empty);
    }
    let Some(name) = name else { return Ok((first, "")) };
    let count = name.chars().count();
    if !(1..=1024).contains(&count) || name.chars().any(is_forbidden) {
        return Err(IdError::Name(name.to_owned()));
    }
    Ok((first, name))
}

/// Space, control and symbol classes of Unicode, as far as ASCII and white space go.
fn is_forbidden(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control() || "$+<=>^`|~".contains(letter)
}

impl fmt::Display for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_id(&self.component_type, &self.name, f)
    }
}

impl fmt::Display for PipelineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_id(self.signal.as_str(), &self.name, f)
    }
}

fn write_id(first: &str, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(first)?;
    if name.is_empty() { Ok(()) } else { write!(f, "/{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_around_type_and_name_are_trimmed() {
        let id = ComponentId::parse(" otlp / eu ").unwrap();
        assert_eq!((id.component_type(), id.name()), ("otlp", "eu"));
        assert_eq!(id.to_string(), "otlp/eu");
    }

    #[test]
    fn a_bad_id_says_which_part_is_bad() {
        assert_eq!(ComponentId::parse(""), Err(IdError::Empty));
        assert_eq!(ComponentId::parse("1x"), Err(IdError::Type("1x".to_owned())));
        assert_eq!(ComponentId::parse("batch/bad id"), Err(IdError::Name("bad id".to_owned())));
        assert_eq!(ComponentId::parse("batch/"), Err(IdError::Name(String::new())));
        assert_eq!(PipelineId::parse("trace"), Err(IdError::Signal("trace".to_owned())));
    }
}
