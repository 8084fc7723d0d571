//! Floor 5: the whole file, the registry, the graph, start and stop order.
