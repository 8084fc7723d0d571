//! One connection: handshake, protocol, its age and its end.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::HttpService;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::accept::{ConnectionLimits, Http2Settings, ListenSettings, Protocol, Service};
use super::guard::{Activity, Guard, Promise};
use super::reply::Reply;
use super::server_tls::OpenTls;

/// How far a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Takes connections and requests.
    Running,
    /// Finishes the requests under way.
    Draining,
    /// Drops them.
    Closing,
}

/// Returns when the server is as far as `stage`.
pub(super) async fn reached(server: &mut watch::Receiver<Stage>, stage: Stage) {
    // A server that is gone has closed.
    let _ = server.wait_for(|now| *now >= stage).await;
}

/// Bytes of a request's head over HTTP/1.
const HTTP1_HEAD_BYTES_MAX: usize = 64 << 10;
/// Bytes of a request's head over HTTP/2, unpacked.
const HTTP2_HEAD_BYTES_MAX: u32 = 16 << 10;
/// A request of some thousand spans fits, so that its sender never waits for a window update.
const STREAM_WINDOW_BYTES: u32 = 8 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// A large frame is read by one call into a buffer of its own, which then is the request: gRPC in
/// costs 154 ns a span with frames of 16 KiB, 58 with 1 MiB, 57 with 4 MiB. What a frame has so
/// far counts in no budget, so it is no larger than it pays.
const FRAME_BYTES_MAX: u32 = 1 << 20;
/// Streams that a client opened and reset before they were looked at (rapid reset).
const PENDING_RESETS_MAX: usize = 20;
/// Streams that were reset for the client's errors.
const ERROR_RESETS_MAX: usize = 1024;

/// A server that stops closes connections that have had no request under way for this long: their
/// peers may be gone, and would answer no farewell.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves one connection to its end.
pub(super) async fn serve<S: Service>(
    stream: TcpStream,
    settings: Arc<ListenSettings>,
    tls: Option<Arc<OpenTls>>,
    service: Arc<S>,
    mut stage: watch::Receiver<Stage>,
) {
    // An answer is small and complete; a socket that is already closed shows in the next call.
    let _ = stream.set_nodelay(true);
    match tls {
        None => {
            let is_http2 = matches!(settings.protocol, Protocol::Http2(_));
            serve_stream(stream, is_http2, &settings, service, stage).await;
        }
        Some(tls) => {
            let handshake = TlsAcceptor::from(tls.config.clone()).accept(stream);
            let timeout = settings.limits.handshake_timeout;
            let shaken = tokio::select! {
                shaken = tokio::time::timeout(timeout, handshake) => shaken,
                () = reached(&mut stage, Stage::Draining) => return,
            };
            let Ok(Ok(stream)) = shaken else { return };
            let asked = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let is_http2 = asked || matches!(settings.protocol, Protocol::Http2(_));
            serve_stream(stream, is_http2, &settings, service, stage).await;
        }
    }
}

async fn serve_stream<T, S: Service>(
    stream: T,
    is_http2: bool,
    settings: &ListenSettings,
    service: Arc<S>,
    stage: watch::Receiver<Stage>,
) where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (limits, activity) = (&settings.limits, Arc::<Activity>::default());
    let counted = activity.clone();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let (service, under_way) = (service.clone(), counted.begin());
        async move {
            let answer = service.answer(request).await;
            drop(under_way);
            Ok::<Response<Reply>, Infallible>(answer)
        }
    });
    if is_http2 {
        let streams = Streams::default();
        let promise = Promise::Preface(limits.head_timeout);
        let io = TokioIo::new(Guard::new(stream, activity.clone(), promise));
        let connection = http2_builder(&settings.protocol, streams.clone()).serve_connection(io, service);
        drive(connection, limits, &activity, stage).await;
        streams.end().await;
    } else {
        let promise = Promise::EveryHead(limits.head_timeout);
        let io = TokioIo::new(Guard::new(stream, activity.clone(), promise));
        let mut http1 = http1::Builder::new();
        // The guard keeps the time of heads; hyper's own timer would also end kept connections.
        http1.header_read_timeout(None).max_header_size(HTTP1_HEAD_BYTES_MAX).half_close(false);
        drive(http1.serve_connection(io, service), limits, &activity, stage).await;
    }
}

fn http2_builder(protocol: &Protocol, streams: Streams) -> http2::Builder<Streams> {
    let settings = match protocol {
        Protocol::Http2(settings) => settings.clone(),
        Protocol::Http => Http2Settings::default(),
    };
    let mut builder = http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_header_list_size(HTTP2_HEAD_BYTES_MAX)
        .max_concurrent_streams(settings.max_concurrent_streams)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_local_error_reset_streams(ERROR_RESETS_MAX)
        .keep_alive_interval(settings.ping_interval)
        .keep_alive_timeout(settings.ping_timeout);
    builder
}

/// A connection of either protocol.
trait Graceful: Future<Output = hyper::Result<()>> {
    /// Takes no more requests and ends after those under way.
    fn wind_down(self: Pin<&mut Self>);
}

impl<T, S> Graceful for http1::Connection<T, S>
where
    T: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
    S: HttpService<Incoming, ResBody = Reply, Error = Infallible>,
{
    fn wind_down(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<T, S> Graceful for http2::Connection<T, S, Streams>
where
    T: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
    S: HttpService<Incoming, ResBody = Reply, Error = Infallible>,
    S::Future: Send + 'static,
{
    fn wind_down(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Far enough away to stand for "never".
const NEVER: Duration = Duration::from_secs(86_400 * 365);

async fn drive(
    connection: impl Graceful,
    limits: &ConnectionLimits,
    activity: &Activity,
    mut stage: watch::Receiver<Stage>,
) {
    let mut connection = pin!(connection);
    let mut age = pin!(tokio::time::sleep(limits.age_max.unwrap_or(NEVER)));
    let mut idle = pin!(tokio::time::sleep(limits.idle_max.unwrap_or(NEVER)));
    let mut farewell = pin!(tokio::time::sleep(NEVER));
    let mut closing = stage.clone();
    let (mut is_draining, mut is_old, mut answered) = (false, false, 0);
    loop {
        tokio::select! {
            // How a connection ended is its client's affair.
            _ = connection.as_mut() => return,
            () = reached(&mut stage, Stage::Draining), if !is_draining => {
                is_draining = true;
                answered = activity.answered();
                farewell.set(tokio::time::sleep(FAREWELL));
            }
            () = farewell.as_mut(), if is_draining => {
                if activity.is_idle() && activity.answered() == answered {
                    return;
                }
                answered = activity.answered();
                farewell.set(tokio::time::sleep(FAREWELL));
            }
            () = reached(&mut closing, Stage::Closing) => return,
            () = age.as_mut() => {
                if is_old {
                    return;
                }
                is_old = true;
                age.set(tokio::time::sleep(limits.age_grace.unwrap_or(NEVER)));
            }
            () = idle.as_mut(), if limits.idle_max.is_some() => {
                idle.set(tokio::time::sleep(limits.idle_max.unwrap_or(NEVER)));
                if !activity.is_idle() || activity.answered() != answered {
                    answered = activity.answered();
                    continue;
                }
            }
        }
        connection.as_mut().wind_down();
    }
}

/// The tasks of one HTTP/2 connection's requests.
#[derive(Clone, Default)]
struct Streams(Arc<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, request: F) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(request);
    }
}

impl Streams {
    /// Ends what is left; without its connection no answer can be sent.
    async fn end(self) {
        let mut tasks = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.shutdown().await;
    }
}
