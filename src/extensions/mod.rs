//! Floor 4: extensions, one folder or file a component. A component never knows its neighbours.

pub mod admin;
pub mod health_check;
pub mod pprof;
pub mod zpages;
