//! The real binary as a child process: a config in, its log as JSON lines out, signals, and the
//! code that it exits with.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

/// Everything that a test waits for comes within this time, or the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running process; killed when dropped.
pub(crate) struct Tailwater {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
}

/// An address of this machine on which nothing listens at this moment.
pub(crate) fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Waits for a condition that other tasks bring about.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let polling = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, polling).await.is_ok(), "not within {PATIENCE:?}: {what}");
}

impl Tailwater {
    /// Starts with a config and more arguments; returns when it says that it is ready.
    pub(crate) async fn start(config: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tailwater"))
            .args(["--log-format", "json", "--config", &format!("yaml:{config}")])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut started = Self { child, log };
        started.says("everything is ready").await;
        started
    }

    /// The next log line whose message begins so.
    pub(crate) async fn says(&mut self, message: &str) -> Value {
        let mut passed = Vec::new();
        let found = async {
            while let Some(line) = self.log.next_line().await.unwrap() {
                let said: Value = serde_json::from_str(&line).unwrap_or_default();
                if said["message"].as_str().is_some_and(|text| text.starts_with(message)) {
                    return Some(said);
                }
                passed.push(line);
            }
            None
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        match found {
            Ok(Some(said)) => said,
            _ => panic!("it never said {message:?}, only:\n{}", passed.join("\n")),
        }
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().await.unwrap().success());
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap()
    }
}
