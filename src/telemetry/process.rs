//! What the process costs: the Collector's `otelcol_process_*` metrics, read from `/proc` at each
//! exposition. Where there is no `/proc`, they are absent.

use std::fs::read_to_string;
use std::sync::Arc;

use super::Metrics;
use crate::model::Instant;
use crate::pipeline::Clock;

/// Clock ticks a second in `/proc/self/stat`; fixed by the kernel's interface.
const TICKS_PER_SECOND: u64 = 100;
/// Bytes of a page in `/proc/self/statm`.
const PAGE_BYTES: u64 = 4096;

/// Registers uptime, CPU seconds and resident memory.
pub fn watch_process(metrics: &Metrics, clock: Arc<dyn Clock>) {
    let began = clock.now().mono;
    metrics.refresh_with(move |metrics| publish(metrics, began, clock.now().mono));
}

fn publish(metrics: &Metrics, began: Instant, now: Instant) {
    let gauge = |name, help, value: u64| metrics.gauge(name, help, &[]).set(value.cast_signed());
    gauge("otelcol_process_uptime", "Uptime of the process in seconds", now.since(began).as_secs());
    if let Some(bytes) = read_to_string("/proc/self/statm").ok().as_deref().and_then(resident_bytes) {
        gauge("otelcol_process_memory_rss", "Total physical memory (resident set size) in bytes", bytes);
    }
    if let Some(seconds) = read_to_string("/proc/self/stat").ok().as_deref().and_then(cpu_seconds) {
        gauge("otelcol_process_cpu_seconds", "Total CPU user and system time in seconds", seconds);
    }
}

fn resident_bytes(statm: &str) -> Option<u64> {
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * PAGE_BYTES)
}

/// User and system time; the fields are counted from behind the command's closing bracket, which
/// may itself hold spaces.
fn cpu_seconds(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_brackets_and_spaces_does_not_shift_the_fields() {
        let stat = "7 (a) b) S 1 1 1 0 -1 4194304 100 0 0 0 1234 566 0 0 20 0 1 0 5 6 7";
        assert_eq!(cpu_seconds(stat), Some(18));
        assert_eq!(resident_bytes("1000 25 3 4"), Some(25 * 4096));
        assert_eq!((cpu_seconds("nonsense"), resident_bytes("")), (None, None));
    }
}
