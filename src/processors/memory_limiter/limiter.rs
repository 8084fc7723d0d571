//! The machine of `memory_limiter`: one comparison a batch.

use std::sync::Arc;
use std::time::Duration;

use crate::metrics::{Counter, Metrics};
use crate::model::{Batch, MemoryAccount, Now, Signal};
use crate::pipeline::{ConsumeError, Output, Processor, Settings};

/// What a refused client is told to wait.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// See the module.
pub struct MemoryLimiter {
    account: MemoryAccount,
    soft_limit_bytes: u64,
    refusal: Arc<str>,
    counters: [(Counter, Counter); 3],
}

impl MemoryLimiter {
    /// Refuses while more than `soft_limit_bytes` are held, and tells the account so.
    pub fn new(soft_limit_bytes: u64, settings: &Settings) -> Self {
        let id = settings.id.to_string();
        settings.account.lower_limit(soft_limit_bytes);
        Self {
            account: settings.account.clone(),
            soft_limit_bytes,
            refusal: "data refused due to high memory usage".into(),
            counters: Signal::ALL.map(|signal| counters(&settings.metrics, &id, signal)),
        }
    }
}

fn counters(metrics: &Metrics, id: &str, signal: Signal) -> (Counter, Counter) {
    let counter = |what: &str, help: &str| {
        let name = format!("otelcol_processor_memory_limiter_{what}_{}", signal.items());
        metrics.counter(&name, help, &[("processor", id)])
    };
    (
        counter("accepted", "Items passed on by the memory limiter"),
        counter("refused", "Items refused because of high memory usage"),
    )
}

impl Processor for MemoryLimiter {
    fn process(&mut self, batch: Batch, _now: Now) -> Result<Output, ConsumeError> {
        let (accepted, refused) = &self.counters[batch.signal() as usize];
        // The batch is charged already: what is compared is the sum with it.
        if self.account.held_bytes() > self.soft_limit_bytes {
            refused.inc_by(batch.item_count());
            return Err(ConsumeError::retryable(self.refusal.clone(), Some(RETRY_AFTER)));
        }
        accepted.inc_by(batch.item_count());
        Ok(vec![batch])
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::pipeline::{Code, ComponentId, Kind, ManualClock};

    fn limiter(limit: u64) -> (MemoryLimiter, Settings) {
        let settings = Settings::lone(
            Kind::Processor,
            ComponentId::parse("memory_limiter").unwrap(),
            Arc::new(ManualClock::default()),
        );
        (MemoryLimiter::new(limit, &settings), settings)
    }

    #[test]
    fn data_passes_up_to_the_limit_and_is_refused_above_it() {
        let (mut limiter, settings) = limiter(100);
        let charge = settings.account.charge(100);
        assert_eq!(limiter.process(Batch::new(Signal::Logs), Now::default()).unwrap().len(), 1);
        let more = settings.account.charge(1);
        let error = limiter.process(Batch::new(Signal::Logs), Now::default()).unwrap_err();
        assert_eq!(error.message(), "data refused due to high memory usage");
        assert_eq!((error.retry_after(), error.code()), (Some(RETRY_AFTER), Code::Unavailable));
        drop((charge, more));
        assert!(limiter.process(Batch::new(Signal::Logs), Now::default()).is_ok());
        assert_eq!(limiter.held_items(), 0);
    }

    #[test]
    fn each_signal_has_its_counters() {
        let (_, settings) = limiter(1);
        let text = settings.metrics.encode();
        for items in ["spans", "metric_points", "log_records"] {
            let refused = format!("memory_limiter_refused_{items}_total{{processor=\"memory_limiter\"}} 0");
            assert!(text.contains(&refused), "{refused} in {text}");
        }
    }
}
