//! Floor 4: processors, one folder or file a component. A component never knows its neighbours.
