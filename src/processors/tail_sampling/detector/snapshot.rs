//! What was learned, as bytes that outlive the process: references and counts, not the running
//! windows, which are at most a quarter of an hour. Nothing is believed of bytes that come back:
//! a snapshot that is cut, changed, or of another version is an error, and learning starts cold.
//!
//! Format: `TWBL`, version 1, wall time; services (name, version); operations (service, kind,
//! name, usual share, since, histogram); counts of novelties (key, value, second); checksum. All
//! numbers are varints but the checksum. About 300 bytes an operation and 17 a count.

use std::collections::HashMap;

use super::baseline::{Baseline, Saved};
use super::baselines::{Baselines, State};
use super::interner::text_key;
use super::options::Options;
use super::registry::{NAME_BYTES_MAX, OTHER};
use crate::model::{Cursor, Now, UnixNanos, put_varint};
use crate::pipeline::Learned;
use crate::sketch::Histogram;

const MAGIC: &[u8] = b"TWBL\x01";
const CHECKSUM_BYTES: usize = 8;
/// Snapshots beyond are refused unread.
const BYTES_MAX: usize = 256 << 20;

/// Why a snapshot is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Another kind of file, or of another version of the program.
    #[error("the file is not a snapshot of baselines in a version that is known; delete it to start cold")]
    Unknown,
    /// Cut off or changed.
    #[error("the snapshot of baselines is damaged; delete it to start cold")]
    Damaged,
}

struct ReadOperation {
    service: u32,
    name: String,
    kind: u8,
    saved: Saved,
}

/// A snapshot that was read to its end.
struct Contents {
    services: Vec<(String, Option<u64>)>,
    operations: Vec<ReadOperation>,
    novelties: Vec<(u64, f32, UnixNanos)>,
}

impl Baselines {
    /// Everything that was learned, but for the running windows of shards that have not handed
    /// them over.
    pub fn save(&self, now: UnixNanos) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        put_varint(&mut out, now.0);
        let state = self.state();
        let services: Vec<_> = state.registry.services().collect();
        let places: HashMap<u32, u64> = services.iter().map(|(number, _)| *number).zip(0..).collect();
        put_varint(&mut out, services.len() as u64);
        for (_, service) in &services {
            put_text(&mut out, &service.name);
            put_varint(&mut out, u64::from(service.versions.current.is_some()));
            put_varint(&mut out, service.versions.current.unwrap_or(0));
        }
        let operations: Vec<_> = state.learned().collect();
        put_varint(&mut out, operations.len() as u64);
        for (number, saved) in operations {
            let entry = &state.registry.entries()[number as usize];
            put_varint(&mut out, places.get(&entry.service).copied().unwrap_or(0));
            put_varint(&mut out, u64::from(entry.operation.kind));
            put_text(&mut out, &entry.operation.name);
            put_varint(&mut out, u64::from(saved.usual.to_bits()));
            put_varint(&mut out, u64::from(saved.since));
            saved.reference.encode(&mut out);
        }
        put_novelties(&mut out, &state);
        drop(state);
        let checksum = text_key(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out
    }

    /// Adds what a snapshot holds to what is known; meant for the start. What it holds of times
    /// after `now` is taken as of `now`. Beyond the limits nothing is taken.
    ///
    /// # Errors
    /// When the bytes are no snapshot, are damaged, or of another version; then nothing is taken.
    pub fn load(&self, bytes: &[u8], now: UnixNanos) -> Result<(), SnapshotError> {
        let contents = Contents::read(bytes, now)?;
        let options = self.options();
        let mut state = self.state();
        let seen = state.generation;
        let mut numbers = Vec::with_capacity(contents.services.len());
        for (name, version) in &contents.services {
            let number = state.registry.service(name, options);
            numbers.push(number);
            if let Some(service) = state.registry.service_mut(number)
                && service.versions.current.is_none()
            {
                service.versions.current = *version;
            }
        }
        for operation in &contents.operations {
            let service = numbers[operation.service as usize];
            if service == OTHER {
                continue;
            }
            let ReadOperation { name, kind, saved, .. } = operation;
            let registered = state.registry.operation(service, name, *kind, seen, options);
            state.merge(registered.number, (!registered.is_overflow).then_some(saved), options);
        }
        for (key, value, at) in contents.novelties {
            state.novelties.restore(key, value, at, options.half_life);
        }
        state.touch();
        Ok(())
    }
}

impl Learned for Baselines {
    fn save(&self, now: Now) -> Vec<u8> {
        Self::save(self, now.wall)
    }

    fn load(&self, bytes: &[u8], now: Now) -> Result<(), String> {
        Self::load(self, bytes, now.wall).map_err(|error| error.to_string())
    }
}

impl State {
    fn learned(&self) -> impl Iterator<Item = (u32, Saved)> {
        let live = (0..).zip(&self.baselines).filter(|(number, _)| *number != OTHER && self.registry.is_live(*number));
        live.filter_map(|(number, baseline)| Some((number, baseline.save()?)))
    }

    fn merge(&mut self, number: u32, saved: Option<&Saved>, options: &Options) {
        while self.baselines.len() < self.registry.entries().len() {
            self.baselines.push(Baseline::new(options));
        }
        if let (Some(saved), Some(baseline)) = (saved, self.baselines.get_mut(number as usize)) {
            baseline.merge(saved, options);
        }
    }
}

impl Contents {
    fn read(bytes: &[u8], now: UnixNanos) -> Result<Self, SnapshotError> {
        if bytes.len() > BYTES_MAX || !bytes.starts_with(MAGIC) {
            return Err(SnapshotError::Unknown);
        }
        let (body, checksum) =
            bytes.split_at_checked(bytes.len().saturating_sub(CHECKSUM_BYTES)).ok_or(SnapshotError::Damaged)?;
        let body_is_whole = body.len() >= MAGIC.len() && checksum == text_key(body).to_le_bytes();
        if !body_is_whole {
            return Err(SnapshotError::Damaged);
        }
        let mut cursor = Cursor::new(&body[MAGIC.len()..]);
        Self::read_body(&mut cursor, now).filter(|_| cursor.is_at_end()).ok_or(SnapshotError::Damaged)
    }

    /// Lists grow as they are read: no count is believed.
    fn read_body(cursor: &mut Cursor<'_>, now: UnixNanos) -> Option<Self> {
        cursor.varint().ok()?;
        let mut services = Vec::new();
        for _ in 0..cursor.varint().ok()? {
            let name = text(cursor)?;
            let (is_known, version) = (cursor.varint().ok()? != 0, cursor.varint().ok()?);
            services.push((name, is_known.then_some(version)));
        }
        let mut operations = Vec::new();
        for _ in 0..cursor.varint().ok()? {
            let service =
                u32::try_from(cursor.varint().ok()?).ok().filter(|place| (*place as usize) < services.len())?;
            let kind = u8::try_from(cursor.varint().ok()?).ok()?;
            let name = text(cursor)?;
            let usual = f32::from_bits(u32::try_from(cursor.varint().ok()?).ok()?);
            let since = u32::try_from(cursor.varint().ok()?).ok()?;
            let reference = Histogram::decode(cursor).ok()?;
            let is_share = (0.0..=1.0).contains(&usual);
            operations.push(is_share.then_some(ReadOperation {
                service,
                name,
                kind,
                saved: Saved { reference, usual, since },
            })?);
        }
        let mut novelties = Vec::new();
        for _ in 0..cursor.varint().ok()? {
            let key = cursor.varint().ok()?;
            let value = f32::from_bits(u32::try_from(cursor.varint().ok()?).ok()?);
            let second = u32::try_from(cursor.varint().ok()?).ok()?;
            let at = UnixNanos((u64::from(second) * 1_000_000_000).min(now.0));
            novelties.push((value >= 0.0 && value.is_finite()).then_some((key, value, at))?);
        }
        Some(Self { services, operations, novelties })
    }
}

fn put_novelties(out: &mut Vec<u8>, state: &State) {
    let mut counts: Vec<_> = state.novelties.table.iter().map(|(key, known)| (key, known.count.parts())).collect();
    counts.sort_unstable_by_key(|(key, _)| *key);
    put_varint(out, counts.len() as u64);
    for (key, (value, second)) in counts {
        put_varint(out, key);
        put_varint(out, u64::from(value.to_bits()));
        put_varint(out, u64::from(second));
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn text(cursor: &mut Cursor<'_>) -> Option<String> {
    let bytes = cursor.length_delimited().ok().filter(|bytes| bytes.len() <= NAME_BYTES_MAX)?;
    String::from_utf8(bytes.to_vec()).ok()
}
