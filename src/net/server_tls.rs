//! The server side of TLS.
