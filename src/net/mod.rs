//! Floor 3: sockets as receivers and exporters share them: the accept loop, TLS, compression,
//! and unary gRPC on hyper. Knows no component and no telemetry, only bytes.

mod accept;
mod budget;
mod chunks;
pub(crate) mod client_config;
mod client_tls;
pub(crate) mod compress;
mod connect;
mod connection;
mod decompress;
mod frame_bounds;
mod gather;
pub(crate) mod grpc_client;
pub mod grpc_frame;
mod guard;
pub(crate) mod http_client;
mod reply;
mod server_config;
mod server_tls;
mod site;

pub use accept::{ConnectionLimits, Http2Settings, ListenSettings, Protocol, Server, ServerError, Service};
pub use budget::{ByteBudget, Hold};
pub use decompress::{DecompressError, Decompression, decompress};
pub use gather::{BodyError, drain_body, read_body};
pub use reply::Reply;
pub use server_config::{COMPRESSIONS, CorsConfig, GrpcServerConfig, HttpDefaults, HttpServerConfig};
pub use server_tls::{OpenTls, Pem, ServerTls, TlsError};
pub use site::{Page, Pages, Site};
