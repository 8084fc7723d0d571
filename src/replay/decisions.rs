//! Every trace of a replay as a line of JSON, for those who compute figures of their own.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::{Recording, Run};
use crate::model::{DecisionRecord, Finding, Operation, Outcome};

/// Writes one line a trace, in the order of their first arrivals. Times are nanoseconds since
/// 1970, durations milliseconds.
///
/// # Errors
/// When writing fails.
pub fn write_decisions(recording: &Recording, run: &Run, out: &mut dyn Write) -> io::Result<()> {
    for (place, trace) in recording.traces.iter().enumerate() {
        let mut line = json!({
            "trace_id": trace.id.to_string(),
            "kept": run.is_kept(place),
            "spans": trace.spans,
            "bytes": trace.bytes,
            "kept_spans": run.kept.get(place).map_or(0, |kept| kept.spans),
            "error": trace.has_error,
            "duration_ms": millis(trace.duration_nanos()),
            "start": trace.start.0,
            "end": trace.end.0,
        });
        let root = trace.root.and_then(|root| recording.operations.get(root.operation as usize));
        line["root"] = root.map_or(Value::Null, |(service, name)| json!({ "service": service, "name": name }));
        if let Some((sampler, record)) = run.decisions.get(place).and_then(Option::as_ref) {
            let names = run.samplers.get(*sampler).map_or(&[][..], |sampler| &sampler.policies);
            add_decision(&mut line, record, names);
        }
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn add_decision(line: &mut Value, record: &DecisionRecord, names: &[String]) {
    let verdicts: Map<String, Value> = names
        .iter()
        .enumerate()
        .map(|(place, name)| (name.clone(), record.policies.of(place).as_str().into()))
        .collect();
    line["verdict"] = record.outcome.as_str().into();
    line["policies"] = verdicts.into();
    // Of a trace that was not kept the chance says nothing; see `probabilities` of the channels.
    line["probability"] = json!(record.chance.probability().filter(|_| record.outcome == Outcome::Sampled));
    line["decided"] = record.decided.0.into();
    line["waited_ms"] = json!(record.waited.as_secs_f64() * 1e3);
    if let Some(finding) = &record.finding {
        add_finding(line, finding);
    }
}

fn add_finding(line: &mut Value, finding: &Finding) {
    line["class"] = finding.class.map_or(Value::Null, |class| class.as_str().into());
    line["score_ms"] = millis(finding.excess_nanos).into();
    line["tau_ms"] = finding.tau_nanos.filter(|tau| *tau < u64::MAX).map_or(Value::Null, |tau| millis(tau).into());
    line["operation"] = operation(finding.operation.as_deref());
    line["caller"] = operation(finding.caller.as_deref());
    line["observed_ms"] = millis(finding.observed_nanos).into();
    line["expected_ms"] = millis(finding.expected_nanos).into();
    line["samples"] = finding.samples.into();
    line["probabilities"] = json!(finding.probabilities.map(f64::from));
    line["share"] = f64::from(finding.share).into();
    line["shape"] = format!("{:016x}", finding.shape).into();
}

fn operation(operation: Option<&Operation>) -> Value {
    operation.map_or(
        Value::Null,
        |operation| json!({ "service": &*operation.service, "name": &*operation.name, "kind": operation.kind }),
    )
}

fn millis(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}
