//! Unary gRPC calls over HTTP/2, raw bytes in and out.
