//! The ledger and the memory account as metrics, so that an alert can watch the conservation line.

use std::sync::Arc;

use crate::metrics::Metrics;
use crate::model::{MemoryAccount, Signal};
use crate::pipeline::{Ledger, LedgerReading};

/// Registers `tailwater_ledger_items{signal, state}`, `tailwater_dropped_items{signal, reason}`
/// and `tailwater_held_bytes`; read at each exposition.
pub(super) fn publish(metrics: &Metrics, ledger: Arc<Ledger>, account: MemoryAccount) {
    metrics.refresh_with(move |metrics| {
        for signal in Signal::ALL {
            let reading = ledger.read(signal);
            if reading != LedgerReading::default() {
                publish_signal(metrics, signal, &reading);
            }
        }
        let held = metrics.gauge("tailwater_held_bytes", "Bytes of telemetry held, bodies and indexes", &[]);
        held.set(account.held_bytes().cast_signed());
    });
}

fn publish_signal(metrics: &Metrics, signal: Signal, reading: &LedgerReading) {
    let states = [
        ("received", reading.received.cast_signed()),
        ("copied", reading.copied.cast_signed()),
        ("refused", reading.refused.cast_signed()),
        ("sent", reading.sent.cast_signed()),
        ("waiting", reading.waiting),
        ("residual", i64::try_from(reading.residual()).unwrap_or(i64::MAX)),
    ];
    for (state, items) in states {
        let help = "received + copied = refused + sent + dropped + waiting + residual; the residual is 0 at rest";
        let labels = [("signal", signal.as_str()), ("state", state)];
        metrics.gauge("tailwater_ledger_items", help, &labels).set(items);
    }
    for (reason, items) in &reading.dropped {
        let labels = [("signal", signal.as_str()), ("reason", reason.as_str())];
        let dropped =
            metrics.gauge("tailwater_dropped_items", "Items dropped after they were taken, by reason", &labels);
        dropped.set(items.cast_signed());
    }
}
