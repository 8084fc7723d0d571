//! Floor 4: receivers, one folder or file a component. A component never knows its neighbours.

pub mod nop;
pub mod otlp;
