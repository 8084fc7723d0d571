//! The client side of TLS.
