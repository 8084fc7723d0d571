//! The keys of `otlp_grpc`, those of the Collector's exporter with its defaults.

use std::sync::Arc;
use std::time::Duration;

use super::OtlpGrpc;
use crate::config::Section;
use crate::exporters::delivery;
use crate::model::Signal;
use crate::net::client_config::{ClientDefaults, GrpcClientConfig};
use crate::pipeline::{BuildError, BuiltExporter, ExporterConfig, Listens, Settings};

/// What a user writes.
#[derive(Clone, Debug)]
pub struct Config {
    /// How batches get to the client.
    pub(crate) delivery: delivery::Config,
    /// The client.
    pub(crate) client: GrpcClientConfig,
}

impl Config {
    /// Reads the section of an `otlp_grpc` exporter.
    pub fn decode(section: &mut Section<'_>) -> Self {
        let defaults = ClientDefaults { timeout: Duration::from_secs(5), gzip: true };
        let timeout = section.duration("timeout", defaults.timeout);
        Self {
            delivery: delivery::Config::decode(section, timeout),
            client: GrpcClientConfig::decode(section, defaults),
        }
    }
}

impl ExporterConfig for Config {
    fn listens(&self) -> Vec<Listens> {
        let files = self.client.tls.files().into_iter().map(Listens::Reads);
        files.chain(self.client.endpoint.iter().map(|endpoint| Listens::Connects(endpoint.to_string()))).collect()
    }

    fn build(&self, settings: &Settings, signals: &[Signal]) -> Result<BuiltExporter, BuildError> {
        let exporter = OtlpGrpc::new(self, settings).map_err(|error| BuildError(error.to_string()))?;
        Ok(delivery::build(settings, &self.delivery, Arc::new(exporter), signals))
    }
}
