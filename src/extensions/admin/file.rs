//! The file of decisions: whole lines, put aside by size. Blocks.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::config::FileConfig;

/// Of a new file: names of services and operations are for the owner alone.
const FILE_MODE: u32 = 0o600;

/// An open file of lines.
pub(super) struct LineFile {
    config: FileConfig,
    file: File,
    bytes: u64,
}

impl LineFile {
    /// Opens or makes the file; what is in it stays.
    ///
    /// # Errors
    /// When it cannot be opened for writing.
    pub(super) fn open(config: FileConfig) -> io::Result<Self> {
        let file = append_to(&config.path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { config, file, bytes })
    }

    /// Appends whole lines; before that the file is put aside when they would not fit.
    ///
    /// # Errors
    /// When it cannot be written or put aside.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.bytes > 0 && self.bytes + lines.len() as u64 > self.config.bytes_max {
            self.put_aside()?;
        }
        self.file.write_all(lines)?;
        self.bytes += lines.len() as u64;
        Ok(())
    }

    /// `decisions.jsonl` becomes `decisions.jsonl.1`, that one `.2`, and the oldest goes.
    fn put_aside(&mut self) -> io::Result<()> {
        let path = &self.config.path;
        match self.config.backups_max {
            0 => fs::remove_file(path)?,
            most => {
                for number in (1..most).rev() {
                    let (from, to) = (numbered(path, number), numbered(path, number + 1));
                    match fs::rename(&from, &to) {
                        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                        _ => {}
                    }
                }
                fs::rename(path, numbered(path, 1))?;
            }
        }
        self.file = append_to(path)?;
        self.bytes = 0;
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path)
}

fn numbered(path: &Path, number: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn full_files_are_put_aside_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("decisions.jsonl");
        let config = FileConfig { path: path.clone(), bytes_max: 10, backups_max: 2 };
        let mut file = LineFile::open(config.clone()).unwrap();
        for line in ["one 34567\n", "two 34567\n", "three\n"] {
            file.append(line.as_bytes()).unwrap();
        }
        drop(file);
        let mut file = LineFile::open(config).unwrap();
        file.append(b"4\n").unwrap();
        file.append(b"five five\n").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = |path: &Path| fs::read_to_string(path).unwrap();
        assert_eq!(text(&path), "five five\n");
        assert_eq!(text(&numbered(&path, 1)), "three\n4\n", "a file that is opened again goes on");
        assert_eq!(text(&numbered(&path, 2)), "two 34567\n");
        assert!(!numbered(&path, 3).exists());
    }
}
