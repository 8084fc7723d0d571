//! Floor 4: processors, one folder or file a component. A component never knows its neighbours.

pub mod batch;
pub mod groupbytrace;
pub mod memory_limiter;
pub mod probabilistic_sampler;
pub mod tail_sampling;
