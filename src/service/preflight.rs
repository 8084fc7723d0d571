//! What `validate` tries beyond the file: ports, files and addresses, so that it predicts the
//! start. Leaves nothing behind: every port and file is let go again.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::{TcpListener, ToSocketAddrs};
use std::path::Path;

use super::config::ServiceConfig;
use crate::config::{Location, Report};
use crate::pipeline::Listens;

/// Tries everything that the used components and the own metrics take hold of. What would stop
/// the start is an error; an address that does not resolve is a warning, for it may later.
pub fn check(config: &ServiceConfig, report: &mut Report) {
    let mut ports = Ports::default();
    for (kind, id, listens) in config.listens() {
        let path = format!("{}::{id}", kind.section());
        let location = config.place(kind, &id);
        match listens {
            Listens::Tcp(address) => ports.bind(&path, &address, location, report),
            Listens::File { path: file, create_directory } => {
                if let Err(message) = writable(&file, create_directory) {
                    report.error(path, message, location);
                }
            }
            Listens::Reads(file) => {
                if let Err(error) = File::open(&file).and_then(|file| file.metadata()) {
                    report.error(
                        path,
                        format!("cannot read the file {:?}: {error}", file.display().to_string()),
                        location,
                    );
                }
            }
            Listens::Connects(address) => {
                if let Err(message) = resolves(&address) {
                    report.warning(path, message, location);
                }
            }
        }
    }
    if let Some((host, port)) = &config.telemetry.metrics_address {
        let address = format!("{}:{port}", bracketed(host));
        ports.bind("service::telemetry::metrics", &address, Location::default(), report);
    }
}

/// Ports held until all have been tried, so that two components on one port are found.
#[derive(Default)]
struct Ports {
    held: Vec<TcpListener>,
    owners: BTreeMap<String, String>,
}

impl Ports {
    fn bind(&mut self, path: &str, address: &str, location: Location, report: &mut Report) {
        let error = match TcpListener::bind(address) {
            Ok(listener) => {
                self.held.push(listener);
                self.owners.insert(address.to_owned(), path.to_owned());
                return;
            }
            Err(error) => error,
        };
        let message = match (error.kind(), self.owners.get(address)) {
            (io::ErrorKind::AddrInUse, Some(owner)) => {
                format!("{owner} listens on {address:?} too; give one of them another port")
            }
            (io::ErrorKind::AddrInUse, None) => {
                format!(
                    "cannot listen on {address:?}: the address is in use; stop who holds it, or choose another port"
                )
            }
            (io::ErrorKind::PermissionDenied, _) => {
                format!("cannot listen on {address:?}: not permitted; choose a port above 1023")
            }
            _ => format!("cannot listen on {address:?}: {error}"),
        };
        report.error(path, message, location);
    }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() }
}

/// Whether the file could be written at start.
fn writable(file: &Path, create_directory: bool) -> Result<(), String> {
    let shown = file.display().to_string();
    if file.exists() {
        let open = OpenOptions::new().append(true).open(file);
        return open.map(drop).map_err(|error| format!("cannot write the file {shown:?}: {error}"));
    }
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.exists() && !create_directory {
        return Err(format!(
            "cannot write the file {shown:?}: its folder does not exist; make it, or write create_directory: true"
        ));
    }
    let existing = folder.ancestors().find(|folder| folder.as_os_str().is_empty() || folder.exists());
    let existing = existing.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let probe = existing.join(format!(".tailwater-validate-{}", std::process::id()));
    let made = OpenOptions::new().write(true).create_new(true).open(&probe);
    made.map_err(|error| format!("cannot write into the folder {:?}: {error}", existing.display().to_string()))?;
    fs::remove_file(&probe).map_err(|error| format!("cannot remove {:?}: {error}", probe.display().to_string()))
}

fn resolves(address: &str) -> Result<(), String> {
    match address.to_socket_addrs().map(|mut addresses| addresses.next()) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(format!("the address {address:?} has no host behind it")),
        Err(error) => Err(format!("the address {address:?} cannot be resolved: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_on_one_port_and_a_foreign_port_are_told_apart() {
        let foreign = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = foreign.local_addr().unwrap().to_string();
        let free = {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().to_string()
        };
        let (mut ports, mut report) = (Ports::default(), Report::default());
        for (path, address) in [("a", &free), ("b", &free), ("c", &taken)] {
            ports.bind(path, address, Location::default(), &mut report);
        }
        let messages: Vec<_> = report.problems().iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(messages.len(), 2, "{messages:?}");
        assert!(messages[0].starts_with("a listens on"));
        assert!(messages[1].contains("in use"));
    }

    #[test]
    fn a_file_is_tried_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let inside = |name: &str| folder.path().join(name);
        assert_eq!(writable(&inside("new.jsonl"), false), Ok(()));
        assert_eq!(writable(&inside("deep/er/new.jsonl"), true), Ok(()));
        assert!(writable(&inside("deep/new.jsonl"), false).unwrap_err().contains("create_directory"));
        assert!(writable(folder.path(), false).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_address_without_a_host_is_said_so() {
        assert_eq!(resolves("127.0.0.1:1"), Ok(()));
        assert!(resolves("no-port").is_err());
    }
}
