//! Floor 4: processors, one folder or file a component. A component never knows its neighbours.

pub mod batch;
pub mod memory_limiter;
pub mod tail_sampling;
