//! One span or log record with its changes: fields are passed over once, and what stays is noted
//! as runs, which are copied when the message is written.

use std::ops::Range;

use super::AttributePatch;
use crate::model::{Cursor, Field, Signal, ValueView};
use crate::wire::frame::put_header;

/// What changes in one span or log record while it is copied. Reused from item to item.
#[derive(Debug, Default)]
pub struct ItemPatch {
    trace_state: Vec<u8>,
    sets_trace_state: bool,
    lacks_trace_state: bool,
    attributes: AttributePatch,
}

impl ItemPatch {
    /// Replaces a span's `trace_state`; an empty text removes it. Log records have none, and
    /// there this does nothing.
    pub fn set_trace_state(&mut self, text: &[u8]) {
        self.trace_state_mut().extend_from_slice(text);
    }

    /// The same, for text that is written in place: an empty buffer.
    pub fn trace_state_mut(&mut self) -> &mut Vec<u8> {
        self.sets_trace_state = true;
        self.trace_state.clear();
        &mut self.trace_state
    }

    /// Leaves `trace_state` as it stands after all.
    pub fn keep_trace_state(&mut self) {
        self.sets_trace_state = false;
    }

    /// The caller knows that the span has no `trace_state`, unless it is empty: then none is looked
    /// for. Should there be one, the new one stands beside it, and the last one counts.
    pub fn expect_no_trace_state(&mut self) {
        self.lacks_trace_state = true;
    }

    /// The `trace_state` that is to be set.
    pub fn trace_state(&self) -> Option<&[u8]> {
        self.sets_trace_state.then_some(&self.trace_state)
    }

    /// Sets an attribute: one of this key is replaced.
    pub fn push_attribute(&mut self, key: &str, value: ValueView<'_>) {
        self.attributes.push(key, value);
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        !self.sets_trace_state && self.attributes.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.sets_trace_state = false;
        self.lacks_trace_state = false;
        self.attributes.clear();
    }
}

/// Numbers of the fields that may change.
#[derive(Clone, Copy)]
pub(super) struct Fields {
    attributes: u8,
    trace_state: Option<u8>,
}

impl Fields {
    /// Those of the items of a signal; `None` for metrics, whose attributes are in their points.
    pub(super) fn of(signal: Signal) -> Option<Self> {
        match signal {
            Signal::Traces => Some(Self { attributes: 9, trace_state: Some(3) }),
            Signal::Logs => Some(Self { attributes: 6, trace_state: None }),
            Signal::Metrics => None,
        }
    }
}

/// An item that was changed.
pub(super) struct Changed {
    /// Its message, as numbers of [`Edits::segments`].
    pub segments: Range<u32>,
    /// Bytes of its message.
    pub length: u64,
    /// First byte of a span's name in the message; 0 when it has none.
    pub name: u32,
    /// Whether there is a `trace_state`, when that was set.
    pub has_trace_state: Option<bool>,
}

/// The changed messages of a part, not yet copied. Reused from part to part.
#[derive(Debug, Default)]
pub(super) struct Edits {
    segments: Vec<Segment>,
    /// Whole fields that are new.
    fields: Vec<u8>,
}

/// A run of bytes of a changed message.
#[derive(Clone, Copy, Debug)]
struct Segment {
    /// Whether it is of the old message or of [`Edits::fields`].
    is_old: bool,
    offset: u32,
    length: u32,
}

/// The old message, as far as it must be known.
pub(super) struct Old<'a> {
    pub message: &'a [u8],
    pub fields: Fields,
    /// First byte of a span's name, 0 when it has none.
    pub name: u32,
    /// Whether it surely has no `trace_state` but an empty one.
    pub lacks_trace_state: bool,
}

impl Edits {
    pub(super) fn clear(&mut self) {
        self.segments.clear();
        self.fields.clear();
    }

    /// Notes the changes of an item.
    pub(super) fn change(&mut self, old: &Old<'_>, patch: &ItemPatch) -> Changed {
        let first = self.segments.len();
        let trace_state = old.fields.trace_state.filter(|_| patch.sets_trace_state);
        let mut name = old.name;
        let lacks_trace_state = old.lacks_trace_state || patch.lacks_trace_state;
        let is_added = lacks_trace_state && patch.attributes.is_empty();
        if is_added && let Some(number) = trace_state {
            // The last one counts: whatever empty ones there are, nothing has to be looked for.
            self.push_old(0..old.message.len());
            self.push_text(number, &patch.trace_state);
        } else {
            name = self.pass_over(old, trace_state, patch);
        }
        let start = self.fields.len();
        patch.attributes.put(old.fields.attributes, &mut self.fields);
        self.push_new(start);
        let length = self.segments[first..].iter().map(|segment| u64::from(segment.length)).sum();
        let has_trace_state = trace_state.map(|_| !patch.trace_state.is_empty());
        Changed { segments: first as u32..self.segments.len() as u32, length, name, has_trace_state }
    }

    /// Notes the old message without what is replaced, and the new `trace_state` where readers
    /// expect it, in the order of numbers. Returns where the name has come to stand.
    fn pass_over(&mut self, old: &Old<'_>, trace_state: Option<u8>, patch: &ItemPatch) -> u32 {
        let mut pending = trace_state;
        let (mut copied, mut moved, mut name) = (0, 0_i64, 0);
        let mut cursor = Cursor::new(old.message);
        while !cursor.is_at_end() {
            let at = cursor.position();
            // The scan has accepted the message; what could not be read would stay as it stands.
            let Ok(field) = cursor.field() else { break };
            let number = field.map_or(0, |(number, _)| number);
            let is_removed = match field {
                Some((number, Field::Length(content))) if number == u32::from(old.fields.attributes) => {
                    patch.attributes.replaces(content)
                }
                _ => trace_state.is_some_and(|own| number == u32::from(own)),
            };
            if let Some(own) = pending.filter(|own| number > u32::from(*own)) {
                self.push_old(copied..at);
                copied = at;
                moved += i64::from(self.push_text(own, &patch.trace_state));
                pending = None;
            }
            if is_removed {
                self.push_old(copied..at);
                copied = cursor.position();
                moved -= (copied - at) as i64;
            } else if let Some((NAME, Field::Length(text))) = field {
                name = (cursor.position() - text.len()) as i64 + moved;
            }
        }
        self.push_old(copied..old.message.len());
        if let Some(own) = pending {
            self.push_text(own, &patch.trace_state);
        }
        name as u32
    }

    fn push_old(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            self.segments.push(Segment { is_old: true, offset: range.start as u32, length: range.len() as u32 });
        }
    }

    /// Notes everything that was added to the fields since `start`.
    fn push_new(&mut self, start: usize) -> u32 {
        // Beyond 4 GiB nothing is written: a length that is held back there is too long as well.
        let length = u32::try_from(self.fields.len() - start).unwrap_or(u32::MAX);
        if length > 0 {
            self.segments.push(Segment { is_old: false, offset: start as u32, length });
        }
        length
    }

    /// Notes a new field of text, unless the text is empty; returns its bytes.
    fn push_text(&mut self, number: u8, text: &[u8]) -> u32 {
        let start = self.fields.len();
        if !text.is_empty() {
            put_header(&mut self.fields, number, text.len() as u64);
            self.fields.extend_from_slice(text);
        }
        self.push_new(start)
    }

    /// Appends the message of a changed item, given the old one.
    pub(super) fn put(&self, changed: &Changed, message: &[u8], out: &mut Vec<u8>) {
        for segment in &self.segments[changed.segments.start as usize..changed.segments.end as usize] {
            let bytes = if segment.is_old { message } else { &self.fields };
            out.extend_from_slice(&bytes[segment.offset as usize..][..segment.length as usize]);
        }
    }
}

/// Number of a span's name; of a log record its place is not looked at.
const NAME: u32 = 5;
