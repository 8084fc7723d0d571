//! Where requests come from: templates, buffers that come back when a request is sent, and
//! compression. Knows no sockets.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::{Compression, Identity, Shape, Template};

/// Bytes in front of a gRPC message: whether it is compressed, and its length.
const GRPC_PREFIX: usize = 5;

/// Makes one fresh request after the other.
pub(super) struct Source {
    pools: Vec<Arc<Pool>>,
    identity: Identity,
    compression: Compression,
    next: AtomicU64,
}

/// A request, ready to be sent.
pub(super) struct Made {
    /// Counts all requests of the run.
    pub(super) number: u64,
    pub(super) spans: u64,
    pub(super) body: Bytes,
}

/// The buffers of one template: as many as requests have ever been in flight at once.
struct Pool {
    template: Template,
    prefix: usize,
    free: Mutex<Vec<Vec<u8>>>,
}

/// A buffer that returns to its pool.
struct Pooled {
    bytes: Vec<u8>,
    pool: Arc<Pool>,
}

impl Source {
    pub(super) fn new(shape: &Shape, seed: u64, grpc: bool, compression: Compression) -> Self {
        let prefix = if grpc { GRPC_PREFIX } else { 0 };
        let pool = |template| Arc::new(Pool { template, prefix, free: Mutex::default() });
        Self {
            pools: Template::build(shape).into_iter().map(pool).collect(),
            identity: Identity::new(seed),
            compression,
            next: AtomicU64::new(0),
        }
    }

    /// How many requests have been asked for.
    pub(super) fn made(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// Bytes of a request before compression.
    pub(super) fn body_bytes(&self) -> u64 {
        self.pools.iter().map(|pool| pool.template.body().len() as u64).max().unwrap_or_default()
    }

    /// The next request; its root spans end at `now_ns`.
    pub(super) fn make(&self, now_ns: u64) -> std::io::Result<Made> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let pool = self.pool(number);
        let mut buffer = Pooled { bytes: pool.buffer(), pool: pool.clone() };
        let body = &mut buffer.bytes[pool.prefix..];
        pool.template.fill(body, number / self.pools.len() as u64, self.identity, now_ns);
        let body = match self.compression {
            Compression::None => Bytes::from_owner(buffer),
            _ => self.compress(&buffer)?,
        };
        Ok(Made { number, spans: pool.template.spans(), body })
    }

    /// Running numbers of the spans of request `number`; see [`Identity::sequence_of`].
    pub(super) fn sequences(&self, number: u64) -> Vec<u64> {
        self.pool(number).template.sequences(number / self.pools.len() as u64).collect()
    }

    pub(super) fn identity(&self) -> Identity {
        self.identity
    }

    fn pool(&self, number: u64) -> &Arc<Pool> {
        &self.pools[(number % self.pools.len() as u64) as usize]
    }

    fn compress(&self, buffer: &Pooled) -> std::io::Result<Bytes> {
        let prefix = buffer.pool.prefix;
        let mut out = vec![0; prefix];
        out.reserve(buffer.bytes.len() / 4);
        let body = &buffer.bytes[prefix..];
        let mut out = match self.compression {
            Compression::Zstd => zstd_one(out, body)?,
            _ => {
                let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
                encoder.write_all(body)?;
                encoder.finish()?
            }
        };
        write_prefix(&mut out, prefix, 1);
        Ok(out.into())
    }
}

fn zstd_one(out: Vec<u8>, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = zstd::stream::write::Encoder::new(out, 1)?;
    encoder.write_all(body)?;
    encoder.finish()
}

fn write_prefix(bytes: &mut [u8], prefix: usize, compressed: u8) {
    if prefix == GRPC_PREFIX {
        let length = (bytes.len() - prefix) as u32;
        bytes[0] = compressed;
        bytes[1..GRPC_PREFIX].copy_from_slice(&length.to_be_bytes());
    }
}

impl Pool {
    fn buffer(&self) -> Vec<u8> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        free.unwrap_or_else(|| {
            let mut fresh = vec![0; self.prefix];
            fresh.extend_from_slice(self.template.body());
            write_prefix(&mut fresh, self.prefix, 0);
            fresh
        })
    }
}

impl AsRef<[u8]> for Pooled {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.pool.free.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(compression: Compression) -> Source {
        Source::new(&Shape { spans_per_request: 20, ..Shape::default() }, 1, true, compression)
    }

    #[test]
    fn a_sent_buffer_is_used_again() {
        let source = source(Compression::None);
        let first = source.make(1 << 60).unwrap();
        let place = first.body.as_ptr();
        drop(first);
        assert_eq!(source.make(1 << 60).unwrap().body.as_ptr(), place);
    }

    #[test]
    fn a_grpc_message_says_its_length() {
        let made = source(Compression::None).make(1 << 60).unwrap();
        let (prefix, message) = made.body.split_at(GRPC_PREFIX);
        assert_eq!(prefix[0], 0);
        assert_eq!(u32::from_be_bytes(prefix[1..].try_into().unwrap()) as usize, message.len());
    }

    #[test]
    fn a_compressed_body_is_the_same_request() {
        let plain = source(Compression::None).make(1 << 60).unwrap();
        for compression in [Compression::Gzip, Compression::Zstd] {
            let made = source(compression).make(1 << 60).unwrap();
            assert_eq!(made.body[0], 1);
            let packed = &made.body[GRPC_PREFIX..];
            let mut text = Vec::new();
            match compression {
                Compression::Zstd => zstd::stream::copy_decode(packed, &mut text).unwrap(),
                _ => drop(std::io::copy(&mut flate2::read::GzDecoder::new(packed), &mut text).unwrap()),
            }
            assert_eq!(text, plain.body[GRPC_PREFIX..]);
        }
    }
}
