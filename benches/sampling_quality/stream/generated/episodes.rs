//! What goes wrong in the shop, and what only changes, minute by minute.

/// What an episode does to the calls of one operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Effect {
    /// Its own time is so many times longer.
    Slower(f64),
    /// Its own time takes so many milliseconds more.
    Delayed(f64),
    /// So many milliseconds more on the way to it and back.
    Network(f64),
    /// It fails with this chance, and so do all who wait for it.
    Fails(f64),
    /// It fails with this chance, and its caller makes do.
    FailsQuietly(f64),
    /// It makes one more call.
    Calls(&'static str),
    /// Its own time grows evenly to so many times over the episode, and stays so.
    Drifts(f64),
}

/// One episode.
#[derive(Clone, Copy, Debug)]
pub(super) struct Episode {
    pub(super) kind: &'static str,
    /// Minutes from the start.
    pub(super) from: f64,
    pub(super) to: f64,
    /// `service.operation`.
    pub(super) at: &'static str,
    pub(super) effect: Effect,
    /// Affected traces after which it is the new normal.
    pub(super) novel_for: usize,
}

const LASTING: f64 = 1e9;

const fn fault(kind: &'static str, from: f64, to: f64, at: &'static str, effect: Effect) -> Episode {
    Episode { kind, from, to, at, effect, novel_for: usize::MAX }
}

/// In the order of time. A drift is no fault: its traces are left out until it has settled.
pub(super) const EPISODES: [Episode; 14] = [
    fault("stray errors", 0.0, LASTING, "orders.db", Effect::Fails(0.002)),
    fault("errors on the exit path", 40.0, 50.0, "payment.charge", Effect::Fails(0.4)),
    fault("handled inner errors", 70.0, 78.0, "recommend.similar", Effect::FailsQuietly(0.25)),
    Episode { novel_for: 20, ..fault("new call", 100.0, LASTING, "cart.get", Effect::Calls("pricing.quote")) },
    fault("slow inner service", 115.0, 121.0, "inventory.db", Effect::Slower(12.0)),
    Episode { novel_for: 20, ..fault("new operation", 130.0, LASTING, "web.search", Effect::Calls("search.suggest")) },
    fault("hidden by parallel calls", 150.0, 154.0, "ads.model", Effect::Delayed(40.0)),
    fault("network delay", 180.0, 186.0, "recommend.for_user", Effect::Network(120.0)),
    fault("gradual drift", 205.0, 265.0, "shipping.quote", Effect::Drifts(3.0)),
    fault("slow rare request", 240.0, 252.0, "report.build", Effect::Slower(6.0)),
    fault("network delay", 275.0, 281.0, "payment.charge", Effect::Network(400.0)),
    fault("slow in the spike", 302.0, 304.0, "catalog.db", Effect::Slower(15.0)),
    fault("slow inner service", 320.0, 328.0, "user.db", Effect::Slower(10.0)),
    fault("errors on the exit path", 342.0, 347.0, "search.shard", Effect::Fails(0.15)),
];

/// Minutes that traces of a drift are left out for after it has ended.
pub(super) const SETTLES: f64 = 30.0;

/// Minute, service: from then on its spans carry the next version.
pub(super) const DEPLOYS: [(f64, &str); 4] = [(100.0, "cart"), (130.0, "search"), (160.0, "catalog"), (230.0, "user")];

/// Traffic is ten times as much between these minutes.
pub(super) const SPIKE: (f64, f64) = (300.0, 305.0);

/// Traces of 20,000 spans start at these minutes.
pub(super) const GIANTS: [f64; 3] = [60.0, 170.0, 290.0];
