//! `tail_sampling` and `batch` from outside: against recorded answers of a Collector, and laws
//! over random arrivals.

#![expect(clippy::unwrap_used, reason = "a test fails where it is wrong")]

mod adaptive;
mod batching;
mod conditions;
mod configs;
mod decisions;
mod driver;
mod golden;
mod hostile;
mod laws;
mod recorded;
mod spans;
