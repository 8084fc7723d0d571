//! Names and numbers of services and operations, the same in every shard. Operations that rest
//! for long give their numbers back, so that no flood of names lasts.

use std::collections::HashMap;
use std::sync::Arc;

use super::options::Options;
use super::versions::Versions;
use crate::model::Operation;

/// The service and the operation for what found no room; they always exist.
pub(super) const OTHER: u32 = 0;
/// Their name.
pub(super) const OTHER_NAME: &str = "<other>";
/// Bytes of a name that count; what follows is cut off.
pub(super) const NAME_BYTES_MAX: usize = 256;
/// Kind of the operation that stands for whole traces with one root: their duration is learned
/// as if it were self time.
pub(super) const TRACE_KIND: u8 = 254;
/// The highest kind of a span; what is above counts as it.
pub(super) const KIND_MAX: u8 = TRACE_KIND - 1;

/// An operation under its number.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) operation: Arc<Operation>,
    pub(super) service: u32,
    /// How often the number was given away.
    pub(super) serial: u32,
    /// The last rotation that spans of it came after.
    pub(super) seen: u32,
}

#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: Arc<str>,
    /// Operations that it has.
    live: u32,
    /// Where its further operations go; [`OTHER`] while it has no such operation.
    other: u32,
    is_free: bool,
    pub(super) versions: Versions,
}

/// What asking for an operation gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Registered {
    pub(super) number: u32,
    /// Whether there was no room, so that the number stands for many.
    pub(super) is_overflow: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Registry {
    services: Vec<Service>,
    service_numbers: HashMap<Arc<str>, u32>,
    entries: Vec<Entry>,
    numbers: HashMap<Arc<Operation>, u32>,
    free: Vec<u32>,
    free_services: Vec<u32>,
    /// Freed at the last rotation; shards may not know it yet.
    retired: Vec<u32>,
    retired_services: Vec<u32>,
    removals: u64,
    operations_max: usize,
}

impl Registry {
    pub(super) fn new(operations_max: usize) -> Self {
        let mut registry = Self {
            services: Vec::new(),
            service_numbers: HashMap::new(),
            entries: Vec::new(),
            numbers: HashMap::new(),
            free: Vec::new(),
            free_services: Vec::new(),
            retired: Vec::new(),
            retired_services: Vec::new(),
            removals: 0,
            operations_max,
        };
        registry.add_service(OTHER_NAME);
        registry.add(OTHER, OTHER_NAME, 0, 0);
        registry
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Operations that were removed, ever.
    pub(super) fn removals(&self) -> u64 {
        self.removals
    }

    /// Services that are known.
    pub(super) fn services(&self) -> impl Iterator<Item = (u32, &Service)> {
        (0..).zip(&self.services).filter(|(_, service)| !service.is_free)
    }

    pub(super) fn service_mut(&mut self, number: u32) -> Option<&mut Service> {
        self.services.get_mut(number as usize).filter(|service| !service.is_free)
    }

    /// Whether a number is in use.
    pub(super) fn is_live(&self, number: u32) -> bool {
        let Some(entry) = self.entries.get(number as usize) else { return false };
        self.numbers.get(&entry.operation) == Some(&number)
    }

    /// The number of a service; a new one where there is room, else [`OTHER`].
    pub(super) fn service(&mut self, name: &str, options: &Options) -> u32 {
        if let Some(number) = self.service_numbers.get(name) {
            return *number;
        }
        if self.service_numbers.len() > options.services_max {
            return OTHER;
        }
        self.add_service(name)
    }

    fn add_service(&mut self, name: &str) -> u32 {
        let name: Arc<str> = name.into();
        let service =
            Service { name: name.clone(), live: 0, other: OTHER, is_free: false, versions: Versions::default() };
        let number = match self.free_services.pop() {
            Some(number) => {
                self.services[number as usize] = service;
                number
            }
            None => {
                self.services.push(service);
                self.services.len() as u32 - 1
            }
        };
        self.service_numbers.insert(name, number);
        number
    }

    /// The number of an operation: a new one where there is room, else that of the service's
    /// `<other>`, else [`OTHER`].
    pub(super) fn operation(&mut self, service: u32, name: &str, kind: u8, seen: u32, options: &Options) -> Registered {
        let Some(home) = self.services.get(service as usize).filter(|home| !home.is_free && service != OTHER) else {
            return Registered { number: OTHER, is_overflow: true };
        };
        let operation = Operation { service: home.name.clone(), name: name.into(), kind };
        if let Some(number) = self.numbers.get(&operation) {
            return Registered { number: *number, is_overflow: false };
        }
        let has_place = !self.free.is_empty() || self.entries.len() < self.operations_max;
        if has_place && home.live < options.operations_per_service_max {
            return Registered { number: self.add(service, name, kind, seen), is_overflow: false };
        }
        if home.other == OTHER && has_place {
            let number = self.add(service, OTHER_NAME, 0, seen);
            self.services[service as usize].other = number;
        }
        Registered { number: self.services[service as usize].other, is_overflow: true }
    }

    fn add(&mut self, service: u32, name: &str, kind: u8, seen: u32) -> u32 {
        let home = &mut self.services[service as usize];
        home.live += 1;
        let operation = Arc::new(Operation { service: home.name.clone(), name: name.into(), kind });
        let mut entry = Entry { operation: operation.clone(), service, serial: 0, seen };
        let number = match self.free.pop() {
            Some(number) => {
                entry.serial = self.entries[number as usize].serial.wrapping_add(1);
                self.entries[number as usize] = entry;
                number
            }
            None => {
                self.entries.push(entry);
                self.entries.len() as u32 - 1
            }
        };
        self.numbers.insert(operation, number);
        number
    }

    /// Spans of an operation came after so many rotations.
    pub(super) fn mark(&mut self, number: u32, rotation: u32) {
        if let Some(entry) = self.entries.get_mut(number as usize) {
            entry.seen = entry.seen.max(rotation);
        }
    }

    /// Forgets operations that rested for many rotations (a time in which nothing came at all has
    /// none), and services without any; returns the numbers of
    /// the operations. They are given away again after the next call, when every shard knows.
    pub(super) fn retire(&mut self, rotation: u32, options: &Options) -> Vec<u32> {
        self.free.append(&mut self.retired);
        self.free_services.append(&mut self.retired_services);
        let is_full = self.numbers.len() >= self.operations_max;
        let has_room = |service: &Service| !is_full && service.live < options.operations_per_service_max;
        let roomy: Vec<bool> = self.services.iter().map(has_room).collect();
        for number in 1..self.entries.len() as u32 {
            if !self.is_live(number) {
                continue;
            }
            let entry = &self.entries[number as usize];
            let idle = if roomy[entry.service as usize] { options.idle } else { options.idle_when_full };
            if u64::from(rotation.saturating_sub(entry.seen)) > options.windows_in(idle) {
                self.remove(number);
            }
        }
        for number in 1..self.services.len() as u32 {
            let service = &mut self.services[number as usize];
            if service.live == 0 && !service.is_free {
                service.is_free = true;
                self.service_numbers.remove(&service.name);
                self.retired_services.push(number);
                self.removals += 1;
            }
        }
        self.retired.clone()
    }

    fn remove(&mut self, number: u32) {
        let entry = &mut self.entries[number as usize];
        entry.serial = entry.serial.wrapping_add(1);
        self.numbers.remove(&entry.operation);
        let home = &mut self.services[entry.service as usize];
        home.live -= 1;
        if home.other == number {
            home.other = OTHER;
        }
        self.retired.push(number);
        self.removals += 1;
    }
}

/// A name as it is compared: cut to [`NAME_BYTES_MAX`] bytes, no character halved.
pub(super) fn cut(name: &[u8]) -> &[u8] {
    if name.len() <= NAME_BYTES_MAX {
        return name;
    }
    let is_inside = |end: usize| name[end] & 0xc0 == 0x80;
    let end = (NAME_BYTES_MAX - 3..=NAME_BYTES_MAX).rev().find(|end| !is_inside(*end));
    &name[..end.unwrap_or(NAME_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options { services_max: 3, operations_per_service_max: 4, ..Options::default() }
    }

    #[test]
    fn names_have_one_number_each() {
        let (mut registry, options) = (Registry::new(100), options());
        let shop = registry.service("shop", &options);
        let cart = registry.service("cart", &options);
        assert_eq!(registry.service("shop", &options), shop);
        let get = registry.operation(shop, "GET", 2, 0, &options);
        assert_eq!(registry.operation(shop, "GET", 2, 0, &options), get);
        assert_ne!(registry.operation(shop, "GET", 3, 0, &options), get, "the kind counts");
        assert_ne!(registry.operation(cart, "GET", 2, 0, &options), get, "the service counts");
        let operation = &registry.entries()[get.number as usize].operation;
        assert_eq!((&*operation.service, &*operation.name, operation.kind), ("shop", "GET", 2));
    }

    #[test]
    fn a_flood_of_names_ends_at_the_limits() {
        let (mut registry, options) = (Registry::new(12), options());
        for service in 0..100 {
            let service = registry.service(&format!("service {service}"), &options);
            for name in 0..100 {
                registry.operation(service, &format!("operation {name}"), 1, 0, &options);
            }
        }
        assert_eq!(registry.services().count(), 4, "three and the one for others");
        assert_eq!(registry.entries().len(), 12);
        let overflow = registry.operation(1, "one more", 1, 0, &options);
        assert!(overflow.is_overflow);
        let other = &registry.entries()[overflow.number as usize].operation;
        assert_eq!((&*other.service, &*other.name), ("service 0", OTHER_NAME));
        assert_eq!(registry.operation(OTHER, "x", 1, 0, &options).number, OTHER);
        assert_eq!(registry.operation(77, "x", 1, 0, &options).number, OTHER);
    }

    #[test]
    fn what_rests_makes_room_one_rotation_later() {
        let (mut registry, options) = (Registry::new(100), options());
        let shop = registry.service("shop", &options);
        let numbers: Vec<u32> =
            (0..4).map(|name| registry.operation(shop, &name.to_string(), 1, 0, &options).number).collect();
        registry.mark(numbers[0], 5);
        assert!(registry.operation(shop, "late", 1, 5, &options).is_overflow);
        assert_eq!(registry.retire(5, &options).len(), 3, "the crowded service loses its idle ones after an hour");
        assert!(registry.is_live(numbers[0]) && !registry.is_live(numbers[1]));
        let next = registry.operation(shop, "late", 1, 5, &options);
        assert!(!next.is_overflow && !numbers.contains(&next.number), "no number is used again at once");
        registry.retire(6, &options);
        let again = registry.operation(shop, "later", 1, 6, &options).number;
        assert!(numbers.contains(&again));
        assert!(registry.entries()[again as usize].serial > 0);
        registry.retire(1_000, &options);
        assert_eq!(registry.services().count(), 1, "a service without operations goes too");
        assert_eq!(registry.operation(shop, "x", 1, 0, &options).number, OTHER);
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        assert_eq!(cut(b"short"), b"short");
        assert_eq!(cut(&[b'a'; 300]).len(), NAME_BYTES_MAX);
        let name = format!("{}é€", "a".repeat(253));
        assert_eq!(std::str::from_utf8(cut(name.as_bytes())).unwrap().len(), 255);
        assert_eq!(cut(&[0x80; 300]).len(), NAME_BYTES_MAX);
    }
}
