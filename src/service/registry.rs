//! Every component that this build has, in one table. Adding a component is one line here.

use std::fmt;

use super::absent::absent;
use crate::config::{Section, closest};
use crate::connectors::forward;
use crate::model::Signal;
use crate::pipeline::{ComponentId, Connector, ExporterConfig, ExtensionConfig, Kind, ProcessorConfig, ReceiverConfig};
use crate::{exporters, extensions, processors, receivers};

const ALL: &[Signal] = &Signal::ALL;
const TRACES: &[Signal] = &[Signal::Traces];
const TRACES_AND_LOGS: &[Signal] = &[Signal::Traces, Signal::Logs];

/// The table, by kind and then by name. Deprecated names follow by [`Entry::alias`].
pub static COMPONENTS: &[Entry] = &[
    receiver("nop", ALL, Stability::Beta, |section| Box::new(receivers::nop::Config::decode(section))),
    receiver("otlp", ALL, Stability::Beta, |section| Box::new(receivers::otlp::decode(section))),
    processor("batch", ALL, Stability::Beta, |section| Box::new(processors::batch::decode(section))),
    processor("groupbytrace", TRACES, Stability::Beta, |section| Box::new(processors::groupbytrace::decode(section))),
    processor("memory_limiter", ALL, Stability::Beta, |section| Box::new(processors::memory_limiter::decode(section))),
    processor("probabilistic_sampler", TRACES_AND_LOGS, Stability::Beta, |section| {
        Box::new(processors::probabilistic_sampler::decode(section))
    }),
    processor("tail_sampling", TRACES, Stability::Beta, |section| Box::new(processors::tail_sampling::decode(section))),
    connector("forward", ALL, Stability::Beta, |section| Box::new(forward::Config::decode(section))),
    exporter("debug", ALL, Stability::Beta, |section| Box::new(exporters::debug::Config::decode(section))),
    exporter("file", ALL, Stability::Beta, |section| Box::new(exporters::file::Config::decode(section))),
    exporter("logging", ALL, Stability::Beta, decode_logging).deprecated(
        "logging was removed from the Collector and runs here as debug; write debug, and verbosity for loglevel",
    ),
    exporter("nop", ALL, Stability::Beta, |section| Box::new(exporters::nop::Config::decode(section))),
    exporter("otlp_grpc", ALL, Stability::Beta, |section| Box::new(exporters::otlp_grpc::Config::decode(section)))
        .alias(&["otlp"]),
    exporter("otlp_http", ALL, Stability::Beta, |section| Box::new(exporters::otlp_http::Config::decode(section)))
        .alias(&["otlphttp"]),
    extension("admin", Stability::Beta, |section| Box::new(extensions::admin::decode(section))),
    extension("health_check", Stability::Beta, |section| Box::new(extensions::health_check::decode(section))),
    extension("pprof", Stability::Beta, |section| Box::new(extensions::pprof::decode(section))),
    extension("zpages", Stability::Beta, |section| Box::new(extensions::zpages::decode(section))),
];

/// How far a component can be relied on, in the Collector's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words are the Collector's")]
pub enum Stability {
    Development,
    Alpha,
    Beta,
    Stable,
}

/// Reads a section into the checked config of its kind.
#[derive(Clone, Copy)]
pub enum Decode {
    /// Of a receiver.
    Receiver(fn(&mut Section<'_>) -> Box<dyn ReceiverConfig>),
    /// Of a processor.
    Processor(fn(&mut Section<'_>) -> Box<dyn ProcessorConfig>),
    /// Of a connector.
    Connector(fn(&mut Section<'_>) -> Box<dyn Connector>),
    /// Of an exporter.
    Exporter(fn(&mut Section<'_>) -> Box<dyn ExporterConfig>),
    /// Of an extension.
    Extension(fn(&mut Section<'_>) -> Box<dyn ExtensionConfig>),
}

/// What is known of a component without a config.
#[derive(Clone, Copy)]
pub struct Entry {
    /// The part of an id before the slash.
    pub type_name: &'static str,
    /// Names that still work and should not be used, such as `otlphttp`.
    pub aliases: &'static [&'static str],
    /// Why the type itself should not be used, and what to write instead.
    pub deprecated: Option<&'static str>,
    /// Signals that it can work on; none for extensions.
    pub signals: &'static [Signal],
    /// How far it can be relied on.
    pub stability: Stability,
    /// Reads its section.
    pub decode: Decode,
}

const fn entry(type_name: &'static str, signals: &'static [Signal], stability: Stability, decode: Decode) -> Entry {
    Entry { type_name, aliases: &[], deprecated: None, signals, stability, decode }
}

const fn receiver(
    type_name: &'static str,
    signals: &'static [Signal],
    stability: Stability,
    decode: fn(&mut Section<'_>) -> Box<dyn ReceiverConfig>,
) -> Entry {
    entry(type_name, signals, stability, Decode::Receiver(decode))
}

const fn processor(
    type_name: &'static str,
    signals: &'static [Signal],
    stability: Stability,
    decode: fn(&mut Section<'_>) -> Box<dyn ProcessorConfig>,
) -> Entry {
    entry(type_name, signals, stability, Decode::Processor(decode))
}

const fn connector(
    type_name: &'static str,
    signals: &'static [Signal],
    stability: Stability,
    decode: fn(&mut Section<'_>) -> Box<dyn Connector>,
) -> Entry {
    entry(type_name, signals, stability, Decode::Connector(decode))
}

const fn exporter(
    type_name: &'static str,
    signals: &'static [Signal],
    stability: Stability,
    decode: fn(&mut Section<'_>) -> Box<dyn ExporterConfig>,
) -> Entry {
    entry(type_name, signals, stability, Decode::Exporter(decode))
}

const fn extension(
    type_name: &'static str,
    stability: Stability,
    decode: fn(&mut Section<'_>) -> Box<dyn ExtensionConfig>,
) -> Entry {
    entry(type_name, &[], stability, Decode::Extension(decode))
}

impl Entry {
    /// The same entry, also under these deprecated names.
    #[must_use]
    pub const fn alias(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// The same entry, whose use is warned of.
    #[must_use]
    pub const fn deprecated(mut self, instead: &'static str) -> Self {
        self.deprecated = Some(instead);
        self
    }

    /// What it is.
    pub const fn kind(&self) -> Kind {
        match self.decode {
            Decode::Receiver(_) => Kind::Receiver,
            Decode::Processor(_) => Kind::Processor,
            Decode::Connector(_) => Kind::Connector,
            Decode::Exporter(_) => Kind::Exporter,
            Decode::Extension(_) => Kind::Extension,
        }
    }

    fn has_name(&self, name: &str) -> bool {
        self.type_name == name || self.aliases.contains(&name)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind().noun(), self.type_name)
    }
}

impl Stability {
    /// The word in the listing.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Alpha => "alpha",
            Self::Beta => "beta",
            Self::Stable => "stable",
        }
    }
}

/// `debug` under its old name, with the one key that `debug` has not.
fn decode_logging(section: &mut Section<'_>) -> Box<dyn ExporterConfig> {
    section.ignored("loglevel", "write verbosity: basic, normal or detailed");
    Box::new(exporters::debug::Config::decode(section))
}

/// Every component of a kind, in the order of the table.
pub fn of_kind(kind: Kind) -> impl Iterator<Item = &'static Entry> {
    COMPONENTS.iter().filter(move |entry| entry.kind() == kind)
}

/// The component that an id names.
///
/// # Errors
/// Text that says what there is instead, when this build has no such component.
pub fn find(kind: Kind, id: &ComponentId) -> Result<&'static Entry, String> {
    let name = id.component_type();
    if let Some(entry) = of_kind(kind).find(|entry| entry.has_name(name)) {
        return Ok(entry);
    }
    if let Some(text) = absent(kind, name) {
        return Err(format!("the {} type {name:?} {text}", kind.noun()));
    }
    let mut known: Vec<&str> = of_kind(kind).map(|entry| entry.type_name).collect();
    known.sort_unstable();
    let mut message = format!("unknown type: {name:?} for id: \"{id}\" (valid values: [{}])", known.join(" "));
    let elsewhere = COMPONENTS.iter().find(|entry| entry.has_name(name));
    if let Some(entry) = elsewhere {
        message.push_str(&format!("; {name:?} is a type of {}", entry.kind().section()));
    } else if let Some(closest) = closest(name, known.iter().copied()) {
        message.push_str(&format!("; did you mean {closest:?}?"));
    }
    Err(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Node, Report};

    fn missing(kind: Kind, id: &str) -> String {
        find(kind, &ComponentId::parse(id).unwrap()).unwrap_err()
    }

    #[test]
    fn names_and_aliases_are_unique_within_a_kind() {
        for kind in Kind::ALL {
            let mut names: Vec<&str> = of_kind(kind)
                .flat_map(|entry| std::iter::once(entry.type_name).chain(entry.aliases.iter().copied()))
                .collect();
            names.sort_unstable();
            let count = names.len();
            names.dedup();
            assert_eq!(names.len(), count, "{kind:?}");
        }
    }

    #[test]
    fn an_unknown_type_lists_the_known_ones_and_suggests() {
        let message = missing(Kind::Exporter, "nopp/eu");
        assert!(message.starts_with("unknown type: \"nopp\" for id: \"nopp/eu\" (valid values: ["), "{message}");
        assert!(message.ends_with("did you mean \"nop\"?"), "{message}");
        assert!(missing(Kind::Exporter, "forward").ends_with("\"forward\" is a type of connectors"));
    }

    #[test]
    fn a_component_that_is_there_is_never_called_absent() {
        for entry in COMPONENTS {
            let id = ComponentId::parse(entry.type_name).unwrap();
            assert!(find(entry.kind(), &id).is_ok(), "{entry:?}");
        }
    }

    #[test]
    fn an_empty_section_is_read_by_every_component() {
        for entry in COMPONENTS {
            let mut report = Report::default();
            let node = Node::default();
            let mut section = Section::new(entry.type_name, &node, &mut report);
            let signals = match entry.decode {
                Decode::Receiver(decode) => decode(&mut section).signals().to_vec(),
                Decode::Processor(decode) => decode(&mut section).signals().to_vec(),
                Decode::Exporter(decode) => decode(&mut section).signals().to_vec(),
                Decode::Connector(decode) => {
                    let connector = decode(&mut section);
                    entry.signals.iter().copied().filter(|signal| !connector.outputs(*signal).is_empty()).collect()
                }
                Decode::Extension(decode) => {
                    decode(&mut section);
                    Vec::new()
                }
            };
            section.finish();
            assert_eq!(signals, entry.signals, "{entry:?}");
            // What is required is said at its path; nothing else is wrong with an empty section.
            for problem in report.problems() {
                assert!(problem.path.starts_with(entry.type_name), "{entry:?}: {problem:?}");
            }
        }
    }
}
