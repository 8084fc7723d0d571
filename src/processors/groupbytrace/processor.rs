//! The machine of `groupbytrace`: one shard.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::buffer::Buffer;
use super::config::Config;
use super::metrics::GroupMetrics;
use crate::model::{Batch, Instant, Now, Part, Signal};
use crate::pipeline::{ConsumeError, DropReason, Ledger, Output, Processor, Settings};

/// Traces released in one round, so that a burst does not hold up what comes in.
const RELEASES_PER_ROUND: usize = 5_000;

/// See the module.
pub struct GroupByTrace {
    wait: Duration,
    traces_max: usize,
    buffer: Buffer,
    ledger: Arc<Ledger>,
    metrics: GroupMetrics,
}

impl GroupByTrace {
    /// One of `shards` shards, with nothing in it.
    pub fn new(config: &Config, settings: &Settings, shards: NonZeroUsize) -> Self {
        let share = config.num_traces.div_ceil(shards.get() as u64).max(1);
        Self {
            wait: config.wait_duration,
            traces_max: usize::try_from(share).unwrap_or(usize::MAX),
            buffer: Buffer::new(),
            ledger: settings.ledger.clone(),
            metrics: GroupMetrics::new(settings, config.num_traces),
        }
    }

    fn take_part(&mut self, part: &Part, now: Instant) {
        let Some(columns) = &part.request.index().spans else { return };
        for row in part.rows() {
            let id = columns.trace_id(row);
            if !self.buffer.contains(id) {
                self.make_room();
                self.buffer.begin(id, now + self.wait);
            }
            self.buffer.add(id, &part.request, row);
        }
    }

    fn make_room(&mut self) {
        while self.buffer.len() >= self.traces_max {
            let Some((_, spans)) = self.buffer.take_oldest() else { return };
            self.ledger.dropped(Signal::Traces, DropReason::TooEarly, spans);
            self.metrics.traces_evicted.inc();
            self.metrics.incomplete_releases.inc();
        }
    }

    /// Hands on the oldest traces: at most so many, and only those that are due, if `now` is given.
    fn release(&mut self, most: usize, now: Option<Instant>) -> Output {
        let mut output = Output::new();
        while output.len() < most && self.buffer.due().is_some_and(|due| now.is_none_or(|now| due <= now)) {
            let Some((batch, spans)) = self.buffer.take_oldest() else { break };
            self.metrics.traces_released.inc();
            self.metrics.spans_released.inc_by(spans);
            output.push(batch);
        }
        self.metrics.waiting(self.buffer.len());
        output
    }
}

impl Processor for GroupByTrace {
    fn process(&mut self, batch: Batch, now: Now) -> Result<Output, ConsumeError> {
        batch.parts().iter().for_each(|part| self.take_part(part, now.mono));
        self.metrics.waiting(self.buffer.len());
        Ok(Output::new())
    }

    fn deadline(&self) -> Option<Instant> {
        self.buffer.due()
    }

    fn on_deadline(&mut self, now: Now) -> Output {
        self.release(RELEASES_PER_ROUND, Some(now.mono))
    }

    fn drain(&mut self, _now: Now) -> Output {
        self.release(usize::MAX, None)
    }

    fn held_items(&self) -> u64 {
        self.buffer.spans()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::{batch_of, settings, traces_of};

    const SECOND: u64 = 1_000_000_000;

    fn group(num_traces: u64) -> (GroupByTrace, Settings) {
        let settings = settings(Arc::new(Ledger::default()));
        let config = Config { num_traces, ..Config::default() };
        (GroupByTrace::new(&config, &settings, NonZeroUsize::MIN), settings)
    }

    fn at(nanos: u64) -> Now {
        Now { mono: Instant(nanos), ..Now::default() }
    }

    #[test]
    fn a_trace_leaves_alone_a_second_after_its_first_span() {
        let (mut group, _) = group(10);
        assert!(group.process(batch_of(&[1, 2, 1]), at(0)).unwrap().is_empty());
        assert!(group.process(batch_of(&[2, 3]), at(SECOND / 2)).unwrap().is_empty());
        assert_eq!((group.held_items(), group.deadline()), (5, Some(Instant(SECOND))));
        assert!(group.on_deadline(at(SECOND - 1)).is_empty());
        let first: Vec<_> = group.on_deadline(at(SECOND)).iter().map(traces_of).collect();
        assert_eq!(first, [vec![1, 1], vec![2, 2]]);
        assert_eq!(group.deadline(), Some(Instant(SECOND + SECOND / 2)));
        // A late span waits anew.
        group.process(batch_of(&[1]), at(SECOND)).unwrap();
        let rest: Vec<_> = group.on_deadline(at(2 * SECOND)).iter().map(traces_of).collect();
        assert_eq!(rest, [vec![3], vec![1]]);
        assert_eq!((group.held_items(), group.deadline()), (0, None));
    }

    #[test]
    fn the_oldest_trace_makes_room_and_is_counted() {
        let (mut group, settings) = group(2);
        group.process(batch_of(&[1, 2, 1, 3]), at(0)).unwrap();
        let kept: Vec<_> = group.drain(at(0)).iter().map(traces_of).collect();
        assert_eq!(kept, [vec![2], vec![3]]);
        assert_eq!(settings.ledger.read(Signal::Traces).dropped, [(DropReason::TooEarly, 2)].into());
        let text = settings.metrics.encode();
        for (name, count) in [
            ("traces_evicted_total", 1),
            ("incomplete_releases_total", 1),
            ("traces_released_total", 2),
            ("spans_released_total", 2),
            ("num_traces_in_memory", 0),
            ("conf_num_traces", 2),
        ] {
            assert!(text.contains(&format!("otelcol_processor_groupbytrace_{name} {count}\n")), "{name}: {text}");
        }
    }

    proptest! {
        #[test]
        fn every_span_leaves_once_with_its_trace_or_is_counted(
            num_traces in prop_oneof![1_u64..6, Just(8)],
            steps in proptest::collection::vec((proptest::collection::vec(0_u8..8, 0..9), 0..SECOND), 1..30),
        ) {
            let (mut group, settings) = group(num_traces);
            // Trace -> due, spans.
            let mut twin: BTreeMap<u8, (u64, usize)> = BTreeMap::new();
            let (mut now, mut came, mut left) = (0, 0, 0);
            for (spans, wait) in steps {
                now += wait;
                let mut released: Vec<(u8, usize)> = Vec::new();
                for batch in group.on_deadline(at(now)) {
                    let traces = traces_of(&batch);
                    prop_assert!(traces.iter().all(|trace| *trace == traces[0]));
                    left += traces.len() as u64;
                    released.push((traces[0], traces.len()));
                }
                released.sort_unstable();
                let due: Vec<_> = twin.iter().filter(|(_, (due, _))| *due <= now).map(|(id, (_, n))| (*id, *n)).collect();
                if num_traces >= 8 {
                    prop_assert_eq!(&released, &due);
                }
                twin.retain(|_, (due, _)| *due > now);
                came += spans.len() as u64;
                for span in &spans {
                    twin.entry(*span).or_insert((now + SECOND, 0)).1 += 1;
                }
                group.process(batch_of(&spans), at(now)).unwrap();
                let dropped: u64 = settings.ledger.read(Signal::Traces).dropped.values().sum();
                prop_assert_eq!(came, left + dropped + group.held_items());
            }
            left += group.drain(at(now)).iter().map(Batch::item_count).sum::<u64>();
            let dropped: u64 = settings.ledger.read(Signal::Traces).dropped.values().sum();
            prop_assert_eq!((came, group.held_items(), group.deadline()), (left + dropped, 0, None));
        }
    }
}
