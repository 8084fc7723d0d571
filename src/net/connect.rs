//! Opening a connection to a backend: names, TCP, TLS. Knows nothing of what is spoken on it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::client_config::Endpoint;
use super::client_tls::Tls;

/// Time for name, TCP and TLS together; an attempt's own timeout is often shorter.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens connections to one endpoint.
pub(crate) struct Connector {
    endpoint: Endpoint,
    tls: Option<Tls>,
}

/// A connection, plain or TLS.
pub(crate) enum Stream {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connector {
    /// Does nothing yet.
    pub(crate) fn new(endpoint: Endpoint, tls: Option<Tls>) -> Self {
        Self { endpoint, tls }
    }

    /// Opens a connection. A name with several addresses is taken in turns: the connection with
    /// number `turn` begins at that address, and goes on to the next when it does not answer.
    ///
    /// # Errors
    /// When the name is unknown, no address answers in time, or TLS fails.
    pub(crate) async fn open(&self, turn: usize) -> io::Result<Stream> {
        let opened = tokio::time::timeout(CONNECT_TIMEOUT, self.open_now(turn)).await;
        opened.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "connecting took too long")))
    }

    async fn open_now(&self, turn: usize) -> io::Result<Stream> {
        let target = (self.endpoint.host.as_str(), self.endpoint.port);
        let mut addresses: Vec<_> = tokio::net::lookup_host(target).await?.collect();
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        }
        let first = turn % addresses.len();
        addresses.rotate_left(first);
        let tcp = TcpStream::connect(&addresses[..]).await?;
        tcp.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Stream::Plain(tcp)),
            Some(tls) => {
                let stream = tls.connector.connect(tls.server_name.clone(), tcp).await?;
                Ok(Stream::Tls(Box::new(stream)))
            }
        }
    }

    /// `host:port`.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether connections are encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }
}

macro_rules! either {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Plain($stream) => $call,
            Stream::Tls(boxed) => {
                let $stream = &mut **boxed;
                $call
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
