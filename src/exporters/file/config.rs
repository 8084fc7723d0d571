//! The keys of `file`, those of the Collector's exporter with its defaults.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::File;
use crate::config::{Optional, Section};
use crate::exporters::delivery;
use crate::model::Signal;
use crate::pipeline::{BuildError, BuiltExporter, ExporterConfig, Listens, Settings};

/// What a user writes.
#[derive(Clone, Debug)]
pub struct Config {
    pub(super) path: PathBuf,
    /// Keep what the file holds at start.
    pub(super) append: bool,
    pub(super) format: Format,
    /// Each message by itself, with zstd.
    pub(super) is_compressed: bool,
    pub(super) rotation: Option<Rotation>,
    pub(super) create_directory: bool,
    /// Mode of a folder that is made.
    pub(super) directory_permissions: u32,
}

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Proto,
}

/// When the file is put aside, and which of those put aside are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rotation {
    /// Size at which the file is put aside.
    pub(super) bytes_max: u64,
    /// Age at which a file put aside is removed; zero is never.
    pub(super) age_max: Duration,
    /// Files put aside that are kept; zero is all.
    pub(super) backups_max: usize,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Config {
    /// Reads the section of a `file` exporter.
    pub fn decode(section: &mut Section<'_>) -> Self {
        section.unsupported("encoding", "write format: json or format: proto");
        section.unsupported("group_by", "all telemetry goes to one path");
        // Every batch is written before it is acknowledged, so there is nothing left to flush.
        section.duration("flush_interval", Duration::from_secs(1));
        let config = Self {
            path: section.string("path", "").into(),
            append: section.bool("append", false),
            format: section.choice("format", &[("json", Format::Json), ("proto", Format::Proto)], Format::Json),
            is_compressed: section.choice("compression", &[("zstd", true), ("none", false), ("", false)], false),
            rotation: section.optional("rotation", Optional::None, Rotation::decode),
            create_directory: section.bool("create_directory", false),
            directory_permissions: decode_permissions(section),
        };
        if config.path.as_os_str().is_empty() {
            section.error("path", "path must be non-empty");
        }
        if config.append && config.is_compressed {
            section.error("append", "append and compression enabled at the same time is not supported");
        }
        if config.append && config.rotation.is_some() {
            section.error("append", "append and rotation enabled at the same time is not supported");
        }
        config
    }
}

impl Rotation {
    fn decode(section: &mut Section<'_>) -> Self {
        if section.bool("localtime", false) {
            section.warn("localtime", "accepted and ignored: the names of files put aside carry UTC");
        }
        let megabytes = match section.uint("max_megabytes", 100) {
            0 => 100,
            megabytes => megabytes,
        };
        Self {
            bytes_max: megabytes.saturating_mul(1 << 20),
            age_max: DAY * u32::try_from(section.uint("max_days", 0)).unwrap_or(u32::MAX),
            backups_max: usize::try_from(section.uint("max_backups", 100)).unwrap_or(usize::MAX),
        }
    }
}

fn decode_permissions(section: &mut Section<'_>) -> u32 {
    let default = 0o755;
    let Some(text) = section.opt_string("directory_permissions") else { return default };
    match u32::from_str_radix(&text, 8) {
        Ok(mode) if mode <= 0o777 => mode,
        _ => {
            section
                .error("directory_permissions", format!("{text:?} is not an octal mode; write one such as \"0755\""));
            default
        }
    }
}

impl ExporterConfig for Config {
    fn listens(&self) -> Vec<Listens> {
        vec![Listens::File { path: self.path.clone(), create_directory: self.create_directory }]
    }

    fn build(&self, settings: &Settings, signals: &[Signal]) -> Result<BuiltExporter, BuildError> {
        let exporter = Arc::new(File::new(self, settings));
        Ok(delivery::build(settings, &delivery::Config::direct(), exporter, signals))
    }
}
