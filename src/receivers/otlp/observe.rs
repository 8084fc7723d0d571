//! The receiver's own metrics, with the Collector's names and labels, resolved once.

use crate::metrics::Counter;
use crate::model::Signal;
use crate::pipeline::Settings;

/// Words of [`super::intake::Refusal::reason`], and one for connections.
const REASONS: [&str; 6] = ["undecodable", "encoding", "too_large", "overload", "stalled", "pipeline"];

/// Counters of one protocol of one receiver.
#[derive(Debug)]
pub(super) struct Observed {
    accepted: [Counter; 3],
    refused: [Counter; 3],
    succeeded: Counter,
    /// Requests that the pipelines refused, and requests that never reached them.
    failed: [Counter; 2],
    reasons: [(&'static str, Counter); 6],
    connections_refused: Counter,
}

impl Observed {
    pub(super) fn new(settings: &Settings, transport: &'static str) -> Self {
        let receiver = settings.id.to_string();
        let labels = [("receiver", receiver.as_str()), ("transport", transport)];
        let items = |what: &str, help: &str| {
            Signal::ALL.map(|signal| {
                let name = format!("otelcol_receiver_{what}_{}", signal.items());
                settings.metrics.counter(&name, help, &labels)
            })
        };
        let requests = |outcome| {
            let labels = [labels[0], labels[1], ("outcome", outcome)];
            settings.metrics.counter("otelcol_receiver_requests", "Requests, by how they ended", &labels)
        };
        let reason = |reason| {
            let labels = [labels[0], labels[1], ("reason", reason)];
            let help = "Requests that were not taken, by reason";
            (reason, settings.metrics.counter("tailwater_receiver_refused_requests", help, &labels))
        };
        Self {
            accepted: items("accepted", "Items that the pipelines took"),
            refused: items("refused", "Items that the pipelines did not take"),
            succeeded: requests("success"),
            failed: ["refused", "failure"].map(requests),
            reasons: REASONS.map(reason),
            connections_refused: settings.metrics.counter(
                "tailwater_receiver_refused_connections",
                "Connections that were closed because a cap on connections was reached",
                &labels,
            ),
        }
    }

    pub(super) fn accepted(&self, signal: Signal, items: u64) {
        self.accepted[signal as usize].inc_by(items);
    }

    pub(super) fn refused(&self, signal: Signal, items: u64) {
        self.refused[signal as usize].inc_by(items);
    }

    pub(super) fn request_taken(&self) {
        self.succeeded.inc();
    }

    pub(super) fn request_refused(&self, reason: &str) {
        self.failed[usize::from(reason != "pipeline")].inc();
        if let Some((_, counter)) = self.reasons.iter().find(|(known, _)| *known == reason) {
            counter.inc();
        }
    }

    pub(super) fn connection_refused(&self) {
        self.connections_refused.inc();
    }
}
