//! `zpages`: what runs, as plain pages: `servicez`, `pipelinez`, `extensionz`.
//!
//! ```yaml
//! extensions:
//!   zpages:
//!     endpoint: localhost:55679
//! ```

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use crate::config::{Section, format_duration};
use crate::model::Now;
use crate::net::{HttpDefaults, HttpServerConfig, Page, Pages, ServerTls, Site};
use crate::pipeline::{
    BuildError, Clock, Component, ComponentId, ExtensionConfig, ExtensionContext, Health, Kind, Listens, PipelineView,
    Settings,
};

/// What users write under `extensions::zpages`.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    server: HttpServerConfig,
}

const DEFAULTS: HttpDefaults = HttpDefaults { endpoint: "localhost:55679", idle_timeout: Duration::from_secs(60) };

/// Reads the section.
pub fn decode(section: &mut Section<'_>) -> Config {
    section.section("expvar", |section| {
        if section.bool("enabled", false) {
            section.error("enabled", "not supported yet; there is no Go runtime whose variables could be shown");
        }
    });
    Config { server: HttpServerConfig::decode(section, DEFAULTS) }
}

impl ExtensionConfig for Config {
    fn listens(&self) -> Vec<Listens> {
        let files = self.server.tls.iter().flat_map(ServerTls::files).map(Listens::Reads);
        std::iter::once(Listens::Tcp(self.server.endpoint.clone())).chain(files).collect()
    }

    fn build(&self, settings: &Settings, context: ExtensionContext) -> Result<Arc<dyn Component>, BuildError> {
        let started = settings.clock.now();
        let pages = Zpages { view: context.view, clock: settings.clock.clone(), started };
        Ok(Arc::new(Site::new(self.server.clone(), pages, settings.clock.clone())))
    }
}

struct Zpages {
    view: Arc<dyn PipelineView>,
    clock: Arc<dyn Clock>,
    started: Now,
}

const STYLE: &str = "\
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem}nav a{margin-right:1rem}
table{border-collapse:collapse;width:100%;margin:1rem 0}
th,td{text-align:left;padding:.4rem .8rem;border-bottom:1px solid #8884;vertical-align:top}
th{font-weight:600}.ok{color:#2a7d2a}.failed{color:#c0392b;font-weight:600}
";
const ELSEWHERE: &str = "there are /debug/servicez, /debug/pipelinez and /debug/extensionz";

impl Pages for Zpages {
    fn page(&self, path: &str, _: &HeaderMap) -> Page {
        match path {
            "/debug/servicez" | "/debug" | "/debug/" | "/" => Page::html(self.service()),
            "/debug/pipelinez" => Page::html(self.pipelines()),
            "/debug/extensionz" => Page::html(self.components("Extensions", |kind| kind == Kind::Extension)),
            "/debug/style.css" => Page { status: 200, content_type: "text/css; charset=utf-8", body: STYLE.to_owned() },
            _ => Page::not_found(ELSEWHERE),
        }
    }
}

impl Zpages {
    fn service(&self) -> String {
        let since = jiff::Timestamp::from_nanosecond(i128::from(self.started.wall.0)).unwrap_or_default();
        let up = self.clock.now().mono.since(self.started.mono);
        let state = if self.view.is_ready() { "running" } else { "starting or stopping" };
        let facts = [
            ("State", state.to_owned()),
            ("Version", env!("CARGO_PKG_VERSION").to_owned()),
            ("Up since", since.to_string()),
            ("Uptime", format_duration(Duration::from_secs(up.as_secs()))),
            ("Pipelines", self.view.pipelines().len().to_string()),
        ];
        let rows = facts.map(|(name, value)| [name.to_owned(), escaped(&value)]);
        let mut body = table(&["Service", ""], &rows);
        body.push_str(&self.component_table(|kind| kind != Kind::Extension));
        document("Service", &body)
    }

    fn pipelines(&self) -> String {
        let list = |ids: &[ComponentId]| ids.iter().map(|id| escaped(&id.to_string())).collect::<Vec<_>>().join("<br>");
        let row = |(id, [receivers, processors, exporters]): &(_, [Vec<ComponentId>; 3])| {
            [escaped(&format!("{id}")), list(receivers), list(processors), list(exporters)]
        };
        let rows: Vec<[String; 4]> = self.view.pipelines().iter().map(row).collect();
        document("Pipelines", &table(&["Pipeline", "Receivers", "Processors", "Exporters"], &rows))
    }

    fn components(&self, title: &str, which: impl Fn(Kind) -> bool) -> String {
        document(title, &self.component_table(which))
    }

    fn component_table(&self, which: impl Fn(Kind) -> bool) -> String {
        let row = |(kind, id, health): (Kind, ComponentId, Health)| {
            let health = match health {
                Health::Ok => "<span class=\"ok\">ok</span>".to_owned(),
                Health::Failed(reason) => format!("<span class=\"failed\">{}</span>", escaped(&reason)),
            };
            [escaped(&id.to_string()), kind.noun().to_owned(), health]
        };
        let components = self.view.components().into_iter().filter(|(kind, ..)| which(*kind));
        let rows: Vec<[String; 3]> = components.map(row).collect();
        table(&["Component", "Kind", "Health"], &rows)
    }
}

/// A whole page around `body`, which is HTML.
fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title} - tailwater</title>\
         <link rel=\"stylesheet\" href=\"/debug/style.css\"><nav><a href=\"/debug/servicez\">Service</a>\
         <a href=\"/debug/pipelinez\">Pipelines</a><a href=\"/debug/extensionz\">Extensions</a></nav>\
         <h1>{title}</h1>{body}</html>\n"
    )
}

/// A table of cells that are HTML.
fn table<const N: usize>(head: &[&str; N], rows: &[[String; N]]) -> String {
    let mut html = String::from("<table><tr>");
    html.extend(head.iter().flat_map(|cell| ["<th>", cell]));
    for row in rows {
        html.push_str("<tr>");
        html.extend(row.iter().flat_map(|cell| ["<td>", cell]));
    }
    if rows.is_empty() {
        html.push_str("<tr><td>none");
    }
    html.push_str("</table>");
    html
}

/// Text as HTML: the one place where names from outside become markup.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UnixNanos;
    use crate::pipeline::{ManualClock, PipelineId};

    struct View;

    impl PipelineView for View {
        fn is_ready(&self) -> bool {
            true
        }

        fn components(&self) -> Vec<(Kind, ComponentId, Health)> {
            let id = |text| ComponentId::parse(text).unwrap();
            vec![
                (Kind::Exporter, id("otlp/a&b"), Health::Failed("<script>".to_owned())),
                (Kind::Extension, id("zpages"), Health::Ok),
            ]
        }

        fn pipelines(&self) -> Vec<(PipelineId, [Vec<ComponentId>; 3])> {
            let id = |text| ComponentId::parse(text).unwrap();
            vec![(PipelineId::parse("traces/x").unwrap(), [vec![id("otlp")], vec![], vec![id("nop"), id("debug")]])]
        }
    }

    fn page(path: &str) -> Page {
        let clock = Arc::new(ManualClock::at(UnixNanos(0)));
        Zpages { view: Arc::new(View), started: clock.now(), clock }.page(path, &HeaderMap::new())
    }

    #[test]
    fn what_runs_is_shown_by_name() {
        assert!(page("/debug/pipelinez").body.contains("<td>traces/x<td>otlp<td><td>nop<br>debug"));
        assert!(page("/debug/extensionz").body.contains("<td>zpages<td>extension"));
        assert!(!page("/debug/extensionz").body.contains("otlp"));
        let service = page("/debug/servicez").body;
        assert!(service.contains("<td>State<td>running") && service.contains(env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn names_and_reasons_are_text_not_markup() {
        let service = page("/debug/servicez").body;
        assert!(service.contains("otlp/a&amp;b") && service.contains("&lt;script&gt;"), "{service}");
    }

    #[test]
    fn what_is_not_there_says_what_is() {
        for path in ["/debug/tracez", "/debug/featurez", "/debug/expvarz"] {
            let page = page(path);
            assert_eq!(page.status, 404);
            assert!(page.body.contains("/debug/pipelinez"));
        }
    }
}
