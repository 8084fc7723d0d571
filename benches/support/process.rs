//! The program under test: a process of its own on a core of its own, read through `/proc`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// `sysconf(_SC_CLK_TCK)`, which Linux fixes at 100 on every platform that this runs on.
const TICKS_PER_SECOND: u64 = 100;

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
}

/// Sizes of a process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) now_mib: f64,
    pub(crate) peak_mib: f64,
}

impl Server {
    /// Starts `binary --config config`, on core 1 when there is one.
    pub(crate) fn start(binary: &Path, config: &Path) -> Result<Self, String> {
        let log = config.with_extension("log");
        let out = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let err = out.try_clone().map_err(|error| error.to_string())?;
        let mut command = if can_pin() {
            let mut command = Command::new("taskset");
            command.args(["-c", "1"]).arg(binary);
            command
        } else {
            Command::new(binary)
        };
        command.arg("--config").arg(config).env("GOMAXPROCS", "1").stdin(Stdio::null()).stdout(out).stderr(err);
        let child = command.spawn().map_err(|error| format!("{}: {error}", binary.display()))?;
        Ok(Self { child, log })
    }

    /// Waits until `address` takes connections.
    pub(crate) async fn listens(&mut self, address: &str) -> Result<(), String> {
        for _ in 0..1000 {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the server ended with {status}: {}", self.last_words()));
            }
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(format!("nothing listens at {address} after 10 s: {}", self.last_words()))
    }

    /// CPU time so far, user and system, of all threads.
    pub(crate) fn cpu(&self) -> Result<Duration, String> {
        cpu_in(&self.proc("stat")?)
    }

    /// Resident memory now and at its highest.
    pub(crate) fn memory(&self) -> Result<Memory, String> {
        let status = self.proc("status")?;
        let mib = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.trim().trim_end_matches(" kB").parse::<f64>().ok().map(|kib| kib / 1024.0)
        };
        Ok(Memory { now_mib: mib("VmRSS:").unwrap_or_default(), peak_mib: mib("VmHWM:").unwrap_or_default() })
    }

    /// Asks it to stop, and waits for its end. An error when it does not end with status 0.
    pub(crate) async fn stop(mut self, within: Duration) -> Result<(), String> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().map_err(|error| error.to_string())?;
        for _ in 0..within.as_millis() / 20 {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(format!("the server ended with {status}: {}", self.last_words())),
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        Err(format!("the server did not stop within {} s", within.as_secs()))
    }

    fn proc(&self, file: &str) -> Result<String, String> {
        let path = format!("/proc/{}/{file}", self.child.id());
        std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}; {}", self.last_words()))
    }

    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().rev().take(5).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join(" | ")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU time of this process so far: of the load and the backend.
pub(crate) fn own_cpu() -> Result<Duration, String> {
    cpu_in(&std::fs::read_to_string("/proc/self/stat").map_err(|error| error.to_string())?)
}

fn cpu_in(stat: &str) -> Result<Duration, String> {
    // The name in brackets may hold blanks; utime and stime are fields 14 and 15.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<u64>().ok());
    match (ticks(11), ticks(12)) {
        (Some(user), Some(system)) => Ok(Duration::from_millis((user + system) * 1000 / TICKS_PER_SECOND)),
        _ => Err(format!("cannot read /proc/stat: {stat}")),
    }
}

/// Whether there is a second core and the tool to choose it.
pub(crate) fn can_pin() -> bool {
    let cores = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    cores.lines().filter(|line| line.starts_with("processor")).count() > 1
        && Command::new("taskset").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Runs this program again on core 0, if it is not there yet; the exit code of that run.
pub(crate) fn again_on_core_0() -> Option<u8> {
    const MARK: &str = "TAILWATER_BENCH_ON_CORE_0";
    if std::env::var_os(MARK).is_some() || !can_pin() {
        return None;
    }
    let me = std::env::current_exe().ok()?;
    let status =
        Command::new("taskset").args(["-c", "0"]).arg(me).args(std::env::args_os().skip(1)).env(MARK, "1").status();
    Some(status.ok()?.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
