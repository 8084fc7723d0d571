//! One shard's detector: numbers operations as spans arrive, and at the decision learns from a
//! trace and says what is odd about it. Knows no policy and no budget.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::baseline::{UNKNOWN, age};
use super::baselines::{Baselines, Member, Shard};
use super::finding::{Contribution, Finding, Novelty, NoveltyKind, TraceError};
use super::interner::{Interner, Origin, text_key};
use super::novelty::Novelties;
use super::operations::{Excess, Operations};
use super::registry::{KIND_MAX, OTHER, TRACE_KIND, cut};
use super::versions;
use crate::assembly::{Assembled, Assembler, SpanFacts};
use crate::model::{Attributes, Now, Operation, Request, Rows, SpanView, UnixNanos, ValueView};

/// Nanoseconds between two exchanges with the other shards.
const TICK: u64 = 1_000_000_000;
const NO_RESOURCE: u32 = u32::MAX;
/// OTLP's `STATUS_CODE_ERROR` and `SPAN_KIND_SERVER`.
const ERROR: u8 = 2;
const SERVER: u8 = 2;

/// See the module.
pub struct Detector {
    baselines: Arc<Baselines>,
    member: Member,
    interner: Interner,
    operations: Operations,
    novelties: Novelties,
    /// By service.
    versions: Vec<versions::Window>,
    assembler: Assembler,
    /// Wall time of the last tick; nothing before the first.
    ticked: Option<u64>,
    /// Counts traces, to ask once a trace.
    trace: u32,
}

/// What the walk over a trace's spans gathers.
#[derive(Default)]
struct Walk {
    excess: u64,
    top: Option<(u32, Excess, u64)>,
    error: Option<(u32, bool)>,
    newest: Option<(u32, f64)>,
}

impl Detector {
    /// A shard that shares what it learns; it knows at once what the others do.
    pub fn new(baselines: Arc<Baselines>) -> Self {
        let options = baselines.options();
        let novelties = Novelties::new(options.novelties_max, options.half_life);
        Self {
            member: baselines.join(),
            interner: Interner::new(),
            operations: Operations::default(),
            novelties,
            versions: Vec::new(),
            // Senders that know the seed could choose span ids that collide.
            assembler: Assembler::with_seed(RandomState::new().hash_one(0)),
            ticked: None,
            trace: 0,
            baselines,
        }
    }

    /// What this shard shares with others.
    pub fn baselines(&self) -> &Arc<Baselines> {
        &self.baselines
    }

    /// Appends the operation's number of each row. A known operation costs one look-up and
    /// allocates nothing. Rows of a request without columns have none.
    pub fn intern(&mut self, request: &Request, rows: &Rows, now: Now, ops: &mut Vec<u32>) {
        self.tick_if_due(now.wall);
        let index = request.index();
        let Some(columns) = &index.spans else { return };
        let (body, scopes) = (&request.body()[..], &index.items.scope[..]);
        let (offsets, lengths, kinds) = (&columns.name_offset[..], &columns.name_length[..], &columns.kind[..]);
        let (mut scope, mut resource, mut service, mut spans) = (NO_RESOURCE, NO_RESOURCE, OTHER, 0);
        for row in rows.iter(index.rows()) {
            let place = row as usize;
            if scopes[place] != scope {
                scope = scopes[place];
                let found = index.scopes[scope as usize].resource;
                if found != resource {
                    self.count_spans(service, std::mem::take(&mut spans));
                    resource = found;
                    service = self.service_of(request, found, row);
                }
            }
            spans += 1;
            let name = &body[offsets[place] as usize..][..lengths[place] as usize];
            // Kinds come from outside; the one for whole traces is nobody's to send.
            let kind = kinds[place].min(KIND_MAX);
            let op = match self.interner.operation(service, name, kind) {
                Some(op) => op,
                None => self.new_operation(service, name, kind),
            };
            ops.push(op);
        }
        self.count_spans(service, spans);
    }

    /// Spans of the version that was selected last came.
    fn count_spans(&mut self, service: u32, spans: u64) {
        if let Some(versions) = self.versions.get_mut(service as usize) {
            versions.count(spans);
        }
    }

    /// The service of a resource, a row of which is given; its version is the one that the next
    /// spans count for.
    fn service_of(&mut self, request: &Request, resource: u32, row: u32) -> u32 {
        let body = &request.body()[..];
        let pieces = request.index().resource_pieces(resource).iter().map(|piece| piece.of(body));
        let hash = self.interner.resource_hash(pieces);
        let origin = match self.interner.origin(hash) {
            Some(origin) => origin,
            None => {
                let origin = self.read_resource(request, row);
                self.interner.add_origin(hash, origin);
                origin
            }
        };
        let place = origin.service as usize;
        if self.versions.len() <= place {
            self.versions.resize_with(place + 1, versions::Window::default);
        }
        self.versions[place].select(origin.version);
        origin.service
    }

    #[cold]
    fn read_resource(&mut self, request: &Request, row: u32) -> Origin {
        let (mut name, mut version) = (None, None);
        let attributes = SpanView::new(request, row).map(|span| span.resource().attributes());
        for attribute in attributes.unwrap_or_else(|| Attributes::of_message(&[], 1)) {
            match (attribute.key, attribute.value) {
                (b"service.name", ValueView::String(text)) => name = name.or(Some(text)),
                (b"service.version", ValueView::String(text)) => version = version.or(Some(text)),
                _ => {}
            }
        }
        let name = name.unwrap_or_default();
        let service = match self.interner.service(name) {
            Some(service) => service,
            None => self.new_service(name),
        };
        Origin { service, version: version.filter(|text| !text.is_empty()).map_or(0, text_key) }
    }

    /// Text that is not UTF-8 is nobody's name.
    #[cold]
    fn new_service(&mut self, name: &[u8]) -> u32 {
        let Ok(text) = std::str::from_utf8(cut(name)) else { return OTHER };
        let service = self.baselines.service(text);
        self.interner.add_service(name, service);
        service
    }

    #[cold]
    fn new_operation(&mut self, service: u32, name: &[u8], kind: u8) -> u32 {
        let Ok(text) = std::str::from_utf8(cut(name)) else { return OTHER };
        let registered = self.baselines.operation(service, text, kind, &mut self.operations);
        if registered.is_overflow {
            self.interner.set_full(service, registered.number);
        } else {
            self.interner.add_operation(service, name, kind, registered.number);
        }
        registered.number
    }

    /// The operation of a number; nothing for one that was never given.
    pub fn operation(&self, op: u32) -> Option<Arc<Operation>> {
        self.operations.known(op).map(|known| known.operation.clone())
    }

    /// Learns from a trace that is being decided and says what is odd about it, by what was known
    /// before it. `error_type` gives a number for the type of the error of a span, by its place
    /// in `spans`; it is asked for one span at most.
    pub fn examine(&mut self, spans: &[SpanFacts], error_type: impl FnOnce(usize) -> u64, now: Now) -> Finding {
        self.tick_if_due(now.wall);
        self.trace = self.trace.wrapping_add(1);
        let mut assembler = std::mem::take(&mut self.assembler);
        let mut assembled = assembler.assemble(spans);
        let finding = self.judge(spans, &mut assembled, error_type, now);
        self.assembler = assembler;
        finding
    }

    fn judge(
        &mut self,
        spans: &[SpanFacts],
        assembled: &mut Assembled<'_>,
        error_type: impl FnOnce(usize) -> u64,
        now: Now,
    ) -> Finding {
        let walk = self.walk(spans, assembled, now.wall);
        let duration = assembled.duration_nanos();
        let root = assembled.main_root();
        let root_op = root.map_or(OTHER, |root| spans[root as usize].op);
        let is_complete = root.is_some_and(|root| assembled.is_root(root)) && assembled.orphans() == 0;
        let shape = assembled.shape(|op| self.operations.key(op)).hash;
        let usual = if is_complete { self.learn_duration(root_op, duration) } else { UNKNOWN };
        Finding {
            excess_nanos: walk.excess,
            top: walk.top.map(|top| self.contribution(spans, assembled, top, duration, now.wall)),
            is_candidate: self.is_candidate(walk.excess, usual),
            error: walk.error.map(|error| self.error(spans, error, error_type, now.wall)),
            novelty: self.novelty(walk.newest, shape, root_op, is_complete, now.wall),
            root_op,
            shape,
            duration_nanos: duration,
            is_warm: self.operations.known(root_op).is_some_and(|known| known.samples > 0),
            is_complete,
        }
    }

    fn walk(&mut self, spans: &[SpanFacts], assembled: &Assembled<'_>, now: UnixNanos) -> Walk {
        let mut walk = Walk::default();
        let mut latest_error = 0;
        for (row, span) in (0_u32..).zip(spans) {
            if assembled.is_duplicate(row) {
                continue;
            }
            let nanos = assembled.self_nanos(row);
            let excess = self.operations.learn(span.op, nanos, self.trace);
            if excess.nanos > 0 {
                walk.excess = walk.excess.saturating_add(excess.nanos);
                if walk.top.is_none_or(|(_, top, _)| excess.nanos > top.nanos) {
                    walk.top = Some((row, excess, nanos));
                }
            }
            if span.status == ERROR {
                let on_exit_path = span.kind == SERVER || assembled.is_root(row);
                // What starts last among them is next to the cause.
                if walk.error.is_none_or(|(_, known)| (on_exit_path, span.start) > (known, latest_error)) {
                    walk.error = Some((row, on_exit_path));
                    latest_error = span.start;
                }
            }
            if excess.asks {
                self.ask(span.op, &mut walk, now);
            }
        }
        walk
    }

    /// Counts a trace for an operation that may be new.
    fn ask(&mut self, op: u32, walk: &mut Walk, now: UnixNanos) {
        let count = self.novelties.count(self.operations.key(op), op, now);
        if count > self.baselines.options().novel_count_max {
            self.operations.settle(op);
        } else if walk.newest.is_none_or(|(_, newest)| count < newest) {
            walk.newest = Some((op, count));
        }
    }

    fn contribution(
        &self,
        spans: &[SpanFacts],
        assembled: &Assembled<'_>,
        (row, excess, nanos): (u32, Excess, u64),
        duration: u64,
        now: UnixNanos,
    ) -> Contribution {
        let op = spans[row as usize].op;
        let (samples, since) = self.operations.known(op).map_or((0, 0), |known| (known.samples, known.since));
        Contribution {
            op,
            caller: assembled.parent(row).map(|parent| spans[parent as usize].op),
            observed_nanos: nanos,
            expected_nanos: excess.threshold,
            samples: samples.into(),
            reference_age: age(since, now.0),
            share: (nanos as f64 / duration.max(1) as f64).min(1.0) as f32,
        }
    }

    fn is_candidate(&self, excess: u64, usual: u64) -> bool {
        let options = self.baselines.options();
        let is_long = u128::from(excess) >= options.min_duration.as_nanos();
        is_long && (usual == UNKNOWN || excess as f64 >= options.min_share * usual as f64)
    }

    /// Learns how long traces with this root take; gives what was usual before, [`UNKNOWN`] while
    /// that is not known.
    fn learn_duration(&mut self, root: u32, duration: u64) -> u64 {
        let Some(traces) = self.operations.traces_of(root).or_else(|| self.new_traces(root)) else {
            return UNKNOWN;
        };
        let usual = self.operations.threshold(traces);
        self.operations.learn(traces, duration, self.trace);
        usual
    }

    /// The operation for the traces of a root; none where there is no room for it.
    #[cold]
    fn new_traces(&mut self, root: u32) -> Option<u32> {
        let operation = self.operations.known(root)?.operation.clone();
        let service = self.interner.service(operation.service.as_bytes())?;
        if let Some(traces) = self.interner.operation(service, operation.name.as_bytes(), TRACE_KIND) {
            let is_it = self.operations.known(traces)?.operation.kind == TRACE_KIND;
            is_it.then(|| self.operations.set_traces(root, traces));
            return is_it.then_some(traces);
        }
        let traces = self.new_operation(service, operation.name.as_bytes(), TRACE_KIND);
        let is_it = self.operations.known(traces)?.operation.kind == TRACE_KIND;
        is_it.then(|| self.operations.set_traces(root, traces));
        is_it.then_some(traces)
    }

    fn error(
        &mut self,
        spans: &[SpanFacts],
        (row, on_exit_path): (u32, bool),
        error_type: impl FnOnce(usize) -> u64,
        now: UnixNanos,
    ) -> TraceError {
        let op = spans[row as usize].op;
        let key =
            self.operations.key(op).rotate_left(32) ^ error_type(row as usize).wrapping_mul(0xd6e8_feb8_6659_fd93);
        TraceError { op, on_exit_path, key, recent: self.novelties.count(key, op, now) }
    }

    /// The newest thing: an operation before a shape that is as new. What is incomplete has no
    /// shape of its own.
    fn novelty(
        &mut self,
        newest: Option<(u32, f64)>,
        shape: u64,
        root: u32,
        is_complete: bool,
        now: UnixNanos,
    ) -> Option<Novelty> {
        let operation = newest.map(|(op, count)| Novelty { kind: NoveltyKind::Operation, op, count });
        if !is_complete {
            return operation;
        }
        let count = self.novelties.count(shape, root, now);
        let is_new = count <= self.baselines.options().novel_count_max;
        let shape = is_new.then_some(Novelty { kind: NoveltyKind::Shape, op: root, count });
        match (operation, shape) {
            (Some(operation), Some(shape)) if shape.count < operation.count => Some(shape),
            (operation, shape) => operation.or(shape),
        }
    }

    /// What became of an examined trace: counted by shape.
    pub fn decided(&mut self, finding: &Finding, is_kept: bool) {
        if finding.is_complete {
            self.novelties.decided(finding.shape, is_kept);
        }
    }

    #[inline]
    fn tick_if_due(&mut self, now: UnixNanos) {
        // A clock that ran back is due as well: the difference wraps around.
        if self.ticked.is_none_or(|ticked| now.0.wrapping_sub(ticked) >= TICK) {
            self.tick(now, false);
        }
    }

    #[cold]
    fn tick(&mut self, now: UnixNanos, is_last: bool) {
        self.ticked = Some(now.0);
        let Self { baselines, member, interner, operations, novelties, versions, .. } = self;
        baselines.exchange(Shard { member, operations, novelties, interner, versions }, now, is_last);
    }

    /// Gives everything that this shard knows to the shared baselines, whether or not a second has
    /// passed: before a snapshot is taken of them.
    pub fn hand_over(&mut self, now: Now) {
        self.tick(now.wall, true);
    }
}

impl Drop for Detector {
    fn drop(&mut self) {
        self.baselines.leave(&self.member);
    }
}
