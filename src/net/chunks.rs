//! A request body out of pieces that exist already: each is handed to the socket as it is.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Yields its pieces one by one; its length is known, so HTTP/1.1 sends no chunks.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    pieces: std::vec::IntoIter<Bytes>,
    left: u64,
}

impl Chunks {
    /// A body of these pieces; empty ones are left out.
    pub(crate) fn new(mut pieces: Vec<Bytes>) -> Self {
        pieces.retain(|piece| !piece.is_empty());
        let left = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self { pieces: pieces.into_iter(), left }
    }
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.next();
        if let Some(piece) = &piece {
            self.left -= piece.len() as u64;
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[test]
    fn pieces_come_out_as_they_are_and_the_length_is_exact() {
        let body = Chunks::new(vec![Bytes::from_static(b"ab"), Bytes::new(), Bytes::from_static(b"cde")]);
        assert_eq!(body.size_hint().exact(), Some(5));
        let whole = futures_util::FutureExt::now_or_never(body.collect()).unwrap().unwrap().to_bytes();
        assert_eq!(&whole[..], b"abcde");
    }

    #[test]
    fn a_body_without_bytes_is_at_its_end_at_once() {
        assert!(Chunks::new(vec![Bytes::new()]).is_end_stream());
    }
}
