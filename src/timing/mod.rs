//! Floor 1: the hashed timing wheel. Told the time, never asks.

mod wheel;

pub use wheel::{Timer, Wheel};
