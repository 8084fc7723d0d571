//! `file`: OTLP/JSON, one message a line, or OTLP protobuf behind its length in four bytes, big
//! endian.
//!
//! ```yaml
//! exporters:
//!   file:
//!     path: ./traces.jsonl
//!     rotation: {max_megabytes: 64, max_backups: 3}
//! ```
//!
//! A batch is handed to the operating system before it is acknowledged: a crash of this process
//! loses nothing, a crash of the machine what it had not yet put on disk.

mod config;
mod writer;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{BufMut, Bytes, BytesMut};

pub use config::Config;
use config::Format;
use writer::Writer;

use crate::model::{Batch, Instant};
use crate::net::compress::{Compressor, Encoding};
use crate::pipeline::{BoxFuture, Clock, Component, ConsumeError, Exporter, Settings, StartError};
use crate::wire::{self, json};

const ZSTD: Compressor = Compressor { encoding: Encoding::Zstd, name: "zstd", level: -3 };

/// Writes batches to one file.
struct File {
    config: Config,
    clock: Arc<dyn Clock>,
    writer: Arc<Mutex<Option<Writer>>>,
}

impl File {
    fn new(config: &Config, settings: &Settings) -> Self {
        Self { config: config.clone(), clock: settings.clock.clone(), writer: Arc::default() }
    }

    /// The batch as it stands in the file.
    fn encode(&self, batch: &Batch) -> io::Result<Bytes> {
        let mut message = match self.config.format {
            Format::Json => Bytes::from(json::write(batch)),
            Format::Proto => wire::encode(batch).into_bytes(),
        };
        if !self.config.is_compressed && self.config.format == Format::Json {
            let mut line = BytesMut::from(message);
            line.put_u8(b'\n');
            return Ok(line.freeze());
        }
        if self.config.is_compressed {
            message = ZSTD.compress(&[message])?;
        }
        let length = u32::try_from(message.len()).map_err(|_| io::Error::other("a message of more than 4 GiB"))?;
        let mut framed = BytesMut::with_capacity(4 + message.len());
        framed.put_u32(length);
        framed.put_slice(&message);
        Ok(framed.freeze())
    }

    /// Runs on a thread that may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Option<Writer>) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let writer = self.writer.clone();
        let done =
            tokio::task::spawn_blocking(move || work(&mut writer.lock().unwrap_or_else(PoisonError::into_inner)));
        done.await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

impl Component for File {
    fn start(&self) -> BoxFuture<'_, Result<(), StartError>> {
        Box::pin(async {
            let config = self.config.clone();
            let opened = self.blocking(move |writer| {
                *writer = Some(Writer::open(&config)?);
                Ok(())
            });
            let path = self.config.path.display();
            opened.await.map_err(|error| {
                StartError::new(format!(
                    "cannot write {path}: {error}; check path, or set create_directory: true if its folder is missing"
                ))
            })
        })
    }

    fn shutdown(&self, _deadline: Instant) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let closed = self.blocking(|writer| writer.take().map_or(Ok(()), |writer| writer.close()));
            if let Err(error) = closed.await {
                tracing::warn!(target: "exporter", "closing {} failed: {error}", self.config.path.display());
            }
        })
    }
}

impl Exporter for File {
    fn export(&self, batch: Batch) -> BoxFuture<'_, Result<(), ConsumeError>> {
        Box::pin(async move {
            let path = self.config.path.display();
            let message = self
                .encode(&batch)
                .map_err(|error| ConsumeError::permanent(format!("encoding for {path} failed: {error}")))?;
            let wall = self.clock.now().wall;
            let written = self.blocking(move |writer| match writer {
                Some(writer) => writer.write(&message, wall),
                None => Err(io::Error::other("the file is not open")),
            });
            written.await.map_err(|error| ConsumeError::retryable(format!("writing {path} failed: {error}"), None))
        })
    }
}
