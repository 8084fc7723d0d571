//! `ottl_condition`: keeps traces in which some span, or some event of a span, meets one of the
//! conditions. The spans are asked in the order of arrival, each before its events, and the first
//! that meets one ends the evaluation.

use super::{Ballot, Policy, TraceView, Verdict};
use crate::config::Section;
use crate::model::Now;
use crate::ottl::{Condition, Context, EvalError, EventView, Target};

/// The keys of `ottl_condition`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// What a failing evaluation does.
    pub error_mode: ErrorMode,
    /// Of spans.
    pub span: Vec<Condition>,
    /// Of their events.
    pub spanevent: Vec<Condition>,
}

/// What a condition does that cannot be evaluated, such as one that calculates with text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorMode {
    /// It counts as not met. The Collector does this too when the key is absent.
    #[default]
    Ignore,
    /// The policy says nothing on this trace, and counts an error.
    Propagate,
}

pub(super) fn decode(section: &mut Section<'_>, policy: &str) -> Config {
    let error_mode = match section.string("error_mode", "").to_ascii_lowercase().as_str() {
        // `silent` is `ignore` without a log line for every span; neither writes one here.
        "" | "ignore" | "silent" => ErrorMode::Ignore,
        "propagate" => ErrorMode::Propagate,
        word => {
            let message = format!("policy {policy:?}: unknown error mode {word:?}; write ignore, silent or propagate");
            section.error("error_mode", message);
            ErrorMode::Ignore
        }
    };
    let (span, given) = conditions(section, "span", Context::Span, policy);
    let (spanevent, also_given) = conditions(section, "spanevent", Context::SpanEvent, policy);
    if given + also_given == 0 {
        let message = "expected at least one OTTL condition to filter on; write span: or spanevent:";
        section.error("", format!("policy {policy:?}: {message}"));
    }
    Config { error_mode, span, spanevent }
}

/// The conditions of a list that can be read, and how many stand there.
fn conditions(section: &mut Section<'_>, key: &'static str, context: Context, policy: &str) -> (Vec<Condition>, usize) {
    let texts = section.strings(key).unwrap_or_default();
    let count = texts.len();
    let read = |text: String| match Condition::parse(&text, context) {
        Ok(condition) => Some(condition),
        Err(error) => {
            section.error(key, format!("policy {policy:?}: unable to parse OTTL condition {text:?}: {error}"));
            None
        }
    };
    (texts.into_iter().filter_map(read).collect(), count)
}

/// See the module.
pub struct OttlCondition {
    config: Config,
}

impl OttlCondition {
    /// Asks for the conditions of the config.
    pub fn new(config: &Config) -> Self {
        Self { config: config.clone() }
    }

    fn matches(&self, trace: &TraceView<'_>, now: Now) -> Result<bool, EvalError> {
        for span in trace.spans() {
            if self.meets_one(&self.config.span, &Target::Span(span), now)? {
                return Ok(true);
            }
            if self.config.spanevent.is_empty() {
                continue;
            }
            for event in EventView::of(&span) {
                if self.meets_one(&self.config.spanevent, &Target::SpanEvent(span, event), now)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn meets_one(&self, conditions: &[Condition], target: &Target<'_>, now: Now) -> Result<bool, EvalError> {
        for condition in conditions {
            match condition.evaluate(target, now.wall) {
                Ok(true) => return Ok(true),
                Err(error) if self.config.error_mode == ErrorMode::Propagate => return Err(error),
                Ok(false) | Err(_) => {}
            }
        }
        Ok(false)
    }
}

impl Policy for OttlCondition {
    fn evaluate(&mut self, trace: &TraceView<'_>, _: &mut Ballot, now: Now) -> Verdict {
        match self.matches(trace, now) {
            Ok(true) => Verdict::Sampled,
            Ok(false) => Verdict::NotSampled,
            Err(_) => Verdict::Error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Report, parse_yaml};

    fn decoded(yaml: &str) -> (Config, Vec<String>) {
        let mut report = Report::default();
        let node = parse_yaml(yaml, 0, &mut report).unwrap();
        let mut section = Section::new("ottl_condition", &node, &mut report);
        let config = decode(&mut section, "p");
        section.finish();
        (config, report.problems().iter().map(|problem| problem.message.clone()).collect())
    }

    #[test]
    fn the_keys_are_those_of_the_collector() {
        let (config, problems) =
            decoded("{error_mode: PROPAGATE, span: ['name == \"a\"'], spanevent: ['true', 'false']}");
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(config.error_mode, ErrorMode::Propagate);
        assert_eq!((config.span.len(), config.spanevent.len()), (1, 2));
        for mode in ["ignore", "silent"] {
            assert_eq!(decoded(&format!("{{error_mode: {mode}, span: ['true']}}")).0.error_mode, ErrorMode::Ignore);
        }
        assert_eq!(decoded("{span: ['true']}").0.error_mode, ErrorMode::Ignore);
    }

    #[test]
    fn what_cannot_be_asked_is_refused_with_its_place() {
        let (_, problems) = decoded("{error_mode: loud, span: ['name == '], spanevent: ['kind == 2']}");
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[0].contains("unknown error mode \"loud\""), "{problems:?}");
        assert!(problems[1].contains("\"name == \": column 9: expected a value"), "{problems:?}");
        assert!(problems[2].contains("unknown path \"kind\"; known in spanevent"), "{problems:?}");
        let (_, problems) = decoded("{error_mode: ignore}");
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("expected at least one OTTL condition to filter on"), "{problems:?}");
    }
}
