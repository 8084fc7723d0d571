//! Floor 4: exporters, one folder or file a component. A component never knows its neighbours.
