//! The file itself: whole messages or nothing, and files put aside by size. Blocks; knows
//! nothing of telemetry.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::config::{Config, Rotation};
use crate::model::UnixNanos;

/// An open file whose end is the end of a whole message.
pub(super) struct Writer {
    path: PathBuf,
    rotation: Option<Rotation>,
    file: File,
    /// Bytes of whole messages; `None` for what is no regular file.
    length: Option<u64>,
    /// A message was cut short and could not be taken back.
    is_torn: bool,
}

impl Writer {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// When the file, or a folder that is to be made, cannot be.
    pub(super) fn open(config: &Config) -> io::Result<Self> {
        if let Some(folder) = config.path.parent().filter(|_| config.create_directory) {
            make_folder(folder, config.directory_permissions)?;
        }
        let file = open_end(&config.path)?;
        let metadata = file.metadata()?;
        let mut length = metadata.is_file().then_some(metadata.len());
        // As in the Collector: a file that is rotated goes on where it was.
        if !config.append && config.rotation.is_none() && length.is_some() {
            file.set_len(0)?;
            length = Some(0);
        }
        Ok(Self { path: config.path.clone(), rotation: config.rotation.clone(), file, length, is_torn: false })
    }

    /// Writes one message as a whole; after an error the file ends where it ended before.
    ///
    /// # Errors
    /// When it cannot be written, or an earlier half message cannot be taken back.
    pub(super) fn write(&mut self, message: &[u8], now: UnixNanos) -> io::Result<()> {
        self.mend()?;
        if self.is_full(message.len() as u64) {
            self.rotate(now)?;
        }
        match self.file.write_all(message) {
            Ok(()) => {
                if let Some(length) = &mut self.length {
                    *length += message.len() as u64;
                }
                Ok(())
            }
            Err(error) => {
                self.is_torn = true;
                // Tried again before the next message when it fails now.
                let _ = self.mend();
                Err(error)
            }
        }
    }

    /// Puts all on disk.
    pub(super) fn close(self) -> io::Result<()> {
        if self.length.is_some() { self.file.sync_data() } else { Ok(()) }
    }

    /// Cuts off a half message.
    fn mend(&mut self) -> io::Result<()> {
        if let Some(length) = self.length.filter(|_| self.is_torn) {
            self.file.set_len(length)?;
        }
        self.is_torn = false;
        Ok(())
    }

    fn is_full(&self, more: u64) -> bool {
        match (&self.rotation, self.length) {
            (Some(rotation), Some(length)) => length > 0 && length + more > rotation.bytes_max,
            _ => false,
        }
    }

    fn rotate(&mut self, now: UnixNanos) -> io::Result<()> {
        let Some(rotation) = &self.rotation else { return Ok(()) };
        match fs::rename(&self.path, self.backup_name(now)) {
            // Somebody else has moved the file away: a new one begins all the same.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            renamed => renamed?,
        }
        self.file = open_end(&self.path)?;
        self.length = Some(0);
        // A backup that cannot be removed today is removed another day.
        let _ = remove_old(&self.path, rotation, now);
        Ok(())
    }

    /// `traces-2006-01-02T15-04-05.000.jsonl`, with a number more when that is taken.
    fn backup_name(&self, now: UnixNanos) -> PathBuf {
        let (stem, extension) = split_name(&self.path);
        let names = (0_u32..).map(|number| match number {
            0 => format!("{stem}-{}{extension}", stamp(now)),
            number => format!("{stem}-{}-{number}{extension}", stamp(now)),
        });
        let mut paths = names.map(|name| self.path.with_file_name(name));
        paths.find(|path| !path.exists()).unwrap_or_default()
    }
}

fn open_end(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(unix)]
fn make_folder(folder: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(mode).create(folder)
}

#[cfg(not(unix))]
fn make_folder(folder: &Path, _mode: u32) -> io::Result<()> {
    fs::create_dir_all(folder)
}

fn split_name(path: &Path) -> (String, String) {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let extension = path.extension().map(|extension| format!(".{}", extension.to_string_lossy()));
    (stem, extension.unwrap_or_default())
}

fn stamp(at: UnixNanos) -> String {
    let time = jiff::Timestamp::from_nanosecond(i128::from(at.0)).unwrap_or_default();
    let text = format!("{time:.3}");
    text.trim_end_matches('Z').replace(':', "-")
}

/// Removes files put aside beyond the number or the age that is kept.
fn remove_old(path: &Path, rotation: &Rotation, now: UnixNanos) -> io::Result<()> {
    let (stem, extension) = split_name(path);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut backups: Vec<(String, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let middle = name.strip_prefix(&format!("{stem}-")).and_then(|rest| rest.strip_suffix(&extension));
        if let Some(middle) = middle.filter(|middle| is_stamp(middle)) {
            backups.push((middle.to_owned(), entry.path()));
        }
    }
    backups.sort();
    backups.reverse();
    let age = u64::try_from(rotation.age_max.as_nanos()).unwrap_or(u64::MAX);
    let oldest = stamp(UnixNanos(now.0.saturating_sub(age)));
    for (position, (middle, path)) in backups.into_iter().enumerate() {
        let is_beyond = rotation.backups_max > 0 && position >= rotation.backups_max;
        let is_old = age > 0 && middle < oldest;
        if is_beyond || is_old {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Whether this is the middle of a name that [`stamp`] made.
fn is_stamp(text: &str) -> bool {
    let shape = b"0000-00-00T00-00-00.000";
    text.len() >= shape.len()
        && text
            .bytes()
            .zip(shape)
            .all(|(byte, shape)| if *shape == b'0' { byte.is_ascii_digit() } else { byte == *shape })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn config(folder: &Path) -> Config {
        let root = crate::config::Node::default();
        let mut report = crate::config::Report::default();
        let mut config = Config::decode(&mut crate::config::Section::new("exporters::file", &root, &mut report));
        config.path = folder.join("traces.jsonl");
        config
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_emptied_at_start_unless_it_is_appended_to() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        for (append, expected) in [(false, "new\n"), (true, "new\nnew\n"), (false, "new\n")] {
            config.append = append;
            let mut writer = Writer::open(&config).unwrap();
            writer.write(b"new\n", UnixNanos(0)).unwrap();
            writer.close().unwrap();
            assert_eq!(fs::read_to_string(&config.path).unwrap(), expected);
        }
    }

    #[test]
    fn a_half_message_is_cut_off_before_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let mut writer = Writer::open(&config).unwrap();
        writer.write(b"one\n", UnixNanos(0)).unwrap();
        writer.file.write_all(b"tw").unwrap();
        writer.is_torn = true;
        writer.write(b"three\n", UnixNanos(0)).unwrap();
        assert_eq!(fs::read_to_string(&config.path).unwrap(), "one\nthree\n");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        config.path = "/dev/full".into();
        let mut writer = Writer::open(&config).unwrap();
        assert_eq!(writer.write(b"one\n", UnixNanos(0)).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn a_full_file_is_put_aside_and_only_so_many_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        config.rotation = Some(Rotation { bytes_max: 10, age_max: Duration::ZERO, backups_max: 2 });
        let mut writer = Writer::open(&config).unwrap();
        for second in 0..5 {
            writer.write(b"12345678\n", UnixNanos(1_700_000_000_000_000_000 + second * 1_000_000_000)).unwrap();
        }
        assert_eq!(
            names(folder.path()),
            ["traces-2023-11-14T22-13-23.000.jsonl", "traces-2023-11-14T22-13-24.000.jsonl", "traces.jsonl"]
        );
    }

    #[test]
    fn a_file_put_aside_is_removed_when_it_is_too_old_and_others_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        fs::write(folder.path().join("traces-notes.jsonl"), "mine").unwrap();
        fs::write(folder.path().join("traces-2023-11-01T00-00-00.000.jsonl"), "old").unwrap();
        config.rotation = Some(Rotation { bytes_max: 5, age_max: Duration::from_secs(86_400), backups_max: 0 });
        let mut writer = Writer::open(&config).unwrap();
        for _ in 0..3 {
            writer.write(b"12345\n", UnixNanos(1_700_000_000_000_000_000)).unwrap();
        }
        assert_eq!(
            names(folder.path()),
            [
                "traces-2023-11-14T22-13-20.000-1.jsonl",
                "traces-2023-11-14T22-13-20.000.jsonl",
                "traces-notes.jsonl",
                "traces.jsonl"
            ]
        );
    }

    #[test]
    fn a_missing_folder_is_made_only_when_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        config.path = folder.path().join("a/b/traces.jsonl");
        assert!(Writer::open(&config).is_err());
        config.create_directory = true;
        Writer::open(&config).unwrap().write(b"x\n", UnixNanos(0)).unwrap();
        assert!(config.path.exists());
    }
}
