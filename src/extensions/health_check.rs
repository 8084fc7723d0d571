//! `health_check`: whether the pipelines run, for probes. 200 when every component works, 503
//! before that and as soon as one has ended that should not have.
//!
//! ```yaml
//! extensions:
//!   health_check:
//!     endpoint: localhost:13133
//! ```

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use crate::config::Section;
use crate::model::Now;
use crate::net::{HttpDefaults, HttpServerConfig, Page, Pages, ServerTls, Site};
use crate::pipeline::{
    BuildError, Clock, Component, ExtensionConfig, ExtensionContext, Health, Listens, PipelineView, Settings,
};

/// What users write under `extensions::health_check`.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    server: HttpServerConfig,
    path: String,
    /// Bodies to answer in place of the JSON one: healthy, unhealthy.
    bodies: Option<(String, String)>,
}

const DEFAULTS: HttpDefaults = HttpDefaults { endpoint: "localhost:13133", idle_timeout: Duration::from_secs(60) };

/// Reads the section.
pub fn decode(section: &mut Section<'_>) -> Config {
    let path = section.string("path", "/");
    if !path.starts_with('/') {
        section.error("path", format!("{path:?} must begin with a slash"));
    }
    let bodies =
        section.section("response_body", |section| (section.string("healthy", ""), section.string("unhealthy", "")));
    section.ignored("check_collector_pipeline", "health is that of the components themselves");
    Config { server: HttpServerConfig::decode(section, DEFAULTS), path, bodies }
}

impl ExtensionConfig for Config {
    fn listens(&self) -> Vec<Listens> {
        let files = self.server.tls.iter().flat_map(ServerTls::files).map(Listens::Reads);
        std::iter::once(Listens::Tcp(self.server.endpoint.clone())).chain(files).collect()
    }

    fn build(&self, settings: &Settings, context: ExtensionContext) -> Result<Arc<dyn Component>, BuildError> {
        let pages = HealthPage {
            config: self.clone(),
            view: context.view,
            clock: settings.clock.clone(),
            started: settings.clock.now(),
        };
        Ok(Arc::new(Site::new(self.server.clone(), pages, settings.clock.clone())))
    }
}

/// The one page.
struct HealthPage {
    config: Config,
    view: Arc<dyn PipelineView>,
    clock: Arc<dyn Clock>,
    started: Now,
}

impl HealthPage {
    /// Components that have failed, each with its reason.
    fn failed(&self) -> Vec<String> {
        let failed = |(kind, id, health): (crate::pipeline::Kind, _, _)| match health {
            Health::Ok => None,
            Health::Failed(reason) => Some(format!("{} {id}: {reason}", kind.noun())),
        };
        self.view.components().into_iter().filter_map(failed).collect()
    }

    fn json(&self, is_healthy: bool, failed: &[String]) -> String {
        let mut body = if is_healthy {
            let since = jiff::Timestamp::from_nanosecond(i128::from(self.started.wall.0)).unwrap_or_default();
            let uptime = uptime(self.clock.now().mono.since(self.started.mono));
            serde_json::json!({"status": "Server available", "upSince": since.to_string(), "uptime": uptime})
        } else {
            serde_json::json!({"status": "Server not available", "upSince": "0001-01-01T00:00:00Z", "uptime": ""})
        };
        if !failed.is_empty() {
            body["failed"] = failed.into();
        }
        body.to_string()
    }
}

impl Pages for HealthPage {
    fn page(&self, path: &str, _: &HeaderMap) -> Page {
        // As in the Collector, a path that ends in a slash stands for all below it.
        let own = &self.config.path;
        if path != own && !(own.ends_with('/') && path.starts_with(own.as_str())) {
            return Page::not_found(&format!("health is at {own}"));
        }
        let failed = self.failed();
        let is_healthy = self.view.is_ready() && failed.is_empty();
        let status = if is_healthy { 200 } else { 503 };
        match &self.config.bodies {
            Some((healthy, unhealthy)) => {
                let body = if is_healthy { healthy } else { unhealthy };
                Page { status, content_type: "text/plain; charset=utf-8", body: body.clone() }
            }
            None => Page { status, content_type: "application/json", body: self.json(is_healthy, &failed) },
        }
    }
}

/// A duration as Go prints one: `1h2m3.4s`.
fn uptime(duration: Duration) -> String {
    let (seconds, millis) = (duration.as_secs(), duration.subsec_millis());
    let fraction = if millis == 0 { String::new() } else { format!(".{millis:03}") };
    let fraction = fraction.trim_end_matches('0');
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}{fraction}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}{fraction}s"),
        (hours, minutes, seconds) => format!("{hours}h{minutes}m{seconds}{fraction}s"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::config::{Report, parse_yaml};
    use crate::model::UnixNanos;
    use crate::pipeline::{ComponentId, Kind, ManualClock, PipelineId};

    struct View(Mutex<(bool, Health)>);

    impl PipelineView for View {
        fn is_ready(&self) -> bool {
            self.0.lock().unwrap().0
        }

        fn components(&self) -> Vec<(Kind, ComponentId, Health)> {
            vec![(Kind::Processor, ComponentId::parse("tail_sampling").unwrap(), self.0.lock().unwrap().1.clone())]
        }

        fn pipelines(&self) -> Vec<(PipelineId, [Vec<ComponentId>; 3])> {
            Vec::new()
        }
    }

    fn ask(text: &str, is_ready: bool, health: Health, path: &str) -> (u16, String) {
        let mut report = Report::default();
        let root = parse_yaml(text, 0, &mut report).unwrap_or_default();
        let mut section = Section::new("extensions::health_check", &root, &mut report);
        let config = decode(&mut section);
        section.finish();
        assert!(!report.has_errors(), "{report:?}");
        let clock = Arc::new(ManualClock::at(UnixNanos(1_700_000_000_000_000_000)));
        let started = clock.now();
        clock.advance(Duration::from_millis(62_500));
        let pages = HealthPage { config, view: Arc::new(View(Mutex::new((is_ready, health)))), clock, started };
        let page = pages.page(path, &HeaderMap::new());
        (page.status, page.body)
    }

    #[test]
    fn a_running_service_is_available() {
        let (status, body) = ask("", true, Health::Ok, "/");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        let expected =
            serde_json::json!({"status": "Server available", "upSince": "2023-11-14T22:13:20Z", "uptime": "1m2.5s"});
        assert_eq!((status, body), (200, expected));
    }

    #[test]
    fn a_dead_component_is_named_and_makes_the_service_unavailable() {
        let (status, body) = ask("", true, Health::Failed("shard 1 has ended".to_owned()), "/");
        assert_eq!(status, 503);
        assert!(body.contains("processor tail_sampling: shard 1 has ended"), "{body}");
        assert_eq!(ask("", false, Health::Ok, "/").0, 503);
    }

    #[test]
    fn path_and_bodies_are_those_of_the_config() {
        let text = "{path: /health, response_body: {healthy: good, unhealthy: bad}}";
        assert_eq!(ask(text, true, Health::Ok, "/health"), (200, "good".to_owned()));
        assert_eq!(ask(text, false, Health::Ok, "/health"), (503, "bad".to_owned()));
        assert_eq!(ask(text, true, Health::Ok, "/").0, 404);
        assert_eq!(ask("", true, Health::Ok, "/anything").0, 200);
    }
}
