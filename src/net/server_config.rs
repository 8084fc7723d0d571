//! The keys that every server shares: endpoint, limits, timeouts, CORS. `grpc` and `http`
//! sections of receivers and the servers of extensions are read here, with the Collector's keys
//! and defaults.

use std::time::Duration;

use super::accept::{ConnectionLimits, Http2Settings};
use super::server_tls::ServerTls;
use crate::config::{Node, Optional, Report, Secret, Section, Value};

/// A gRPC server.
#[derive(Clone, Debug, PartialEq)]
pub struct GrpcServerConfig {
    /// `host:port`.
    pub endpoint: String,
    /// TLS, or plain TCP when absent.
    pub tls: Option<ServerTls>,
    /// Largest message, before and after decompression (4 MiB).
    pub message_bytes_max: usize,
    /// Streams and pings.
    pub http2: Http2Settings,
    /// Age and idleness of connections; unlimited by default.
    pub limits: ConnectionLimits,
    /// Whether headers are kept beside the data (false).
    pub include_metadata: bool,
}

/// An HTTP server.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpServerConfig {
    /// `host:port`.
    pub endpoint: String,
    /// TLS, or plain TCP when absent.
    pub tls: Option<ServerTls>,
    /// Which pages of a browser may send; none when absent.
    pub cors: Option<CorsConfig>,
    /// Largest body, before and after decompression (20 MiB).
    pub body_bytes_max: usize,
    /// Whether headers are kept beside the data (false).
    pub include_metadata: bool,
    /// Headers of every answer.
    pub response_headers: Vec<(String, Secret)>,
    /// Values of `Content-Encoding` that are read; `None` reads bodies as they come.
    pub compressions: Option<Vec<String>>,
    /// Whether a connection may carry more than one request (true).
    pub keep_alives: bool,
    /// Timeouts and caps of connections.
    pub limits: ConnectionLimits,
}

/// Cross-origin requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CorsConfig {
    /// Origins, each with at most one `*`.
    pub allowed_origins: Vec<String>,
    /// Request headers beside the safe ones; `*` allows all.
    pub allowed_headers: Vec<String>,
    /// Answer headers that a page may read.
    pub exposed_headers: Vec<String>,
    /// Seconds that a browser may remember a preflight; 0 leaves it to the browser.
    pub max_age: u64,
}

/// Defaults that differ from server to server.
#[derive(Clone, Copy, Debug)]
pub struct HttpDefaults {
    /// `host:port`.
    pub endpoint: &'static str,
    /// A connection without requests for this long is closed; zero never.
    pub idle_timeout: Duration,
}

/// gRPC's customary limit.
const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// The OTLP specification's recommendation.
const BODY_BYTES_MAX: usize = 20 << 20;
/// What the scan can address: 4 GiB, less what a header takes.
const BYTES_MAX: u64 = u32::MAX as u64 >> 1;

/// The encodings that are read when the config names none.
pub const COMPRESSIONS: [&str; 6] = ["", "gzip", "zstd", "zlib", "snappy", "deflate"];
const COMPRESSIONS_OPTIONAL: [&str; 1] = ["x-snappy-framed"];

impl GrpcServerConfig {
    /// Reads a `grpc` section; `endpoint` is the default.
    pub fn decode(section: &mut Section<'_>, endpoint: &str) -> Self {
        let endpoint = decode_endpoint(section, endpoint);
        decode_transport(section);
        section.unsupported("auth", "put a proxy that authenticates in front, or use tls::client_ca_file");
        unsupported_list(section, "middlewares");
        section.ignored("read_buffer_size", "frames are read into buffers of their own size");
        section.ignored("write_buffer_size", "answers are a few bytes");
        let mib = section.uint("max_recv_msg_size_mib", 0);
        let message_bytes_max = match mib {
            0 => MESSAGE_BYTES_MAX,
            mib if mib > BYTES_MAX >> 20 => {
                section.error("max_recv_msg_size_mib", format!("{mib} is too large; the most is {}", BYTES_MAX >> 20));
                MESSAGE_BYTES_MAX
            }
            mib => (mib as usize) << 20,
        };
        let mut http2 = Http2Settings::default();
        let mut limits = ConnectionLimits::default();
        match u32::try_from(section.uint("max_concurrent_streams", 0)) {
            Ok(0) => {}
            Ok(streams) => http2.max_concurrent_streams = streams,
            Err(_) => section.error("max_concurrent_streams", format!("the most is {}", u32::MAX)),
        }
        section.section("keepalive", |section| decode_keepalive(section, &mut http2, &mut limits));
        Self {
            endpoint,
            tls: section.optional("tls", Optional::None, ServerTls::decode),
            message_bytes_max,
            http2,
            limits,
            include_metadata: section.bool("include_metadata", false),
        }
    }
}

fn decode_keepalive(section: &mut Section<'_>, http2: &mut Http2Settings, limits: &mut ConnectionLimits) {
    let positive = |duration: Option<Duration>| duration.filter(|duration| !duration.is_zero());
    section.section("server_parameters", |section| {
        limits.idle_max = positive(section.opt_duration("max_connection_idle"));
        limits.age_max = positive(section.opt_duration("max_connection_age"));
        limits.age_grace = positive(section.opt_duration("max_connection_age_grace"));
        http2.ping_interval = positive(section.opt_duration("time")).unwrap_or(http2.ping_interval);
        http2.ping_timeout = positive(section.opt_duration("timeout")).unwrap_or(http2.ping_timeout);
    });
    section.section("enforcement_policy", |section| {
        let why = "a client's pings are answered whatever their pace, and never end its connection";
        section.ignored("min_time", why);
        section.ignored("permit_without_stream", why);
    });
}

impl HttpServerConfig {
    /// A server on `host:port` with every other key at its default.
    pub fn at(endpoint: &'static str) -> Self {
        let defaults = HttpDefaults { endpoint, idle_timeout: Duration::from_secs(60) };
        Self::decode(&mut Section::new("", &Node::default(), &mut Report::default()), defaults)
    }

    /// Reads an `http` section, or the whole section of an extension.
    pub fn decode(section: &mut Section<'_>, defaults: HttpDefaults) -> Self {
        let endpoint = decode_endpoint(section, defaults.endpoint);
        decode_transport(section);
        section.unsupported("auth", "put a proxy that authenticates in front, or use tls::client_ca_file");
        unsupported_list(section, "middlewares");
        section.ignored("read_timeout", "a body may take as long as bytes of it keep coming");
        section.ignored("write_timeout", "answers are a few bytes");
        let idle = section.duration("idle_timeout", defaults.idle_timeout);
        let mut limits =
            ConnectionLimits { idle_max: Some(idle).filter(|idle| !idle.is_zero()), ..ConnectionLimits::default() };
        if let Some(head) = section.opt_duration("read_header_timeout").filter(|head| !head.is_zero()) {
            limits.head_timeout = head;
        }
        let body = section.uint("max_request_body_size", 0);
        let body_bytes_max = match body {
            0 => BODY_BYTES_MAX,
            body if body > BYTES_MAX => {
                section.error("max_request_body_size", format!("{body} is too large; the most is {BYTES_MAX}"));
                BODY_BYTES_MAX
            }
            body => body as usize,
        };
        Self {
            endpoint,
            tls: section.optional("tls", Optional::None, ServerTls::decode),
            cors: section.optional("cors", Optional::None, decode_cors),
            body_bytes_max,
            include_metadata: section.bool("include_metadata", false),
            response_headers: decode_response_headers(section),
            compressions: decode_compressions(section),
            keep_alives: section.bool("keep_alives_enabled", true),
            limits,
        }
    }
}

/// `host:port`, with a port.
fn decode_endpoint(section: &mut Section<'_>, default: &str) -> String {
    let endpoint = section.string("endpoint", default);
    let port = endpoint.rsplit_once(':').map(|(_, port)| port);
    match port.map(str::parse::<u16>) {
        Some(Ok(_)) => {}
        Some(Err(_)) => {
            section.error("endpoint", format!("{endpoint:?} has no valid port; write host:port such as {default}"))
        }
        None => section.error("endpoint", format!("{endpoint:?} has no port; write host:port such as {default}")),
    }
    endpoint
}

fn decode_transport(section: &mut Section<'_>) {
    let transport = section.string("transport", "tcp");
    match transport.as_str() {
        "tcp" | "tcp4" | "tcp6" => {}
        "unix" => section.error("transport", "not supported yet; listen on a loopback address over tcp"),
        _ => section.error("transport", format!("unknown transport {transport:?}; write tcp")),
    }
}

fn unsupported_list(section: &mut Section<'_>, key: &'static str) {
    if section.look(key).is_some_and(|node| !node.is_null() && node.value != Value::List(Vec::new())) {
        section.error(key, "not supported yet; leave it out");
    }
}

fn decode_cors(section: &mut Section<'_>) -> CorsConfig {
    let cors = CorsConfig {
        allowed_origins: section.strings("allowed_origins").unwrap_or_default(),
        allowed_headers: section.strings("allowed_headers").unwrap_or_default(),
        exposed_headers: section.strings("exposed_headers").unwrap_or_default(),
        max_age: section.uint("max_age", 0),
    };
    if let Some(origin) = cors.allowed_origins.iter().find(|origin| origin.matches('*').count() > 1) {
        section.error("allowed_origins", format!("{origin:?} has more than one *; write one at most"));
    }
    cors
}

fn decode_response_headers(section: &mut Section<'_>) -> Vec<(String, Secret)> {
    let Some(node) = section.look("response_headers") else { return Vec::new() };
    let Value::Map(entries) = &node.value else { return Vec::new() };
    let mut headers = Vec::with_capacity(entries.len());
    for (name, _, node) in entries {
        match &node.value {
            Value::Scalar(scalar)
                if http::HeaderName::try_from(name.as_str()).is_ok()
                    && http::HeaderValue::try_from(&scalar.text).is_ok() =>
            {
                headers.push((name.clone(), Secret::new(scalar.text.clone())));
            }
            _ => section.error("response_headers", format!("{name:?} is not a header with a text value")),
        }
    }
    headers
}

fn decode_compressions(section: &mut Section<'_>) -> Option<Vec<String>> {
    let Some(listed) = section.strings("compression_algorithms") else {
        return Some(COMPRESSIONS.map(str::to_owned).to_vec());
    };
    for name in &listed {
        if name == "lz4" {
            section.error("compression_algorithms", "\"lz4\" is not supported yet; take zstd");
        } else if !COMPRESSIONS.contains(&name.as_str()) && !COMPRESSIONS_OPTIONAL.contains(&name.as_str()) {
            let known = [&COMPRESSIONS[1..], &COMPRESSIONS_OPTIONAL].concat().join(", ");
            section.error("compression_algorithms", format!("unknown compression {name:?}; known: {known}"));
        }
    }
    Some(listed).filter(|listed| !listed.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_yaml;

    const DEFAULTS: HttpDefaults = HttpDefaults { endpoint: "localhost:4318", idle_timeout: Duration::ZERO };

    fn read<T>(text: &str, read: impl FnOnce(&mut Section<'_>) -> T) -> (T, Vec<String>) {
        let mut report = Report::default();
        let root = parse_yaml(text, 0, &mut report).unwrap_or_default();
        let mut section = Section::new("s", &root, &mut report);
        let config = read(&mut section);
        section.finish();
        let problems = report.problems().iter().map(|problem| format!("{}: {}", problem.path, problem.message));
        (config, problems.collect())
    }

    fn grpc(text: &str) -> (GrpcServerConfig, Vec<String>) {
        read(text, |section| GrpcServerConfig::decode(section, "localhost:4317"))
    }

    fn http(text: &str) -> (HttpServerConfig, Vec<String>) {
        read(text, |section| HttpServerConfig::decode(section, DEFAULTS))
    }

    #[test]
    fn defaults_are_the_collectors() {
        let (grpc, problems) = grpc("");
        assert_eq!((grpc.endpoint.as_str(), grpc.message_bytes_max, problems.len()), ("localhost:4317", 4 << 20, 0));
        let (http, problems) = http("");
        assert_eq!((http.body_bytes_max, http.limits.idle_max, problems.len()), (20 << 20, None, 0));
        assert_eq!(http.compressions.unwrap(), COMPRESSIONS);
        assert_eq!(HttpServerConfig::at("a:1").limits.idle_max, Some(Duration::from_secs(60)));
    }

    #[test]
    fn keys_reach_what_they_set() {
        let keepalive = "keepalive: {server_parameters: {max_connection_idle: 1s, max_connection_age: 2s, \
                         max_connection_age_grace: 3s, time: 4s, timeout: 5s}}";
        let (config, problems) =
            grpc(&format!("{{max_recv_msg_size_mib: 16, max_concurrent_streams: 7, {keepalive}}}"));
        assert_eq!(problems, Vec::<String>::new());
        let second = |count| Some(Duration::from_secs(count));
        let limits = (config.limits.idle_max, config.limits.age_max, config.limits.age_grace);
        assert_eq!((config.message_bytes_max, limits), (16 << 20, (second(1), second(2), second(3))));
        let http2 = Http2Settings {
            max_concurrent_streams: 7,
            ping_interval: Duration::from_secs(4),
            ping_timeout: Duration::from_secs(5),
        };
        assert_eq!(config.http2, http2);
        let (config, problems) =
            http("{compression_algorithms: [], idle_timeout: 3s, read_header_timeout: 4s, endpoint: ':1'}");
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!((config.compressions, config.limits.idle_max), (None, second(3)));
        assert_eq!(config.limits.head_timeout, Duration::from_secs(4));
    }

    #[test]
    fn what_is_wrong_or_not_built_is_said_at_its_key() {
        for (text, expected) in [
            ("{endpoint: localhost}", "s::endpoint: \"localhost\" has no port"),
            ("{endpoint: 'localhost:x'}", "s::endpoint: \"localhost:x\" has no valid port"),
            ("{transport: unix}", "s::transport: not supported yet"),
            ("{auth: {authenticator: x}}", "s::auth: not supported yet"),
            ("{middlewares: [{id: x}]}", "s::middlewares: not supported yet"),
            ("{max_recv_msg_size_mib: 99999}", "s::max_recv_msg_size_mib: 99999 is too large"),
            ("{read_buffer_size: 1024}", "s::read_buffer_size: accepted and ignored"),
            ("{tls: {cert_file: x}}", "s::tls::key_file: a server with tls needs a private key"),
            ("{tls: {cert_file: x, key_file: y, min_version: '1.1'}}", "s::tls::min_version: TLS 1.1 is not safe"),
            ("{tls: {cert_file: x, key_file: y, min_version: '1.3', max_version: '1.2'}}", "is above max_version"),
        ] {
            let problems = grpc(text).1;
            assert!(problems.len() == 1 && problems[0].contains(expected), "{text}: {problems:?}");
        }
        for (text, expected) in [
            ("{compression_algorithms: [lz4]}", "\"lz4\" is not supported yet"),
            ("{compression_algorithms: [rar]}", "unknown compression \"rar\""),
            ("{cors: {allowed_origins: ['*.*']}}", "more than one *"),
            ("{response_headers: {'bad name': x}}", "\"bad name\" is not a header"),
            ("{write_timeout: 1s}", "s::write_timeout: accepted and ignored"),
        ] {
            let problems = http(text).1;
            assert!(problems.len() == 1 && problems[0].contains(expected), "{text}: {problems:?}");
        }
    }
}
