//! What a run came to, for people and for scripts.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::Progress;

/// The outcome of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Spans of requests that were sent.
    pub sent_spans: u64,
    /// Spans that the server took.
    pub accepted_spans: u64,
    /// Spans that were not taken.
    pub refused_spans: u64,
    /// The same, by what the server or the connection said.
    pub refused_by: std::collections::BTreeMap<String, u64>,
    /// Requests that were answered.
    pub requests: u64,
    /// From the first request to the last answer.
    pub seconds: f64,
    /// Accepted spans by seconds.
    pub spans_per_second: f64,
    /// Half of the accepted requests were answered within this.
    pub p50_ms: f64,
    /// 99 of 100 accepted requests were answered within this.
    pub p99_ms: f64,
}

impl Outcome {
    /// Sums up `progress`, made within `elapsed`.
    pub fn of(progress: &Progress, elapsed: Duration) -> Self {
        let seconds = elapsed.as_secs_f64();
        let milliseconds = |share| progress.latencies.quantile(share).as_secs_f64() * 1000.0;
        Self {
            sent_spans: progress.sent,
            accepted_spans: progress.accepted,
            refused_spans: progress.refused.values().sum(),
            refused_by: progress.refused.clone(),
            requests: progress.requests,
            seconds,
            spans_per_second: if seconds > 0.0 { progress.accepted as f64 / seconds } else { 0.0 },
            p50_ms: milliseconds(0.5),
            p99_ms: milliseconds(0.99),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "sent      {:>14} spans in {:.1} s", grouped(self.sent_spans), self.seconds)?;
        writeln!(
            f,
            "accepted  {:>14} spans, {} a second",
            grouped(self.accepted_spans),
            grouped(self.spans_per_second as u64)
        )?;
        writeln!(f, "refused   {:>14} spans", grouped(self.refused_spans))?;
        for (reason, spans) in &self.refused_by {
            writeln!(f, "          {:>14} {reason}", grouped(*spans))?;
        }
        write!(
            f,
            "latency   {:>14} p50, {:.2} ms p99, {} requests",
            format!("{:.2} ms", self.p50_ms),
            self.p99_ms,
            grouped(self.requests)
        )
    }
}

/// A number with a comma between thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn every_refusal_is_named() {
        let progress = Progress {
            sent: 3000,
            accepted: 1000,
            refused: [("gRPC 14 Unavailable".to_owned(), 2000)].into(),
            requests: 3,
            ..Progress::default()
        };
        let text = Outcome::of(&progress, Duration::from_secs(2)).to_string();
        assert!(text.contains("1,000 spans, 500 a second"), "{text}");
        assert!(text.contains("2,000 gRPC 14 Unavailable"), "{text}");
    }
}
