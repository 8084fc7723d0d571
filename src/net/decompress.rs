//! Decompression of incoming bodies, with a cap on what comes out. The cap is on the bytes that
//! are written, never on what a header promises. Knows neither HTTP nor gRPC.

use std::cell::{Cell, RefCell};
use std::io::Read;

use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status};
use zstd::zstd_safe::{self, DCtx};

/// Formats that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decompression {
    /// RFC 1952, one or more members.
    Gzip,
    /// RFC 1950; HTTP calls it `deflate` or `zlib`.
    Zlib,
    /// RFC 8878.
    Zstd,
    /// One snappy block, as HTTP's `snappy`.
    SnappyBlock,
    /// The framed format, as gRPC's `snappy` and HTTP's `x-snappy-framed`.
    SnappyFramed,
}

/// Why a body was not decompressed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecompressError {
    /// More comes out than allowed.
    #[error("the decompressed body is larger than {max} bytes; send smaller batches")]
    TooLarge {
        /// The cap.
        max: usize,
    },
    /// Not this format, or cut off.
    #[error("the body is not valid {format}: {reason}")]
    Malformed {
        /// The format.
        format: &'static str,
        /// What its decoder says.
        reason: String,
    },
}

/// Snappy's format cannot expand more than this.
const SNAPPY_RATIO_MAX: usize = 64;
/// Ratios are kept in 64ths; they begin at four, and a bomb does not raise them above 32.
const RATIO_ONE: usize = 64;
const RATIO_FIRST: usize = 4 * RATIO_ONE;
const RATIO_MAX: usize = 32 * RATIO_ONE;
const OUTPUT_MIN: usize = 4 << 10;
/// Members of one gzip body. Each costs a decoder of its own, and an empty one has 20 bytes, so
/// that a body full of them would hold its thread for seconds.
const GZIP_MEMBERS_MAX: usize = 1_024;

/// Decompresses a whole body to at most `max` bytes. The result's buffer is not much larger than
/// its content.
///
/// # Errors
/// When the body is not of this format, ends early, or is larger than `max` when unpacked.
pub fn decompress(format: Decompression, body: &[u8], max: usize) -> Result<Bytes, DecompressError> {
    let output = match format {
        Decompression::Gzip => inflate("gzip", body, max, &|| Decompress::new_gzip(15)),
        Decompression::Zlib => inflate("zlib", body, max, &|| Decompress::new(true)),
        Decompression::Zstd => unzstd(body, max),
        Decompression::SnappyBlock => unsnap_block(body, max),
        Decompression::SnappyFramed => unsnap_framed(body, max),
    }?;
    remember(body, &output);
    Ok(fitted(output))
}

/// Gives back what a guess took too much.
fn fitted(mut output: Vec<u8>) -> Bytes {
    if output.capacity() > output.len() + output.len() / 8 {
        output.shrink_to_fit();
    }
    Bytes::from(output)
}

fn malformed(format: &'static str, reason: impl ToString) -> DecompressError {
    DecompressError::Malformed { format, reason: reason.to_string() }
}

thread_local! {
    /// How much larger the last body was when unpacked, in 64ths. Clients send alike from request
    /// to request, and a buffer that is right at once is neither moved nor cut.
    static RATIO: Cell<usize> = const { Cell::new(RATIO_FIRST) };
}

/// Room to begin with, when the format does not say how much comes out.
fn guess(body: &[u8], max: usize) -> usize {
    let wanted = body.len().saturating_mul(RATIO.get()) / RATIO_ONE + OUTPUT_MIN;
    wanted.min(max + 1)
}

/// Remembers what came out, for the next guess.
fn remember(body: &[u8], output: &[u8]) {
    if output.len() > OUTPUT_MIN {
        let ratio = output.len().saturating_mul(RATIO_ONE) / body.len().max(1);
        RATIO.set(ratio.clamp(RATIO_ONE, RATIO_MAX) + 1);
    }
}

/// Room for more output: doubles up to one byte above `max`, the byte that proves "too large".
fn grow(output: &mut Vec<u8>, max: usize) -> Result<(), DecompressError> {
    if output.len() > max {
        return Err(DecompressError::TooLarge { max });
    }
    if output.len() == output.capacity() {
        let wanted = (output.capacity() * 2).max(OUTPUT_MIN).min(max + 1);
        output.reserve_exact(wanted - output.len());
    }
    Ok(())
}

fn inflate(
    format: &'static str,
    mut body: &[u8],
    max: usize,
    member: &dyn Fn() -> Decompress,
) -> Result<Vec<u8>, DecompressError> {
    let mut output = Vec::with_capacity(guess(body, max));
    let (mut stream, mut members) = (member(), 1);
    loop {
        grow(&mut output, max)?;
        let (read_before, written_before) = (stream.total_in(), output.len());
        let status = stream
            .decompress_vec(body, &mut output, FlushDecompress::None)
            .map_err(|error| malformed(format, error))?;
        let read = (stream.total_in() - read_before) as usize;
        body = &body[read..];
        match status {
            Status::StreamEnd if body.is_empty() => break,
            Status::StreamEnd if format == "gzip" && members == GZIP_MEMBERS_MAX => {
                return Err(malformed(format, format!("it has more than {GZIP_MEMBERS_MAX} members")));
            }
            Status::StreamEnd if format == "gzip" => (stream, members) = (member(), members + 1),
            Status::StreamEnd => return Err(malformed(format, "bytes follow the end of the stream")),
            _ if read == 0 && output.len() == written_before && output.len() < output.capacity() => {
                return Err(malformed(format, "it ends too early"));
            }
            _ => {}
        }
    }
    if output.len() > max { Err(DecompressError::TooLarge { max }) } else { Ok(output) }
}

thread_local! {
    /// A context is 150 KiB and costs more to make than a small body to unpack.
    static ZSTD: RefCell<Option<DCtx<'static>>> = const { RefCell::new(None) };
}

/// zstd's `dstSize_tooSmall`, as its functions return errors: the negated number.
const OUTPUT_TOO_SMALL: usize = 0_usize.wrapping_sub(70);

/// In one call, straight into the output: feeding a stream decodes into a window of its own and
/// copies it. A frame that does not say its size gets room by guess, and more when that was short.
fn unzstd(body: &[u8], max: usize) -> Result<Vec<u8>, DecompressError> {
    if body.is_empty() {
        return Err(malformed("zstd", "it ends too early"));
    }
    let mut room = match zstd_safe::get_frame_content_size(body) {
        Ok(Some(size)) if size > max as u64 => return Err(DecompressError::TooLarge { max }),
        Ok(Some(size)) => size as usize,
        _ => guess(body, max) / 8 * 9,
    };
    ZSTD.with_borrow_mut(|slot| {
        let decoder = match slot {
            Some(decoder) => decoder,
            None => {
                slot.insert(DCtx::try_create().ok_or_else(|| malformed("zstd", "there is no memory to unpack it"))?)
            }
        };
        loop {
            let mut output: Vec<u8> = Vec::with_capacity(room.clamp(1, max + 1));
            match decoder.decompress(&mut output, body) {
                Ok(_) if output.len() > max => return Err(DecompressError::TooLarge { max }),
                Ok(_) => return Ok(output),
                Err(OUTPUT_TOO_SMALL) if output.capacity() > max => return Err(DecompressError::TooLarge { max }),
                Err(OUTPUT_TOO_SMALL) => room = output.capacity().max(OUTPUT_MIN) * 2,
                Err(code) => return Err(malformed("zstd", zstd_safe::get_error_name(code))),
            }
        }
    })
}

fn unsnap_block(body: &[u8], max: usize) -> Result<Vec<u8>, DecompressError> {
    let length = snap::raw::decompress_len(body).map_err(|error| malformed("snappy", error))?;
    if length > max {
        return Err(DecompressError::TooLarge { max });
    }
    if length / SNAPPY_RATIO_MAX > body.len() {
        return Err(malformed("snappy", "its header promises more than the format can hold"));
    }
    snap::raw::Decoder::new().decompress_vec(body).map_err(|error| malformed("snappy", error))
}

fn unsnap_framed(body: &[u8], max: usize) -> Result<Vec<u8>, DecompressError> {
    let mut reader = snap::read::FrameDecoder::new(body);
    let mut output = Vec::with_capacity(guess(body, max));
    let mut block = [0; 16 << 10];
    loop {
        match reader.read(&mut block).map_err(|error| malformed("snappy", error))? {
            0 => return Ok(output),
            count if output.len() + count > max => return Err(DecompressError::TooLarge { max }),
            count => output.extend_from_slice(&block[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    const ALL: [Decompression; 5] = [
        Decompression::Gzip,
        Decompression::Zlib,
        Decompression::Zstd,
        Decompression::SnappyBlock,
        Decompression::SnappyFramed,
    ];

    fn compress(format: Decompression, body: &[u8]) -> Vec<u8> {
        match format {
            Decompression::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(body).unwrap();
                encoder.finish().unwrap()
            }
            Decompression::Zlib => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(body).unwrap();
                encoder.finish().unwrap()
            }
            Decompression::Zstd => zstd::stream::encode_all(body, 1).unwrap(),
            Decompression::SnappyBlock => snap::raw::Encoder::new().compress_vec(body).unwrap(),
            Decompression::SnappyFramed => {
                let mut encoder = snap::write::FrameEncoder::new(Vec::new());
                encoder.write_all(body).unwrap();
                encoder.into_inner().unwrap()
            }
        }
    }

    #[test]
    fn a_bomb_stops_at_the_cap() {
        let zeros = vec![0; 1 << 20];
        for format in ALL {
            let bomb = compress(format, &zeros);
            assert_eq!(decompress(format, &bomb, (1 << 20) - 1), Err(DecompressError::TooLarge { max: (1 << 20) - 1 }));
            assert_eq!(decompress(format, &bomb, 1 << 20).unwrap().len(), 1 << 20, "{format:?}");
        }
    }

    #[test]
    fn a_body_that_ends_early_is_malformed() {
        for format in [Decompression::Gzip, Decompression::Zlib, Decompression::Zstd, Decompression::SnappyBlock] {
            let whole = compress(format, b"resource spans, scope spans, spans");
            for cut in 0..whole.len() {
                let result = decompress(format, &whole[..cut], 1 << 20);
                assert!(matches!(result, Err(DecompressError::Malformed { .. })), "{format:?} {cut} {result:?}");
            }
        }
    }

    #[test]
    fn gzip_members_follow_one_another() {
        let mut body = compress(Decompression::Gzip, b"ab");
        body.extend(compress(Decompression::Gzip, b""));
        body.extend(compress(Decompression::Gzip, b"c"));
        assert_eq!(&decompress(Decompression::Gzip, &body, 3).unwrap()[..], b"abc");
    }

    #[test]
    fn a_gzip_body_of_too_many_members_is_malformed() {
        let member = compress(Decompression::Gzip, b"");
        let most = member.repeat(GZIP_MEMBERS_MAX);
        assert_eq!(decompress(Decompression::Gzip, &most, 10), Ok(Bytes::new()));
        let result = decompress(Decompression::Gzip, &[most, member].concat(), 10);
        assert!(matches!(result, Err(DecompressError::Malformed { .. })), "{result:?}");
    }

    #[test]
    fn a_zstd_body_after_a_broken_one_is_read() {
        let whole = compress(Decompression::Zstd, b"after");
        assert!(decompress(Decompression::Zstd, &whole[..6], 100).is_err());
        assert_eq!(&decompress(Decompression::Zstd, &whole, 100).unwrap()[..], b"after");
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_back(body: Vec<u8>, repeat in 1..200_usize) {
            let body = body.repeat(repeat);
            for format in ALL {
                let packed = compress(format, &body);
                prop_assert_eq!(&decompress(format, &packed, body.len()).unwrap()[..], &body[..], "{:?}", format);
            }
        }

        #[test]
        fn bytes_never_panic(body: Vec<u8>) {
            for format in ALL {
                let _ = decompress(format, &body, 1 << 16);
            }
        }
    }
}
