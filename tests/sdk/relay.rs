//! Two instances of the real binary, one behind the other; each also writes what it takes into a
//! file.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// What an SDK says that it sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) service: String,
    pub(crate) trace_id: String,
}

/// What stands in a file: requests in OTLP/JSON.
#[derive(Clone, Debug)]
pub(crate) struct Traces(Vec<Value>);

/// The two instances. The first takes from SDKs and hands on to the second.
pub(crate) struct Relay {
    folder: tempfile::TempDir,
    grpc: u16,
    http: u16,
    first: Child,
    second: Child,
}

const FIRST: &str = "first";
const SECOND: &str = "second";

impl Sent {
    /// Reads `service trace-id`.
    pub(crate) fn from_line(line: &str) -> Option<Self> {
        let (service, trace_id) = line.trim().split_once(' ')?;
        (trace_id.len() == 32).then(|| Self { service: service.to_owned(), trace_id: trace_id.to_owned() })
    }
}

impl Traces {
    fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let requests: Result<_, _> = text.lines().map(serde_json::from_str).collect();
        requests.map(Self).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// The spans of a trace, under the resource of its service.
    pub(crate) fn of(&self, sent: &Sent) -> Vec<&Value> {
        let is_service = |attribute: &&Value| {
            attribute["key"] == "service.name" && attribute["value"]["stringValue"] == sent.service.as_str()
        };
        let resources = self.0.iter().flat_map(|request| items(&request["resourceSpans"]));
        resources
            .filter(|resource| items(&resource["resource"]["attributes"]).any(|attribute| is_service(&attribute)))
            .flat_map(|resource| items(&resource["scopeSpans"]))
            .flat_map(|scope| items(&scope["spans"]))
            .filter(|span| span["traceId"] == sent.trace_id.as_str())
            .collect()
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

impl Relay {
    /// Starts the second instance, then the first; returns when both listen.
    pub(crate) async fn start() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let [grpc, http, onward, unused] = free_ports().map_err(|error| error.to_string())?;
        let second = run(folder.path(), SECOND, &config(onward, unused, SECOND, None))?;
        listens(onward).await?;
        let first = run(folder.path(), FIRST, &config(grpc, http, FIRST, Some(onward)))?;
        listens(grpc).await?;
        listens(http).await?;
        Ok(Self { folder, grpc, http, first, second })
    }

    pub(crate) fn grpc_address(&self) -> String {
        format!("127.0.0.1:{}", self.grpc)
    }

    pub(crate) fn http_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1/traces", self.http)
    }

    /// Stops both, the first one first, and reads their files.
    pub(crate) async fn stop(mut self) -> Result<[Traces; 2], String> {
        for instance in [&mut self.first, &mut self.second] {
            let pid = instance.id().ok_or("an instance has ended by itself")?.to_string();
            Command::new("kill").args(["-TERM", &pid]).status().await.map_err(|error| error.to_string())?;
            let ended = tokio::time::timeout(Duration::from_secs(20), instance.wait()).await;
            let status =
                ended.map_err(|_| "an instance did not stop within 20 s")?.map_err(|error| error.to_string())?;
            if !status.success() {
                return Err(format!("an instance ended with {status}"));
            }
        }
        let file = |name: &str| self.folder.path().join(format!("{name}.jsonl"));
        Ok([Traces::read(&file(FIRST))?, Traces::read(&file(SECOND))?])
    }
}

fn config(grpc: u16, http: u16, name: &str, onward: Option<u16>) -> String {
    let (exporter, names) = match onward {
        Some(port) => {
            (format!("  otlp_grpc: {{endpoint: \"127.0.0.1:{port}\", tls: {{insecure: true}}}}\n"), "file, otlp_grpc")
        }
        None => (String::new(), "file"),
    };
    format!(
        "receivers:\n  otlp:\n    protocols:\n      grpc: {{endpoint: \"127.0.0.1:{grpc}\"}}\n      \
         http: {{endpoint: \"127.0.0.1:{http}\"}}\nexporters:\n  file: {{path: {name}.jsonl}}\n{exporter}\
         service:\n  telemetry: {{metrics: {{level: none}}}}\n  pipelines:\n    \
         traces: {{receivers: [otlp], exporters: [{names}]}}\n"
    )
}

fn run(folder: &Path, name: &str, config: &str) -> Result<Child, String> {
    let path: PathBuf = folder.join(format!("{name}.yaml"));
    std::fs::write(&path, config).map_err(|error| error.to_string())?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_tailwater"));
    command
        .arg("--config")
        .arg(&path)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    command.spawn().map_err(|error| error.to_string())
}

async fn listens(port: u16) -> Result<(), String> {
    for _ in 0..1000 {
        if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(format!("nothing listens on port {port} after 10 s"))
}

/// Ports that were free a moment ago, all at once so that they differ.
fn free_ports() -> std::io::Result<[u16; 4]> {
    let mut listeners = Vec::new();
    let mut ports = [0; 4];
    for port in &mut ports {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        *port = listener.local_addr()?.port();
        listeners.push(listener);
    }
    Ok(ports)
}
