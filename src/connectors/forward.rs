//! The `forward` connector: hands batches from pipelines on to other pipelines of the same signal.
//!
//! ```yaml
//! connectors:
//!   forward:
//! ```

use std::sync::Arc;

use crate::config::Section;
use crate::model::Signal;
use crate::pipeline::{BuildError, Connector, Consumer, Consumers, Settings};

/// The config of `forward`: no keys.
#[derive(Clone, Copy, Debug, Default)]
pub struct Config;

impl Config {
    /// Reads the section, which has no keys.
    pub(crate) fn decode(_section: &mut Section<'_>) -> Self {
        Self
    }
}

impl Connector for Config {
    fn outputs(&self, input: Signal) -> &'static [Signal] {
        match input {
            Signal::Traces => &[Signal::Traces],
            Signal::Metrics => &[Signal::Metrics],
            Signal::Logs => &[Signal::Logs],
        }
    }

    fn build(&self, settings: &Settings, input: Signal, next: Consumers) -> Result<Arc<dyn Consumer>, BuildError> {
        let nobody = || BuildError(format!("connector \"{}\" has no pipeline that takes {input}", settings.id));
        next.get(input).cloned().ok_or_else(nobody)
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::model::Batch;
    use crate::pipeline::{BoxFuture, ComponentId, ConsumeError, Kind, ManualClock};

    struct Sink;

    impl Consumer for Sink {
        fn consume(&self, _batch: Batch) -> BoxFuture<'_, Result<(), ConsumeError>> {
            Box::pin(std::future::ready(Ok(())))
        }
    }

    fn settings() -> Settings {
        Settings::lone(Kind::Connector, ComponentId::parse("forward").unwrap(), Arc::new(ManualClock::default()))
    }

    #[test]
    fn batches_go_straight_to_the_next_consumer_of_the_same_signal() {
        let sink: Arc<dyn Consumer> = Arc::new(Sink);
        let mut next = Consumers::default();
        next.set(Signal::Traces, sink.clone());
        let built = Config.build(&settings(), Signal::Traces, next.clone()).unwrap();
        assert!(Arc::ptr_eq(&built, &sink));
        let error = Config.build(&settings(), Signal::Logs, next).err().unwrap();
        assert!(error.to_string().contains("takes logs"), "{error}");
    }
}
