//! What somebody knows of the traces: which ones matter, of which fault, and which service is to
//! blame. CSV tables, whose columns are found by name.

use bytes::Bytes;
use hashbrown::HashMap;

use super::{Recording, ReplayError};
use crate::model::TraceId;
use crate::wire::csv::{self, Header};

/// Rows of all tables together.
const ROWS_MAX: usize = 50_000_000;

/// What is known of one trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Label {
    /// Whether it matters; `None` leaves it out of recall and precision.
    matters: Option<bool>,
    fault: Option<u32>,
    culprit: Option<String>,
}

/// Labels by trace, and culprits by fault.
///
/// A table of traces has `trace_id` and either `label` (0, 1, true, false; empty leaves the trace
/// out) or `affected_latency` and `affected_structure`, of which one is enough; a trace that is
/// `ambiguous`, or `exposed` without being affected, is left out. It may have `fault` or
/// `fault_idx` (below 0 for none) and `culprit` or `service`. A table of faults has `fault_idx` and
/// `service`.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    by_trace: HashMap<TraceId, Label, rapidhash::fast::RandomState>,
    culprits: HashMap<u32, String, rapidhash::fast::RandomState>,
}

/// Labels in the order of a recording's traces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Labelled<'a> {
    /// Whether a trace matters; `None` where nobody knows.
    pub(super) matters: Vec<Option<bool>>,
    /// The fault that a trace that matters shows.
    pub(super) faults: Vec<Option<u32>>,
    /// The service that is to blame for a trace that matters.
    pub(super) culprits: Vec<Option<&'a str>>,
}

impl Labels {
    /// Adds a table.
    ///
    /// # Errors
    /// When it has not the columns, or a row is broken.
    pub fn add(&mut self, name: &str, content: &Bytes) -> Result<(), ReplayError> {
        let wrong = |reason: String| ReplayError::Labels { name: name.to_owned(), reason };
        let mut rows = csv::rows(content);
        let header = match rows.next() {
            Some(Ok(row)) => Header::new(&row.fields),
            _ => return Err(wrong("there is no header".to_owned())),
        };
        let columns = Columns::of(&header).map_err(wrong)?;
        for row in rows {
            let row = row.map_err(|error| wrong(format!("line {}: {}", error.line, error.message)))?;
            let field = |column: Option<usize>| {
                column.and_then(|column| row.fields.get(column)).map_or("", |field| field.trim())
            };
            let wrong = |what: &str| wrong(format!("line {}: {what}", row.line));
            if self.by_trace.len() >= ROWS_MAX {
                return Err(wrong("too many rows"));
            }
            let fault = match field(columns.fault) {
                "" => None,
                text => text
                    .parse::<i64>()
                    .map(|fault| u32::try_from(fault).ok())
                    .map_err(|_| wrong("the fault is no whole number"))?,
            };
            let culprit = Some(field(columns.culprit)).filter(|culprit| !culprit.is_empty()).map(str::to_owned);
            let Some(trace) = columns.trace else {
                if let (Some(fault), Some(culprit)) = (fault, culprit) {
                    self.culprits.insert(fault, culprit);
                }
                continue;
            };
            let id = TraceId::parse(field(Some(trace))).map_err(|error| wrong(&format!("trace_id: {error}")))?;
            let flag = |column| flag(field(column)).ok_or_else(|| wrong("a label is none of 0, 1, true and false"));
            let matters = match columns.label {
                Some(label) if field(Some(label)).is_empty() => None,
                Some(label) => Some(flag(Some(label))?),
                None => {
                    let is_affected = flag(columns.latency)? || flag(columns.structure)?;
                    let is_left_out = flag(columns.ambiguous)? || flag(columns.exposed)? && !is_affected;
                    (!is_left_out).then_some(is_affected)
                }
            };
            self.by_trace.insert(id, Label { matters, fault, culprit });
        }
        Ok(())
    }

    /// Traces that have a label.
    pub fn len(&self) -> usize {
        self.by_trace.len()
    }

    /// Whether no trace has a label.
    pub fn is_empty(&self) -> bool {
        self.by_trace.is_empty()
    }

    /// The labels of a recording's traces.
    pub(super) fn of(&self, recording: &Recording) -> Labelled<'_> {
        let mut labelled = Labelled::default();
        for trace in &recording.traces {
            let label = self.by_trace.get(&trace.id);
            let matters = label.and_then(|label| label.matters);
            let shown = label.filter(|_| matters == Some(true));
            let fault = shown.and_then(|label| label.fault);
            let own = shown.and_then(|label| label.culprit.as_deref());
            let by_fault = || self.culprits.get(&fault?).map(String::as_str);
            labelled.matters.push(matters);
            labelled.faults.push(fault);
            labelled.culprits.push(own.or_else(by_fault));
        }
        labelled
    }
}

/// Where each column is.
#[derive(Default)]
struct Columns {
    trace: Option<usize>,
    label: Option<usize>,
    latency: Option<usize>,
    structure: Option<usize>,
    ambiguous: Option<usize>,
    exposed: Option<usize>,
    fault: Option<usize>,
    culprit: Option<usize>,
}

impl Columns {
    fn of(header: &Header) -> Result<Self, String> {
        let columns = Self {
            trace: header.place(&["traceid"]),
            label: header.place(&["label", "anomalous", "affected"]),
            latency: header.place(&["affectedlatency"]),
            structure: header.place(&["affectedstructure"]),
            ambiguous: header.place(&["ambiguous"]),
            exposed: header.place(&["exposed"]),
            fault: header.place(&["faultidx", "fault"]),
            culprit: header.place(&["culprit", "service"]),
        };
        let has_label = columns.label.or(columns.latency).or(columns.structure).is_some();
        let is_of_faults = columns.trace.is_none() && columns.fault.is_some() && columns.culprit.is_some();
        if columns.trace.is_some() && has_label || is_of_faults {
            return Ok(columns);
        }
        Err(format!(
            "the header needs trace_id with label, or with affected_latency and affected_structure, or fault_idx with \
             service; it has {}",
            header.shortened()
        ))
    }
}

/// `None` for a word that is no flag; no word is no.
fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "1.0" => Some(true),
        "" | "0" | "false" | "0.0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::request_of;

    fn recording(traces: &[u8]) -> Recording {
        Recording::of(vec![request_of(traces)]).unwrap()
    }

    fn id(byte: u8) -> String {
        TraceId([byte; 16]).to_string()
    }

    #[test]
    fn plain_labels_are_read() {
        let mut labels = Labels::default();
        let text = format!("trace_id,label,fault,service\n{},1,3,cart\n{},false,,\n{},,3,cart\n", id(1), id(2), id(3));
        labels.add("x", &Bytes::from(text)).unwrap();
        let recording = recording(&[1, 2, 3, 4]);
        let labelled = labels.of(&recording);
        assert_eq!(labelled.matters, [Some(true), Some(false), None, None]);
        assert_eq!(labelled.faults, [Some(3), None, None, None]);
        assert_eq!(labelled.culprits, [Some("cart"), None, None, None]);
    }

    #[test]
    fn traces_of_which_nobody_is_sure_are_left_out() {
        let mut labels = Labels::default();
        let header = "trace_id,fault_idx,exposed,affected_latency,affected_structure,ambiguous";
        let rows = [(1, "7,1,1,0,0"), (2, "7,1,0,0,0"), (3, "-1,0,0,0,1"), (4, "-1,0,0,0,0"), (5, "7,1,0,1,0")];
        let rows: String = rows.iter().map(|(trace, rest)| format!("{},{rest}\n", id(*trace))).collect();
        labels.add("x", &Bytes::from(format!("{header}\n{rows}"))).unwrap();
        labels.add("y", &Bytes::from_static(b"fault_idx,service,pod\n7,cart,cart-1-2\n")).unwrap();
        let recording = recording(&[1, 2, 3, 4, 5]);
        let labelled = labels.of(&recording);
        assert_eq!(labelled.matters, [Some(true), None, None, Some(false), Some(true)]);
        assert_eq!(labelled.culprits, [Some("cart"), None, None, None, Some("cart")]);
        assert_eq!(labels.len(), 5);
    }

    #[test]
    fn what_is_no_table_of_labels_is_refused_with_its_place() {
        let refused =
            |text: &str| Labels::default().add("x", &Bytes::copy_from_slice(text.as_bytes())).unwrap_err().to_string();
        assert!(refused("a,b\n").starts_with("labels: x: the header needs trace_id"));
        assert!(refused("").contains("no header"));
        assert!(refused("trace_id,label\nzz,1\n").contains("line 2: trace_id: "));
        assert!(refused(&format!("trace_id,label\n{},maybe\n", id(1))).contains("line 2: a label is none of"));
    }
}
