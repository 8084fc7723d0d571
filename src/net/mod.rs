//! Floor 3: sockets as receivers and exporters share them: the accept loop, TLS, compression,
//! and unary gRPC on hyper. Knows no component and no telemetry, only bytes.

mod accept;
mod client_config;
mod client_tls;
mod compress;
mod decompress;
mod grpc_client;
mod http_client;
mod server_config;
mod server_tls;
