//! The five bytes before every gRPC message: a flag and a length. Reads the one message of a
//! unary request.

use std::time::Duration;

use bytes::{Buf, Bytes};
use hyper::body::Incoming;

use super::budget::Hold;
use super::gather::{BodyError, Gather, next_chunk};

/// Bytes of the prefix.
pub const PREFIX_BYTES: usize = 5;
/// The prefix of an uncompressed message without content.
pub const EMPTY_MESSAGE: &[u8] = &[0; PREFIX_BYTES];

/// One message as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Whether the call's `grpc-encoding` was applied to it.
    pub is_compressed: bool,
    /// Its bytes, perhaps compressed.
    pub bytes: Bytes,
}

/// Why a unary request has no message.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// The body failed.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The flag is neither 0 nor 1.
    #[error("the message's compression flag is {0}; it must be 0 or 1")]
    Flag(u8),
    /// The body ended within the prefix or the message.
    #[error("the body ends before the message does")]
    Incomplete,
    /// Bytes follow the message.
    #[error("a unary call has one message; more bytes follow it")]
    Trailing,
}

/// Takes a request's body apart, chunk by chunk.
#[derive(Debug, Default)]
struct Unframe {
    prefix: [u8; PREFIX_BYTES],
    prefix_read: usize,
    message: Gather,
}

impl Unframe {
    fn length(&self) -> usize {
        let [_, length @ ..] = self.prefix;
        u32::from_be_bytes(length) as usize
    }

    /// Takes a chunk.
    fn push(&mut self, mut chunk: Bytes, max: usize) -> Result<(), MessageError> {
        if self.prefix_read < PREFIX_BYTES {
            let count = chunk.len().min(PREFIX_BYTES - self.prefix_read);
            chunk.copy_to_slice(&mut self.prefix[self.prefix_read..][..count]);
            self.prefix_read += count;
            if self.prefix_read < PREFIX_BYTES {
                return Ok(());
            }
            if self.prefix[0] > 1 {
                return Err(MessageError::Flag(self.prefix[0]));
            }
            if self.length() > max {
                return Err(BodyError::TooLarge { max }.into());
            }
            self.message = Gather::new(Some(self.length()));
        }
        if self.message.len() + chunk.len() > self.length() {
            return Err(MessageError::Trailing);
        }
        if !chunk.is_empty() {
            self.message.push(chunk);
        }
        Ok(())
    }

    fn finish(self) -> Result<Message, MessageError> {
        if self.prefix_read < PREFIX_BYTES || self.message.len() < self.length() {
            return Err(MessageError::Incomplete);
        }
        Ok(Message { is_compressed: self.prefix[0] == 1, bytes: self.message.finish() })
    }
}

/// Reads the one message of a unary request, at most `max` bytes, charging `hold` as they come.
///
/// # Errors
/// See [`MessageError`].
pub async fn read_message(
    body: &mut Incoming,
    max: usize,
    idle: Duration,
    hold: &mut Hold,
) -> Result<Message, MessageError> {
    let mut unframe = Unframe::default();
    while let Some(chunk) = next_chunk(body, idle).await? {
        if !hold.take(chunk.len() as u64) {
            return Err(BodyError::NoRoom.into());
        }
        unframe.push(chunk, max)?;
    }
    unframe.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unframe(chunks: &[&[u8]], max: usize) -> Result<Message, MessageError> {
        let mut unframe = Unframe::default();
        for chunk in chunks {
            unframe.push(Bytes::copy_from_slice(chunk), max)?;
        }
        unframe.finish()
    }

    #[test]
    fn a_message_that_is_not_whole_is_refused() {
        assert!(matches!(unframe(&[], 10), Err(MessageError::Incomplete)));
        assert!(matches!(unframe(&[&[0, 0, 0]], 10), Err(MessageError::Incomplete)));
        assert!(matches!(unframe(&[&[0, 0, 0, 0, 2, 1]], 10), Err(MessageError::Incomplete)));
        assert!(matches!(unframe(&[&[0, 0, 0, 0, 1, 1, 0]], 10), Err(MessageError::Trailing)));
        assert!(matches!(unframe(&[&[2, 0, 0, 0, 0]], 10), Err(MessageError::Flag(2))));
    }

    #[test]
    fn a_message_over_the_limit_is_refused_by_its_prefix() {
        let result = unframe(&[&[0, 0, 0, 0, 11]], 10);
        assert!(matches!(result, Err(MessageError::Body(BodyError::TooLarge { max: 10 }))));
    }

    proptest! {
        #[test]
        fn cuts_do_not_change_the_message(bytes: Vec<u8>, flag in 0..=1_u8, cuts: Vec<prop::sample::Index>) {
            let mut framed = vec![flag];
            framed.extend((bytes.len() as u32).to_be_bytes());
            framed.extend(&bytes);
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(framed.len() + 1)).collect();
            at.extend([0, framed.len()]);
            at.sort_unstable();
            let chunks: Vec<&[u8]> = at.windows(2).map(|pair| &framed[pair[0]..pair[1]]).collect();
            let message = unframe(&chunks, bytes.len()).unwrap();
            prop_assert_eq!(message, Message { is_compressed: flag == 1, bytes: bytes.into() });
        }
    }
}
