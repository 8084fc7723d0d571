//! Compression of outgoing bodies.
