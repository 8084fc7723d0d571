//! The keys of `otlp_http`, those of the Collector's exporter with its defaults.

use std::sync::Arc;
use std::time::Duration;

use super::OtlpHttp;
use crate::config::Section;
use crate::exporters::delivery;
use crate::model::Signal;
use crate::net::client_config::{ClientDefaults, HttpClientConfig};
use crate::net::http_client::parse_url;
use crate::pipeline::{BuildError, BuiltExporter, ExporterConfig, Listens, Settings};

/// What a user writes.
#[derive(Clone, Debug)]
pub struct Config {
    pub(super) delivery: delivery::Config,
    pub(super) client: HttpClientConfig,
    pub(super) encoding: Encoding,
    /// `traces_endpoint`, `metrics_endpoint`, `logs_endpoint`.
    endpoints: [Option<String>; 3],
}

/// How requests are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Proto,
    Json,
}

const ENDPOINTS: [(Signal, &str); 3] =
    [(Signal::Traces, "traces_endpoint"), (Signal::Metrics, "metrics_endpoint"), (Signal::Logs, "logs_endpoint")];

impl Config {
    /// Reads the section of an `otlp_http` exporter.
    pub fn decode(section: &mut Section<'_>) -> Self {
        let defaults = ClientDefaults { timeout: Duration::from_secs(30), gzip: true };
        let client = HttpClientConfig::decode(section, defaults);
        section.ignored("profiles_endpoint", "profiles are not a signal here");
        let endpoints = ENDPOINTS.map(|(_, key)| section.opt_string(key).filter(|endpoint| !endpoint.is_empty()));
        if client.endpoint.is_empty() && endpoints.iter().all(Option::is_none) {
            section.error("endpoint", "at least one endpoint must be specified; write http://host:4318");
        }
        let written = [("endpoint", Some(&client.endpoint).filter(|endpoint| !endpoint.is_empty()))];
        let keyed = ENDPOINTS.iter().zip(&endpoints).map(|((_, key), endpoint)| (*key, endpoint.as_ref()));
        for (key, endpoint) in written.into_iter().chain(keyed) {
            if let Some(Err(error)) = endpoint.map(|endpoint| parse_url(endpoint)) {
                section.error(key, error.to_string());
            }
        }
        Self {
            delivery: delivery::Config::decode(section, client.timeout),
            encoding: section.choice(
                "encoding",
                &[("proto", Encoding::Proto), ("json", Encoding::Json)],
                Encoding::Proto,
            ),
            client,
            endpoints,
        }
    }

    /// Where a signal is posted to.
    pub(super) fn url(&self, signal: Signal) -> Option<String> {
        if let Some(own) = &self.endpoints[signal as usize] {
            return Some(own.clone());
        }
        let base = self.client.endpoint.trim_end_matches('/');
        (!base.is_empty()).then(|| format!("{base}/v1/{signal}"))
    }
}

impl ExporterConfig for Config {
    fn listens(&self) -> Vec<Listens> {
        let mut listens: Vec<_> = self.client.tls.files().into_iter().map(Listens::Reads).collect();
        for signal in Signal::ALL {
            if let Some(Ok((endpoint, ..))) = self.url(signal).map(|url| parse_url(&url)) {
                let connects = Listens::Connects(endpoint.to_string());
                if !listens.contains(&connects) {
                    listens.push(connects);
                }
            }
        }
        listens
    }

    fn build(&self, settings: &Settings, signals: &[Signal]) -> Result<BuiltExporter, BuildError> {
        for &signal in signals {
            if self.url(signal).is_none() {
                let message = format!("has no endpoint for {signal}; give endpoint or {signal}_endpoint");
                return Err(BuildError(message));
            }
        }
        let exporter = OtlpHttp::new(self, settings).map_err(|error| BuildError(error.to_string()))?;
        Ok(delivery::build(settings, &self.delivery, Arc::new(exporter), signals))
    }
}
