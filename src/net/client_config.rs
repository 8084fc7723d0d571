//! The keys that every client shares: endpoint, headers, compression, TLS, keepalive. Decodes
//! the Collector's `configgrpc` and `confighttp` client blocks; opens nothing.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::compress::{Compressor, Encoding};
use crate::config::{Optional, Secret, Section};

/// Where a client connects to.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Endpoint {
    /// Name or address, IPv6 without brackets.
    pub(crate) host: String,
    /// TCP port.
    pub(crate) port: u16,
}

/// PEM text, from a file or from the config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pem {
    /// Read when the client is built.
    File(PathBuf),
    /// Given in the config.
    Text(Secret),
}

/// Versions of TLS that rustls speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TlsVersion {
    /// TLS 1.2.
    V12,
    /// TLS 1.3.
    V13,
}

/// The `tls` block of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsConfig {
    /// No TLS at all.
    pub(crate) insecure: bool,
    /// TLS, but any certificate will do.
    pub(crate) insecure_skip_verify: bool,
    /// Name to verify in place of the endpoint's host.
    pub(crate) server_name_override: Option<String>,
    /// Roots to trust; the system's when absent.
    pub(crate) ca: Option<Pem>,
    /// Whether the system's roots are trusted beside `ca`.
    pub(crate) include_system_ca_certs_pool: bool,
    /// Certificate and key that the client shows.
    pub(crate) identity: Option<(Pem, Pem)>,
    /// Lowest version.
    pub(crate) min_version: TlsVersion,
    /// Highest version.
    pub(crate) max_version: TlsVersion,
}

/// The `keepalive` block of a gRPC client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keepalive {
    /// Quiet time before a ping.
    pub(crate) time: Duration,
    /// How long the answer may take.
    pub(crate) timeout: Duration,
    /// Whether to ping without a call under way.
    pub(crate) permit_without_stream: bool,
}

/// A gRPC client block.
#[derive(Clone, Debug)]
pub(crate) struct GrpcClientConfig {
    /// Where to; `None` was reported as an error.
    pub(crate) endpoint: Option<Endpoint>,
    /// TLS or not.
    pub(crate) tls: TlsConfig,
    /// Compression of messages.
    pub(crate) compressor: Option<Compressor>,
    /// Pings; off when absent.
    pub(crate) keepalive: Option<Keepalive>,
    /// Sent with every call.
    pub(crate) headers: HeaderMap,
    /// Wait for a connection in place of failing at once.
    pub(crate) wait_for_ready: bool,
    /// `:authority`, in place of the endpoint.
    pub(crate) authority: Option<String>,
    /// `user-agent`, in place of ours.
    pub(crate) user_agent: Option<String>,
    /// Connections to the endpoint (a key of ours).
    pub(crate) connections: usize,
}

/// An HTTP client block.
#[derive(Clone, Debug)]
pub(crate) struct HttpClientConfig {
    /// Base URL as written; may be empty.
    pub(crate) endpoint: String,
    /// TLS or not, by the URL's scheme; `insecure` alone changes nothing.
    pub(crate) tls: TlsConfig,
    /// Whole time of an attempt; zero is none.
    pub(crate) timeout: Duration,
    /// Compression of bodies.
    pub(crate) compressor: Option<Compressor>,
    /// Sent with every request.
    pub(crate) headers: HeaderMap,
    /// Idle connections that are kept.
    pub(crate) max_idle_conns: usize,
    /// Connections in all; zero is no limit.
    pub(crate) max_conns_per_host: usize,
    /// How long an idle connection is kept; zero is for ever.
    pub(crate) idle_conn_timeout: Duration,
    /// One request a connection.
    pub(crate) disable_keep_alives: bool,
}

/// What differs between the clients of exporters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientDefaults {
    /// Attempt timeout.
    pub(crate) timeout: Duration,
    /// Whether bodies are compressed with gzip unless told otherwise.
    pub(crate) gzip: bool,
}

/// Levels that cost least for their size, measured on OTLP requests of 1,000 spans of 400 bytes:
/// gzip 1 takes 546 ns a span and leaves 88 bytes (level 6: 2,463 and 75), zstd -3 takes 224 and
/// leaves 65 (-1: 258 and 64; 1: 301 and 52; 3: 427 and 51). `cargo bench --bench compression`
/// prints them; `compression_params::level` changes them.
const GZIP_LEVEL: i32 = 1;
const ZSTD_LEVEL: i32 = -3;
const CONNECTIONS_MAX: u64 = 64;

impl Endpoint {
    /// Reads `host:port`; IPv6 addresses stand in brackets.
    ///
    /// # Errors
    /// Says what is missing.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (host, port) = text.rsplit_once(':').ok_or_else(|| format!("address {text:?}: missing port in address"))?;
        let host = match host.strip_prefix('[') {
            Some(inner) => {
                inner.strip_suffix(']').ok_or_else(|| format!("address {text:?}: missing ']' in address"))?
            }
            None if host.contains(':') => {
                return Err(format!("address {text:?}: too many colons in address; write [{host}]:{port}"));
            }
            None => host,
        };
        let port = port.parse().map_err(|_| format!("invalid port {port:?}; write a number from 1 to 65535"))?;
        let host = if host.is_empty() { "localhost" } else { host };
        Ok(Self { host: host.to_owned(), port })
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl GrpcClientConfig {
    /// Reads the keys of a gRPC client that stand in `section` itself.
    pub(crate) fn decode(section: &mut Section<'_>, defaults: ClientDefaults) -> Self {
        let (endpoint, is_https) = decode_grpc_endpoint(section);
        section.unsupported("auth", "give the header under headers");
        section.unsupported("middlewares", "remove the key");
        section.ignored("read_buffer_size", "reads go straight from the socket");
        section.ignored("write_buffer_size", "writes go straight to the socket");
        section.choice("balancer_name", &[("round_robin", ()), ("pick_first", ()), ("", ())], ());
        let keepalive = section.optional("keepalive", Optional::Some, |section| Keepalive {
            time: section.duration("time", Duration::from_secs(10)),
            timeout: section.duration("timeout", Duration::from_secs(10)),
            permit_without_stream: section.bool("permit_without_stream", false),
        });
        let connections = section.uint("connections", 1);
        if !(1..=CONNECTIONS_MAX).contains(&connections) {
            section.error("connections", format!("must be 1 to {CONNECTIONS_MAX}, found {connections}"));
        }
        let mut tls = section.section_or_default("tls", TlsConfig::decode);
        // As in the Collector: the scheme https turns TLS on whatever the block says.
        tls.insecure &= !is_https;
        Self {
            endpoint,
            tls,
            compressor: decode_compression(section, &GRPC_KINDS, defaults.gzip),
            keepalive: keepalive.filter(|keepalive| !keepalive.time.is_zero()),
            headers: decode_headers(section),
            wait_for_ready: section.bool("wait_for_ready", false),
            authority: section.opt_string("authority").filter(|text| !text.is_empty()),
            user_agent: section.opt_string("user_agent").filter(|text| !text.is_empty()),
            connections: connections.clamp(1, CONNECTIONS_MAX) as usize,
        }
    }
}

impl HttpClientConfig {
    /// Reads the keys of an HTTP client that stand in `section` itself.
    pub(crate) fn decode(section: &mut Section<'_>, defaults: ClientDefaults) -> Self {
        section.unsupported("auth", "give the header under headers");
        section.unsupported("middlewares", "remove the key");
        section.unsupported("proxy_url", "connect to the backend itself");
        section.unsupported("cookies", "remove the key");
        section.ignored("read_buffer_size", "reads go straight from the socket");
        section.ignored("write_buffer_size", "writes go straight to the socket");
        section.ignored("http2_read_idle_timeout", "requests go over HTTP/1.1");
        section.ignored("http2_ping_timeout", "requests go over HTTP/1.1");
        section.ignored("force_attempt_http2", "requests go over HTTP/1.1");
        let per_host = section.uint("max_idle_conns_per_host", 0);
        let idle = section.uint("max_idle_conns", 100);
        Self {
            endpoint: section.string("endpoint", ""),
            tls: section.section_or_default("tls", TlsConfig::decode),
            timeout: section.duration("timeout", defaults.timeout),
            compressor: decode_compression(section, &HTTP_KINDS, defaults.gzip),
            headers: decode_headers(section),
            max_idle_conns: usize::try_from(if per_host == 0 { idle } else { idle.min(per_host) })
                .unwrap_or(usize::MAX),
            max_conns_per_host: usize::try_from(section.uint("max_conns_per_host", 0)).unwrap_or(usize::MAX),
            idle_conn_timeout: section.duration("idle_conn_timeout", Duration::from_secs(90)),
            disable_keep_alives: section.bool("disable_keep_alives", false),
        }
    }
}

impl Default for TlsConfig {
    fn default() -> Self {
        Self {
            insecure: false,
            insecure_skip_verify: false,
            server_name_override: None,
            ca: None,
            include_system_ca_certs_pool: false,
            identity: None,
            min_version: TlsVersion::V12,
            max_version: TlsVersion::V13,
        }
    }
}

impl TlsConfig {
    /// Reads a `tls` block.
    pub(crate) fn decode(section: &mut Section<'_>) -> Self {
        section.unsupported("cipher_suites", "the suites of rustls are used");
        section.unsupported("curve_preferences", "the curves of rustls are used");
        section.unsupported("tpm", "give key_file or key_pem");
        if !section.duration("reload_interval", Duration::ZERO).is_zero() {
            section.error("reload_interval", "not supported yet; restart after a change of certificates");
        }
        let ca = decode_pem(section, "ca_file", "ca_pem");
        let cert = decode_pem(section, "cert_file", "cert_pem");
        let key = decode_pem(section, "key_file", "key_pem");
        if cert.is_some() != key.is_some() {
            section.error("", "for a client certificate give both cert_file (or cert_pem) and key_file (or key_pem)");
        }
        let versions =
            [("1.2", TlsVersion::V12), ("1.3", TlsVersion::V13), ("1.0", TlsVersion::V12), ("1.1", TlsVersion::V12)];
        let config = Self {
            insecure: section.bool("insecure", false),
            insecure_skip_verify: section.bool("insecure_skip_verify", false),
            server_name_override: section.opt_string("server_name_override").filter(|name| !name.is_empty()),
            ca,
            include_system_ca_certs_pool: section.bool("include_system_ca_certs_pool", false),
            identity: cert.zip(key),
            min_version: section.choice("min_version", &versions, TlsVersion::V12),
            max_version: section.choice("max_version", &versions[..2], TlsVersion::V13),
        };
        if config.min_version > config.max_version {
            section.error("max_version", "must not be below min_version");
        }
        config
    }

    /// Files that building the client reads.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let pems = self.ca.iter().chain(self.identity.iter().flat_map(|(cert, key)| [cert, key]));
        pems.filter_map(|pem| match pem {
            Pem::File(path) => Some(path.clone()),
            Pem::Text(_) => None,
        })
        .collect()
    }
}

fn decode_pem(section: &mut Section<'_>, file: &'static str, text: &'static str) -> Option<Pem> {
    let path = section.opt_string(file).filter(|path| !path.is_empty());
    let pem = section.secret(text).filter(|pem| !pem.expose().is_empty());
    if path.is_some() && pem.is_some() {
        section.error(text, format!("give {file} or {text}, not both"));
    }
    path.map(|path| Pem::File(path.into())).or(pem.map(Pem::Text))
}

/// The endpoint, and whether its scheme asks for TLS.
fn decode_grpc_endpoint(section: &mut Section<'_>) -> (Option<Endpoint>, bool) {
    let text = section.string("endpoint", "");
    let is_https = text.starts_with("https://");
    if text.starts_with("unix:") {
        section.error("endpoint", "unix sockets are not supported yet; write host:port");
        return (None, false);
    }
    let mut rest = text.as_str();
    for scheme in ["http://", "https://", "passthrough:///"] {
        rest = rest.strip_prefix(scheme).unwrap_or(rest);
    }
    if let Some(target) = rest.strip_prefix("dns://") {
        // dns://authority/host:port; the authority would be a name server of its own.
        rest = target.split_once('/').map_or(target, |(_, target)| target);
    } else if let Some(target) = rest.strip_prefix("dns:") {
        rest = target;
    }
    rest = rest.trim_end_matches('/');
    if rest.is_empty() {
        section.error("endpoint", "requires a non-empty \"endpoint\"; write host:port");
        return (None, is_https);
    }
    (Endpoint::parse(rest).map_err(|message| section.error("endpoint", message)).ok(), is_https)
}

type Kinds = [(&'static str, Option<(Encoding, &'static str)>)];

/// The Collector's gRPC `snappy` is the framing format.
const GRPC_KINDS: [(&str, Option<(Encoding, &str)>); 5] = [
    ("gzip", Some((Encoding::Gzip, "gzip"))),
    ("zstd", Some((Encoding::Zstd, "zstd"))),
    ("snappy", Some((Encoding::SnappyFramed, "snappy"))),
    ("none", None),
    ("", None),
];

const HTTP_KINDS: [(&str, Option<(Encoding, &str)>); 8] = [
    ("gzip", Some((Encoding::Gzip, "gzip"))),
    ("zstd", Some((Encoding::Zstd, "zstd"))),
    ("zlib", Some((Encoding::Zlib, "zlib"))),
    ("deflate", Some((Encoding::Zlib, "deflate"))),
    ("snappy", Some((Encoding::Snappy, "snappy"))),
    ("x-snappy-framed", Some((Encoding::SnappyFramed, "x-snappy-framed"))),
    ("none", None),
    ("", None),
];

fn decode_compression(section: &mut Section<'_>, kinds: &Kinds, gzip: bool) -> Option<Compressor> {
    let default = if gzip { Some((Encoding::Gzip, "gzip")) } else { None };
    let kind = match section.opt_string("compression").as_deref() {
        Some("lz4") => {
            section.error("compression", "lz4 is not supported yet; write zstd or gzip");
            default
        }
        _ => section.choice("compression", kinds, default),
    };
    let level = section.section("compression_params", |section| section.int("level", 0)).unwrap_or(0);
    let (encoding, name) = kind?;
    let (range, usual) = match encoding {
        Encoding::Gzip | Encoding::Zlib => (-1..=9, GZIP_LEVEL),
        Encoding::Zstd => (-7..=11, ZSTD_LEVEL),
        Encoding::Snappy | Encoding::SnappyFramed => (0..=0, 0),
    };
    if level != 0 && !range.contains(&level) {
        let message = format!("level {level} is not one of {name}; write {} to {}", range.start(), range.end());
        section.error("compression_params", message);
    }
    // Zero is no level, and -1 is the Collector's word for the usual one of gzip.
    let is_usual = level == 0 || (level == -1 && encoding != Encoding::Zstd);
    let level = if is_usual { usual } else { i32::try_from(level).unwrap_or(usual) };
    Some(Compressor { encoding, name, level })
}

fn decode_headers(section: &mut Section<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in section.secrets("headers") {
        match (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.expose())) {
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
            (Err(_), _) => section.error("headers", format!("{name:?} is not a header name")),
            (_, Err(_)) => section.error("headers", format!("the value of {name:?} has characters that no header has")),
        }
    }
    headers
}
