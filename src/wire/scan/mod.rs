//! One forward scan of an OTLP request: builds the index and checks the whole message.
//!
//! What prost accepts is accepted and what it refuses is refused, with two exceptions: text is not
//! checked for UTF-8, and ids of a wrong length are refused, as the Collector does. The rows are
//! counted first, so that nothing is built from a request that is too large.

mod check;
mod rows;
mod span;

use std::sync::Arc;

use bytes::Bytes;

use self::check::{Checker, DEPTH, Fault};
use self::rows::{ItemRows, SpanRows};
use self::span::SpanScan;
use super::schema::{self, Counter, LOG_RECORD, METRIC, Message};
use super::{Limits, ScanError};
use crate::model::{
    Cursor, Index, MemoryAccount, Piece, Request, ResourceEntry, ScopeEntry, Signal, WireError, WireType,
};

/// Fields of resources and scopes themselves that a request may hold, for each group that it may
/// hold: they have three.
const PIECES_PER_GROUP: u64 = 4;

/// Scans a protobuf `Export…ServiceRequest` body of `signal` and joins it with its index.
///
/// # Errors
/// When the body is not such a message, or holds more than `limits` allow, or 4 GiB and more.
pub fn scan(signal: Signal, body: Bytes, limits: &Limits, account: &MemoryAccount) -> Result<Arc<Request>, ScanError> {
    if u32::try_from(body.len()).is_err() {
        return Err(ScanError::TooMany { what: "bytes", limit: u32::MAX.into() });
    }
    let size = Size::of(&body)?;
    size.check(signal, limits)?;
    let mut scan = Scan::new(signal, limits, &size);
    let index = match scan.request(&body) {
        Ok(()) => scan.finish(),
        Err(fault) => return Err(scan.checker.error(fault)),
    };
    Ok(Arc::new(Request::new(body, index, account)))
}

/// What the upper three levels of a request hold.
#[derive(Debug, Default)]
struct Size {
    resources: usize,
    scopes: usize,
    items: usize,
    pieces: usize,
}

impl Size {
    fn of(body: &[u8]) -> Result<Self, WireError> {
        let mut size = Self::default();
        let pieces = &mut 0;
        size.resources = messages(body, 1, pieces, |resource, pieces| {
            size.scopes += messages(resource, 2, pieces, |scope, pieces| {
                size.items += messages(scope, 2, pieces, |_, _| Ok(()))?;
                Ok(())
            })?;
            Ok(())
        })?;
        size.pieces = *pieces;
        Ok(size)
    }

    fn check(&self, signal: Signal, limits: &Limits) -> Result<(), ScanError> {
        let too_many = |what, limit| Err(ScanError::TooMany { what, limit });
        if self.items > limits.items_max as usize {
            let what = if signal == Signal::Metrics { "metrics" } else { signal.items() };
            return too_many(what, limits.items_max.into());
        }
        if self.resources + self.scopes > limits.groups_max as usize {
            return too_many("resources and scopes", limits.groups_max.into());
        }
        let pieces_max = PIECES_PER_GROUP.saturating_mul(limits.groups_max.into());
        if self.pieces as u64 > pieces_max {
            return too_many("fields of resources and scopes", pieces_max);
        }
        Ok(())
    }
}

/// Visits the messages in field `wanted` and returns how many there are; counts other fields.
#[inline]
fn messages(
    bytes: &[u8],
    wanted: u32,
    others: &mut usize,
    mut visit: impl FnMut(&[u8], &mut usize) -> Result<(), WireError>,
) -> Result<usize, WireError> {
    let mut found = 0;
    let mut cursor = Cursor::new(bytes);
    while !cursor.is_at_end() {
        let (number, wire_type) = cursor.tag()?;
        if (number, wire_type) == (wanted, WireType::Length) {
            found += 1;
            visit(cursor.length_delimited()?, others)?;
        } else {
            cursor.skip(number, wire_type, DEPTH)?;
            *others += 1;
        }
    }
    Ok(found)
}

/// The index while it is built.
struct Scan {
    signal: Signal,
    checker: Checker,
    row: usize,
    items: ItemRows,
    spans: SpanRows,
    points: Vec<u32>,
    scopes: Vec<ScopeEntry>,
    resources: Vec<ResourceEntry>,
    pieces: Vec<Piece>,
    rest: Vec<Piece>,
    /// Pieces of the resource at hand; they follow those of its scopes.
    own: Vec<Piece>,
}

impl Scan {
    fn new(signal: Signal, limits: &Limits, size: &Size) -> Self {
        let points = if signal == Signal::Metrics { size.items } else { 0 };
        Self {
            signal,
            checker: Checker::new(limits),
            row: 0,
            items: ItemRows::new(size.items),
            spans: SpanRows::new(signal, size.items),
            points: vec![0; points],
            scopes: Vec::with_capacity(size.scopes),
            resources: Vec::with_capacity(size.resources),
            pieces: Vec::with_capacity(size.pieces),
            rest: Vec::new(),
            own: Vec::new(),
        }
    }

    fn request(&mut self, body: &[u8]) -> Result<(), Fault> {
        let schema = schema::request(self.signal);
        let mut cursor = Cursor::new(body);
        while let Some(step) = self.step(schema, 1, &mut cursor, DEPTH)? {
            match step {
                Step::Message(resource) => self.resource(resource, cursor.position())?,
                Step::Field(piece) => self.rest.push(piece),
            }
        }
        Ok(())
    }

    /// Takes a resource that ends at `end` in the body.
    fn resource(&mut self, message: &[u8], end: usize) -> Result<(), Fault> {
        let schema = schema::resource(self.signal);
        let base = end - message.len();
        self.own.clear();
        let mut cursor = Cursor::new(message);
        while let Some(step) = self.step(schema, 2, &mut cursor, DEPTH - 1)? {
            match step {
                Step::Message(scope) => self.scope(scope, base + cursor.position())?,
                Step::Field(piece) => self.own.push(piece.moved(base)),
            }
        }
        let piece_first = self.pieces.len() as u32;
        self.pieces.append(&mut self.own);
        let piece_count = self.pieces.len() as u32 - piece_first;
        self.resources.push(ResourceEntry { piece_first, piece_count });
        Ok(())
    }

    /// Takes a scope that ends at `end` in the body.
    fn scope(&mut self, message: &[u8], end: usize) -> Result<(), Fault> {
        let schema = schema::scope(self.signal);
        let base = end - message.len();
        let piece_first = self.pieces.len() as u32;
        let mut cursor = Cursor::new(message);
        while let Some(step) = self.step(schema, 2, &mut cursor, DEPTH - 2)? {
            match step {
                Step::Message(item) => self.item(item, base + cursor.position())?,
                Step::Field(piece) => self.pieces.push(piece.moved(base)),
            }
        }
        let piece_count = self.pieces.len() as u32 - piece_first;
        self.scopes.push(ScopeEntry { resource: self.resources.len() as u32, piece_first, piece_count });
        Ok(())
    }

    /// Reads one field: a message in field `wanted`, or any other field, checked.
    #[inline]
    fn step<'a>(
        &mut self,
        schema: &Message,
        wanted: u32,
        cursor: &mut Cursor<'a>,
        depth: u32,
    ) -> Result<Option<Step<'a>>, Fault> {
        if cursor.is_at_end() {
            return Ok(None);
        }
        let before = cursor.clone();
        if cursor.tag()? == (wanted, WireType::Length) {
            return Ok(Some(Step::Message(cursor.length_delimited()?)));
        }
        let offset = before.position();
        *cursor = before;
        self.checker.field(schema, cursor, depth)?;
        Ok(Some(Step::Field(Piece { offset: offset as u32, length: (cursor.position() - offset) as u32 })))
    }

    /// Takes a span, metric or log record that ends at `end` in the body.
    #[inline]
    fn item(&mut self, message: &[u8], end: usize) -> Result<(), Fault> {
        let row = self.row;
        self.row += 1;
        self.items.offset[row] = (end - message.len()) as u32;
        self.items.length[row] = message.len() as u32;
        self.items.scope[row] = self.scopes.len() as u32;
        match self.signal {
            Signal::Traces => {
                let (checker, rows) = (&mut self.checker, &mut self.spans);
                SpanScan { checker, rows, row, end, depth: DEPTH - 3 }.run(message)
            }
            Signal::Metrics => {
                self.points[row] = self.metric(message, DEPTH - 3)?;
                Ok(())
            }
            Signal::Logs => self.checker.message(&LOG_RECORD, message, DEPTH - 2),
        }
    }

    /// Checks a metric and counts its data points. Data of one kind merge when they stand twice;
    /// of two kinds, the last one counts.
    fn metric(&mut self, message: &[u8], depth: u32) -> Result<u32, Fault> {
        let (mut kind, mut points) = (0, 0);
        let mut cursor = Cursor::new(message);
        while !cursor.is_at_end() {
            let before = self.checker.count_of(Counter::Point);
            let number = self.checker.field(&METRIC, &mut cursor, depth)?;
            if matches!(number, 5 | 7 | 9 | 10 | 11) {
                let added = self.checker.count_of(Counter::Point) - before;
                points = if number == kind { points + added } else { added };
                kind = number;
            }
        }
        Ok(points)
    }

    fn finish(self) -> Index {
        let is = |signal| self.signal == signal;
        let item_count = match self.signal {
            Signal::Metrics => self.points.iter().map(|points| u64::from(*points)).sum(),
            Signal::Traces | Signal::Logs => self.row as u64,
        };
        Index {
            signal: self.signal,
            items: self.items.finish(),
            spans: is(Signal::Traces).then(|| self.spans.finish()),
            points: is(Signal::Metrics).then(|| self.points.into()),
            scopes: self.scopes,
            resources: self.resources,
            pieces: self.pieces,
            rest: self.rest,
            item_count,
        }
    }
}

/// What a level of the request holds next.
enum Step<'a> {
    Message(&'a [u8]),
    Field(Piece),
}
