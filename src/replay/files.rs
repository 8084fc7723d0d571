//! Files, folders and standard input, read whole and unpacked. Knows nothing of what is in them.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::ReplayError;
use crate::net::{self, Decompression};

/// Bytes of one file, packed or not: rows are found by 32-bit positions.
const FILE_BYTES_MAX: u64 = u32::MAX as u64;
/// Files of all folders together.
const FILES_MAX: usize = 100_000;
/// Folders inside each other.
const DEPTH_MAX: usize = 16;

/// Where content comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file that was named.
    File(PathBuf),
    /// A file that was found in a folder; it may be anything.
    Found(PathBuf),
    /// Standard input.
    Stdin,
}

impl std::fmt::Display for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) | Self::Found(path) => write!(f, "{}", path.display()),
            Self::Stdin => f.write_str("standard input"),
        }
    }
}

/// The inputs that these arguments mean: files, folders with everything in them by name, and `-`
/// for standard input. Files whose names begin with a dot are passed over in folders.
///
/// # Errors
/// When a path does not exist or cannot be listed, or there are too many files.
pub fn inputs(arguments: &[String]) -> Result<Vec<Input>, ReplayError> {
    let mut found = Vec::new();
    for argument in arguments {
        if argument == "-" {
            found.push(Input::Stdin);
        } else {
            let path = Path::new(argument);
            match fs::metadata(path) {
                Ok(metadata) if !metadata.is_dir() => found.push(Input::File(path.to_owned())),
                _ => walk(path, DEPTH_MAX, &mut found).map_err(|error| unreadable(argument, error))?,
            }
        }
    }
    Ok(found)
}

fn walk(path: &Path, depth: usize, found: &mut Vec<Input>) -> io::Result<()> {
    if !fs::metadata(path)?.is_dir() {
        if found.len() >= FILES_MAX {
            return Err(io::Error::other(format!("more than {FILES_MAX} files")));
        }
        found.push(Input::Found(path.to_owned()));
        return Ok(());
    }
    let deeper = depth.checked_sub(1).ok_or_else(|| io::Error::other("folders are nested too deeply"))?;
    let mut entries =
        fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    let is_hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    entries.into_iter().filter(|path| !is_hidden(path)).try_for_each(|path| walk(&path, deeper, found))
}

/// The whole content, unpacked when it is gzip or one zstd file.
///
/// # Errors
/// When it cannot be read or unpacked, or has 4 GiB and more.
pub fn read(input: &Input) -> Result<Bytes, ReplayError> {
    let content = match input {
        Input::File(path) | Input::Found(path) => File::open(path).and_then(|file| {
            let length = file.metadata()?.len();
            whole(file, length)
        }),
        Input::Stdin => whole(io::stdin().lock(), 0),
    };
    let content = content.map_err(|error| unreadable(&input.to_string(), error))?;
    let packed = match content.as_slice() {
        [0x1f, 0x8b, ..] => Decompression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Decompression::Zstd,
        _ => return Ok(content.into()),
    };
    let unpacked = net::decompress(packed, &content, FILE_BYTES_MAX as usize);
    unpacked.map_err(|error| ReplayError::Unreadable { name: input.to_string(), reason: error.to_string() })
}

/// Reads to the end; `length` is how long it is said to be.
fn whole(source: impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::with_capacity(length.min(FILE_BYTES_MAX) as usize);
    io::copy(&mut source.take(FILE_BYTES_MAX + 1), &mut content)?;
    if content.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other("the file has 4 GiB or more; split it"));
    }
    Ok(content)
}

fn unreadable(name: &str, error: impl ToString) -> ReplayError {
    ReplayError::Unreadable { name: name.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::compress::{Compressor, Encoding};

    #[test]
    fn folders_give_their_files_by_name() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("b")).unwrap();
        for name in ["c", "b/x", "a", ".hidden"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let root = folder.path().to_string_lossy().into_owned();
        let names: Vec<String> = inputs(&[root.clone(), "-".to_owned()])
            .unwrap()
            .iter()
            .map(|input| input.to_string().replace(&root, ""))
            .collect();
        assert_eq!(names, ["/a", "/b/x", "/c", "standard input"]);
        let path = folder.path().join("a");
        assert_eq!(inputs(&[path.to_string_lossy().into_owned()]).unwrap(), [Input::File(path.clone())]);
        assert!(inputs(&[root]).unwrap().contains(&Input::Found(path)), "nobody named it");
        assert!(inputs(&["/no/such".to_owned()]).unwrap_err().to_string().starts_with("cannot read /no/such: "));
    }

    #[test]
    fn packed_files_are_unpacked_by_their_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        for encoding in [Encoding::Gzip, Encoding::Zstd] {
            let packer = Compressor { encoding, name: "x", level: 1 };
            fs::write(&path, packer.compress(&[Bytes::from_static(b"hello")]).unwrap()).unwrap();
            assert_eq!(read(&Input::File(path.clone())).unwrap(), "hello");
        }
        fs::write(&path, [0x1f, 0x8b, 1]).unwrap();
        assert!(read(&Input::File(path)).unwrap_err().to_string().contains("not valid gzip"));
    }
}
