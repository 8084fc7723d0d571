//! The requests that waiting traces have rows in. Counted here, by one thread, instead of by
//! atomics: a request is let go when the last of its traces is decided.

use std::sync::Arc;

use super::facts::Facts;
use super::slab::Slab;
use super::trace::Run;
use crate::assembly::SpanFacts;
use crate::model::Request;

#[derive(Default)]
struct Held {
    /// Absent while its rows are being taken in, and in a free place.
    request: Option<Arc<Request>>,
    /// For the detector, where one runs.
    facts: Option<Facts>,
    /// Rises with every arrival.
    sequence: u64,
    users: u32,
}

/// Held requests by place.
pub(super) struct Requests {
    places: Slab<Held>,
    arrivals: u64,
}

impl Requests {
    pub(super) fn new() -> Self {
        Self { places: Slab::new(), arrivals: 0 }
    }

    /// A place for a request that is about to be taken in; [`Requests::settle`] must follow.
    pub(super) fn reserve(&mut self) -> u32 {
        let place = self.places.take();
        self.arrivals += 1;
        self.places[place] = Held { request: None, facts: None, sequence: self.arrivals, users: 1 };
        place
    }

    /// Counts one more run of a request.
    pub(super) fn retain(&mut self, place: u32) {
        self.places[place].users += 1;
    }

    /// Ends the taking in of a request; without a run it is let go.
    pub(super) fn settle(&mut self, place: u32, request: Arc<Request>, facts: Option<Facts>) {
        self.places[place].request = Some(request);
        self.places[place].facts = facts;
        self.release(place);
    }

    /// Counts one run less; the request goes with the last.
    pub(super) fn release(&mut self, place: u32) {
        let held = &mut self.places[place];
        held.users -= 1;
        if held.users == 0 {
            held.request = None;
            held.facts = None;
            self.places.free(place);
        }
    }

    /// The request of a place in use.
    pub(super) fn request(&self, place: u32) -> Option<&Arc<Request>> {
        self.places[place].request.as_ref()
    }

    /// Adds the facts of a run's spans, where they are kept.
    pub(super) fn facts(&self, run: Run, out: &mut Vec<SpanFacts>) {
        if let Some(facts) = &self.places[run.request].facts {
            facts.extend(run, out);
        }
    }

    /// The first root in a run, where facts are kept.
    pub(super) fn root_in(&self, run: Run) -> Option<u32> {
        self.places[run.request].facts.as_ref()?.root_in(run)
    }

    /// What runs are sorted by to stand in the order of their arrival.
    pub(super) fn order(&self, run: &Run) -> (u64, u32) {
        (self.places[run.request].sequence, run.start)
    }
}
