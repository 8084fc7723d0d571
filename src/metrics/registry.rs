//! Our own metrics: a registry of families by name, resolved to plain atomics once, when a
//! component is built. Names are the Collector's (`otelcol_…`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::registry::Registry;

/// Only rises.
pub type Counter = prometheus_client::metrics::counter::Counter;
/// Goes up and down.
pub type Gauge = prometheus_client::metrics::gauge::Gauge;
/// Counts observations in buckets.
pub type Histogram = prometheus_client::metrics::histogram::Histogram;

type Labels = Vec<(String, String)>;
type HistogramFamily = Family<Labels, Histogram, Buckets>;

/// Upper bounds that a family's histograms are made with.
#[derive(Clone)]
struct Buckets(&'static [f64]);

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

/// Every metric of the process.
#[derive(Default)]
pub struct Metrics {
    inner: Mutex<Inner>,
    refreshers: Mutex<Vec<Refresher>>,
}

type Refresher = Arc<dyn Fn(&Metrics) + Send + Sync>;

#[derive(Default)]
struct Inner {
    registry: Registry,
    counters: BTreeMap<String, Family<Labels, Counter>>,
    gauges: BTreeMap<String, Family<Labels, Gauge>>,
    histograms: BTreeMap<String, HistogramFamily>,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

fn owned(labels: &[(&str, &str)]) -> Labels {
    labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

impl Metrics {
    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counter of this name and these labels; registered at first use. The exposition adds
    /// `_total` to `name`.
    pub fn counter(&self, name: &str, help: &str, labels: &[(&str, &str)]) -> Counter {
        let mut inner = self.inner();
        if !inner.counters.contains_key(name) {
            let family = Family::<Labels, Counter>::default();
            inner.registry.register(name, help, family.clone());
            inner.counters.insert(name.to_owned(), family);
        }
        let family = &inner.counters[name];
        family.get_or_create(&owned(labels)).clone()
    }

    /// The gauge of this name and these labels; registered at first use.
    pub fn gauge(&self, name: &str, help: &str, labels: &[(&str, &str)]) -> Gauge {
        let mut inner = self.inner();
        if !inner.gauges.contains_key(name) {
            let family = Family::<Labels, Gauge>::default();
            inner.registry.register(name, help, family.clone());
            inner.gauges.insert(name.to_owned(), family);
        }
        let family = &inner.gauges[name];
        family.get_or_create(&owned(labels)).clone()
    }

    /// The histogram of this name and these labels; the buckets of the first call hold.
    pub fn histogram(&self, name: &str, help: &str, labels: &[(&str, &str)], buckets: &'static [f64]) -> Histogram {
        let mut inner = self.inner();
        if !inner.histograms.contains_key(name) {
            let family = HistogramFamily::new_with_constructor(Buckets(buckets));
            inner.registry.register(name, help, family.clone());
            inner.histograms.insert(name.to_owned(), family);
        }
        let family = &inner.histograms[name];
        family.get_or_create(&owned(labels)).clone()
    }

    /// Calls `refresh` before every exposition, for values that are read rather than counted.
    pub fn refresh_with(&self, refresh: impl Fn(&Self) + Send + Sync + 'static) {
        self.refreshers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::new(refresh));
    }

    /// The exposition in OpenMetrics text.
    pub fn encode(&self) -> String {
        let refreshers = self.refreshers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        refreshers.iter().for_each(|refresh| refresh(self));
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = encode(&mut text, &self.inner().registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_and_labels_are_the_same_counter() {
        let metrics = Metrics::default();
        metrics.counter("a_b", "help", &[("x", "1")]).inc_by(2);
        metrics.counter("a_b", "help", &[("x", "1")]).inc();
        metrics.counter("a_b", "help", &[("x", "2")]).inc();
        let text = metrics.encode();
        assert!(text.contains("a_b_total{x=\"1\"} 3\n") && text.contains("a_b_total{x=\"2\"} 1\n"), "{text}");
        assert_eq!(text.matches("# TYPE a_b counter").count(), 1);
    }

    #[test]
    fn a_label_value_cannot_break_out_of_its_quotes() {
        let metrics = Metrics::default();
        metrics.gauge("g", "help", &[("x", "a\"} 1\nb")]).set(7);
        assert!(metrics.encode().contains("g{x=\"a\\\"} 1\\nb\"} 7\n"));
    }

    #[test]
    fn values_that_are_read_are_refreshed_before_each_exposition() {
        let metrics = Metrics::default();
        metrics.refresh_with(|metrics| {
            metrics.gauge("g", "help", &[]).inc();
        });
        assert!(metrics.encode().contains("g 1\n"));
        assert!(metrics.encode().contains("g 2\n"));
    }
}
