//! Compression of outgoing bodies, and the bounded reading of a backend's short reply. Contexts
//! are kept a thread, as setting one up costs more than compressing a small body.
//!
//! Knows nothing of HTTP or gRPC but the names of the encodings.

use std::cell::RefCell;
use std::io::{self, Write};

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};
use zstd::bulk::Compressor as ZstdEncoder;

use super::decompress::{self, DecompressError, Decompression};

/// How a body is compressed on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950, which HTTP calls `deflate` as well.
    Zlib,
    /// RFC 8878.
    Zstd,
    /// One block of raw snappy.
    Snappy,
    /// Snappy's framing format.
    SnappyFramed,
}

/// An encoding, the name that goes into the header, and its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Compressor {
    /// What is done.
    pub(crate) encoding: Encoding,
    /// What the header says.
    pub(crate) name: &'static str,
    /// Higher is smaller and slower; snappy has none.
    pub(crate) level: i32,
}

thread_local! {
    static GZIP: RefCell<Option<(i32, Compress)>> = const { RefCell::new(None) };
    static ZLIB: RefCell<Option<(i32, Compress)>> = const { RefCell::new(None) };
    static ZSTD: RefCell<Option<Zstd>> = const { RefCell::new(None) };
}

/// Bytes kept free at the end of the output while a stream encoder runs.
const SPARE: usize = 32 * 1024;

/// A zstd encoder with the room that it writes into.
struct Zstd {
    level: i32,
    encoder: ZstdEncoder<'static>,
    scratch: Vec<u8>,
}

/// Bytes of scratch room that a thread keeps between messages.
const SCRATCH_KEPT: usize = 4 << 20;

impl Compressor {
    /// Compresses a body that is given in pieces.
    ///
    /// # Errors
    /// When the encoder fails, which a bad level or a lack of memory could cause.
    pub(crate) fn compress(&self, chunks: &[Bytes]) -> io::Result<Bytes> {
        let length: usize = chunks.iter().map(Bytes::len).sum();
        let out = match self.encoding {
            Encoding::Gzip => {
                let make = |level| Compress::new_gzip(level, 15);
                GZIP.with_borrow_mut(|kept| deflate(kept, self.level, make, chunks, length))?
            }
            Encoding::Zlib => {
                let make = |level| Compress::new(level, true);
                ZLIB.with_borrow_mut(|kept| deflate(kept, self.level, make, chunks, length))?
            }
            Encoding::Zstd => ZSTD.with_borrow_mut(|kept| zstd(kept, self.level, chunks, length))?,
            Encoding::Snappy => {
                let whole = join(chunks, length);
                snap::raw::Encoder::new().compress_vec(&whole).map_err(io::Error::other)?
            }
            Encoding::SnappyFramed => {
                let mut encoder = snap::write::FrameEncoder::new(Vec::with_capacity(length / 4));
                chunks.iter().try_for_each(|chunk| encoder.write_all(chunk))?;
                encoder.into_inner().map_err(|error| io::Error::other(error.to_string()))?
            }
        };
        Ok(Bytes::from(out))
    }
}

fn join(chunks: &[Bytes], length: usize) -> Bytes {
    if let [only] = chunks {
        return only.clone();
    }
    let mut whole = Vec::with_capacity(length);
    chunks.iter().for_each(|chunk| whole.extend_from_slice(chunk));
    Bytes::from(whole)
}

fn deflate(
    kept: &mut Option<(i32, Compress)>,
    level: i32,
    make: impl FnOnce(Compression) -> Compress,
    chunks: &[Bytes],
    length: usize,
) -> io::Result<Vec<u8>> {
    if kept.as_ref().is_none_or(|(at, _)| *at != level) {
        *kept = Some((level, make(Compression::new(level.clamp(0, 9).unsigned_abs()))));
    }
    let Some((_, encoder)) = kept else { return Ok(Vec::new()) };
    encoder.reset();
    let mut out = Vec::with_capacity(length / 4 + SPARE);
    for chunk in chunks {
        let mut rest = &chunk[..];
        while !rest.is_empty() {
            let before = encoder.total_in();
            encoder.compress_vec(rest, &mut out, FlushCompress::None).map_err(io::Error::other)?;
            rest = &rest[(encoder.total_in() - before) as usize..];
            out.reserve(SPARE);
        }
    }
    while encoder.compress_vec(&[], &mut out, FlushCompress::Finish).map_err(io::Error::other)? != Status::StreamEnd {
        out.reserve(SPARE);
    }
    Ok(out)
}

/// One call over the whole message: a third faster than feeding a stream, which copies its input.
fn zstd(kept: &mut Option<Zstd>, level: i32, chunks: &[Bytes], length: usize) -> io::Result<Vec<u8>> {
    if kept.as_ref().is_none_or(|zstd| zstd.level != level) {
        *kept = Some(Zstd { level, encoder: ZstdEncoder::new(level)?, scratch: Vec::new() });
    }
    let Some(Zstd { encoder, scratch, .. }) = kept else { return Ok(Vec::new()) };
    let whole = join(chunks, length);
    scratch.clear();
    scratch.reserve(zstd::zstd_safe::compress_bound(whole.len()));
    encoder.compress_to_buffer(&whole[..], scratch)?;
    let out = scratch.to_vec();
    if scratch.capacity() > SCRATCH_KEPT {
        *scratch = Vec::new();
    }
    Ok(out)
}

/// Reads a compressed reply of a backend; at most `limit` bytes come out.
///
/// # Errors
/// When the encoding is unknown, the bytes are damaged, or more than `limit` would come out.
pub(crate) fn decompress(name: &str, bytes: &[u8], limit: usize) -> io::Result<Bytes> {
    let format = match name {
        "gzip" => Decompression::Gzip,
        "deflate" | "zlib" => Decompression::Zlib,
        // An empty message may be packed into nothing.
        "zstd" if bytes.is_empty() => return Ok(Bytes::new()),
        "zstd" => Decompression::Zstd,
        "snappy" | "x-snappy-framed" => Decompression::SnappyFramed,
        _ => return Err(io::Error::other(format!("the reply is compressed with the unknown encoding {name:?}"))),
    };
    decompress::decompress(format, bytes, limit).map_err(|error| match error {
        DecompressError::TooLarge { max } => {
            io::Error::other(format!("the reply is larger than {max} bytes when decompressed"))
        }
        malformed => io::Error::other(malformed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [(Encoding, &str); 4] = [
        (Encoding::Gzip, "gzip"),
        (Encoding::Zlib, "deflate"),
        (Encoding::Zstd, "zstd"),
        (Encoding::SnappyFramed, "x-snappy-framed"),
    ];

    proptest! {
        #[test]
        fn what_is_compressed_in_pieces_reads_back_whole(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..5000), 0..6),
            level in prop_oneof![Just(-1), Just(1), Just(5)],
        ) {
            let whole: Vec<u8> = chunks.concat();
            let chunks: Vec<Bytes> = chunks.into_iter().map(Bytes::from).collect();
            for (encoding, name) in ALL {
                let packed = Compressor { encoding, name, level }.compress(&chunks).unwrap();
                prop_assert_eq!(&decompress(name, &packed, 1 << 20).unwrap(), &whole);
            }
            let block = Compressor { encoding: Encoding::Snappy, name: "snappy", level }.compress(&chunks).unwrap();
            prop_assert_eq!(snap::raw::Decoder::new().decompress_vec(&block).unwrap(), whole);
        }
    }

    #[test]
    fn a_reply_that_grows_past_the_limit_is_refused() {
        let bomb = Compressor { encoding: Encoding::Gzip, name: "gzip", level: 9 };
        let packed = bomb.compress(&[Bytes::from(vec![0; 1 << 20])]).unwrap();
        assert!(packed.len() < 4096);
        let error = decompress("gzip", &packed, 64 * 1024).unwrap_err();
        assert!(error.to_string().contains("larger than 65536"));
    }

    #[test]
    fn an_unknown_encoding_of_a_reply_is_an_error() {
        assert!(decompress("br", b"", 10).unwrap_err().to_string().contains("\"br\""));
    }
}
