//! The accept loop: header, handshake and idle timeouts, connection caps.
