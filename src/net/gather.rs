//! Reading a request's body into one piece: each byte is copied at most once, and what is kept
//! has a buffer of its own size. Every wait has a limit, and so has every byte.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use super::budget::Hold;

/// Why a body was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Larger than allowed.
    #[error("the request body is larger than {max} bytes; send smaller batches")]
    TooLarge {
        /// The cap.
        max: usize,
    },
    /// No byte came for too long.
    #[error("no byte of the request body came for {after:?}")]
    Stalled {
        /// How long.
        after: Duration,
    },
    /// All bytes that requests may hold at once are taken.
    #[error("too many bytes of other requests are being received; try again")]
    NoRoom,
    /// The connection failed, or the client broke off.
    #[error("the request body could not be read: {0}")]
    Broken(#[from] hyper::Error),
}

/// A chunk below this is copied out of the connection's read buffer, which may be far larger.
const SHARED_CHUNK_MIN: usize = 64 << 10;
/// A body announced as larger grows as it comes, so that a header alone takes no memory.
const TRUSTED_LENGTH_MAX: usize = 4 << 20;

/// Collects chunks into one piece.
#[derive(Debug, Default)]
pub(super) struct Gather {
    expected: Option<usize>,
    first: Bytes,
    buffer: Vec<u8>,
}

impl Gather {
    /// `expected`: the whole length, where it is known.
    pub(super) fn new(expected: Option<usize>) -> Self {
        Self { expected, ..Self::default() }
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.first.len() + self.buffer.len()
    }

    /// Adds a chunk.
    pub(super) fn push(&mut self, chunk: Bytes) {
        if self.len() == 0 {
            self.first = chunk;
            return;
        }
        if self.buffer.capacity() == 0 {
            let trusted = self.expected.unwrap_or(0).min(TRUSTED_LENGTH_MAX);
            self.buffer.reserve_exact(trusted.max(self.first.len() + chunk.len()));
            self.buffer.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.buffer.extend_from_slice(&chunk);
    }

    /// The whole, in a buffer of about its own size.
    pub(super) fn finish(mut self) -> Bytes {
        if self.buffer.is_empty() {
            return if self.first.len() < SHARED_CHUNK_MIN { Bytes::copy_from_slice(&self.first) } else { self.first };
        }
        if self.buffer.capacity() > self.buffer.len() + self.buffer.len() / 8 {
            self.buffer.shrink_to_fit();
        }
        Bytes::from(self.buffer)
    }
}

/// The next chunk of a body; `None` at its end. Trailers are passed over.
///
/// # Errors
/// When the client breaks off, or sends nothing for `idle`.
pub(super) async fn next_chunk(body: &mut Incoming, idle: Duration) -> Result<Option<Bytes>, BodyError> {
    loop {
        let frame = tokio::time::timeout(idle, body.frame()).await.map_err(|_| BodyError::Stalled { after: idle })?;
        match frame.transpose()? {
            None => return Ok(None),
            Some(frame) => match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Ok(Some(data)),
                Err(_trailers) => {}
            },
        }
    }
}

/// Reads a whole HTTP body of at most `max` bytes, charging `hold` as they come.
///
/// # Errors
/// See [`BodyError`].
pub async fn read_body(body: &mut Incoming, max: usize, idle: Duration, hold: &mut Hold) -> Result<Bytes, BodyError> {
    let announced = body.size_hint().exact();
    if announced.is_some_and(|length| length > max as u64) {
        return Err(BodyError::TooLarge { max });
    }
    let mut gather = Gather::new(announced.map(|length| length as usize));
    while let Some(chunk) = next_chunk(body, idle).await? {
        if gather.len() + chunk.len() > max {
            return Err(BodyError::TooLarge { max });
        }
        if !hold.take(chunk.len() as u64) {
            return Err(BodyError::NoRoom);
        }
        gather.push(chunk);
    }
    Ok(gather.finish())
}

/// Reads on and throws away, so that a client that is still sending gets to read its answer: a
/// socket that is closed with unread bytes takes the answer back. Stops at `bytes_max` or `within`.
pub async fn drain_body(body: &mut Incoming, bytes_max: u64, within: Duration) {
    let drain = async {
        let mut left = bytes_max;
        while let Ok(Some(chunk)) = next_chunk(body, within).await {
            left = left.saturating_sub(chunk.len() as u64);
            if left == 0 {
                return;
            }
        }
    };
    // Whether the end was reached or not, the answer is sent now.
    let _ = tokio::time::timeout(within, drain).await;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_large_chunk_is_handed_over_without_a_copy() {
        let chunk = Bytes::from(vec![7; SHARED_CHUNK_MIN]);
        let mut gather = Gather::new(Some(chunk.len()));
        gather.push(chunk.clone());
        assert_eq!(gather.finish().as_ptr(), chunk.as_ptr());
    }

    #[test]
    fn one_small_chunk_lets_its_read_buffer_go() {
        let read_buffer = Bytes::from(vec![7; 1 << 20]);
        let mut gather = Gather::new(None);
        gather.push(read_buffer.slice(10..20));
        drop(gather.finish());
        assert!(read_buffer.is_unique());
    }

    proptest! {
        #[test]
        fn chunks_join_in_order(chunks: Vec<Vec<u8>>, expected: Option<u16>) {
            let mut gather = Gather::new(expected.map(usize::from));
            chunks.iter().for_each(|chunk| gather.push(Bytes::copy_from_slice(chunk)));
            let whole = chunks.concat();
            prop_assert_eq!(gather.len(), whole.len());
            prop_assert_eq!(&gather.finish()[..], &whole[..]);
        }
    }
}
