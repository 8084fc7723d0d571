//! `pprof`: accepted so that a Collector's file runs unchanged. Go's profiles do not exist here;
//! the warning says what to use instead.

use std::sync::Arc;

use crate::config::Section;
use crate::pipeline::{BuildError, Component, ExtensionConfig, ExtensionContext, Settings};

/// What users write under `extensions::pprof`; nothing of it has an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config;

/// Reads the section.
pub fn decode(section: &mut Section<'_>) -> Config {
    section.warn(
        "",
        "accepted and without effect: there is no Go runtime to profile; use \"perf record -g -p PID\", \
         the binary carries its line tables",
    );
    for key in ["endpoint", "save_to_file"] {
        section.opt_string(key);
    }
    for key in ["block_profile_fraction", "mutex_profile_fraction"] {
        section.int(key, 0);
    }
    Config
}

/// Does nothing.
struct Pprof;

impl Component for Pprof {}

impl ExtensionConfig for Config {
    fn build(&self, _: &Settings, _: ExtensionContext) -> Result<Arc<dyn Component>, BuildError> {
        Ok(Arc::new(Pprof))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Report, parse_yaml};

    #[test]
    fn every_key_is_accepted_with_one_warning() {
        let mut report = Report::default();
        let text =
            "{endpoint: 'localhost:1777', block_profile_fraction: 3, mutex_profile_fraction: 5, save_to_file: x}";
        let root = parse_yaml(text, 0, &mut report).unwrap();
        let mut section = Section::new("extensions::pprof", &root, &mut report);
        decode(&mut section);
        section.finish();
        assert!(!report.has_errors());
        assert_eq!(report.problems().len(), 1);
        assert!(report.problems()[0].message.contains("perf record"));
    }
}
