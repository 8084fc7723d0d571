//! Stream S3: TrainTicket under fault injection, from Nezha (FSE 2023). The labels beside the
//! traces are derived; what each column means stands in the folder's SOURCE.txt.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::{Fault, Label, Operation, Span, Stream, Trace};

/// Reads the folder; `None` when it is not there.
pub(crate) fn load(folder: &Path) -> Option<Stream> {
    let faults = read_faults(&std::fs::read_to_string(folder.join("faults.csv")).ok()?);
    let labels = read_labels(&unpack(&folder.join("trace_labels.csv.gz"))?);
    let mut reading = Reading::default();
    for file in minute_files(folder) {
        reading.take(&unpack(&file)?);
    }
    let mut traces = reading.traces;
    for (trace, id) in traces.iter_mut().zip(reading.ids) {
        trace.label = labels.get(&id).copied().unwrap_or(Label::LeftOut);
    }
    traces.sort_by_key(|trace| (trace.end(), trace.root().start, trace.root().id));
    Some(Stream { name: "S3", operations: reading.operations, faults, traces })
}

/// Traces gathered over files: a trace that crosses a minute stands in two of them, some spans of
/// it twice.
#[derive(Default)]
struct Reading {
    traces: Vec<Trace>,
    /// Beside `traces`.
    ids: Vec<u128>,
    places: HashMap<u128, usize>,
    seen: HashSet<(usize, u64)>,
    operations: Vec<Operation>,
    numbers: HashMap<Operation, u32>,
}

impl Reading {
    fn take(&mut self, file: &str) {
        for line in file.lines().skip(1) {
            let row: Vec<&str> = line.split(',').collect();
            let [trace, id, parent, pod, name, start, end, ..] = row[..] else { continue };
            let (Ok(trace), Ok(id)) = (u128::from_str_radix(trace, 16), u64::from_str_radix(id, 16)) else { continue };
            let (Ok(start), Ok(end)) = (start.parse(), end.parse()) else { continue };
            let place = self.place(trace);
            if !self.seen.insert((place, id)) {
                continue;
            }
            let operation = self.operation(Operation { service: service_of(pod).to_owned(), name: name.to_owned() });
            let parent = u64::from_str_radix(parent, 16).unwrap_or(0);
            let span = Span { id, parent, operation, start, end, kind: 0, error: false, version: 0 };
            self.traces[place].spans.push(span);
        }
    }

    fn place(&mut self, trace: u128) -> usize {
        let next = self.traces.len();
        let place = *self.places.entry(trace).or_insert(next);
        if place == next {
            self.traces.push(Trace { spans: Vec::new(), label: Label::LeftOut });
            self.ids.push(trace);
        }
        place
    }

    fn operation(&mut self, operation: Operation) -> u32 {
        let next = self.operations.len() as u32;
        *self.numbers.entry(operation).or_insert_with_key(|operation| {
            self.operations.push(operation.clone());
            next
        })
    }
}

/// The pod's name without the two random parts at its end.
fn service_of(pod: &str) -> &str {
    pod.rsplitn(3, '-').nth(2).unwrap_or(pod)
}

/// The minute files of the fault days, in the order of time.
fn minute_files(folder: &Path) -> Vec<PathBuf> {
    let days = ["2023-01-29", "2023-01-30"];
    let mut files: Vec<PathBuf> = days
        .iter()
        .filter_map(|day| std::fs::read_dir(folder.join(day)).ok())
        .flat_map(|entries| entries.flatten().map(|entry| entry.path()))
        .filter(|path| path.to_string_lossy().ends_with("_trace.csv.gz"))
        .collect();
    files.sort();
    files
}

fn unpack(path: &Path) -> Option<String> {
    let mut text = String::new();
    MultiGzDecoder::new(File::open(path).ok()?).read_to_string(&mut text).ok()?;
    Some(text)
}

fn read_faults(text: &str) -> Vec<Fault> {
    let rows = text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    rows.map(|row| Fault {
        inject: row[2].parse::<u64>().unwrap_or(0) * 1_000_000_000,
        service: row[3].to_owned(),
        kind: row[5].to_owned(),
    })
    .collect()
}

fn read_labels(text: &str) -> HashMap<u128, Label> {
    let label = |row: &[&str]| {
        let [in_window, exposed, latency, structure, ambiguous] = [6, 7, 8, 9, 10].map(|column| row[column] == "1");
        match row[5].parse() {
            _ if ambiguous => Label::LeftOut,
            Ok(fault) if latency || structure => Label::Affected(fault),
            _ if in_window && exposed => Label::LeftOut,
            _ => Label::Normal,
        }
    };
    let rows = text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    rows.map(|row| (u128::from_str_radix(row[0], 16).unwrap_or(0), label(&row))).collect()
}
