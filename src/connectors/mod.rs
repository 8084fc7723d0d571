//! Floor 4: connectors, one folder or file a component. A component never knows its neighbours.

pub mod forward;
