//! The receiver's section of the config file, with the Collector's keys and defaults.

use std::sync::Arc;
use std::time::Duration;

use super::Receiver;
use crate::config::{Optional, Section};
use crate::net::{GrpcServerConfig, HttpDefaults, HttpServerConfig, ServerTls};
use crate::pipeline::{BuildError, Component, Consumers, Listens, ReceiverConfig, Settings};
use crate::wire;

/// What users write under `receivers::otlp`.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// gRPC, when turned on.
    pub grpc: Option<GrpcServerConfig>,
    /// HTTP, when turned on.
    pub http: Option<HttpConfig>,
    /// What clients may take; has no keys.
    pub limits: Limits,
}

/// The `http` protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpConfig {
    /// The server.
    pub server: HttpServerConfig,
    /// Where traces are posted (`/v1/traces`).
    pub traces_url_path: String,
    /// Where metrics are posted (`/v1/metrics`).
    pub metrics_url_path: String,
    /// Where logs are posted (`/v1/logs`).
    pub logs_url_path: String,
}

/// Limits of the receiver over all of its connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of requests that have come and are not answered, over all connections (256 MiB).
    /// A request that does not fit is refused as overload, and may be sent again.
    pub bytes_in_flight_max: u64,
    /// How long a client may pause within a body (30 s); then the request is refused.
    pub body_idle_max: Duration,
    /// What one request may hold.
    pub request: wire::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes_in_flight_max: 256 << 20,
            body_idle_max: Duration::from_secs(30),
            request: wire::Limits::default(),
        }
    }
}

const GRPC_ENDPOINT: &str = "localhost:4317";
/// The Collector's receiver has no idle timeout.
const HTTP_DEFAULTS: HttpDefaults = HttpDefaults { endpoint: "localhost:4318", idle_timeout: Duration::ZERO };

/// Reads the section.
pub fn decode(section: &mut Section<'_>) -> Config {
    let (grpc, http) = section.section_or_default("protocols", |section| {
        let grpc = section.optional("grpc", Optional::Default, |grpc| GrpcServerConfig::decode(grpc, GRPC_ENDPOINT));
        let http = section.optional("http", Optional::Default, decode_http);
        (grpc, http)
    });
    if grpc.is_none() && http.is_none() {
        let message = "must specify at least one protocol when using the OTLP receiver; write grpc: or http: here";
        section.error("protocols", message);
    }
    Config { grpc, http, limits: Limits::default() }
}

fn decode_http(section: &mut Section<'_>) -> HttpConfig {
    HttpConfig {
        traces_url_path: decode_path(section, "traces_url_path", "/v1/traces"),
        metrics_url_path: decode_path(section, "metrics_url_path", "/v1/metrics"),
        logs_url_path: decode_path(section, "logs_url_path", "/v1/logs"),
        server: HttpServerConfig::decode(section, HTTP_DEFAULTS),
    }
}

/// A path without a leading slash gets one.
fn decode_path(section: &mut Section<'_>, key: &'static str, default: &str) -> String {
    let path = section.string(key, default);
    if path.is_empty() {
        section.error(key, format!("is empty; write a path such as {default}"));
    }
    if path.starts_with('/') { path } else { format!("/{path}") }
}

impl Config {
    /// Builds the receiver, as a type that tells which addresses it has bound.
    pub fn receiver(&self, settings: &Settings, next: Consumers) -> Arc<Receiver> {
        Arc::new(Receiver::new(self.clone(), settings, next))
    }

    fn tls(&self) -> impl Iterator<Item = &ServerTls> {
        let grpc = self.grpc.as_ref().and_then(|grpc| grpc.tls.as_ref());
        let http = self.http.as_ref().and_then(|http| http.server.tls.as_ref());
        grpc.into_iter().chain(http)
    }
}

impl ReceiverConfig for Config {
    fn listens(&self) -> Vec<Listens> {
        let grpc = self.grpc.as_ref().map(|grpc| grpc.endpoint.clone());
        let http = self.http.as_ref().map(|http| http.server.endpoint.clone());
        let ports = grpc.into_iter().chain(http).map(Listens::Tcp);
        ports.chain(self.tls().flat_map(ServerTls::files).map(Listens::Reads)).collect()
    }

    fn build(&self, settings: &Settings, next: Consumers) -> Result<Arc<dyn Component>, BuildError> {
        Ok(self.receiver(settings, next))
    }
}
