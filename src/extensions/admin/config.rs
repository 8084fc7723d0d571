//! The keys of `admin`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::Section;
use crate::net::{HttpDefaults, HttpServerConfig};

/// Decisions of each sampler that are remembered unless the config says otherwise; about 25 MB
/// when each has a finding of the detector.
const REMEMBERED: u64 = 100_000;
/// Most decisions of a sampler that may be remembered.
const REMEMBERED_MAX: u64 = 10_000_000;

const DEFAULTS: HttpDefaults = HttpDefaults { endpoint: "localhost:13134", idle_timeout: Duration::from_secs(60) };

/// What users write under `extensions::admin`.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub(super) server: HttpServerConfig,
    /// Decisions of each sampler that are remembered; the oldest make room.
    pub(super) remembered: usize,
    pub(super) file: Option<FileConfig>,
}

/// Where every decision is written, a line of JSON each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileConfig {
    pub(super) path: PathBuf,
    /// Size at which the file is put aside.
    pub(super) bytes_max: u64,
    /// Files put aside that are kept; the oldest goes.
    pub(super) backups_max: u64,
}

/// Reads the section.
pub fn decode(section: &mut Section<'_>) -> Config {
    let (remembered, file) = section.section_or_default("decisions", |decisions| {
        let remembered = decisions.uint("remembered", REMEMBERED);
        if !(1..=REMEMBERED_MAX).contains(&remembered) {
            decisions.error("remembered", format!("remembered is {remembered}; write 1 to {REMEMBERED_MAX}"));
        }
        (remembered, decisions.section("file", decode_file))
    });
    let server = HttpServerConfig::decode(section, DEFAULTS);
    if !is_local(&server.endpoint) {
        let endpoint = &server.endpoint;
        section.warn(
            "endpoint",
            format!(
                "whoever reaches {endpoint} reads the ids of traces and the names of services and operations; \
                 listen on localhost, or let only trusted networks through"
            ),
        );
    }
    Config { server, remembered: usize::try_from(remembered).unwrap_or(usize::MAX), file }
}

/// Whether only this machine reaches an endpoint.
fn is_local(endpoint: &str) -> bool {
    let host = endpoint.rsplit_once(':').map_or(endpoint, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn decode_file(section: &mut Section<'_>) -> FileConfig {
    let path = section.string("path", "");
    if path.is_empty() {
        section.error("path", "path is missing; write the file that decisions go to");
    }
    let megabytes = section.uint("max_megabytes", 100);
    if megabytes == 0 {
        section.error("max_megabytes", "max_megabytes is 0; write at least 1");
    }
    FileConfig {
        path: PathBuf::from(path),
        bytes_max: megabytes.saturating_mul(1 << 20),
        backups_max: section.uint("max_backups", 10).min(1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_local() {
        for local in ["localhost:13134", "127.0.0.1:1", "127.9.9.9:1", "[::1]:13134"] {
            assert!(is_local(local), "{local}");
        }
        for open in ["0.0.0.0:13134", "[::]:13134", ":13134", "10.0.0.1:1", "example.org:1", "localhost.example.org:1"]
        {
            assert!(!is_local(open), "{open}");
        }
    }
}
