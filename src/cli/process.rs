//! What the process lends to loading: its environment and its files.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::config::TEXT_BYTES_MAX;

/// The value of an environment variable, if it is set and text.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The text of a file, at most one byte more than a config may have: enough to be refused.
///
/// # Errors
/// When the file cannot be read or is not UTF-8.
pub fn read_file(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let most = u64::try_from(TEXT_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(most).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_end_is_cut_off() {
        assert_eq!(read_file(Path::new("/dev/zero")).unwrap().len(), TEXT_BYTES_MAX + 1);
        assert!(read_file(Path::new("/no/such/file")).is_err());
    }
}
