//! A listening socket and its accept loop: caps on connections, a loop that no accept error ends,
//! and a stop that lets the requests under way finish. Knows no component.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::connection::{self, Stage};
use super::reply::Reply;
use super::server_tls::{OpenTls, ServerTls, TlsError};

/// Answers requests.
pub trait Service: Send + Sync + 'static {
    /// Answers one request. Dropped when the client goes away.
    fn answer(self: Arc<Self>, request: Request<Incoming>) -> impl Future<Output = Response<Reply>> + Send;

    /// A connection was closed because a cap on connections is reached.
    fn connection_refused(&self) {}
}

/// What a server listens with.
#[derive(Clone, Debug)]
pub struct ListenSettings {
    /// `host:port`; without host, every address of the machine.
    pub endpoint: String,
    /// Which protocol is spoken.
    pub protocol: Protocol,
    /// TLS, or plain TCP.
    pub tls: Option<ServerTls>,
    /// What a peer may take.
    pub limits: ConnectionLimits,
}

/// Which protocol a server speaks.
#[derive(Clone, Debug)]
pub enum Protocol {
    /// HTTP/1.1; with TLS also HTTP/2 for who asks for it.
    Http,
    /// HTTP/2 from the first byte, as gRPC.
    Http2(Http2Settings),
}

/// Settings of HTTP/2 that the config has keys for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http2Settings {
    /// Requests that one connection may have under way.
    pub max_concurrent_streams: u32,
    /// A ping after this long without a frame.
    pub ping_interval: Duration,
    /// The connection ends when a ping is not answered within this.
    pub ping_timeout: Duration,
}

/// What peers may take, and how long they may take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections at once; one more is closed at once.
    pub connections_max: usize,
    /// Connections at once from one address; one more is closed at once.
    pub connections_per_address_max: usize,
    /// For the TLS handshake; the connection is closed after it.
    pub handshake_timeout: Duration,
    /// For the first byte and for every request's head; the connection is closed after it.
    pub head_timeout: Duration,
    /// A connection without requests for this long is closed.
    pub idle_max: Option<Duration>,
    /// A connection as old as this takes no more requests.
    pub age_max: Option<Duration>,
    /// After `age_max`, requests under way have this long; without it, as long as they need.
    pub age_grace: Option<Duration>,
}

impl Default for Http2Settings {
    fn default() -> Self {
        Self {
            max_concurrent_streams: 128,
            ping_interval: Duration::from_secs(2 * 3600),
            ping_timeout: Duration::from_secs(20),
        }
    }
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            connections_per_address_max: 5_000,
            handshake_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(10),
            idle_max: None,
            age_max: None,
            age_grace: None,
        }
    }
}

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The name has no address.
    #[error("cannot resolve {endpoint:?}: {error}; write host:port with a host that resolves")]
    Resolve {
        /// As configured.
        endpoint: String,
        /// What the system says.
        error: io::Error,
    },
    /// Certificate, key or CA cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system refuses.
    #[error("cannot listen on {endpoint:?}: {error}; stop the program that holds this port, or change the endpoint")]
    Listen {
        /// As configured.
        endpoint: String,
        /// What the system says.
        error: io::Error,
    },
}

/// A server that runs.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stage: watch::Sender<Stage>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// Connections that wait to be accepted before the system refuses more.
const BACKLOG: u32 = 1024;
/// Pause after an accept error such as "too many open files", doubled up to the second.
const ACCEPT_PAUSE_MIN: Duration = Duration::from_millis(10);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);
/// For connections to end by themselves once they have been told to close.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

impl Server {
    /// Listens, and serves until [`Server::stop`].
    ///
    /// # Errors
    /// When a certificate cannot be used, or the endpoint does not resolve or cannot be bound.
    pub async fn start<S: Service>(settings: ListenSettings, service: Arc<S>) -> Result<Self, ServerError> {
        let protocols: &[&str] = match settings.protocol {
            Protocol::Http => &["h2", "http/1.1"],
            Protocol::Http2(_) => &["h2"],
        };
        let tls = settings.tls.as_ref().map(|tls| tls.open(protocols)).transpose()?.map(Arc::new);
        let listener = bind(&settings.endpoint).await?;
        let address = listener
            .local_addr()
            .map_err(|error| ServerError::Listen { endpoint: settings.endpoint.clone(), error })?;
        let (stage, _) = watch::channel(Stage::Running);
        let acceptor =
            Acceptor { settings: Arc::new(settings), tls, service, stage: stage.clone(), peers: Peers::default() };
        let task = tokio::spawn(acceptor.run(listener));
        Ok(Self { address, stage, task: Mutex::new(Some(task)) })
    }

    /// The address that is bound; tells the port when the endpoint asked for port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether the accept loop runs, or has been told to end.
    pub fn is_alive(&self) -> bool {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        task.as_ref().is_none_or(|task| !task.is_finished())
    }

    /// Stops accepting, lets requests under way finish for at most `within`, and returns when
    /// every task has ended. The second call does nothing.
    pub async fn stop(&self, within: Duration) {
        let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        self.stage.send_replace(Stage::Draining);
        let mut task = task;
        if tokio::time::timeout(within, &mut task).await.is_ok() {
            return;
        }
        self.stage.send_replace(Stage::Closing);
        if tokio::time::timeout(CLOSE_GRACE, &mut task).await.is_err() {
            task.abort();
            // Only to wait: an aborted task ends with an error.
            let _ = task.await;
        }
    }
}

async fn bind(endpoint: &str) -> Result<TcpListener, ServerError> {
    let host_port = if endpoint.starts_with(':') { format!("[::]{endpoint}") } else { endpoint.to_owned() };
    let mut addresses: Vec<SocketAddr> = tokio::net::lookup_host(&host_port)
        .await
        .map_err(|error| ServerError::Resolve { endpoint: endpoint.to_owned(), error })?
        .collect();
    addresses.sort_by_key(|address| !address.is_ipv4());
    if endpoint.starts_with(':') {
        addresses.extend(addresses.first().map(|any| SocketAddr::from(([0, 0, 0, 0], any.port()))));
    }
    let mut result = Err(io::Error::from(io::ErrorKind::AddrNotAvailable));
    for address in addresses {
        result = listen(address);
        if result.is_ok() {
            break;
        }
    }
    result.map_err(|error| ServerError::Listen { endpoint: endpoint.to_owned(), error })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait for connections of the last run to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Connections by address.
#[derive(Clone, Debug, Default)]
struct Peers(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A counted connection, until dropped.
struct Peer {
    peers: Peers,
    address: IpAddr,
}

impl Peers {
    /// Counts one more; `None` when the address has as many as it may.
    fn admit(&self, address: IpAddr, max: usize) -> Option<Peer> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Peer { peers: self.clone(), address })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let mut counts = self.peers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// Reads certificates again whenever they are due; never returns.
async fn reload_tls(tls: Option<Arc<OpenTls>>) {
    let due = tls.as_ref().and_then(|tls| tls.reload_interval());
    let (Some(tls), Some(interval)) = (tls, due) else { return std::future::pending().await };
    loop {
        tokio::time::sleep(interval).await;
        if let Err(error) = tls.reload() {
            tracing::warn!(%error, "cannot reload the certificate; the last one stays");
        }
    }
}

struct Acceptor<S> {
    settings: Arc<ListenSettings>,
    tls: Option<Arc<OpenTls>>,
    service: Arc<S>,
    stage: watch::Sender<Stage>,
    peers: Peers,
}

impl<S: Service> Acceptor<S> {
    async fn run(self, listener: TcpListener) {
        let mut stage = self.stage.subscribe();
        let mut connections = JoinSet::new();
        let mut pause = ACCEPT_PAUSE_MIN;
        let mut reload = pin!(reload_tls(self.tls.clone()));
        loop {
            tokio::select! {
                () = reload.as_mut() => {}
                () = connection::reached(&mut stage, Stage::Draining) => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        pause = ACCEPT_PAUSE_MIN;
                        self.admit(stream, peer, &mut connections);
                    }
                    Err(error) => {
                        tracing::warn!(endpoint = self.settings.endpoint, %error, "cannot accept a connection");
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(ACCEPT_PAUSE_MAX);
                    }
                },
            }
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
    }

    fn admit(&self, stream: TcpStream, address: SocketAddr, connections: &mut JoinSet<()>) {
        let limits = &self.settings.limits;
        let peer = self.peers.admit(address.ip(), limits.connections_per_address_max);
        let Some(peer) = peer.filter(|_| connections.len() < limits.connections_max) else {
            self.service.connection_refused();
            return;
        };
        let (settings, tls) = (self.settings.clone(), self.tls.clone());
        let (service, stage) = (self.service.clone(), self.stage.subscribe());
        connections.spawn(async move {
            connection::serve(stream, settings, tls, service, stage).await;
            drop(peer);
        });
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    struct Hello {
        pause: Duration,
    }

    impl Service for Hello {
        async fn answer(self: Arc<Self>, _: Request<Incoming>) -> Response<Reply> {
            tokio::time::sleep(self.pause).await;
            Response::new(Reply::new("hello"))
        }
    }

    async fn start(limits: ConnectionLimits, pause: Duration) -> Server {
        let settings =
            ListenSettings { endpoint: "127.0.0.1:0".to_owned(), protocol: Protocol::Http, tls: None, limits };
        Server::start(settings, Arc::new(Hello { pause })).await.unwrap()
    }

    async fn get(stream: &mut TcpStream) -> String {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_named_with_its_mending() {
        let first = start(ConnectionLimits::default(), Duration::ZERO).await;
        let endpoint = first.address().to_string();
        let settings = ListenSettings {
            endpoint: endpoint.clone(),
            protocol: Protocol::Http,
            tls: None,
            limits: ConnectionLimits::default(),
        };
        let error = Server::start(settings, Arc::new(Hello { pause: Duration::ZERO })).await.unwrap_err().to_string();
        assert!(error.contains(&endpoint) && error.contains("change the endpoint"), "{error}");
        first.stop(Duration::ZERO).await;
    }

    #[tokio::test]
    async fn a_connection_over_the_cap_is_closed_and_a_freed_place_is_used() {
        for limits in [
            ConnectionLimits { connections_max: 1, ..ConnectionLimits::default() },
            ConnectionLimits { connections_per_address_max: 1, ..ConnectionLimits::default() },
        ] {
            let server = start(limits, Duration::ZERO).await;
            let mut first = TcpStream::connect(server.address()).await.unwrap();
            let mut second = TcpStream::connect(server.address()).await.unwrap();
            assert_eq!(second.read(&mut [0]).await.unwrap_or(0), 0);
            assert!(get(&mut first).await.ends_with("hello"));
            drop(first);
            let mut third = String::new();
            while !third.ends_with("hello") {
                let mut stream = TcpStream::connect(server.address()).await.unwrap();
                let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
                third.clear();
                let _ = stream.read_to_string(&mut third).await;
            }
            server.stop(Duration::ZERO).await;
        }
    }

    #[tokio::test]
    async fn a_head_that_never_ends_loses_its_connection() {
        let limits = ConnectionLimits { head_timeout: Duration::from_millis(20), ..ConnectionLimits::default() };
        let server = start(limits, Duration::ZERO).await;
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost").await.unwrap();
        assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
        server.stop(Duration::ZERO).await;
    }

    #[tokio::test]
    async fn a_stop_lets_the_request_under_way_finish() {
        let server = start(ConnectionLimits::default(), Duration::from_millis(50)).await;
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        tokio::task::yield_now().await;
        let mut text = String::new();
        let (_, read) = tokio::join!(server.stop(Duration::from_secs(10)), stream.read_to_string(&mut text));
        read.unwrap();
        assert!(text.ends_with("hello"), "{text}");
        assert!(TcpStream::connect(server.address()).await.is_err());
        server.stop(Duration::ZERO).await;
    }

    #[tokio::test]
    async fn a_stop_ends_a_request_that_outlives_the_deadline() {
        let server = start(ConnectionLimits::default(), Duration::from_secs(3600)).await;
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        server.stop(Duration::from_millis(10)).await;
        assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
    }

    #[tokio::test]
    async fn idle_and_old_connections_are_closed() {
        for limits in [
            ConnectionLimits { idle_max: Some(Duration::from_millis(10)), ..ConnectionLimits::default() },
            ConnectionLimits { age_max: Some(Duration::from_millis(10)), ..ConnectionLimits::default() },
        ] {
            let server = start(limits, Duration::ZERO).await;
            let mut stream = TcpStream::connect(server.address()).await.unwrap();
            assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
            server.stop(Duration::ZERO).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_does_not_wait_for_a_peer_that_has_no_request_under_way() {
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        for sent in [&preface[..], &preface[..5], b""] {
            let limits = ConnectionLimits { head_timeout: Duration::from_secs(3600), ..ConnectionLimits::default() };
            let protocol = Protocol::Http2(Http2Settings::default());
            let settings = ListenSettings { endpoint: "127.0.0.1:0".to_owned(), protocol, tls: None, limits };
            let server = Server::start(settings, Arc::new(Hello { pause: Duration::ZERO })).await.unwrap();
            let mut stream = TcpStream::connect(server.address()).await.unwrap();
            stream.write_all(sent).await.unwrap();
            if sent == preface {
                stream.read_exact(&mut [0; 9]).await.unwrap();
            } else {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let stopped = tokio::time::timeout(Duration::from_secs(60), server.stop(Duration::from_secs(3600))).await;
            assert!(stopped.is_ok(), "{} bytes sent", sent.len());
        }
    }
}
