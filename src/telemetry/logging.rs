//! Our logs: text for people or JSON for machines, to stderr, rate-limited a call site, so that
//! no flood of bad requests becomes a flood of lines.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::callsite::Identifier;
use tracing::{Event, Level, Metadata};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Filter, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use super::own_traces::OwnTraces;
use crate::model::Instant;
use crate::pipeline::Clock;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// One readable line an event.
    #[default]
    Text,
    /// One JSON object an event.
    Json,
}

/// What is logged, and how.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// Least severe level that is written; `None` writes nothing.
    pub level: Option<Level>,
    /// Text or JSON.
    pub format: LogFormat,
    /// Colour in text; usually whether stderr is a terminal.
    pub colour: bool,
    /// The Collector's `logs::sampling`.
    pub sampling: Sampling,
}

/// Of one call site's events within a tick, the first `initial` are written, then every
/// `thereafter`-th.
#[derive(Clone, Debug)]
pub struct Sampling {
    /// Length of the counting period; zero switches sampling off.
    pub tick: Duration,
    /// Events written before sampling begins.
    pub initial: u64,
    /// One in how many is written after that; 0 writes none.
    pub thereafter: u64,
}

/// A second logger was installed.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("logging is set up already")]
pub struct AlreadySet;

impl Default for Sampling {
    fn default() -> Self {
        Self { tick: Duration::from_secs(10), initial: 10, thereafter: 100 }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            level: Some(Level::INFO),
            format: LogFormat::Text,
            colour: std::io::stderr().is_terminal(),
            sampling: Sampling::default(),
        }
    }
}

/// Installs the process's logger, and own traces where they are wanted.
///
/// # Errors
/// When one is installed already.
pub fn install(settings: &LogSettings, clock: Arc<dyn Clock>, traces: Option<&OwnTraces>) -> Result<(), AlreadySet> {
    let level = settings.level.map_or(LevelFilter::OFF, LevelFilter::from_level);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let lines: Box<dyn Layer<_> + Send + Sync> = match settings.format {
        LogFormat::Text => Box::new(lines.with_ansi(settings.colour)),
        LogFormat::Json => Box::new(lines.json().flatten_event(true)),
    };
    let limited = lines.with_filter(RateLimit::new(level, settings.sampling.clone(), clock));
    let traces = traces.map(OwnTraces::layer);
    tracing_subscriber::registry().with(limited).with(traces).try_init().map_err(|_| AlreadySet)
}

/// The filter behind [`Sampling`].
struct RateLimit {
    level: LevelFilter,
    sampling: Sampling,
    clock: Arc<dyn Clock>,
    sites: Mutex<HashMap<Identifier, Site>>,
}

#[derive(Clone, Copy)]
struct Site {
    tick_began: Instant,
    seen: u64,
}

impl RateLimit {
    fn new(level: LevelFilter, sampling: Sampling, clock: Arc<dyn Clock>) -> Self {
        Self { level, sampling, clock, sites: Mutex::default() }
    }

    /// Whether the next event of a call site is written. There are as many sites as there are log
    /// statements in the program, so the map is bounded by the code.
    fn admits(&self, site: Identifier) -> bool {
        if self.sampling.tick.is_zero() {
            return true;
        }
        let now = self.clock.now().mono;
        let mut sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = sites.entry(site).or_insert(Site { tick_began: now, seen: 0 });
        if now.since(entry.tick_began) >= self.sampling.tick {
            *entry = Site { tick_began: now, seen: 0 };
        }
        entry.seen += 1;
        let beyond = entry.seen.saturating_sub(self.sampling.initial);
        beyond == 0 || (self.sampling.thereafter > 0 && beyond.is_multiple_of(self.sampling.thereafter))
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Filter<S> for RateLimit {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        metadata.is_event() && *metadata.level() <= self.level
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        self.admits(event.metadata().callsite())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::ManualClock;

    fn site() -> Identifier {
        use tracing::callsite::Callsite as _;
        tracing::callsite!(name: "test", kind: tracing::metadata::Kind::EVENT, fields: message).metadata().callsite()
    }

    #[test]
    fn a_call_site_writes_its_first_lines_then_one_in_some_and_starts_anew_each_tick() {
        let clock = Arc::new(ManualClock::default());
        let sampling = Sampling { tick: Duration::from_secs(10), initial: 2, thereafter: 3 };
        let limit = RateLimit::new(LevelFilter::INFO, sampling, clock.clone());
        let site = site();
        let admitted: Vec<bool> = (0..8).map(|_| limit.admits(site.clone())).collect();
        assert_eq!(admitted, [true, true, false, false, true, false, false, true]);
        clock.advance(Duration::from_secs(10));
        assert!(limit.admits(site));
    }
}
