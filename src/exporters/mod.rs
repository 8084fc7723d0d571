//! Floor 4: exporters, one folder or file a component. A component never knows its neighbours.

pub mod debug;
pub mod delivery;
pub mod file;
pub mod nop;
pub mod otlp_grpc;
pub mod otlp_http;
