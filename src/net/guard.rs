//! A stream that watches over its peer: the first bytes, every request's head, every pause between
//! requests and every large frame must come in time, or reading fails.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::frame_bounds::FrameBounds;

/// Requests of one connection, counted by its service and read by its guard.
#[derive(Debug, Default)]
pub(super) struct Activity {
    under_way: AtomicU32,
    answered: AtomicU64,
}

/// One request under way, until dropped.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Activity>);

impl Activity {
    /// Counts a request until the returned value is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.clone())
    }

    /// Whether no request is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) == 0
    }

    /// Requests answered so far.
    pub(super) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.answered.fetch_add(1, Ordering::Relaxed);
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a peer owes, and by when.
#[derive(Clone, Copy, Debug)]
pub(super) enum Promise {
    /// HTTP/1: a head within this long of its first byte, the first of them within this long of
    /// the connection's start.
    EveryHead(Duration),
    /// HTTP/2: as many bytes as its preface and first frame have, within this long.
    Preface(Duration),
}

/// Client preface and the head of the SETTINGS frame that must follow.
const PREFACE_BYTES: u64 = 24 + 9;
/// For a large frame of HTTP/2 to come whole: it takes memory, and no request answers for it yet.
const LARGE_FRAME_WITHIN: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// For the first byte of all, or the rest of a head that has begun.
    Head,
    /// For nothing: requests are under way or the peer may be silent.
    Nothing,
}

/// A stream with a [`Promise`].
#[derive(Debug)]
pub(super) struct Guard<S> {
    stream: S,
    activity: Arc<Activity>,
    promise: Promise,
    waiting: Waiting,
    answered: u64,
    read_bytes: u64,
    frames: FrameBounds,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S> Guard<S> {
    /// Watches over `stream` from now on.
    pub(super) fn new(stream: S, activity: Arc<Activity>, promise: Promise) -> Self {
        let frames = FrameBounds::new();
        Self { stream, activity, promise, waiting: Waiting::Head, answered: 0, read_bytes: 0, frames, timer: None }
    }

    /// What follows from bytes that came.
    fn on_read(&mut self, bytes: &[u8]) {
        self.read_bytes += bytes.len() as u64;
        match self.promise {
            Promise::Preface(_) => {
                let was_owed = self.waiting == Waiting::Head;
                let has_ended = self.frames.pass(bytes);
                if self.read_bytes >= PREFACE_BYTES && (was_owed || has_ended) {
                    self.waiting = Waiting::Nothing;
                    self.timer = None;
                }
            }
            // The head of the next request has begun; whether it is whole, the service will tell.
            Promise::EveryHead(_) if self.activity.is_idle() => self.waiting = Waiting::Head,
            Promise::EveryHead(_) => {}
        }
    }

    /// Whether something is owed while nothing comes.
    fn is_owed(&mut self) -> bool {
        if let Promise::EveryHead(_) = self.promise {
            let answered = self.activity.answered();
            if !self.activity.is_idle() || answered != self.answered {
                self.answered = answered;
                self.waiting = Waiting::Nothing;
            }
        }
        self.waiting == Waiting::Head || self.is_in_large_frame()
    }

    fn is_in_large_frame(&self) -> bool {
        matches!(self.promise, Promise::Preface(_)) && self.frames.is_in_large_frame()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut this.stream).poll_read(cx, buf) {
            this.on_read(&buf.filled()[before..]);
            return Poll::Ready(result);
        }
        if !this.is_owed() {
            this.timer = None;
            return Poll::Pending;
        }
        let (Promise::EveryHead(within) | Promise::Preface(within)) = this.promise;
        let within = if this.waiting == Waiting::Head { within } else { LARGE_FRAME_WITHIN };
        let timer = this.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(within)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "what the client had begun did not come in time")))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::timeout;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);
    const LONG: Duration = Duration::from_secs(3600);

    async fn read_error<S: AsyncRead + Unpin>(guard: &mut Guard<S>) -> Option<io::ErrorKind> {
        timeout(LONG, guard.read_u8()).await.ok().map(|result| result.unwrap_err().kind())
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_never_speaks_is_given_up() {
        for promise in [Promise::EveryHead(LIMIT), Promise::Preface(LIMIT)] {
            let (_client, server) = duplex(64);
            let mut guard = Guard::new(server, Arc::default(), promise);
            assert_eq!(read_error(&mut guard).await, Some(io::ErrorKind::TimedOut));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_drips_is_given_up_by_its_first_byte() {
        let (mut client, server) = duplex(64);
        let mut guard = Guard::new(server, Arc::default(), Promise::EveryHead(LIMIT));
        let mut result = Ok(0);
        for _ in 0..6 {
            client.write_all(b"x").await.unwrap();
            guard.read_u8().await.unwrap();
            if let Ok(ended) = timeout(LIMIT / 4, guard.read_u8()).await {
                result = ended;
                break;
            }
        }
        let result = result.unwrap_err();
        assert_eq!(result.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_kept_connection_may_be_silent_between_requests() {
        let (mut client, server) = duplex(64);
        let activity = Arc::<Activity>::default();
        let mut guard = Guard::new(server, activity.clone(), Promise::EveryHead(LIMIT));
        client.write_all(b"x").await.unwrap();
        guard.read_u8().await.unwrap();
        drop(activity.begin());
        assert_eq!(read_error(&mut guard).await, None);
        client.write_all(b"x").await.unwrap();
        guard.read_u8().await.unwrap();
        assert_eq!(read_error(&mut guard).await, Some(io::ErrorKind::TimedOut));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_may_be_silent_after_the_preface() {
        let (mut client, server) = duplex(64);
        let mut guard = Guard::new(server, Arc::default(), Promise::Preface(LIMIT));
        client.write_all(&[0; PREFACE_BYTES as usize]).await.unwrap();
        let mut bytes = [0; PREFACE_BYTES as usize];
        guard.read_exact(&mut bytes).await.unwrap();
        assert_eq!(read_error(&mut guard).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_frame_that_does_not_end_is_given_up_and_one_that_ends_is_not() {
        let (mut client, server) = duplex(1 << 20);
        let mut guard = Guard::new(server, Arc::default(), Promise::Preface(LIMIT));
        let large = [&[0, 0x80, 0, 0, 0, 0, 0, 0, 1][..], &[0; 0x8000]].concat();
        client.write_all(&[0; PREFACE_BYTES as usize]).await.unwrap();
        client.write_all(&large).await.unwrap();
        guard.read_exact(&mut vec![0; PREFACE_BYTES as usize + large.len()]).await.unwrap();
        assert_eq!(read_error(&mut guard).await, None);
        client.write_all(&large[..large.len() - 1]).await.unwrap();
        guard.read_exact(&mut vec![0; large.len() - 1]).await.unwrap();
        assert_eq!(read_error(&mut guard).await, Some(io::ErrorKind::TimedOut));
    }
}
