//! HTTP/1.1 requests over kept connections.
