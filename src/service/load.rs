//! From the command line's sources to a checked config, with everything that was found.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::config::{self, ServiceConfig};
use crate::config::{Inputs, Node, Providers, Report, Resolved, Sources, resolve};

/// How far loading came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reading, merging or expanding failed; no component has been looked at.
    Resolve,
    /// Every component and pipeline has been looked at.
    Decode,
}

/// What came of loading.
#[derive(Debug)]
pub struct Loaded {
    /// The checked config; nothing when `report` has errors.
    pub config: Option<ServiceConfig>,
    /// The merged and expanded tree, for `print-config`; nothing when it could not be made.
    pub root: Option<Node>,
    /// Every problem.
    pub report: Report,
    /// Where everything came from.
    pub sources: Sources,
    /// How far loading came.
    pub stage: Stage,
}

impl Loaded {
    /// The Collector's prefix for errors of this stage, which people search logs for.
    pub const fn headline(&self) -> &'static str {
        match self.stage {
            Stage::Resolve => "failed to get config: cannot resolve the configuration",
            Stage::Decode => "invalid configuration",
        }
    }
}

/// Loads the files, `--config`, and lays the `--set` values on; environment and files come in as
/// functions.
pub fn load(
    sources: &[String],
    sets: &[String],
    env: &dyn Fn(&str) -> Option<String>,
    read_file: &dyn Fn(&Path) -> io::Result<String>,
) -> Loaded {
    load_inputs(Inputs { sources, sets, gates: &[], providers: Providers { env, read_file } })
}

/// Loads with everything that the command line may say.
pub fn load_inputs(inputs: Inputs<'_>) -> Loaded {
    let Resolved { root, mut report, sources, gates } = resolve(inputs);
    let Some(root) = root else {
        return Loaded { config: None, root: None, report, sources, stage: Stage::Resolve };
    };
    let mut config = config::decode(&root, &mut report);
    config.gates = Arc::new(gates);
    let config = Some(config).filter(|_| !report.has_errors());
    Loaded { config, root: Some(root), report, sources, stage: Stage::Decode }
}

/// Loads one text, without environment and files. Total on any text.
pub fn load_text(text: &str) -> Loaded {
    let no_file = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
    load(&[format!("yaml:{text}")], &[], &|_| None, &no_file)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Severity;

    fn problems(text: &str) -> Vec<String> {
        let loaded = load_text(text);
        assert_eq!(loaded.config.is_none(), loaded.report.has_errors());
        let shown = |problem: &crate::config::Problem| format!("{}: {}", problem.path, problem.message);
        loaded.report.problems().iter().filter(|problem| problem.severity != Severity::Note).map(shown).collect()
    }

    fn with_pipelines(pipelines: &str) -> Vec<String> {
        problems(&format!(
            "receivers: {{nop: }}\nexporters: {{nop: }}\nconnectors: {{forward: , forward/b: }}\n\
             service: {{pipelines: {{{pipelines}}}}}"
        ))
    }

    fn has(problems: &[String], word: &str) -> bool {
        problems.iter().any(|problem| problem.contains(word))
    }

    #[test]
    fn a_minimal_config_loads_without_a_word() {
        let text = "receivers: {nop: }\nexporters: {nop: }\nservice: {pipelines: {traces: {receivers: [nop], exporters: [nop]}}}";
        assert_eq!(problems(text), Vec::<String>::new());
        let config = load_text(text).config.unwrap();
        assert_eq!((config.receivers.len(), config.exporters.len(), config.pipelines.len()), (1, 1, 1));
    }

    #[test]
    fn every_empty_set_has_the_collectors_words() {
        let found = problems("service: {}");
        for words in ["no receiver configuration", "no exporter configuration", "at least one pipeline"] {
            assert!(has(&found, words), "{words}: {found:?}");
        }
        let found = with_pipelines("traces: {}");
        assert!(has(&found, "at least one receiver") && has(&found, "at least one exporter"), "{found:?}");
    }

    #[test]
    fn a_connector_needs_both_ends_of_one_signal() {
        let ok = "traces: {receivers: [nop], exporters: [forward]}, traces/2: {receivers: [forward], exporters: [nop]}";
        assert!(!has(&with_pipelines(ok), "used as"), "{:?}", with_pipelines(ok));
        let open = "traces: {receivers: [nop], exporters: [forward]}, logs: {receivers: [forward], exporters: [nop]}";
        let found = with_pipelines(open);
        assert!(has(&found, "used as exporter in [traces] pipeline but not used in any supported receiver pipeline"));
        assert!(has(&found, "used as receiver in [logs] pipeline but not used in any supported exporter pipeline"));
    }

    #[test]
    fn a_circle_of_pipelines_is_named() {
        let found = with_pipelines(
            "traces/a: {receivers: [nop, forward/b], exporters: [forward]}, \
             traces/b: {receivers: [forward], exporters: [forward/b, nop]}",
        );
        assert!(
            has(&found, "cycle detected: pipeline \"traces/a\" -> pipeline \"traces/b\" -> pipeline \"traces/a\""),
            "{found:?}"
        );
        let own = with_pipelines("traces: {receivers: [nop, forward], exporters: [forward, nop]}");
        assert!(has(&own, "cycle detected"), "{own:?}");
    }

    #[test]
    fn an_id_cannot_be_a_connector_and_something_else() {
        let found = problems(
            "receivers: {nop: }\nexporters: {nop: , forward: }\nconnectors: {forward: }\n\
             service: {pipelines: {traces: {receivers: [nop], exporters: [nop]}}}",
        );
        assert!(has(&found, "ambiguous ID"), "{found:?}");
    }

    #[test]
    fn all_faults_are_reported_in_one_go() {
        let found = problems(
            "receivers: {nop: {x: 1}, nopp: }\nexporters: {nop: , ' nop ': }\nservise: {}\n\
             service: {extensions: [zpages], pipelines: {traces: {receivers: [nob], exporters: [nop]}, trace: {}}}",
        );
        for words in [
            "has invalid keys: x",
            "unknown type: \"nopp\"",
            "duplicate name \"nop\"",
            "has invalid keys: servise; did you mean \"service\"?",
            "references extension \"zpages\" which is not configured",
            "references receiver \"nob\" which is not configured; add it under receivers; did you mean \"nop\"?",
            "unknown signal \"trace\"",
        ] {
            assert!(has(&found, words), "{words}: {found:#?}");
        }
    }

    #[test]
    fn orders_that_undo_a_processors_work_are_warned_of() {
        let found = problems(
            "receivers: {nop: }\nexporters: {nop: }\n\
             processors: {batch: , memory_limiter: {check_interval: 1s, limit_mib: 9}, tail_sampling: {policies: \
             [{name: a, type: always_sample}]}}\n\
             service: {pipelines: {traces: {receivers: [nop], processors: [batch, memory_limiter, tail_sampling], \
             exporters: [nop]}}}",
        );
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            has(&found, "\"memory_limiter\" should stand first") && has(&found, "should stand after tail_sampling")
        );
    }

    #[test]
    fn a_processor_that_does_not_carry_the_signal_is_refused() {
        let found = problems(
            "receivers: {nop: }\nexporters: {nop: }\n\
             processors: {tail_sampling: {policies: [{name: a, type: always_sample}]}}\n\
             service: {pipelines: {logs: {receivers: [nop], processors: [tail_sampling], exporters: [nop]}}}",
        );
        let words = "telemetry type is not supported: processor \"tail_sampling\" carries traces, not logs";
        assert!(has(&found, words), "{found:?}");
    }

    #[test]
    fn unused_components_are_warned_of() {
        let loaded = load_text(
            "receivers: {nop: , nop/spare: }\nexporters: {nop: }\n\
             service: {pipelines: {traces: {receivers: [nop], exporters: [nop]}}}",
        );
        assert!(loaded.config.is_some());
        assert_eq!(loaded.report.problems()[0].path, "receivers::nop/spare");
    }

    proptest! {
        #[test]
        fn any_text_loads_or_is_refused_without_panic(text in "\\PC{0,100}") {
            load_text(&text);
        }

        #[test]
        fn any_shape_under_the_known_keys_is_answered(
            key in "receivers|processors|exporters|connectors|extensions|service|service::pipelines|service::telemetry|service::pipelines::traces|service::telemetry::metrics::readers",
            value in "(nop|forward|traces|logs|metrics|level|pull|[\\[\\]{}:, ~]){0,12}",
        ) {
            load_text(&format!("{key}: {value}"));
        }
    }
}
