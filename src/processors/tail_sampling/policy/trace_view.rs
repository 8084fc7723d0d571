//! A trace as policies see it.

use std::ops::Range;

use super::super::buffer::Buffer;
use super::super::trace::Summary;
use crate::model::{Request, TraceId};

/// A waiting trace: facts that are always at hand, and its spans for those who must look.
#[derive(Clone, Copy)]
pub struct TraceView<'a> {
    buffer: &'a Buffer,
    place: u32,
}

impl<'a> TraceView<'a> {
    pub(in super::super) fn new(buffer: &'a Buffer, place: u32) -> Self {
        Self { buffer, place }
    }

    /// Its id.
    pub fn id(&self) -> TraceId {
        self.buffer.trace(self.place).id
    }

    /// Facts about its spans.
    pub fn summary(&self) -> &'a Summary {
        &self.buffer.trace(self.place).summary
    }

    /// Its spans in the order of arrival: requests and runs of their rows.
    pub fn parts(&self) -> impl Iterator<Item = (&'a Request, Range<u32>)> {
        self.buffer.parts(self.place)
    }
}
